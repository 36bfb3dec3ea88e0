/* SPDX-License-Identifier: MIT */
#include "connector_table.h"

#include <stdlib.h>

struct connector_thread {
	uint32_t pid;	/* of its process */
	uint64_t image; /* that it belonged to */
};

struct connector_process *connector_table_find(const struct connector_table *table, uint32_t pid)
{
	return pid_table_get(&table->processes, pid);
}

struct connector_process *connector_table_put(struct connector_table *table,
					      const struct record_body *body)
{
	void **slot = pid_table_slot(&table->processes, body->process.pid);
	struct connector_process *process;

	if (!slot)
		return NULL;
	process = *slot ? *slot : malloc(sizeof *process);
	if (!process)
		return NULL;
	if (*slot && process->leader_gone)
		table->lingering--;
	*process = (struct connector_process){.body = *body, .live = 1, .image = ++table->images};
	*slot = process;
	return process;
}

void connector_table_remove(struct connector_table *table, uint32_t pid)
{
	struct connector_process *process = pid_table_get(&table->processes, pid);

	if (!process)
		return;
	if (process->leader_gone)
		table->lingering--;
	free(process);
	*pid_table_slot(&table->processes, pid) = NULL;
}

void connector_table_add_thread(struct connector_table *table, struct connector_process *process,
				uint32_t pid)
{
	void **slot = pid_table_slot(&table->threads, pid);
	struct connector_thread *thread;

	if (!slot)
		return;
	thread = *slot ? *slot : malloc(sizeof *thread);
	if (!thread)
		return; /* the process then ends with those that are counted */
	if (!*slot || thread->image != process->image)
		process->live++;
	*thread = (struct connector_thread){process->body.process.pid, process->image};
	*slot = thread;
}

struct connector_process *connector_table_end_thread(struct connector_table *table, uint32_t thread,
						     uint32_t pid)
{
	struct connector_thread *ended = pid_table_get(&table->threads, thread);
	struct connector_process *process = connector_table_find(table, pid);
	bool counted;

	if (!ended)
		return NULL;
	counted = process && ended->pid == pid && ended->image == process->image;
	free(ended);
	*pid_table_slot(&table->threads, thread) = NULL;
	if (!counted)
		return NULL;
	process->live--;
	return process;
}

void connector_table_exec(struct connector_table *table, struct connector_process *process,
			  uint64_t time_ns)
{
	if (process->leader_gone)
		table->lingering--;
	process->leader_gone = false;
	process->threads_known = true;
	process->live = 1;
	process->image = ++table->images;
	process->exec_ns = time_ns;
}

void connector_table_leave(struct connector_table *table, struct connector_process *process,
			   uint32_t status, uint64_t time_ns)
{
	if (!process->leader_gone)
		table->lingering++;
	process->leader_gone = true;
	process->leader_status = status;
	process->gone_ns = time_ns;
}

static void free_slot(void **slot, void *param)
{
	(void)param;
	free(*slot);
	*slot = NULL;
}

void connector_table_free(struct connector_table *table)
{
	pid_table_visit(&table->processes, free_slot, NULL);
	pid_table_visit(&table->threads, free_slot, NULL);
	pid_table_free(&table->processes);
	pid_table_free(&table->threads);
}
