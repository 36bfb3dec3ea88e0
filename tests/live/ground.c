/* SPDX-License-Identifier: MIT */
#include "ground.h"
#include "truth.h"
#include "names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All that was seen of one process. */
struct trace {
	size_t parent; /* number of its parent's id, or NAMES_NONE */
	uint64_t tag;
	uint64_t exit_tag; /* as the exit's process has it */
	int64_t started_ns;
	uint32_t pid;
	uint32_t ppid; /* at its start */
	uint32_t starts;
	uint32_t execs;
	uint32_t exits;
	uint32_t code;
	uint32_t signal;
	bool odd_arguments;
};

struct ground {
	struct names *ids;
	struct trace *traces; /* by number of the id */
	size_t capacity;
	uint64_t wrong; /* of the comparison */
	char why[1024];
};

struct ground *ground_create(void)
{
	struct ground *ground = must_allocate(1, sizeof(*ground));

	ground->ids = names_create();
	return ground;
}

void ground_free(struct ground *ground)
{
	if (!ground)
		return;
	names_free(ground->ids);
	free(ground->traces);
	free(ground);
}

static struct trace *trace_of(struct ground *ground, const char *id)
{
	bool added;
	size_t number = names_add(ground->ids, id, &added);

	if (number >= ground->capacity) {
		ground->capacity = ground->capacity ? ground->capacity * 2 : 4096;
		ground->traces =
		    must_grow(ground->traces, ground->capacity, sizeof(*ground->traces));
	}
	if (added)
		ground->traces[number] = (struct trace){.parent = NAMES_NONE};
	return &ground->traces[number];
}

/* The tag of a storm's child; 0: it is none. */
static uint64_t tag_of(const struct seen *seen)
{
	char *end;
	uint64_t tag;

	if (seen->argc < 3 || strcmp(seen->argv[0], TRUTH_NAME) != 0)
		return 0;
	tag = strtoull(seen->argv[1], &end, 16);
	return end == seen->argv[1] + 16 && !*end ? tag : 0;
}

/* argv[2] says how the child will end: "7" or "s15". */
static bool ends_as_told(const struct seen *seen)
{
	const char *told = seen->argv[2];
	bool by_signal = *told == 's';
	unsigned long number = strtoul(told + by_signal, NULL, 10);

	return by_signal ? seen->signal == number && seen->code == 0
			 : seen->code == number && seen->signal == 0;
}

void ground_feed(struct ground *ground, const struct seen *seen)
{
	struct trace *trace;
	size_t parent = NAMES_NONE;

	if (!seen->id[0])
		return;
	if (seen->kind == PROCOBSRV_START && seen->parent_id[0]) {
		trace_of(ground, seen->parent_id);
		parent = names_find(ground->ids, seen->parent_id);
	}
	trace = trace_of(ground, seen->id);
	trace->pid = seen->pid;
	if (seen->kind == PROCOBSRV_START) {
		trace->starts++;
		trace->parent = parent;
		trace->ppid = seen->ppid;
		trace->started_ns = seen->time_ns;
	} else if (seen->kind == PROCOBSRV_EXEC) {
		trace->execs++;
		trace->tag = tag_of(seen);
	} else if (seen->kind == PROCOBSRV_EXIT) {
		trace->exits++;
		trace->code = seen->has_status ? seen->code : UINT32_MAX;
		trace->signal = seen->signal;
		trace->exit_tag = tag_of(seen);
		trace->odd_arguments = trace->exit_tag && !ends_as_told(seen);
	}
}

__attribute__((format(printf, 2, 3))) static void wrong(struct ground *ground, const char *format,
							...)
{
	va_list arguments;

	ground->wrong++;
	if (ground->why[0])
		return;
	va_start(arguments, format);
	vsnprintf(ground->why, sizeof(ground->why) - 200, format, arguments);
	va_end(arguments);
}

/* Of the children of one pid, in the order in which they lived. */
static int by_pid_and_time(const void *left, const void *right)
{
	const struct truth_child *const *a = left;
	const struct truth_child *const *b = right;

	if ((*a)->pid != (*b)->pid)
		return (*a)->pid < (*b)->pid ? -1 : 1;
	return ((*a)->forked_ns > (*b)->forked_ns) - ((*a)->forked_ns < (*b)->forked_ns);
}

static int traces_by_pid_and_time(const void *left, const void *right)
{
	const struct trace *const *a = left;
	const struct trace *const *b = right;

	if ((*a)->pid != (*b)->pid)
		return (*a)->pid < (*b)->pid ? -1 : 1;
	return ((*a)->started_ns > (*b)->started_ns) - ((*a)->started_ns < (*b)->started_ns);
}

/* Whether the process is a worker of this storm. */
static bool is_worker(const struct ground *ground, const struct truth *truth, uint32_t launcher,
		      size_t number)
{
	const struct trace *worker = number == NAMES_NONE ? NULL : &ground->traces[number];
	const struct trace *storm;

	if (!worker || worker->ppid != truth->header->storm_pid || worker->parent == NAMES_NONE)
		return false;
	storm = &ground->traces[worker->parent];
	if (storm->pid != truth->header->storm_pid || storm->ppid != launcher)
		return false;
	for (uint32_t i = 0; i < truth->header->worker_count; i++)
		if (truth->workers[i].pid == worker->pid)
			return true;
	return false;
}

static void compare_child(struct ground *ground, const struct truth_child *child,
			  const struct trace *trace, struct ground_gap *gap)
{
	bool program = child->mode != TRUTH_FORK;

	gap->exec += program && !trace->execs;
	gap->exit += !trace->exits;
	if (trace->starts != 1 || trace->exits != 1 || trace->execs != program)
		wrong(ground,
		      "child %u (tag %" PRIx64 "): %u starts, %u execs, %u exits instead of "
		      "1, %d, 1",
		      child->pid, child->tag, trace->starts, trace->execs, trace->exits, program);
	else if (trace->ppid != child->ppid)
		wrong(ground, "child %u: parent %u instead of %u", child->pid, trace->ppid,
		      child->ppid);
	else if (program && trace->tag != child->tag)
		wrong(ground, "child %u: tag %" PRIx64 " instead of %" PRIx64, child->pid,
		      trace->tag, child->tag);
	else if (program && trace->exit_tag != child->tag)
		wrong(ground, "child %u: its exit has tag %" PRIx64 " instead of %" PRIx64,
		      child->pid, trace->exit_tag, child->tag);
	else if (trace->code != child->code || trace->signal != child->signal)
		wrong(ground, "child %u: code %u signal %u instead of %u, %u", child->pid,
		      trace->code, trace->signal, child->code, child->signal);
	else if (trace->odd_arguments)
		wrong(ground, "child %u: argv[2] is not how it ended", child->pid);
}

/* Both lists are sorted by pid and time. */
static void compare_lists(struct ground *ground, const struct truth_child *const *children,
			  size_t child_count, const struct trace *const *traces, size_t trace_count,
			  struct ground_gap *gap)
{
	size_t at = 0;

	for (size_t i = 0; i < child_count; i++) {
		const struct truth_child *child = children[i];

		while (at < trace_count && traces[at]->pid < child->pid) {
			wrong(ground, "pid %u was seen once more than the storm made it",
			      traces[at]->pid);
			at++;
		}
		if (at < trace_count && traces[at]->pid == child->pid) {
			compare_child(ground, child, traces[at++], gap);
			continue;
		}
		wrong(ground, "child %u (tag %" PRIx64 ") was not seen to start", child->pid,
		      child->tag);
		gap->start++;
		gap->exec += child->mode != TRUTH_FORK;
		gap->exit++;
	}
	for (; at < trace_count; at++)
		wrong(ground, "pid %u was seen once more than the storm made it", traces[at]->pid);
}

const char *ground_compare(struct ground *ground, const char *truth_path, uint32_t launcher,
			   struct ground_gap *gap)
{
	struct ground_gap unwanted;
	const struct truth_child **children;
	const struct trace **traces;
	struct truth truth;
	size_t count = 0;

	if (truth_open(truth_path, &truth))
		return "the truth file cannot be read";
	if (!gap)
		gap = &unwanted;
	*gap = (struct ground_gap){0};
	ground->wrong = 0;
	ground->why[0] = '\0';
	children = must_allocate(truth.header->child_count, sizeof(*children));
	traces = must_allocate(names_count(ground->ids), sizeof(*traces));
	for (size_t i = 0; i < truth.header->child_count; i++)
		children[i] = &truth.children[i];
	for (size_t i = 0; i < names_count(ground->ids); i++)
		if (is_worker(ground, &truth, launcher, ground->traces[i].parent))
			traces[count++] = &ground->traces[i];
	qsort(children, truth.header->child_count, sizeof(*children), by_pid_and_time);
	qsort(traces, count, sizeof(*traces), traces_by_pid_and_time);
	compare_lists(ground, children, truth.header->child_count, traces, count, gap);
	if (ground->wrong)
		snprintf(ground->why + strlen(ground->why), 200,
			 " (%" PRIu64 " of %" PRIu64 " are wrong; missing are %" PRIu64
			 " starts, %" PRIu64 " execs, %" PRIu64 " exits)",
			 ground->wrong, truth.header->child_count, gap->start, gap->exec,
			 gap->exit);
	free(children);
	free(traces);
	truth_close(&truth);
	return ground->wrong ? ground->why : NULL;
}
