/* SPDX-License-Identifier: MIT */
#include "resync.h"

#include "error.h"
#include "os.h"

#include <stdlib.h>
#include <string.h>

void resync_free(struct resync *resync)
{
	buffer_free(&resync->records);
}

static void keep_record(const void *data, uint32_t size, void *param)
{
	struct buffer *records = param;
	static const char padding[8];

	buffer_append(records, data, size);
	buffer_append(records, padding, -size & 7);
}

int resync_begin(struct resync *resync, const struct source_operations *operations,
		 struct source *source)
{
	resync->records.size = 0;
	resync->began_ns = os_boot_ns();
	resync->last_ns = os_monotonic_ns();
	int error = operations->snapshot(source, keep_record, &resync->records, &resync->position);
	if (!error && resync->records.failed)
		error = error_set(PROCOBSRV_ERROR_MEMORY,
				  "the list of running processes does not fit into memory");
	if (error) {
		buffer_free(&resync->records);
		return error;
	}
	resync->ended_ns = os_boot_ns();
	resync->waiting = true;
	return 0;
}

int resync_compare_identities(const void *left, const void *right)
{
	const struct dispatch_identity *a = left, *b = right;

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

static bool contains(const struct dispatch_identity *identities, size_t count,
		     const struct record_identity *wanted)
{
	const struct dispatch_identity key = {wanted->pid, wanted->start_ns};

	return count && bsearch(&key, identities, count, sizeof key, resync_compare_identities);
}

/* Parents before children; the kernel's first threads share a start time, so pid decides. */
static int compare_starts(const void *left, const void *right)
{
	const struct record_view *a = left, *b = right;
	const struct record_identity *first = &a->body->process, *second = &b->body->process;

	if (first->start_ns != second->start_ns)
		return first->start_ns < second->start_ns ? -1 : 1;
	return first->pid < second->pid ? -1 : first->pid > second->pid;
}

/*
 * Clocks that are coarse give one start to a parent and its child, and the pid, which wraps, does
 * not tell who came first: among those of one start, whose parent is still to come, waits.
 */
static void order_parents_first(struct record_view *views, size_t count)
{
	for (size_t done = 0; done < count; done++) {
		size_t next = done;

		/* Up the line of descent; a damaged one might be a circle. */
		for (size_t steps = done; steps < count; steps++) {
			size_t parent = done;
			while (parent < count &&
			       views[parent].body->process.pid != views[next].body->parent.pid)
				parent++;
			if (parent == count)
				break;
			next = parent;
		}
		struct record_view first = views[next];
		memmove(&views[done + 1], &views[done], (next - done) * sizeof *views);
		views[done] = first;
	}
}

static void order(struct record_view *views, size_t count)
{
	qsort(views, count, sizeof *views, compare_starts);
	for (size_t begin = 0, end = 0; begin < count; begin = end) {
		while (end < count &&
		       views[end].body->process.start_ns == views[begin].body->process.start_ns)
			end++;
		order_parents_first(views + begin, end - begin);
	}
}

/* The snapshot's processes in order of start, what its notes tell is learned; the caller frees.
 * NULL: no memory. */
static struct record_view *decode(const struct resync *resync, struct dispatch *dispatch,
				  size_t *count)
{
	const struct buffer *records = &resync->records;
	size_t most = records->size / (sizeof(struct record_header) + sizeof(struct record_body));
	struct record_view *views = calloc(most + 1, sizeof *views);

	*count = 0;
	if (!views)
		return NULL;
	for (size_t offset = 0; offset < records->size;) {
		struct record_header header;
		memcpy(&header, records->data + offset, sizeof header);
		bool whole = !record_decode(records->data + offset, header.size, &views[*count]);
		if (whole && header.kind >= RECORD_NOTES)
			dispatch_note(dispatch, &views[*count]);
		else if (whole && header.kind == RECORD_EXISTING)
			++*count;
		offset += (header.size + 7) & ~(size_t)7;
	}
	order(views, *count);
	return views;
}

int resync_fill(struct resync *resync, struct dispatch *dispatch,
		const struct dispatch_identity *started, size_t started_count,
		const struct procobsrv_process ***existing, size_t *existing_count)
{
	size_t count, filled = 0;
	struct record_view *views = decode(resync, dispatch, &count);
	const struct procobsrv_process **list = calloc(count + 1, sizeof *list);
	int error = 0;

	resync->waiting = false;
	if (!views || !list) {
		error = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the process table");
		count = 0;
	}
	for (size_t i = 0; !error && i < count; i++) {
		if (views[i].body->process_flags & RECORD_PROCESS_EXITING ||
		    contains(started, started_count, &views[i].body->process))
			continue;
		if (views[i].body->process_flags & RECORD_PROCESS_STARTING) {
			dispatch->gap_seen = true;
			continue;
		}
		const struct procobsrv_process *process =
		    dispatch_put_existing(dispatch, &views[i]);
		if (process)
			list[filled++] = procobsrv_process_ref(process);
		else
			error = error_set(PROCOBSRV_ERROR_MEMORY,
					  "out of memory for the process table");
	}
	free(views);
	buffer_free(&resync->records);
	if (error) {
		while (filled)
			procobsrv_process_unref(list[--filled]);
		free(list);
		return error;
	}
	*existing = list;
	*existing_count = filled;
	return 0;
}

/* What runs but is not in the table, or has called exec since we heard of it. */
static void conclude_running(struct dispatch *dispatch, const struct record_view *view)
{
	const struct record_identity *identity = &view->body->process;
	struct process_entry *entry =
	    process_table_find_identity(&dispatch->table, identity->pid, identity->start_ns);

	if (view->body->process_flags & RECORD_PROCESS_EXITING)
		return;
	if (entry) {
		if (view->body->exec_id <= entry->process->exec_id)
			return;
		const struct procobsrv_process *process = dispatch_put_existing(dispatch, view);
		if (process)
			dispatch_synthetic(dispatch, PROCOBSRV_EXEC, process);
		return;
	}
	if (contains(dispatch->exited, dispatch->exited_count, identity))
		return;
	/* It mostly tells its start itself; if not, the next resync does. */
	if (view->body->process_flags & RECORD_PROCESS_STARTING) {
		dispatch->gap_seen = true;
		return;
	}

	struct process_entry *stale = process_table_find(&dispatch->table, identity->pid);
	if (stale && stale->process->start_boot_ns > identity->start_ns)
		return; /* it is gone again, and the stream told who came after it */
	if (stale)
		dispatch_gone(dispatch, stale);
	const struct procobsrv_process *process = dispatch_put_existing(dispatch, view);
	if (!process)
		return;
	dispatch_synthetic(dispatch, PROCOBSRV_START, process);
	/* Windows has one event for both. */
	if (view->body->process_flags & RECORD_PROCESS_EXECED &&
	    !(process->flags & PROCOBSRV_PROCESS_WTF8))
		dispatch_synthetic(dispatch, PROCOBSRV_EXEC, process);
}

/* Who is in the table but ran no more when the snapshot was taken. */
static void conclude_gone(struct dispatch *dispatch, const struct resync *resync,
			  const struct dispatch_identity *running, size_t count)
{
	/* Removing moves entries about, so the gone ones are collected first. */
	struct dispatch_identity *gone = calloc(dispatch->table.count + 1, sizeof *gone);
	size_t gone_count = 0;

	if (!gone)
		return;
	for (size_t i = 0; i < dispatch->table.capacity; i++) {
		const struct process_entry *entry = &dispatch->table.entries[i];
		if (!entry->pid || entry->process->start_boot_ns >= resync->began_ns)
			continue;
		struct record_identity identity = {.pid = entry->pid,
						   .start_ns = entry->process->start_boot_ns};
		if (!contains(running, count, &identity))
			gone[gone_count++] =
			    (struct dispatch_identity){identity.pid, identity.start_ns};
	}
	for (size_t i = 0; i < gone_count; i++) {
		struct process_entry *entry =
		    process_table_find_identity(&dispatch->table, gone[i].pid, gone[i].start_ns);
		if (entry)
			dispatch_gone(dispatch, entry);
	}
	free(gone);
}

/*
 * A process that is on its way out may still have to tell its exit, so it counts as running the
 * first time; if the next resync finds it in the table again, its exit was lost.
 */
static bool still_runs(struct dispatch *dispatch, const struct record_body *body)
{
	if (!(body->process_flags & RECORD_PROCESS_EXITING))
		return true;
	struct process_entry *entry = process_table_find_identity(
	    &dispatch->table, body->process.pid, body->process.start_ns);
	if (!entry || entry->exiting)
		return false;
	entry->exiting = true;
	dispatch->gap_seen = true;
	return true;
}

void resync_conclude(struct resync *resync, struct dispatch *dispatch)
{
	size_t count;
	struct record_view *views = decode(resync, dispatch, &count);
	struct dispatch_identity *running = calloc(count + 1, sizeof *running);
	size_t running_count = 0;

	resync->waiting = false;
	if (views && running) {
		for (size_t i = 0; i < count; i++)
			if (still_runs(dispatch, views[i].body))
				running[running_count++] = (struct dispatch_identity){
				    views[i].body->process.pid, views[i].body->process.start_ns};
		qsort(running, running_count, sizeof *running, resync_compare_identities);
		if (dispatch->exited_count)
			qsort(dispatch->exited, dispatch->exited_count, sizeof *dispatch->exited,
			      resync_compare_identities);
		dispatch->concluded_ns = resync->ended_ns;
		conclude_gone(dispatch, resync, running, running_count);
		for (size_t i = 0; i < count; i++) {
			dispatch->concluded_ns = views[i].header->time_ns;
			conclude_running(dispatch, &views[i]);
		}
		dispatch->concluded_ns = 0;
	}
	free(running);
	free(views);
	buffer_free(&resync->records);
	dispatch->exited_count = 0;
	dispatch->note_exits = false;
}
