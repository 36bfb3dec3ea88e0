/* SPDX-License-Identifier: MIT */
#include "catch_up.h"

#include "resident.h"

#include <stdlib.h>

struct catch_up {
	struct dispatch dispatch;
	struct filter *filter; /* of its own: one serves one thread */
	struct checkpoint_follower *follower;
	uint64_t first;
	struct event *event; /* that the last record made; NULL: none */
};

bool catch_up_has_record(const struct procobsrv_event *event)
{
	return event->kind != PROCOBSRV_EXISTING && event->kind != PROCOBSRV_LOST &&
	       !(event->flags & PROCOBSRV_EVENT_SYNTHETIC);
}

/* What was told before is needed for the table alone. */
static void take(struct event *event, void *param)
{
	struct catch_up *again = param;

	if (again->event || event->position < again->first || !catch_up_has_record(&event->public))
		procobsrv_event_unref(&event->public);
	else
		again->event = event;
}

static void set_up(struct catch_up *again, const struct procobsrv *monitor)
{
	struct dispatch *dispatch = &again->dispatch;
	const struct dispatch *model = &monitor->dispatch;

	dispatch->filter = again->filter;
	dispatch->kinds = model->kinds;
	dispatch->kernel_threads = model->kernel_threads;
	dispatch->env_names = model->env_names;
	dispatch->redaction = model->redaction;
	dispatch->drop_repeats = model->drop_repeats;
	dispatch->count_lost = model->count_lost;
	dispatch->read_argv = model->read_argv;
	dispatch->cgroups.read_path = model->cgroups.read_path;
	dispatch->deliver = take;
	dispatch->param = again;
}

int catch_up_open(const struct procobsrv *monitor, uint64_t first, struct catch_up **opened)
{
	struct catch_up *again = calloc(1, sizeof *again);

	if (!again || dispatch_init(&again->dispatch)) {
		free(again);
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory to read events again");
	}
	uint64_t stream = atomic_load(&monitor->kept_stream);
	int error = 0;
	again->first = first;
	again->dispatch.stream = stream;
	if (monitor->options.match)
		error = filter_compile(monitor->options.match, &again->filter);
	set_up(again, monitor);
	if (!error)
		error = checkpoint_follow(resident_directory(), stream, first, &again->dispatch,
					  &again->follower);
	if (error) {
		catch_up_close(again);
		return error;
	}
	/* The numbers go on where the file began, as they did then. */
	atomic_store(&again->dispatch.counters.seq, gaps_accounted(&again->dispatch.gaps));
	*opened = again;
	return 0;
}

int catch_up_next(struct catch_up *again, const struct catch_up_range *range,
		  const struct procobsrv_event **event)
{
	struct source_record record;
	uint64_t resume;

	while (!again->event) {
		int error = checkpoint_follow_next(again->follower, range->limit, range->last,
						   &record, &resume);
		if (error)
			return error;
		again->dispatch.resume = resume;
		dispatch_record(&again->dispatch, again->dispatch.stream, &record);
		/* The monitor knew where the last one ended, the file may not. */
		if (again->event && record.position == range->last)
			again->event->resume = range->resume;
	}
	*event = &again->event->public;
	again->event = NULL;
	return 0;
}

void catch_up_conclude(struct catch_up *again, const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;

	if (!process || !(event->flags & PROCOBSRV_EVENT_SYNTHETIC))
		return;
	struct process_entry *entry = process_table_find_identity(
	    &again->dispatch.table, process->pid, process->start_boot_ns);
	if (event->kind != PROCOBSRV_EXIT)
		dispatch_put(&again->dispatch, procobsrv_process_ref(process), false);
	else if (entry)
		dispatch_remove(&again->dispatch, entry);
}

void catch_up_close(struct catch_up *again)
{
	if (!again)
		return;
	checkpoint_unfollow(again->follower);
	if (again->event)
		procobsrv_event_unref(&again->event->public);
	dispatch_free(&again->dispatch);
	filter_free(again->filter);
	free(again);
}
