/* SPDX-License-Identifier: MIT */
/*
 * The process table as the dispatching thread keeps it: it alone changes it, under the lock, so
 * that others may look; itself it reads without. Who belongs to the tree that is observed is noted
 * here.
 */
#include "dispatch.h"
#include "os.h"

static void count_processes(struct dispatch *dispatch)
{
	atomic_store_explicit(&dispatch->counters.processes, dispatch->table.count,
			      memory_order_relaxed);
}

static void enter_tree(struct dispatch *dispatch, struct process_entry *entry)
{
	if (entry->in_tree)
		return;
	entry->in_tree = true;
	dispatch->tree_live++;
}

/* Takes over the reference. False: out of memory. */
bool dispatch_put(struct dispatch *dispatch, const struct procobsrv_process *process, bool in_tree)
{
	pthread_mutex_lock(&dispatch->table_lock);
	struct process_entry *old = process_table_find(&dispatch->table, process->pid);
	if (old && old->in_tree && old->process->start_boot_ns != process->start_boot_ns)
		dispatch->tree_live--;
	struct process_entry *entry = process_table_put(&dispatch->table, process);
	if (entry && in_tree)
		enter_tree(dispatch, entry);
	count_processes(dispatch);
	pthread_mutex_unlock(&dispatch->table_lock);
	return entry != NULL;
}

void dispatch_remove(struct dispatch *dispatch, struct process_entry *entry)
{
	pthread_mutex_lock(&dispatch->table_lock);
	if (entry->in_tree && --dispatch->tree_live == 0)
		dispatch->tree_ended = true;
	process_table_remove(&dispatch->table, entry);
	count_processes(dispatch);
	pthread_mutex_unlock(&dispatch->table_lock);
}

/* The dispatching thread alone changes the table, so it reads it without the lock. */
struct process_entry *dispatch_find(const struct dispatch *dispatch,
				    const struct record_identity *identity)
{
	return process_table_find_identity(&dispatch->table, identity->pid, identity->start_ns);
}

bool dispatch_in_tree(const struct dispatch *dispatch, const struct record_identity *identity)
{
	const struct process_entry *entry = dispatch_find(dispatch, identity);

	return entry && entry->in_tree;
}

/*
 * A program in a pid namespace of its own knows pids of that; the kernel's records have the
 * machine's. It is in one if the process with its own pid is not it.
 */
static struct process_entry *find_as_seen_from_here(struct dispatch *dispatch, uint32_t pid)
{
	const struct process_entry *self = process_table_find(&dispatch->table, os_process_id());

	if (self && !(self->process->present & PROCOBSRV_HAS_NS_PID))
		return process_table_find(&dispatch->table, pid);
	for (size_t i = 0; i < dispatch->table.capacity; i++) {
		struct process_entry *entry = &dispatch->table.entries[i];
		if (entry->pid && entry->process->present & PROCOBSRV_HAS_NS_PID &&
		    entry->process->ns_pid == pid)
			return entry;
	}
	return process_table_find(&dispatch->table, pid);
}

void dispatch_mark_root(struct dispatch *dispatch)
{
	pthread_mutex_lock(&dispatch->table_lock);
	struct process_entry *entry = find_as_seen_from_here(dispatch, dispatch->root_pid);
	if (entry) {
		dispatch->root_pid = entry->pid;
		enter_tree(dispatch, entry);
	}
	pthread_mutex_unlock(&dispatch->table_lock);
}

const struct procobsrv_process *dispatch_process(struct dispatch *dispatch,
						 const struct record_identity *identity)
{
	const struct process_entry *entry = dispatch_find(dispatch, identity);

	if (!identity->pid)
		return NULL;
	if (entry)
		return procobsrv_process_ref(entry->process);
	return process_create_stub(&dispatch->context, identity);
}

const struct procobsrv_process *dispatch_parent(struct dispatch *dispatch,
						const struct record_identity *identity,
						uint64_t child_start_ns)
{
	const struct process_entry *entry = dispatch_find(dispatch, identity);

	if (entry && entry->process->flags & PROCOBSRV_PROCESS_WTF8 && child_start_ns &&
	    entry->process->start_boot_ns > child_start_ns)
		return process_create_stub(&dispatch->context, identity);
	return dispatch_process(dispatch, identity);
}
