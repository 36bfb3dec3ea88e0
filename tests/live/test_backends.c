/* SPDX-License-Identifier: MIT */
/*
 * Where eBPF is not to be had: the proc connector, a sample of /proc, and for a user without rights
 * the tracing of one's own descendants.
 */
#include "console.h"
#include "joined.h"
#include "observe.h"
#include "resident.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static void run_storm(unsigned processes, const char *truth)
{
	struct workload workload;
	char number[16];

	snprintf(number, sizeof(number), "%u", processes);
	workload_start(&workload, live_program("storm"),
		       (const char *const[]){"storm", "-n", number, "-j", "2", "-t", truth, NULL});
	workload_wait(&workload);
	workload_expect_code(&workload, 0);
	workload_free(&workload);
}

/* What it could not tell of the short-lived, it says is missing. */
struct told {
	struct ground *ground;
	uint64_t execs;
	uint64_t named; /* with argv */
	uint64_t excused;
	uint64_t silent;    /* neither argv nor why not */
	_Atomic pid_t last; /* the child of ours that exited last */
};

static void feed(const struct procobsrv_event *event, void *param)
{
	struct told *told = param;
	const struct procobsrv_process *process = event->process;
	bool excused = false;
	struct seen seen;

	seen_from_event(&seen, event);
	ground_feed(told->ground, &seen);
	if (event->kind == PROCOBSRV_EXIT && process->ppid == (uint32_t)getpid())
		told->last = (pid_t)process->pid;
	if (event->kind != PROCOBSRV_EXEC)
		return;
	for (size_t i = 0; i < process->missing_count; i++)
		excused |= !strcmp(process->missing[i].field, "argv");
	told->execs++;
	told->named += process->argc > 0;
	told->excused += excused;
	told->silent += !process->argc && !excused;
}

/* Until the handler has come to a process that begins now; it may be lost, too. */
static void wait_handled(const struct told *told)
{
	uint64_t begin = live_begin_wait();
	struct workload workload;

	workload_start(&workload, NULL, (const char *const[]){"live_worker", "exit", "0", NULL});
	workload_wait(&workload);
	while (told->last != workload.pid && live_goes_on(begin, 10) &&
	       live_boot_ns() - begin < 10000000000u)
		;
	workload_free(&workload);
}

/* Each loss is told: starts and exits that were not seen are among the lost. */
static void connector(void)
{
	struct procobsrv_options options = {.size = sizeof(options), .backend = "connector"};
	struct told told = {.ground = ground_create()};
	struct observation observation = {
	    .forget = true, .may_lose = true, .also = feed, .param = &told};
	const char *truth = live_path("truth");
	unsigned count = live_scaled(50000);
	struct ground_gap gap;

	observe_start(&observation, &options);
	EXPECT_TEXT("backend", procobsrv_backend(observation.monitor), "connector");
	EXPECT(procobsrv_backend_limits(observation.monitor), "it names no limits");
	run_storm(count, truth);
	wait_handled(&told);
	/* The trailing gap is told within a second. */
	live_sleep_ms(1200);
	observe_stop(&observation);
	ground_compare(told.ground, truth, (uint32_t)getpid(), &gap);
	printf("# %u processes, lost %" PRIu64 "; not seen: %" PRIu64 " starts, %" PRIu64
	       " execs, %" PRIu64 " exits; %" PRIu64 " of %" PRIu64 " execs with argv\n",
	       count, observation.statistics.lost, gap.start, gap.exec, gap.exit, told.named,
	       told.execs);
	fflush(stdout);
	EXPECT(gap.start + gap.exec + gap.exit <= observation.statistics.lost,
	       "%" PRIu64 " are missing, %" PRIu64 " were told", gap.start + gap.exec + gap.exit,
	       observation.statistics.lost);
	EXPECT_EQUAL("execs without argv that do not say why", told.silent, 0);
	ground_free(told.ground);
	observe_free(&observation);
}

static void sample(void)
{
	const char *output, *errors;
	int status = CONSCTL(&output, &errors, "watch", "--backend", "proc", "--duration", "0.5");

	EXPECT(status == 0, "watch --backend proc ended with status %d: %s", status, errors);
	EXPECT(strstr(errors, "watching (proc)... ") && strstr(errors, "sample"),
	       "it does not say that it samples: %s", errors);
}

/* Programs where that user can reach them. */
static const char *public_copy(const char *name)
{
	const char *copy = live_path("%s", name);

	if (access(copy, F_OK))
		live_copy(live_program(name), copy, 0755);
	return copy;
}

/* Runs a program as nobody in the test's directory; its exit status. */
static int run_as_nobody(const char *const *argv, const char *output, const char *errors)
{
	pid_t pid = fork();
	int status;

	EXPECT(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		if (chdir(live_directory()) || !freopen(output, "w", stdout) ||
		    !freopen(errors, "w", stderr) || setgroups(0, NULL) ||
		    setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
			_exit(126);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status),
	       "%s ended with wait status %#x", argv[1], (unsigned)status);
	return WEXITSTATUS(status);
}

static const char *text_of(const char *path)
{
	static char text[16384];
	FILE *file = fopen(path, "re");
	size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[length] = '\0';
	if (file)
		fclose(file);
	return text;
}

/* The parent of the storm, as its own start tells. */
static uint32_t launcher_of_storm(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t capacity = 0;
	char *line = NULL;
	uint32_t parent = 0;

	EXPECT(file, "%s: %s", path, strerror(errno));
	while (!parent && getline(&line, &capacity, file) > 0) {
		json_t *object = json_loads(line, 0, NULL);
		struct seen seen;

		EXPECT(object && !seen_from_json(&seen, object), "no event: %.200s", line);
		if (seen.kind == PROCOBSRV_EXEC && !strcmp(seen.name, "storm"))
			parent = seen.ppid;
		json_decref(object);
	}
	free(line);
	fclose(file);
	EXPECT(parent, "the storm was not seen");
	return parent;
}

/* Each short descendant is told, once and right. */
static void nobody_runs(void)
{
	const char *consctl = public_copy("consctl"), *directory = live_path("nobody");
	const char *events = live_path("nobody/events"), *truth = live_path("nobody/truth");
	const char *errors = live_path("errors"), *why, *output;
	unsigned count = live_scaled(20000);
	struct joined joined;
	char command[3 * 4096];
	int status;

	public_copy("storm_child");
	snprintf(command, sizeof(command), "%s -n %u -j 2 -s 101 -t %s; exit 7",
		 public_copy("storm"), count, truth);
	EXPECT(!mkdir(directory, 0755) && !chown(directory, NOBODY, NOBODY), "%s: %s", directory,
	       strerror(errno));
	status = run_as_nobody((const char *const[]){consctl, "run", "-j", "-o", events, "--", "sh",
						     "-c", command, NULL},
			       live_path("output"), errors);
	EXPECT(status == 7, "run ended with status %d: %s", status, text_of(errors));
	EXPECT(strstr(text_of(errors), "watching (ptrace)... "), "it does not trace: %s",
	       text_of(errors));
	joined_init(&joined);
	joined_read(&joined, events);
	EXPECT_EQUAL("lost", joined.lost, 0);
	why = ground_compare(joined.ground, truth, launcher_of_storm(events), NULL);
	EXPECT(!why, "%s", why);
	printf("# %u processes, %zu lines\n", count, joined.lines);
	EXPECT(CONSCTL(&output, NULL, "verify", events) == 0, "verify: %s", output);
	joined_free(&joined);
}

static void nobody_demonstrates(void)
{
	const char *consctl = public_copy("consctl");
	const char *output = live_path("output"), *errors = live_path("errors");
	int status = run_as_nobody((const char *const[]){consctl, "demo", NULL}, output, errors);

	EXPECT(status == 0, "demo ended with status %d: %s", status, text_of(errors));
	EXPECT(strstr(text_of(output), "10 of 10 starts and 10 of 10 ends seen, 0 lost"),
	       "demo is not complete: %s", text_of(output));
}

/* Whoever may not look is told so, not that there is nothing. */
static void nobody_asks(void)
{
	const char *consctl = public_copy("consctl");
	const char *output = live_path("output"), *errors = live_path("errors");
	int status;

	resident_begin(NULL);
	status = run_as_nobody((const char *const[]){consctl, "status", NULL}, output, errors);
	EXPECT(status == 1 && strstr(text_of(errors), "run as root"), "status ended with %d: %s",
	       status, text_of(errors));
	resident_finish();
}

static void nobody_watches(void)
{
	const char *consctl = public_copy("consctl");
	const char *output = live_path("output"), *errors = live_path("errors");
	int status = run_as_nobody(
	    (const char *const[]){consctl, "watch", "--duration", "0.5", NULL}, output, errors);

	EXPECT(status == 0, "watch ended with status %d: %s", status, text_of(errors));
	EXPECT(strstr(text_of(errors), "watching (proc)... ") && strstr(text_of(errors), "sample"),
	       "it does not say that it samples: %s", text_of(errors));
}

const struct live_test backends_tests[] = {
    {"connector", connector, 300},
    {"sample", sample, 0},
    {"nobody_runs", nobody_runs, 300},
    {"nobody_demonstrates", nobody_demonstrates, 0},
    {"nobody_watches", nobody_watches, 0},
    {"nobody_asks", nobody_asks, 60},
    {NULL, NULL, 0},
};
