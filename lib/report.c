/* SPDX-License-Identifier: MIT */
#include "redact.h"
#include "report.h"

#include "os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One thread counts, others read: no need for locked instructions. */
static void count(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

static int64_t wall_of(const struct dispatch *dispatch, uint64_t boot_ns)
{
	/* Unsigned, as a damaged record may hold any time. */
	return boot_ns ? (int64_t)(boot_ns + (uint64_t)dispatch->context.wall_offset_ns) : 0;
}

static void set_exit(struct event *event, const struct record_view *view,
		     const struct procobsrv_process *process)
{
	struct procobsrv_exit *exit = &event->detail.exit;
	const struct record_exit *record = view->exit;

	if (!(record->flags & RECORD_EXIT_STATUS_UNKNOWN)) {
		exit->has_status = 1;
		exit->code = record->code;
		exit->signal = record->signal;
		exit->core_dumped = !!(record->flags & RECORD_EXIT_CORE_DUMPED);
	}
	if (!(record->flags & RECORD_EXIT_USAGE_UNKNOWN)) {
		exit->has_usage = 1;
		exit->cpu_ns = record->cpu_ns;
		exit->user_ns = record->user_ns;
		exit->system_ns = record->system_ns;
		exit->max_rss_bytes = record->max_rss_bytes;
		exit->threads_unread = record->threads_unread;
	}
	if (process->start_boot_ns && view->header->time_ns > process->start_boot_ns)
		exit->duration_ns = view->header->time_ns - process->start_boot_ns;
	event->public.exit = exit;
}

static size_t count_arguments(const char *data, size_t size)
{
	size_t count = 0;

	if (!size)
		return 0;
	for (const char *end = data + size; data < end; count++) {
		const char *nul = memchr(data, 0, (size_t)(end - data));
		data = nul ? nul + 1 : end;
	}
	return count;
}

static bool set_attempt(struct event *event, struct dispatch *dispatch,
			const struct record_view *view)
{
	struct procobsrv_attempt *attempt = &event->detail.attempt;
	struct record_bytes path = view->strings[RECORD_STRING_FILENAME];
	struct record_bytes argv = view->strings[RECORD_STRING_ARGV];
	struct image_chunks chunks = {0};

	if (!assembly_take(&dispatch->assembly, view->header, &chunks))
		argv.size = 0;
	event->public.attempt = attempt;
	attempt->error = (int32_t)view->attempt->error;
	attempt->error_name = os_error_name((int)view->attempt->error);
	if (!view->image)
		return true;

	size_t pointers = count_arguments(chunks.argv.data, chunks.argv.size) +
			  count_arguments(argv.data, argv.size) + 1;
	size_t bytes = chunks.argv.size + argv.size + 1;
	char *block = malloc(pointers * sizeof(char *) + bytes + path.size + 1);
	if (!block)
		return false;
	event->block = block;

	const char **vector = (const char **)block;
	char *text = block + pointers * sizeof(char *), *end = text + bytes - 1;
	if (chunks.argv.size)
		memcpy(text, chunks.argv.data, chunks.argv.size);
	if (argv.size)
		memcpy(text + chunks.argv.size, argv.data, argv.size);
	*end = '\0';
	if (bytes > 1 || record_missing(view->image, RECORD_STRING_ARGV) == RECORD_WHOLE) {
		attempt->argv = vector;
		for (char *cursor = text; cursor < end; cursor += strlen(cursor) + 1)
			vector[attempt->argc++] = cursor;
		vector[attempt->argc] = NULL;
		if (dispatch->redaction)
			redact_arguments(dispatch->redaction, (char *const *)block, attempt->argc);
	}
	if (path.size) {
		attempt->path = end + 1;
		memcpy(end + 1, path.data, path.size);
		end[1 + path.size] = '\0';
	}
	return true;
}

static void set_processes(struct dispatch *dispatch, struct event *event,
			  const struct record_view *view)
{
	const struct record_identity *parent = &view->body->parent;

	event->public.parent = dispatch_parent(dispatch, parent, view->body->process.start_ns);
	if (!view->start)
		return;
	const struct record_identity *creator = &view->start->creator;
	if (creator->pid != parent->pid || creator->start_ns != parent->start_ns)
		event->public.creator = dispatch_process(dispatch, creator);
}

/* Whether anyone may want the event, as far as can be told before it is built. */
static bool may_want(const struct dispatch *dispatch, enum procobsrv_kind kind,
		     const struct procobsrv_process *process, bool in_tree)
{
	if (!(dispatch->kinds & PROCOBSRV_KIND_BIT(kind)))
		return false;
	if (dispatch->root_pid && !in_tree)
		return false;
	if (process->pid == dispatch->root_pid && !dispatch->root_execed &&
	    kind != PROCOBSRV_EXEC_FAILED && process->pid)
		return false;
	return dispatch->kernel_threads || !(process->flags & PROCOBSRV_PROCESS_KERNEL_THREAD);
}

static bool matches(const struct dispatch *dispatch, const struct event *event)
{
	return !dispatch->filter || filter_match(dispatch->filter, &event->public);
}

/* Within a record that comes in pieces there is none: the next event's place will do. */
static uint64_t place_to_go_on(const struct dispatch *dispatch, uint64_t position)
{
	return assembly_oldest(&dispatch->assembly, position) == position ? position : 0;
}

/* It has no number of its own: else the numbers of a reader that was killed, and could not tell
 * how many it had dropped, would have holes that nothing explains. */
void report_repeat(struct dispatch *dispatch)
{
	dispatch->gaps.repeats++;
	count(&dispatch->counters.repeats, 1);
}

/* What a reader that goes on at event->resume must know. */
static void set_progress(const struct dispatch *dispatch, struct event *event, uint64_t position,
			 uint64_t read)
{
	event->resume = place_to_go_on(dispatch, position);
	event->read = read;
	event->repeats = dispatch->gaps.repeats;
}

/* What has no record comes with one that is counted already, but may still have to be dealt with.
 */
static void set_progress_before(const struct dispatch *dispatch, struct event *event)
{
	set_progress(dispatch, event, dispatch->position, dispatch->gaps.read - dispatch->counted);
}

int report_record(struct dispatch *dispatch, enum procobsrv_kind kind,
		  const struct record_view *view, const struct procobsrv_process *process,
		  bool in_tree)
{
	struct dispatch_counters *counters = &dispatch->counters;

	if (!may_want(dispatch, kind, process, in_tree)) {
		procobsrv_process_unref(process);
		count(&counters->seq, 1);
		count(&counters->filtered, 1);
		return 0;
	}

	struct event *event = event_create(kind);
	if (!event) {
		procobsrv_process_unref(process);
		return ENOMEM;
	}
	event->public.process = process;
	event->public.boot_ns = view->header->time_ns;
	event->public.time_ns = wall_of(dispatch, view->header->time_ns);
	event_set_cursor(event, dispatch->stream, dispatch->position, '\0', 0);
	set_processes(dispatch, event, view);
	if (view->exit)
		set_exit(event, view, process);
	if (view->attempt && !set_attempt(event, dispatch, view)) {
		procobsrv_event_unref(&event->public);
		return ENOMEM;
	}

	count(&counters->seq, 1);
	event->public.seq = atomic_load_explicit(&counters->seq, memory_order_relaxed);
	if (!matches(dispatch, event)) {
		count(&counters->filtered, 1);
		procobsrv_event_unref(&event->public);
		return 0;
	}
	count(&counters->delivered, 1);
	set_progress(dispatch, event, dispatch->resume, dispatch->gaps.read);
	dispatch->deliver(event, dispatch->param);
	return 0;
}

static bool of_tree(const struct dispatch *dispatch, const struct procobsrv_process *process)
{
	const struct process_entry *entry =
	    process_table_find_identity(&dispatch->table, process->pid, process->start_boot_ns);

	return entry && entry->in_tree;
}

void report_concluded(struct dispatch *dispatch, enum procobsrv_kind kind,
		      const struct procobsrv_process *process, uint32_t flags)
{
	struct dispatch_counters *counters = &dispatch->counters;

	if (!may_want(dispatch, kind, process, of_tree(dispatch, process)))
		return;
	struct event *event = event_create(kind);
	if (!event)
		return;

	struct procobsrv_event *shown = &event->public;
	shown->flags = flags;
	shown->process = procobsrv_process_ref(process);
	/* What comes after it in the stream must not have happened before. */
	uint64_t now = os_boot_ns();
	shown->boot_ns = dispatch->concluded_ns ? dispatch->concluded_ns : now;
	shown->time_ns = wall_of(dispatch, shown->boot_ns);
	shown->seq = atomic_load_explicit(&counters->seq, memory_order_relaxed);
	if (kind == PROCOBSRV_EXIT)
		shown->exit = &event->detail.exit; /* nothing about it is known */
	if (process->ppid) {
		const struct record_identity identity = {.pid = process->ppid};
		shown->parent = dispatch_parent(dispatch, &identity, process->start_boot_ns);
	}
	count(&counters->synthetic, 1);
	/* No two of one reader have the same time in their cursors, however coarse the clock is. */
	dispatch->unrecorded_ns = now > dispatch->unrecorded_ns ? now : dispatch->unrecorded_ns + 1;
	event_set_cursor(event, dispatch->stream, dispatch->position,
			 flags & PROCOBSRV_EVENT_SYNTHETIC ? 'r' : 'x', dispatch->unrecorded_ns);
	/* The record that it came with may still be dealt with. */
	set_progress_before(dispatch, event);
	if (matches(dispatch, event))
		dispatch->deliver(event, dispatch->param);
	else
		procobsrv_event_unref(shown);
}

static const char *stage_name(uint32_t stage)
{
	switch (stage) {
	case RECORD_GAP_KERNEL:
	case RECORD_GAP_SKIPPED:
		return "kernel";
	case RECORD_GAP_QUEUE:
		return "queue";
	case RECORD_GAP_SPILL:
		return "spill";
	case RECORD_GAP_MONITOR:
		return "monitor";
	default:
		return "source";
	}
}

static const char *reason_text(const struct record_gap *gap)
{
	switch (gap->stage) {
	case RECORD_GAP_KERNEL:
		return "ring full";
	case RECORD_GAP_SKIPPED:
		return "skipped by recursion";
	case RECORD_GAP_QUEUE:
		return "queue full";
	case RECORD_GAP_SPILL:
		return gap->detail == ENOSPC || !gap->detail ? "disk full" : "disk error";
	case RECORD_GAP_MONITOR:
		return gap->detail == ENOMEM ? "out of memory" : "unreadable record";
	default:
		return "not told by the system";
	}
}

static uint64_t lost_kind(const struct record_gap *gap, enum record_kind kind)
{
	return gap->lost[RECORD_LOST_INDEX(kind)];
}

bool report_lost(struct dispatch *dispatch, const struct record_gap *gap)
{
	struct dispatch_counters *counters = &dispatch->counters;
	uint64_t total = gaps_total(gap);
	uint64_t before = atomic_load_explicit(&counters->seq, memory_order_relaxed);

	if (!total)
		return true;
	struct event *event = event_create(PROCOBSRV_LOST);
	if (!event)
		return false;
	count(&counters->seq, total);
	count(&counters->lost, total);
	count(&counters->gaps, 1);

	event->public.seq = before + total;
	event->public.boot_ns = gap->to_ns ? gap->to_ns : os_boot_ns();
	event->public.time_ns = wall_of(dispatch, event->public.boot_ns);
	event->public.lost = &event->detail.lost;
	event->detail.lost = (struct procobsrv_lost){
	    .first = before + 1,
	    .count = total,
	    .start = lost_kind(gap, RECORD_START),
	    .exec = lost_kind(gap, RECORD_EXEC),
	    .exec_failed = lost_kind(gap, RECORD_EXEC_FAILED),
	    .exit = lost_kind(gap, RECORD_EXIT),
	    .unknown = gap->unknown,
	    .stage = stage_name(gap->stage),
	    .reason = reason_text(gap),
	    .from_ns = wall_of(dispatch, gap->from_ns),
	    .to_ns = wall_of(dispatch, gap->to_ns),
	};
	/* The same for every reader: the record that it precedes, or what had been numbered by
	 * then. */
	if (dispatch->after_last)
		event_set_cursor(event, dispatch->stream, dispatch->position, 't',
				 gaps_accounted(&dispatch->gaps));
	else
		event_set_cursor(event, dispatch->stream, dispatch->position, 'l', gap->stage);
	/* Told after the last record, and by another reader before the next: who keeps both sees by
	 * the kernel's count of losses what of it is the same. */
	uint64_t lost = gaps_lost(&dispatch->gaps);
	if (dispatch->count_lost && gap->stage == RECORD_GAP_KERNEL && lost != UINT64_MAX)
		event_add_to_cursor(event, lost);
	set_progress_before(dispatch, event);
	if (dispatch->kinds & PROCOBSRV_KIND_BIT(PROCOBSRV_LOST))
		dispatch->deliver(event, dispatch->param);
	else
		procobsrv_event_unref(&event->public);
	return true;
}
