/* SPDX-License-Identifier: MIT */
/* What the resident observer refuses, and says: a second reader, a second install, foreign pins. */
#include "console.h"
#include "observe.h"
#include "resident.h"

#include "observer/linux/observer_state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const resume[] = {"consctl", "watch", "--resume", "-j", NULL};

/* One line on standard error, with this in it, and this status. */
#define EXPECT_REFUSAL(code, text, ...)                                                            \
	expect_refusal(code, text, (const char *const[]){"consctl", __VA_ARGS__, NULL})

static void expect_refusal(int code, const char *text, const char *const *words)
{
	const char *output, *errors;
	int status = consctl_run(words, &output, &errors);
	const char *line_end = strchr(errors, '\n');

	EXPECT(status == code, "consctl %s ended with status %d, not %d: %s", words[1], status,
	       code, errors);
	EXPECT(strstr(errors, text), "consctl %s does not say \"%s\" but: %s", words[1], text,
	       errors);
	EXPECT(line_end && !line_end[1], "consctl %s says more than a line: %s", words[1], errors);
}

static void without_one(void)
{
	const char *output;

	resident_begin(NULL);
	resident_finish();
	EXPECT_EQUAL("status of status", CONSCTL(&output, NULL, "status"), 0);
	EXPECT_TEXT("status", output, "no resident observer is installed\n");
	EXPECT_EQUAL("status of status -j", CONSCTL(&output, NULL, "status", "-j"), 0);
	EXPECT_TEXT("status -j", output, "{\"installed\":false}\n");
	EXPECT_REFUSAL(1, "no resident observer is installed", "uninstall");
	EXPECT_REFUSAL(1, "consctl: no resident observer", "watch", "--resume", "--duration", "1");
	EXPECT_REFUSAL(1, "no resident observer is installed", "install", "--replace");
}

static void second_reader(void)
{
	struct console reader;
	char holder[64];

	resident_begin(NULL);
	EXPECT_REFUSAL(1, "installed already", "install");
	console_start(&reader, "reader", resume);
	console_wait_watching(&reader);
	snprintf(holder, sizeof(holder), "read by consctl (pid %d)", (int)reader.pid);
	EXPECT_REFUSAL(1, holder, "watch", "--resume", "--duration", "1");
	EXPECT_REFUSAL(1, holder, "uninstall");
	EXPECT_EQUAL("reader_pid of status", resident_number("reader_pid"), reader.pid);
	EXPECT(console_end(&reader, SIGKILL) == SIGKILL, "the reader had ended");
	console_restart(&reader, resume);
	console_wait_watching(&reader);
	EXPECT(console_end(&reader, SIGTERM) == 0, "%s", console_errors(&reader));
	resident_finish();
}

/* The library says it with a code. */
static void expect_start_error(int expected)
{
	struct procobsrv_options options = {.size = sizeof(options), .flags = PROCOBSRV_RESIDENT};
	struct procobsrv *monitor;

	EXPECT_ERROR(procobsrv_open(&options, &monitor), 0);
	EXPECT_ERROR(procobsrv_start(monitor), expected);
	EXPECT_ERROR(procobsrv_close(monitor), 0);
}

static struct observer_state *map_state(void)
{
	int descriptor = resident_open_pin("state");
	struct observer_state *state =
	    mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);

	EXPECT(state != MAP_FAILED, "mmap of the state: %s", strerror(errno));
	close(descriptor);
	return state;
}

/* What another version keeps is not read, not even asked for its counters; only removed. */
static void other_version(void)
{
	struct observer_state *state;

	resident_begin(NULL);
	state = map_state();
	state->record_version++;
	expect_start_error(PROCOBSRV_ERROR_VERSION);
	EXPECT_REFUSAL(1, "version that installed it", "watch", "--resume", "--duration", "1");
	EXPECT_REFUSAL(1, "version that installed it", "status");
	EXPECT_REFUSAL(1, "version that installed it", "install", "--replace");
	state->record_version--;
	state->state_version++;
	expect_start_error(PROCOBSRV_ERROR_VERSION);
	state->state_version--;
	state->magic ^= 1;
	expect_start_error(PROCOBSRV_ERROR_CORRUPT);
	state->magic ^= 1;
	json_decref(resident_ask());
	state->record_version++;
	munmap(state, sizeof(*state));
	resident_finish();
}

/* A file of it was removed: it says so, and can be removed. */
static void broken_pins(void)
{
	static const char *const needed[] = {"ring", "state", "snapshot", "observe_exec_link"};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		char path[128];

		resident_begin(NULL);
		snprintf(path, sizeof(path), RESIDENT_PINS "/%s", needed[i]);
		EXPECT(!unlink(path), "%s: %s", path, strerror(errno));
		EXPECT_REFUSAL(1, path, "watch", "--resume", "--duration", "1");
		EXPECT_REFUSAL(1, path, "status");
		EXPECT_REFUSAL(1, "installed already", "install");
		EXPECT_EQUAL("status of uninstall", CONSCTL(NULL, NULL, "uninstall"), 0);
		resident_expect_gone();
	}
}

/* Without what the last reader knew, the next one asks the system, and goes on. */
static void lost_checkpoint(void)
{
	const char *output, *errors;
	int status;

	resident_begin(NULL);
	status = CONSCTL(&output, &errors, "watch", "--resume", "-j", "--duration", "0.5");
	EXPECT(status == 0, "watch --resume ended with status %d: %s", status, errors);
	EXPECT_EQUAL("rm", system("rm -f " RESIDENT_RUN "/procobsrv-table-*"), 0);
	status = CONSCTL(&output, &errors, "watch", "--resume", "-j", "--duration", "0.5");
	EXPECT(status == 0, "watch --resume ended with status %d: %s", status, errors);
	EXPECT(strstr(errors, " lost 0\n"), "it tells losses: %s", errors);
	json_decref(resident_ask());
	resident_finish();
}

const struct live_test refusals_tests[] = {
    {"without_one", without_one, 0},	     {"second_reader", second_reader, 0},
    {"other_version", other_version, 0},     {"broken_pins", broken_pins, 0},
    {"lost_checkpoint", lost_checkpoint, 0}, {NULL, NULL, 0},
};
