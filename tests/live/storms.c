/* SPDX-License-Identifier: MIT */
#include "storms.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

void storms_begin(struct storms *storms)
{
	const char *truth = live_path("truth-%zu", storms->count);
	const char *mode = storms->mode ? storms->mode : "vfork-exec";
	char number[16], rate[16];

	EXPECT(storms->count < STORMS_MAX, "more than %d storms", STORMS_MAX);
	snprintf(number, sizeof(number), "%u", storms->processes);
	snprintf(rate, sizeof(rate), "%u", storms->rate);
	workload_start(&storms->workload, live_program("storm"),
		       (const char *const[]){"storm", "-n", number, "-j", "2", "-m", mode, "-t",
					     truth, "-s", "101", "-r", rate, "-a",
					     storms->arguments ? storms->arguments : "0", NULL});
	storms->truths[storms->count++] = truth;
	storms->running = true;
}

void storms_wait(struct storms *storms)
{
	workload_wait(&storms->workload);
	workload_expect_code(&storms->workload, 0);
	workload_free(&storms->workload);
	storms->running = false;
}

bool storms_blow(struct storms *storms)
{
	siginfo_t info = {0};

	if (storms->running &&
	    !waitid(P_PID, (id_t)storms->workload.pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	    info.si_pid)
		storms_wait(storms);
	return storms->running;
}

void storms_keep_up(struct storms *storms)
{
	if (!storms_blow(storms))
		storms_begin(storms);
}

void storms_compare(const struct storms *storms, struct joined *joined)
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

void storms_compare_file(const struct storms *storms, const char *path)
{
	struct joined joined;

	joined_init(&joined);
	joined_read(&joined, path);
	storms_compare(storms, &joined);
	joined_free(&joined);
}
