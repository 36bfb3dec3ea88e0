/* SPDX-License-Identifier: MIT */
/*
 * Storms: processes as fast as this machine makes them, each of which must be told once and right.
 * PROCOBSRV_LIVE_STORM_RUNS and _COUNT make them longer: the promise is five runs of 200,000.
 */
#include "console.h"
#include "observe.h"
#include "stream.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned runs(void)
{
	return live_setting("PROCOBSRV_LIVE_STORM_RUNS", 1);
}

static unsigned count(void)
{
	return live_setting("PROCOBSRV_LIVE_STORM_COUNT", 200000);
}

/* Lets a storm of two workers pass. */
static void storm(unsigned processes, const char *mode, const char *truth)
{
	struct workload workload;
	char number[16];

	snprintf(number, sizeof(number), "%u", processes);
	workload_start(&workload, live_program("storm"),
		       (const char *const[]){"storm", "-n", number, "-j", "2", "-m", mode, "-t",
					     truth, "-s", "101", NULL});
	workload_wait(&workload);
	workload_expect_code(&workload, 0);
	workload_free(&workload);
}

struct storm_handler {
	struct ground *ground;
	_Atomic bool stands_still;
};

static void handle(const struct procobsrv_event *event, void *param)
{
	struct storm_handler *handler = param;
	struct seen seen;

	while (handler->stands_still)
		live_sleep_ms(1);
	seen_from_event(&seen, event);
	ground_feed(handler->ground, &seen);
}

static struct procobsrv_statistics observed_storm(unsigned processes, const char *mode,
						  const struct procobsrv_options *options,
						  bool stands_still)
{
	struct storm_handler handler = {.ground = ground_create(), .stands_still = stands_still};
	struct observation observation = {.forget = true, .also = handle, .param = &handler};
	const char *truth = live_path("truth");
	struct procobsrv_statistics all;
	const char *why;

	observe_start(&observation, options);
	storm(processes, mode, truth);
	handler.stands_still = false;
	observe_stop(&observation);
	all = observation.statistics;
	why = ground_compare(handler.ground, truth, (uint32_t)getpid(), NULL);
	printf("# %s: %u processes, observed %" PRIu64 ", ring peak %" PRIu64 " of %" PRIu64
	       ", queue peak %" PRIu64 ", spilled %" PRIu64 "\n",
	       mode, processes, all.observed, all.ring_peak, all.ring_size, all.queue_peak,
	       all.spill_total);
	fflush(stdout);
	EXPECT(!why, "%s", why);
	EXPECT_EQUAL("lost", all.lost, 0);
	ground_free(handler.ground);
	observe_free(&observation);
	return all;
}

static void library(void)
{
	for (unsigned i = 0; i < runs(); i++)
		observed_storm(count(), "vfork-exec", NULL, false);
}

static void every_mode(void)
{
	static const char *const modes[] = {"fork", "spawn", "mixed"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		observed_storm(count() / 10, modes[i], NULL, false);
}

/*
 * The queue is small, and the handler does nothing until the storm is over: what is too much goes
 * to the disk, in order.
 */
static void slow_handler(void)
{
	struct procobsrv_options options = {
	    .size = sizeof(options),
	    .queue_size = 256 << 10,
	    .spill_directory = live_directory(),
	};
	unsigned processes = count() / 20 < 2000 ? 2000 : count() / 20;
	struct procobsrv_statistics all = observed_storm(processes, "vfork-exec", &options, true);

	EXPECT(all.spill_total > 0, "nothing went to the disk");
	EXPECT(all.spill_used == 0, "%" PRIu64 " bytes stay on the disk", all.spill_used);
	EXPECT(all.queue_peak <= 2 * options.queue_size, "the queue took %" PRIu64 " bytes",
	       all.queue_peak);
}

static void read_stream(const char *path, const char *truth, uint32_t launcher)
{
	struct stream stream = {.laws = laws_create(), .ground = ground_create()};
	const char *why;

	stream_read(&stream, path);
	EXPECT(stream.begun && stream.ended, "%s has no begin or no end", path);
	why = laws_breach(stream.laws);
	EXPECT(!why, "%s", why);
	why = ground_compare(stream.ground, truth, launcher, NULL);
	EXPECT(!why, "%s", why);
	EXPECT_EQUAL("lost", stream.end.end.lost, 0);
	EXPECT_EQUAL("lost lines", stream.kinds[PROCOBSRV_LOST], 0);
	EXPECT_EQUAL("delivered", stream.end.end.delivered, stream.lines - 2);
	EXPECT_EQUAL("observed", stream.end.end.observed,
		     stream.end.end.delivered + stream.end.end.filtered);
	laws_free(stream.laws);
	ground_free(stream.ground);
}

static void json_file(void)
{
	const char *path = live_path("events.json");
	const char *truth = live_path("truth");

	for (unsigned i = 0; i < runs(); i++) {
		struct console console;
		int status;

		console_start(&console, "consctl",
			      (const char *const[]){"consctl", "watch", "--format", "json",
						    "--output", path, NULL});
		console_wait_watching(&console);
		storm(count(), "vfork-exec", truth);
		status = console_end(&console, SIGTERM);
		EXPECT(status == 0, "consctl ended with wait status %#x: %s", (unsigned)status,
		       console_errors(&console));
		read_stream(path, truth, (uint32_t)getpid());
		unlink(path);
	}
}

const struct live_test storm_tests[] = {
    {"library", library, 600},
    {"every_mode", every_mode, 300},
    {"slow_handler", slow_handler, 300},
    {"json_file", json_file, 600},
    {NULL, NULL, 0},
};
