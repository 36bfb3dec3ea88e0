/* SPDX-License-Identifier: MIT */
/* How processes end, what they used, and what the kernel starts when they do. */
#include "observe.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void exit_codes(void)
{
	static const char *const codes[] = {"0", "1", "2", "127", "128", "200", "255", "256"};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct run run;

		RUN(&run, "exit", codes[i]);
		workload_expect_code(&run.workload, atoi(codes[i]) & 0xff);
		expect_life(&run.tree, (uint32_t)run.workload.pid, 1, run.workload.status);
		run_free(&run);
	}
}

static void die_by(int number, const char *core_step, bool core)
{
	char text[16];
	struct run run;

	snprintf(text, sizeof(text), "%d", number);
	RUN(&run, "with", core_step, "--", live_program("live_worker"), "die", text);
	EXPECT(WIFSIGNALED(run.workload.status) && WTERMSIG(run.workload.status) == number,
	       "the workload ended with wait status %#x", (unsigned)run.workload.status);
	EXPECT(!WCOREDUMP(run.workload.status) == !core, "the workload did %sdump core",
	       core ? "not " : "");
	expect_life(&run.tree, (uint32_t)run.workload.pid, 2, run.workload.status);
	run_free(&run);
}

static void signals(void)
{
	static const int numbers[] = {SIGHUP, SIGKILL, SIGTERM, SIGSEGV, SIGABRT, 34, 64};

	/* A pattern that pipes would have cores in spite of the limit. */
	live_core_pattern("core");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		die_by(numbers[i], "core=0", false);
}

static void core_dumps(void)
{
	char pattern[4200];

	snprintf(pattern, sizeof(pattern), "%s", live_path("core.%%p"));
	live_core_pattern(pattern);
	die_by(SIGSEGV, "core=0x7fffffff", true);
	die_by(SIGABRT, "core=0x7fffffff", true);
	die_by(SIGSEGV, "core=0", false);
	die_by(SIGTERM, "core=0x7fffffff", false);
}

/*
 * What the helper wrote: "PID own-pid own-ppid". Whatever else on the machine dumps core meanwhile
 * has a line, too.
 */
static void read_helper(const char *path, uint32_t dead, uint32_t *pid, uint32_t *parent)
{
	uint64_t begin = live_begin_wait();
	uint32_t told;

	do {
		FILE *file = fopen(path, "re");
		bool found = false;

		while (file && !found && fscanf(file, "%u %u %u\n", &told, pid, parent) == 3)
			found = told == dead;
		if (file)
			fclose(file);
		if (found)
			return;
	} while (live_goes_on(begin, 1));
	live_fail(__FILE__, __LINE__, "the kernel's helper did not write of %u into %s", dead,
		  path);
}

static const struct procobsrv_event *helper_event(const struct observation *observation,
						  enum procobsrv_kind kind, uint32_t pid)
{
	const struct procobsrv_event *found = NULL;

	for (size_t i = 0; i < observation->count; i++) {
		const struct procobsrv_event *event = observation->events[i];

		if (event->kind != kind || event->process->pid != pid)
			continue;
		EXPECT(!found, "%s of the helper was told twice", procobsrv_kind_name(kind));
		found = event;
	}
	EXPECT(found, "%s of the helper was not told", procobsrv_kind_name(kind));
	return found;
}

/* Waits until the helper, whose parent is the kernel, has gone. */
static void wait_gone(uint32_t pid)
{
	uint64_t begin = live_begin_wait();

	while (!kill((pid_t)pid, 0) && live_goes_on(begin, 1))
		;
	EXPECT(kill((pid_t)pid, 0), "the helper %u does not end", pid);
}

/* What the kernel itself runs is a process like any other. */
static void usermode_helper(void)
{
	const char *program = live_path("helper");
	const char *output = live_path("out");
	struct observation observation = {0};
	struct workload workload;
	char pattern[8300];
	uint32_t pid;
	uint32_t parent;
	const struct procobsrv_event *exec;
	const struct procobsrv_event *exit;

	live_copy(live_program("live_worker"), program, 0755);
	snprintf(pattern, sizeof(pattern), "|%s helper %%p %s", program, output);
	EXPECT(strlen(pattern) < 128, "the core pattern would be cut: %s", pattern);
	live_core_pattern(pattern);
	observe_start(&observation, NULL);
	workload_start(&workload, NULL, (const char *const[]){"live_worker", "die", "11", NULL});
	workload_wait(&workload);
	read_helper(output, (uint32_t)workload.pid, &pid, &parent);
	wait_gone(pid);
	observe_stop(&observation);

	exec = helper_event(&observation, PROCOBSRV_EXEC, pid);
	exit = helper_event(&observation, PROCOBSRV_EXIT, pid);
	snprintf(pattern, sizeof(pattern), "%d", (int)workload.pid);
	expect_program(exec, program,
		       (const char *const[]){program, "helper", pattern, output, NULL});
	EXPECT_TEXT("id", exit->process->id, exec->process->id);
	EXPECT_TEXT("id", helper_event(&observation, PROCOBSRV_START, pid)->process->id,
		    exec->process->id);
	expect_status(exit, 23 << 8);
	EXPECT_EQUAL("ppid", exec->process->ppid, parent);
	EXPECT(!has_flag(exec, PROCOBSRV_PROCESS_KERNEL_THREAD), "told as a kernel thread");
	workload_free(&workload);
	observe_free(&observation);
}

/* What the process itself had last read of its CPU clock: it cannot have used less. */
static int64_t noted_cpu_ns(const struct note *note)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < note->count; i++)
		if (note->entries[i].value > most)
			most = note->entries[i].value;
	return (int64_t)most * 1000;
}

static int64_t waited_cpu_ns(const struct rusage *usage)
{
	return ((int64_t)usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000 +
	       ((int64_t)usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000;
}

/*
 * The CPU time of an exit is taken when the exit begins; what tearing down the address space costs
 * comes after that, and is in wait4()'s figure: for a small program some hundred microseconds. In a
 * virtual machine the CPU clock also runs while the host has taken the cpu away, and where that
 * happens is chance. So each run lies between what the process noted and wait4(); and it is told
 * whether it is within 3 ms and 3 % of the latter.
 */
static bool expect_cpu(const struct run *run)
{
	const struct procobsrv_event *exit =
	    tree_one(&run->tree, PROCOBSRV_EXIT, (uint32_t)run->workload.pid);
	int64_t noted = noted_cpu_ns(run->workload.note);
	int64_t waited = waited_cpu_ns(&run->workload.usage);
	int64_t tolerance = 3000000 + waited * 3 / 100;
	int64_t seen = (int64_t)exit->exit->cpu_ns;

	EXPECT(exit->exit->has_usage, "the exit tells no usage");
	if (exit->exit->threads_unread) {
		printf("# threads_unread is %" PRIu32 "\n", exit->exit->threads_unread);
		return false;
	}
	EXPECT(noted > 0 && seen >= noted, "cpu_ns is %" PRId64 ", the process had noted %" PRId64,
	       seen, noted);
	EXPECT(seen <= waited + tolerance, "cpu_ns is %" PRId64 ", wait4() says %" PRId64, seen,
	       waited);
	EXPECT(exit->exit->duration_ns >= (uint64_t)seen / 4 &&
		   exit->exit->duration_ns <= run->workload.ended_ns - run->workload.before_ns,
	       "duration_ns is %" PRIu64 ", of %" PRIu64 " at most", exit->exit->duration_ns,
	       run->workload.ended_ns - run->workload.before_ns);
	EXPECT(exit->exit->user_ns + exit->exit->system_ns <= 2 * (uint64_t)seen + 20000000,
	       "user_ns and system_ns are far above cpu_ns");
	return seen >= waited - tolerance;
}

static void cpu_time(void)
{
	static const char *const ways[] = {"joined", "living", "leaderless"};

	for (size_t i = 0; i < 3; i++) {
		bool close = false;

		for (int tries = 0; tries < 10 && !close; tries++) {
			struct run run;

			RUN(&run, "burn", "40", "3", ways[i]);
			workload_expect_code(&run.workload, 0);
			expect_life(&run.tree, (uint32_t)run.workload.pid, 1, run.workload.status);
			close = expect_cpu(&run);
			run_free(&run);
		}
		EXPECT(close, "%s: in none of ten runs cpu_ns comes near to what wait4() says",
		       ways[i]);
	}
}

/*
 * The others die while the last one's exit is looked at, and the kernel moves what they used from
 * them to the process meanwhile: nothing of it may be missed untold. Where a host takes a cpu away
 * in the middle of that, the exit tells what it lacks.
 */
static void cpu_time_of_the_dying(void)
{
	unsigned rounds = live_scaled(400);
	unsigned unread = 0;
	char number[16];
	struct run run;

	snprintf(number, sizeof(number), "%u", rounds);
	RUN(&run, "burn_often", number);
	workload_expect_code(&run.workload, 0);
	EXPECT_EQUAL("figures noted", run.workload.note->count, 3 * rounds);
	for (uint32_t i = 0; i < run.workload.note->count; i++) {
		const struct note_entry *entry = &run.workload.note->entries[i];
		const struct procobsrv_exit *exit =
		    tree_one(&run.tree, PROCOBSRV_EXIT, entry->pid)->exit;

		if (exit->threads_unread)
			unread++;
		else
			EXPECT(exit->cpu_ns >= (uint64_t)entry->value * 1000,
			       "%u: cpu_ns is %" PRIu64 ", it had noted %" PRIu32 " us", entry->pid,
			       exit->cpu_ns, entry->value);
	}
	EXPECT(unread / 3 <= rounds / 10, "%u of %u say that they lack threads", unread / 3,
	       rounds);
	run_free(&run);
}

/* The kernel counts resident pages per CPU and sums them up late: 1 MiB of tolerance. */
static void peak_memory(void)
{
	struct run run;
	int64_t expected;
	int64_t seen;

	RUN(&run, "touch", "48");
	workload_expect_code(&run.workload, 0);
	expected = (int64_t)run.workload.usage.ru_maxrss * 1024;
	seen = (int64_t)tree_one(&run.tree, PROCOBSRV_EXIT, (uint32_t)run.workload.pid)
		   ->exit->max_rss_bytes;
	EXPECT(expected >= 48 << 20, "the workload used %" PRId64 " bytes only", expected);
	EXPECT(llabs(seen - expected) <= 1 << 20,
	       "max_rss_bytes is %" PRId64 ", wait4() says %" PRId64, seen, expected);
	run_free(&run);
}

const struct live_test endings_tests[] = {
    {"exit_codes", exit_codes, 0},   {"signals", signals, 0},
    {"core_dumps", core_dumps, 0},   {"usermode_helper", usermode_helper, 0},
    {"cpu_time", cpu_time, 0},	     {"cpu_time_of_the_dying", cpu_time_of_the_dying, 0},
    {"peak_memory", peak_memory, 0}, {NULL, NULL, 0},
};
