/* SPDX-License-Identifier: MIT */
/* One of a crowd: reads, counts, and looks at the order. */
#include "crowd.h"
#include "procobsrv.h"
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIDS 4194304u /* the most that Linux gives */

static const struct crowd_storm *storm;
static struct crowd_reader *reader;
static struct crowd_seen *seen;
static char name[16]; /* of the storm's processes, as the kernel has it */
static uint64_t next[CROWD_WORKERS];
static bool begun;
static struct procobsrv *monitor;

/* Who started a pid last, and is told when it calls exec: a start tells no program of its own. */
static uint32_t starters[PIDS];

static bool is_ours(const struct procobsrv_process *process)
{
	return process && process->name && process->argc >= 2 && !strcmp(process->name, name);
}

/* NULL: it is none of the storm's. */
static struct crowd_seen *find(const struct procobsrv_process *process, uint64_t *tag)
{
	char *end;

	if (!is_ours(process))
		return NULL;
	*tag = strtoull(process->argv[1], &end, 16);
	if (end != process->argv[1] + 16 || *end)
		return NULL;
	if (crowd_worker(*tag) < CROWD_WORKERS && crowd_index(*tag) < storm->per_worker)
		return &seen[crowd_worker(*tag) * storm->per_worker + crowd_index(*tag)];
	reader->strange++;
	return NULL;
}

static void note(struct crowd_seen *process, enum crowd_kind kind)
{
	process->twice |= process->told & (uint8_t)(1u << kind);
	process->told |= (uint8_t)(1u << kind);
}

static void take_exec(const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;
	uint64_t tag;
	struct crowd_seen *one = find(process, &tag);

	if (!one)
		return;
	if (starters[process->pid % PIDS] == process->ppid)
		note(one, CROWD_START);
	note(one, CROWD_EXEC);
	one->pid = process->pid;
	/* A worker makes one after the other. */
	reader->disorder += crowd_index(tag) < next[crowd_worker(tag)];
	next[crowd_worker(tag)] = crowd_index(tag) + 1;
	atomic_fetch_add_explicit(&reader->storm, 1, memory_order_relaxed);
}

static void take_exit(const struct procobsrv_event *event)
{
	uint64_t tag;
	struct crowd_seen *one = find(event->process, &tag);

	starters[event->process->pid % PIDS] = 0;
	if (!one || !event->exit)
		return;
	note(one, CROWD_EXIT);
	one->code = (uint8_t)event->exit->code;
	one->signal = (uint8_t)event->exit->signal;
	/* Where something is missing, that may be its exec. */
	reader->disorder += reader->gaps ? crowd_index(tag) + 1 < next[crowd_worker(tag)]
					 : crowd_index(tag) + 1 != next[crowd_worker(tag)];
}

static void take_lost(const struct procobsrv_lost *lost)
{
	reader->gaps++;
	reader->lost[CROWD_START] += lost->start;
	reader->lost[CROWD_EXEC] += lost->exec;
	reader->lost[CROWD_EXIT] += lost->exit;
	reader->lost_unknown += lost->unknown;
	reader->lost_other += lost->exec_failed;
}

static void count(const struct procobsrv_event *event)
{
	switch (event->kind) {
	case PROCOBSRV_START:
		reader->events[CROWD_START]++;
		starters[event->process->pid % PIDS] = event->process->ppid;
		break;
	case PROCOBSRV_EXEC:
		reader->events[CROWD_EXEC]++;
		take_exec(event);
		break;
	case PROCOBSRV_EXIT:
		reader->events[CROWD_EXIT]++;
		take_exit(event);
		break;
	case PROCOBSRV_LOST:
		take_lost(event->lost);
		break;
	default:
		break;
	}
	atomic_fetch_add_explicit(&reader->told, 1, memory_order_relaxed);
}

static bool is_mark(const struct procobsrv_event *event, const char *mark)
{
	return event->kind == PROCOBSRV_EXIT && is_ours(event->process) &&
	       !strcmp(event->process->argv[1], mark);
}

static uint64_t cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static void begin(void)
{
	begun = true;
	reader->cpu_ns = cpu_ns();
	atomic_store(&reader->ready, 2);
}

static void finish(void)
{
	struct procobsrv_statistics statistics = {0};

	procobsrv_statistics(monitor, &statistics, sizeof statistics);
	reader->spilled = statistics.spill_total;
	reader->cpu_ns = cpu_ns() - reader->cpu_ns;
	atomic_store(&reader->ended, 1);
}

static void on_event(const struct procobsrv_event *event, void *param)
{
	(void)param;
	if (atomic_load_explicit(&reader->ended, memory_order_relaxed) ||
	    event->flags & PROCOBSRV_EVENT_SYNTHETIC)
		return;
	if (begun)
		count(event);
	if (!begun && is_mark(event, "begin"))
		begin();
	else if (begun && is_mark(event, "end")) {
		finish();
		procobsrv_stop(monitor, PROCOBSRV_STOP_DISCARD);
	}
}

static int complain(const char *what)
{
	fprintf(stderr, "crowd: a reader %s: %s\n", what, procobsrv_explain());
	return 1;
}

int crowd_read(const struct crowd_storm *which, struct crowd_reader *mine,
	       struct crowd_seen *processes)
{
	const struct procobsrv_options options = {
	    .size = sizeof options,
	    .backend = "service",
	    .handler = {on_event, NULL},
	};
	const char *slash = strrchr(which->child, '/');

	storm = which;
	reader = mine;
	seen = processes;
	snprintf(name, sizeof name, "%s", slash ? slash + 1 : which->child);
	if (procobsrv_open(&options, &monitor) || procobsrv_start(monitor))
		return complain("cannot read");
	atomic_store(&reader->ready, 1);
	int error = procobsrv_wait(monitor, -1);
	procobsrv_close(monitor);
	return error ? complain("has ended") : 0;
}
