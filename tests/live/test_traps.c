/* SPDX-License-Identifier: MIT */
/* What a program may do to a monitor that it should not, or hardly ever does. */
#include "kernel_objects.h"
#include "names.h"
#include "observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const exit_3[] = {"live_worker", "exit", "3", NULL};

static void run_one(const char *const *argv)
{
	struct workload workload;

	workload_start(&workload, NULL, argv);
	workload_wait(&workload);
	workload_free(&workload);
}

/* A monitor with this handler, started. */
static struct procobsrv *start_with(void (*on_event)(const struct procobsrv_event *, void *),
				    void *param)
{
	struct procobsrv_options options = {.size = sizeof(options), .handler = {on_event, param}};
	struct procobsrv *monitor;
	int error = procobsrv_open(&options, &monitor);

	EXPECT(!error, "open: %s", procobsrv_explain());
	error = procobsrv_start(monitor);
	EXPECT(!error, "start: %s", procobsrv_explain());
	return monitor;
}

struct inside {
	struct procobsrv *_Atomic monitor; /* NULL: procobsrv_start() has not returned yet */
	_Atomic unsigned calls;
	_Atomic int close_error;
	_Atomic int start_error;
	_Atomic int next_error;
	_Atomic int wait_error;
	_Atomic int stop_error;
	_Atomic bool explained;
	enum procobsrv_stop_mode mode;
};

static void stop_inside(const struct procobsrv_event *event, void *param)
{
	struct inside *inside = param;

	(void)event;
	if (!inside->monitor || inside->calls++)
		return;
	inside->stop_error = procobsrv_stop(inside->monitor, inside->mode);
}

static void stop_from_handler(void)
{
	for (int mode = PROCOBSRV_STOP_DRAIN; mode <= PROCOBSRV_STOP_DISCARD; mode++) {
		struct inside inside = {.stop_error = 1, .mode = (enum procobsrv_stop_mode)mode};
		unsigned calls;

		inside.monitor = start_with(stop_inside, &inside);
		run_one((const char *const[]){"live_worker", "many", "200", NULL});
		EXPECT_ERROR(procobsrv_wait(inside.monitor, 60000), 0);
		EXPECT_EQUAL("stop in the handler", inside.stop_error, 0);
		calls = inside.calls;
		if (mode == PROCOBSRV_STOP_DISCARD)
			EXPECT_EQUAL("calls of the handler", calls, 1);
		run_one(exit_3);
		live_sleep_ms(50);
		EXPECT_EQUAL("calls after the end", inside.calls, calls);
		EXPECT_ERROR(procobsrv_close(inside.monitor), 0);
	}
}

static void misuse_inside(const struct procobsrv_event *event, void *param)
{
	struct inside *inside = param;
	const struct procobsrv_event *next = event;

	if (!inside->monitor || inside->calls++)
		return;
	inside->close_error = procobsrv_close(inside->monitor);
	inside->explained = procobsrv_explain()[0] != '\0';
	inside->start_error = procobsrv_start(inside->monitor);
	inside->next_error = procobsrv_next(inside->monitor, 0, &next);
	inside->wait_error = procobsrv_wait(inside->monitor, 0);
	EXPECT(next == event, "a failed procobsrv_next() changed its output");
}

static void close_from_handler(void)
{
	struct inside inside = {.calls = 0};

	inside.monitor = start_with(misuse_inside, &inside);
	run_one((const char *const[]){"live_worker", "many", "50", NULL});
	EXPECT_ERROR(procobsrv_stop(inside.monitor, PROCOBSRV_STOP_DRAIN), 0);
	EXPECT_EQUAL("close in the handler", inside.close_error, PROCOBSRV_ERROR_STATE);
	EXPECT(inside.explained, "close in the handler does not explain itself");
	EXPECT_EQUAL("start in the handler", inside.start_error, PROCOBSRV_ERROR_STATE);
	EXPECT_EQUAL("next in the handler", inside.next_error, PROCOBSRV_ERROR_STATE);
	EXPECT_EQUAL("wait in the handler", inside.wait_error, PROCOBSRV_ERROR_STATE);
	EXPECT(inside.calls >= 100, "%u events after that, not 100", inside.calls);
	EXPECT_ERROR(procobsrv_close(inside.monitor), 0);
}

static void expect_tree(const struct observation *observation, pid_t root, size_t count)
{
	struct tree tree;

	tree_of(observation, root, &tree);
	EXPECT_EQUAL("events of the tree", tree.count, count);
	tree_free(&tree);
}

/* The first one's end is not the second one's. */
static void two_monitors(void)
{
	struct observation first = {0};
	struct observation second = {0};
	struct workload workloads[2];

	observe_start(&first, NULL);
	observe_start(&second, NULL);
	workload_start(&workloads[0], NULL,
		       (const char *const[]){"live_worker", "create", "all", NULL});
	workload_wait(&workloads[0]);
	observe_stop(&first);
	workload_start(&workloads[1], NULL, exit_3);
	workload_wait(&workloads[1]);
	observe_stop(&second);

	expect_tree(&first, workloads[0].pid, 25);
	expect_tree(&second, workloads[0].pid, 25);
	expect_tree(&second, workloads[1].pid, 3);
	workload_free(&workloads[0]);
	workload_free(&workloads[1]);
	observe_free(&first);
	observe_free(&second);
}

/* In the child, which may only close: its copies go, the parent's observing does not. */
static void close_in_child(struct procobsrv *monitor)
{
	struct kernel_objects objects;

	EXPECT_ERROR(procobsrv_close(monitor), 0);
	kernel_objects_of(getpid(), &objects);
	EXPECT_EQUAL("programs, maps and links in the child",
		     objects.program_count + objects.map_count + objects.link_count, 0);
	_exit(0);
}

static void fork_in_program(void)
{
	struct observation observation = {0};
	struct workload workload;
	int status;
	pid_t child;

	observe_start(&observation, NULL);
	child = fork();
	if (!child)
		close_in_child(observation.monitor);
	EXPECT(waitpid(child, &status, 0) == child && status == 0, "the child ended with %#x",
	       status);
	workload_start(&workload, NULL,
		       (const char *const[]){"live_worker", "create", "all", NULL});
	workload_wait(&workload);
	observe_stop(&observation);
	expect_tree(&observation, workload.pid, 25);
	workload_free(&workload);
	observe_free(&observation);
}

/* All that an event leads to is there after the monitor has gone, until the last reference has. */
static void references_beyond_close(void)
{
	struct run run;
	size_t length = 0;

	RUN(&run, "create", "all");
	EXPECT(!run.observation.monitor, "the monitor still lives");
	for (size_t i = 0; i < run.observation.count; i++) {
		const struct procobsrv_event *event = run.observation.events[i];
		const struct procobsrv_process *process = event->process;
		char line[4096];

		EXPECT(procobsrv_format(event, PROCOBSRV_FORMAT_JSON, line, sizeof(line)) > 0,
		       "an event does not format after the close");
		process = process ? procobsrv_process_ref(process) : NULL;
		procobsrv_event_unref(event);
		for (size_t j = 0; process && j < process->argc; j++)
			length += strlen(process->argv[j]);
		procobsrv_process_unref(process);
	}
	EXPECT(length > 0, "no event bore arguments");
	run.observation.count = 0;
	run_free(&run);
	procobsrv_event_unref(NULL);
	procobsrv_process_unref(NULL);
}

static void count_call(const struct procobsrv_event *event, void *param)
{
	(void)event;
	++*(_Atomic unsigned *)param;
}

static void start_again(void)
{
	_Atomic unsigned calls = 0;
	struct procobsrv *monitor = start_with(count_call, &calls);

	for (int round = 0; round < 5; round++) {
		unsigned before = calls;

		if (round)
			EXPECT_ERROR(procobsrv_start(monitor), 0);
		EXPECT_ERROR(procobsrv_start(monitor), PROCOBSRV_ERROR_STATE);
		run_one((const char *const[]){"live_worker", "many", "10", NULL});
		EXPECT_ERROR(procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN), 0);
		EXPECT(calls - before >= 23, "round %d: %u events, not 23", round, calls - before);
		EXPECT_ERROR(procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN), PROCOBSRV_ERROR_STATE);
	}
	EXPECT_ERROR(procobsrv_close(monitor), 0);
	EXPECT_ERROR(procobsrv_close(NULL), 0);
}

static void wrong_options(void)
{
	struct procobsrv *untouched = (struct procobsrv *)&untouched;
	struct procobsrv *monitor = untouched;
	struct procobsrv_options options = {.size = 0};

	EXPECT_ERROR(procobsrv_open(&options, &monitor), PROCOBSRV_ERROR_ARGUMENT);
	options.size = sizeof(options);
	options.kinds = 1u << 31;
	EXPECT_ERROR(procobsrv_open(&options, &monitor), PROCOBSRV_ERROR_ARGUMENT);
	options.kinds = 0;
	options.backend = "no such backend";
	EXPECT_ERROR(procobsrv_open(&options, &monitor), PROCOBSRV_ERROR_UNSUPPORTED);
	options.backend = NULL;
	options.match = "process.pid ==";
	EXPECT_ERROR(procobsrv_open(&options, &monitor), PROCOBSRV_ERROR_EXPRESSION);
	EXPECT(strstr(procobsrv_explain(), "15") || strstr(procobsrv_explain(), "14"),
	       "no column in: %s", procobsrv_explain());
	EXPECT_ERROR(procobsrv_open(NULL, NULL), PROCOBSRV_ERROR_ARGUMENT);
	EXPECT(monitor == untouched, "a failed open changed its output");
}

/* What is filtered counts and leaves its number; what matches is told. */
static void filters(void)
{
	struct procobsrv_options options = {
	    .size = sizeof(options),
	    .match = "kind == \"exit\" && exit.code == 3 && process.argv =~ \"rare\"",
	};
	struct observation observation = {0};
	struct workload workload;

	observe_start(&observation, &options);
	run_one((const char *const[]){"live_worker", "many", "100", NULL});
	workload_start(&workload, NULL, (const char *const[]){"w", "exit", "3", "rare-mark", NULL});
	workload_wait(&workload);
	observe_stop(&observation);
	EXPECT_EQUAL("events", observation.count, 1);
	EXPECT_EQUAL("pid", observation.events[0]->process->pid, workload.pid);
	EXPECT(observation.events[0]->seq >= 206, "seq %llu does not count what was filtered",
	       (unsigned long long)observation.events[0]->seq);
	EXPECT(observation.statistics.filtered >= 205, "%llu were filtered",
	       (unsigned long long)observation.statistics.filtered);
	workload_free(&workload);
	observe_free(&observation);
}

static int remember(const struct procobsrv_process *process, void *param)
{
	struct names *ids = param;
	bool added;

	names_add(ids, process->id, &added);
	EXPECT(added, "process %u is visited twice", process->pid);
	return 0;
}

static int visit_three(const struct procobsrv_process *process, void *param)
{
	(void)process;
	return --*(int *)param ? 0 : 77;
}

static void find_and_visit(void)
{
	static const char *const argv[] = {"findable", "stay", "4", NULL};
	struct observation observation = {0};
	const struct procobsrv_process *process = NULL;
	struct workload workload;
	struct names *ids = names_create();
	uint64_t begin;
	int left = 3;

	observe_start(&observation, NULL);
	EXPECT_ERROR(procobsrv_find(observation.monitor, (uint32_t)getpid(), &process), 0);
	EXPECT_EQUAL("pid", process->pid, getpid());
	workload_start(&workload, NULL, argv);
	workload_wait_stage(&workload, 1);
	begin = live_begin_wait();
	do {
		procobsrv_process_unref(process);
		process = NULL;
		if (!procobsrv_find(observation.monitor, (uint32_t)workload.pid, &process) &&
		    process->argc == 3)
			break;
	} while (live_goes_on(begin, 1));
	EXPECT(process && !strcmp(process->argv[0], "findable"), "the workload is not found");
	EXPECT_ERROR(procobsrv_visit(observation.monitor, remember, ids), 0);
	EXPECT(names_find(ids, process->id) != NAMES_NONE, "the workload is not visited");
	EXPECT_EQUAL("visit that ends early",
		     procobsrv_visit(observation.monitor, visit_three, &left), 77);
	workload_permit(&workload, 1);
	workload_wait(&workload);
	begin = live_begin_wait();
	do {
		procobsrv_process_unref(process);
		process = NULL;
	} while (!procobsrv_find(observation.monitor, (uint32_t)workload.pid, &process) &&
		 live_goes_on(begin, 1));
	EXPECT_ERROR(procobsrv_find(observation.monitor, (uint32_t)workload.pid, &process),
		     PROCOBSRV_ERROR_NOT_FOUND);
	observe_stop(&observation);
	names_free(ids);
	workload_free(&workload);
	observe_free(&observation);
}

const struct live_test traps_tests[] = {
    {"stop_from_handler", stop_from_handler, 0},
    {"close_from_handler", close_from_handler, 0},
    {"two_monitors", two_monitors, 0},
    {"fork_in_program", fork_in_program, 0},
    {"references_beyond_close", references_beyond_close, 0},
    {"start_again", start_again, 0},
    {"wrong_options", wrong_options, 0},
    {"filters", filters, 0},
    {"find_and_visit", find_and_visit, 0},
    {NULL, NULL, 0},
};
