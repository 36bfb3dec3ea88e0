/* SPDX-License-Identifier: MIT */
/*
 * The observer that outlives its readers: readers are killed and stopped at random moments of
 * storms, and what all of them wrote, joined and rid of repeats, is each event once.
 * PROCOBSRV_LIVE_KILLS is how often (10); the promise is 100.
 */
#include "console.h"
#include "joined.h"
#include "observe.h"
#include "resident.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STORMS_MAX 40

/* Storms one after the other, each with its truth, until the test has seen enough. */
struct storms {
	unsigned processes; /* of each */
	const char *mode;
	const char *arguments; /* bytes */
	struct workload workload;
	bool running;
	size_t count;
	const char *truths[STORMS_MAX];
};

static void storms_begin(struct storms *storms)
{
	const char *truth = live_path("truth-%zu", storms->count);
	char number[16];

	EXPECT(storms->count < STORMS_MAX, "more than %d storms", STORMS_MAX);
	snprintf(number, sizeof(number), "%u", storms->processes);
	workload_start(&storms->workload, live_program("storm"),
		       (const char *const[]){"storm", "-n", number, "-j", "2", "-m", storms->mode,
					     "-t", truth, "-s", "101", "-a",
					     storms->arguments ? storms->arguments : "0", NULL});
	storms->truths[storms->count++] = truth;
	storms->running = true;
}

static void storms_wait(struct storms *storms)
{
	workload_wait(&storms->workload);
	workload_expect_code(&storms->workload, 0);
	workload_free(&storms->workload);
	storms->running = false;
}

/* Sees to it that one blows. */
static void storms_keep_up(struct storms *storms)
{
	siginfo_t info = {0};

	if (storms->running &&
	    !waitid(P_PID, (id_t)storms->workload.pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	    info.si_pid)
		storms_wait(storms);
	if (!storms->running)
		storms_begin(storms);
}

/* Every process of every storm was told once, and nothing was lost. */
static void storms_compare(const struct storms *storms, struct joined *joined)
{
	printf("# %zu storms of %u, %zu lines, %zu readers, %zu lines cut off, %zu repeats\n",
	       storms->count, storms->processes, joined->lines, joined->begun, joined->torn,
	       joined->repeats);
	fflush(stdout);
	EXPECT(!joined->lost, "%" PRIu64 " are lost; first: %s", joined->lost, joined->first_lost);
	for (size_t i = 0; i < storms->count; i++) {
		const char *why =
		    ground_compare(joined->ground, storms->truths[i], (uint32_t)getpid(), NULL);
		EXPECT(!why, "storm %zu: %s", i, why);
	}
	EXPECT_EQUAL("exits without exe or argv", joined->nameless, 0);
	EXPECT_EQUAL("synthetic events", joined->synthetic, 0);
}

/* A reader that reads until all is read, and ends well. */
static void read_the_rest(struct console *reader, const char *const *argv)
{
	uint64_t pending = 1;
	int status;

	console_restart(reader, argv);
	console_wait_watching(reader);
	for (int tries = 0; pending > 200 && tries < 600; tries++) {
		live_sleep_ms(100);
		pending = resident_number("pending");
	}
	status = console_end(reader, SIGTERM);
	EXPECT(status == 0, "the last reader ended with wait status %#x: %s", (unsigned)status,
	       console_errors(reader));
}

static void expect_verified(const char *path)
{
	const char *output, *errors;
	int status = CONSCTL(&output, &errors, "verify", path);

	EXPECT(status == 0, "verify ended with status %d: %s%s", status, output, errors);
}

static void kill_reader(struct console *reader, unsigned after_ms)
{
	int status;

	live_sleep_ms(after_ms);
	status = console_end(reader, SIGKILL);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	       "the reader ended with wait status %#x before it was killed: %s", (unsigned)status,
	       console_errors(reader));
}

static unsigned kills(void)
{
	return live_setting("PROCOBSRV_LIVE_KILLS", 10);
}

/* Kills at any moment, also while a reader begins. */
static void killed_readers(void)
{
	const char *path = live_path("events.json");
	const char *const argv[] = {"consctl", "watch", "--resume", "-j", "--output", path, NULL};
	struct storms storms = {.processes = 20000, .mode = "vfork-exec"};
	struct console reader;
	struct joined joined;

	srandom((unsigned)getpid());
	resident_begin(NULL);
	storms_begin(&storms);
	console_start(&reader, "reader", argv);
	for (unsigned i = 0; i < kills(); i++) {
		kill_reader(&reader, (unsigned)random() % 300);
		storms_keep_up(&storms);
		if (i % 10 == 9)
			json_decref(resident_ask());
		console_restart(&reader, argv);
	}
	console_end(&reader, SIGKILL);
	storms_wait(&storms);
	read_the_rest(&reader, argv);
	joined_init(&joined);
	joined_read(&joined, path);
	storms_compare(&storms, &joined);
	json_decref(resident_ask());
	expect_verified(path);
	joined_free(&joined);
	resident_finish();
}

const struct live_test resident_tests[] = {
    {"killed_readers", killed_readers, 600},
    {NULL, NULL, 0},
};
