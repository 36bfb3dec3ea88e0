/* SPDX-License-Identifier: MIT */
/* consctl watch: reports events until it is told to end. */
#include "os.h"
#include "reporter.h"

#include <stdlib.h>
#include <string.h>

/* How often to look whether the monitor has ended by itself, which nothing tells. */
#define LOOK_MS 1000

static int left_ms(uint64_t end_ns)
{
	uint64_t now_ns = os_monotonic_ns();

	if (!end_ns)
		return LOOK_MS;
	if (now_ns >= end_ns)
		return 0;
	if (end_ns - now_ns >= LOOK_MS * 1000000ull)
		return LOOK_MS;
	/* Rounded up, so as not to turn in circles in the last millisecond. */
	return (int)((end_ns - now_ns + 999999) / 1000000);
}

static void watch(struct reporter *reporter, struct control *control, uint64_t duration_ns)
{
	intptr_t done = os_event_handle(reporter->done);
	uint64_t end_ns = duration_ns ? os_monotonic_ns() + duration_ns : 0;

	for (;;) {
		int timeout_ms = left_ms(end_ns);

		if (!timeout_ms)
			return;
		switch (control_wait(control, done, timeout_ms)) {
		case CONTROL_REOPEN:
			reporter_reopen(reporter);
			break;
		case CONTROL_TIMEOUT:
			if (reporter_ended(reporter))
				return;
			break;
		default:
			return;
		}
	}
}

int watch_run(const struct settings *settings)
{
	struct reporter reporter;
	struct control *control;
	int status;
	int error;

	error = control_open(settings->output ? CONTROL_HANGUP_REOPENS : 0, &control);
	if (error) {
		complain("cannot take signals: %s", platform_error_text(error));
		return STATUS_FAILED;
	}
	status = reporter_open(&reporter, settings, 0);
	if (status)
		goto close_control;
	status = reporter_start(&reporter);
	if (status) {
		reporter_close(&reporter);
		goto close_control;
	}
	watch(&reporter, control, settings->duration_ns);
	control_give_back(control);
	status = reporter_finish(&reporter);
close_control:
	control_close(control);
	return status;
}
