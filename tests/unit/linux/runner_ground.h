/* SPDX-License-Identifier: MIT */
/* A runner around the probe (sink_probe.h), and events for it. */
#ifndef PROCOBSRV_TESTS_RUNNER_GROUND_H
#define PROCOBSRV_TESTS_RUNNER_GROUND_H

#include "os.h"
#include "sink_probe.h"
#include "sink_runner.h"

#include <stdint.h>

#define SECOND_NS UINT64_C(1000000000)

/* The caller has the reference. */
const struct configuration *runner_configure(const char *text);
/* The probe as it was at first. */
void runner_reset(void);
/* Of the first sink in `text`; `listener` may be NULL. */
struct sink_runner *runner_begin_with(const char *text,
				      const struct sink_runner_listener *listener);
struct sink_runner *runner_begin(const char *text);

/* As the sample, with that number, which is its position in the stream too. The caller's. */
const struct procobsrv_event *runner_make_event(const struct procobsrv_event *sample, uint64_t seq);
void runner_put(struct sink_runner *runner, const struct procobsrv_event *sample, uint64_t seq);

/* The probe's write() blocks, or goes on; until it is in there. */
void runner_block(bool blocks);
void runner_wait_in_write(void);

struct sink_runner_statistics runner_ask(struct sink_runner *runner);
void runner_nap(void);

#define WAIT_FOR(CONDITION)                                                                        \
	do {                                                                                       \
		uint64_t end = os_monotonic_ns() + 20 * SECOND_NS;                                 \
		while (!(CONDITION)) {                                                             \
			if (os_monotonic_ns() > end)                                               \
				fail_msg("%s: not within 20 s", #CONDITION);                       \
			runner_nap();                                                              \
		}                                                                                  \
	} while (0)

#endif
