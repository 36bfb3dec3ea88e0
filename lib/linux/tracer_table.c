/* SPDX-License-Identifier: MIT */
#include "tracer_state.h"

#include <time.h>

struct tracee *tracer_find(const struct tracer *tracer, uint32_t tid)
{
	return pid_table_get(&tracer->table, tid);
}

struct tracee *tracer_add(struct tracer *tracer, uint32_t tid, struct traced *process)
{
	void **slot = pid_table_slot(&tracer->table, tid);
	struct tracee *tracee = slot ? pool_take(&tracer->tracees) : NULL;

	if (!tracee)
		return NULL;
	tracee->tid = tid;
	tracee->process = process;
	*slot = tracee;
	tracer->count++;
	if (process)
		process->threads++;
	return tracee;
}

void tracer_remove(struct tracer *tracer, struct tracee *tracee)
{
	struct traced *process = tracee->process;

	if (process) {
		process->exiting -= tracee->exiting;
		if (--process->threads == 0)
			pool_give(&tracer->processes, process);
	}
	*pid_table_slot(&tracer->table, tracee->tid) = NULL;
	pool_give(&tracer->tracees, tracee);
	tracer->count--;
}

struct traced *tracer_process(const struct tracer *tracer, uint32_t pid)
{
	struct tracee *tracee = tracer_find(tracer, pid);

	/* A thread's id is no pid. */
	return tracee && tracee->process && tracee->process->body.process.pid == pid
		   ? tracee->process
		   : NULL;
}

struct record_identity tracer_identity(const struct tracer *tracer, uint32_t pid)
{
	struct traced *process = tracer_process(tracer, pid);

	return process ? process->body.process : proc_process_identity(pid);
}

uint64_t tracer_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
