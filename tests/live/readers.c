/* SPDX-License-Identifier: MIT */
#include "readers.h"
#include "live.h"
#include "resident.h"

#include <signal.h>
#include <sys/wait.h>

void readers_wait(void)
{
	uint64_t begin = live_begin_wait();

	while (live_goes_on(begin, 100))
		if (resident_number("pending") < 200)
			return;
	live_fail(__FILE__, __LINE__, "the reader does not come to the end");
}

void readers_finish(struct console *reader, const char *const *argv)
{
	int status;

	console_restart(reader, argv);
	console_wait_watching(reader);
	readers_wait();
	status = console_end(reader, SIGTERM);
	EXPECT(status == 0, "the last reader ended with wait status %#x: %s", (unsigned)status,
	       console_errors(reader));
}

void readers_expect_verified(const char *path)
{
	const char *output, *errors;
	int status = CONSCTL(&output, &errors, "verify", path);

	EXPECT(status == 0, "verify ended with status %d: %s%s", status, output, errors);
}

void readers_kill(struct console *reader, unsigned after_ms)
{
	int status;

	live_sleep_ms(after_ms);
	status = console_end(reader, SIGKILL);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	       "the reader ended with wait status %#x before it was killed: %s", (unsigned)status,
	       console_errors(reader));
}

unsigned readers_kills(void)
{
	return live_setting("PROCOBSRV_LIVE_KILLS", 10);
}
