/* SPDX-License-Identifier: MIT */
#include "dispatch.h"

#include "os.h"
#include "redact.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A difference that drift between two samples cannot explain. */
#define CLOCK_STEP_NS 1000000

/* Longer than this between two readings: the sample was disturbed. */
#define CLOCK_SAMPLE_NS 20000

void dispatch_sample_clock(struct dispatch *dispatch)
{
	for (int tries = 0; tries < 3; tries++) {
		uint64_t before = os_boot_ns();
		int64_t wall = os_wall_ns();
		uint64_t after = os_boot_ns();
		if (after - before > CLOCK_SAMPLE_NS && tries < 2)
			continue;

		int64_t offset = wall - (int64_t)(before + (after - before) / 2);
		/* Records that bear wall clock time (Windows) need no correction. */
		if (wall >= (int64_t)before && wall <= (int64_t)after)
			offset = 0;
		int64_t change = offset - dispatch->context.wall_offset_ns;
		if (change > CLOCK_STEP_NS || change < -CLOCK_STEP_NS)
			dispatch->context.wall_offset_ns = offset;
		return;
	}
}

int dispatch_init(struct dispatch *dispatch)
{
	char boot[37];

	memset(dispatch, 0, sizeof *dispatch);
	if (os_boot_id(boot))
		memcpy(dispatch->context.boot, boot, sizeof dispatch->context.boot - 1);
	else
		memcpy(dispatch->context.boot, "00000000", 8);
	dispatch_sample_clock(dispatch);
	pthread_mutex_init(&dispatch->table_lock, NULL);
	return process_table_init(&dispatch->table);
}

void dispatch_free(struct dispatch *dispatch)
{
	process_table_free(&dispatch->table);
	cgroup_table_free(&dispatch->cgroups);
	gaps_free(&dispatch->gaps);
	assembly_free(&dispatch->assembly);
	repeats_free(&dispatch->repeats);
	free(dispatch->exited);
	pthread_mutex_destroy(&dispatch->table_lock);
}

/* ---- gaps ---- */

void dispatch_gap(struct dispatch *dispatch, const struct record_gap *gap)
{
	dispatch->gap_seen = true;
	if (!report_lost(dispatch, gap)) {
		/* Counted and told as soon as there is memory again. */
		for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
			dispatch->unsaid.lost[kind] += gap->lost[kind];
		dispatch->unsaid.unknown += gap->unknown;
		dispatch->unsaid.stage = gap->stage;
		dispatch->unsaid.detail = gap->detail;
	}
}

/* We ourselves could not keep this record. */
static void lose(struct dispatch *dispatch, const struct record_header *header, int error)
{
	struct record_gap gap = {
	    .from_ns = header->time_ns,
	    .to_ns = header->time_ns,
	    .stage = RECORD_GAP_MONITOR,
	    .detail = (uint32_t)error,
	};

	if (header->kind >= RECORD_START && header->kind <= RECORD_EXIT)
		gap.lost[RECORD_LOST_INDEX(header->kind)] = 1;
	else
		gap.unknown = 1;
	dispatch_gap(dispatch, &gap);
}

void dispatch_tell_unsaid(struct dispatch *dispatch)
{
	struct record_gap gap = dispatch->unsaid;

	if (!gaps_total(&gap))
		return;
	memset(&dispatch->unsaid, 0, sizeof dispatch->unsaid);
	dispatch_gap(dispatch, &gap);
}

/* ---- one function for each kind of record: 0 or an errno ---- */

/* Borrowed; NULL: not told, or no memory, for which no event is given up. */
static struct cgroup *find_cgroup(struct dispatch *dispatch, const struct record_body *body)
{
	return body->cgroup ? cgroup_table_find(&dispatch->cgroups, body->cgroup) : NULL;
}

/* Makes the process of a record and puts it into the table. Takes over the image. NULL: no memory.
 */
static const struct procobsrv_process *enter(struct dispatch *dispatch,
					     const struct record_view *view, struct image *image,
					     bool forked, bool of_tree)
{
	const struct procobsrv_process *process = process_create(
	    &dispatch->context, view->body, image, forked, find_cgroup(dispatch, view->body));

	image_unref(image);
	if (!process)
		return NULL;
	if (dispatch_put(dispatch, procobsrv_process_ref(process), of_tree))
		return process;
	procobsrv_process_unref(process);
	return NULL;
}

/* What a process runs that starts without a program of its own; NULL: not known. */
static struct image *forked_image(const struct process_entry *creator)
{
	/* On Windows nobody goes on with the creator's: what was started is not told. */
	if (!creator || creator->process->flags & PROCOBSRV_PROCESS_WTF8)
		return NULL;
	return image_ref(process_image(creator->process));
}

/* As image_create(), without the secrets. */
static struct image *make_image(const struct dispatch *dispatch, const struct record_view *view,
				const struct image_chunks *chunks)
{
	struct image *image = image_create(view, chunks, dispatch->env_names);

	redact_image(dispatch->redaction, image);
	return image;
}

static int deal_with_start(struct dispatch *dispatch, const struct record_view *view)
{
	const struct record_identity *identity = &view->body->process;
	struct process_entry *before = process_table_find(&dispatch->table, identity->pid);

	/* Its pid is taken again: the exit of who had it is among the lost. */
	if (before && before->process->start_boot_ns != identity->start_ns) {
		dispatch->concluded_ns = view->header->time_ns;
		dispatch_gone(dispatch, before);
		dispatch->concluded_ns = 0;
	}

	const struct process_entry *creator = dispatch_find(dispatch, &view->start->creator);
	if (!creator)
		creator = dispatch_find(dispatch, &view->body->parent);
	struct image *image = view->image ? make_image(dispatch, view, &(struct image_chunks){0})
					  : forked_image(creator);
	if (view->image && !image)
		return ENOMEM;

	bool of_tree =
	    dispatch->root_pid &&
	    (dispatch->tree_only || identity->pid == dispatch->root_pid ||
	     (creator && creator->in_tree) || dispatch_in_tree(dispatch, &view->body->parent) ||
	     view->start->creator.pid == dispatch->root_pid);
	const struct procobsrv_process *process =
	    enter(dispatch, view, image, !view->image, of_tree);
	if (!process)
		return ENOMEM;
	if (view->image && process->pid == dispatch->root_pid)
		dispatch->root_execed = true;
	return report_record(dispatch, PROCOBSRV_START, view, process, of_tree);
}

static void set_missing_argv(struct record_image *image, enum record_missing missing)
{
	image->missing &= ~((uint32_t)0xf << RECORD_MISSING_SHIFT(RECORD_STRING_ARGV));
	image->missing |= (uint32_t)missing << RECORD_MISSING_SHIFT(RECORD_STRING_ARGV);
}

/* The image of an exec whose argv was paged out: the process may still live and tell it. */
static struct image *ask_for_argv(struct dispatch *dispatch, const struct record_view *view)
{
	struct record_image fixed = *view->image;
	struct record_view completed = *view;
	struct buffer argv = BUFFER_EMPTY;

	if (dispatch->read_argv && dispatch->read_argv(&view->body->process, &argv) &&
	    !argv.failed) {
		set_missing_argv(&fixed, RECORD_WHOLE);
		completed.image = &fixed;
		completed.strings[RECORD_STRING_ARGV] = (struct record_bytes){argv.data, argv.size};
	}
	struct image *image = make_image(dispatch, &completed, &(struct image_chunks){0});
	buffer_free(&argv);
	return image;
}

static struct image *exec_image(struct dispatch *dispatch, const struct record_view *view)
{
	struct image_chunks chunks;
	bool whole = assembly_take(&dispatch->assembly, view->header, &chunks);

	if (record_missing(view->image, RECORD_STRING_ARGV) == RECORD_MISSING_UNREADABLE)
		return ask_for_argv(dispatch, view);
	if (whole)
		return make_image(dispatch, view, &chunks);

	/* A piece is lost: what is left must not pass for the whole. */
	struct record_image cut = *view->image;
	struct record_view shortened = *view;
	set_missing_argv(&cut, RECORD_MISSING_NO_ROOM);
	shortened.image = &cut;
	shortened.strings[RECORD_STRING_ARGV].size = 0;
	return make_image(dispatch, &shortened, &chunks);
}

static int deal_with_exec(struct dispatch *dispatch, const struct record_view *view)
{
	const struct process_entry *entry = dispatch_find(dispatch, &view->body->process);
	bool of_tree = dispatch->root_pid && ((entry && entry->in_tree) ||
					      dispatch_in_tree(dispatch, &view->body->parent) ||
					      view->body->process.pid == dispatch->root_pid);
	struct image *image = view->image ? exec_image(dispatch, view) : NULL;

	if (view->image && !image)
		return ENOMEM;
	const struct procobsrv_process *process = enter(dispatch, view, image, false, of_tree);
	if (!process)
		return ENOMEM;
	if (process->pid == dispatch->root_pid)
		dispatch->root_execed = true;
	return report_record(dispatch, PROCOBSRV_EXEC, view, process, of_tree);
}

/* The process as the record has it (credentials, parent, name now), with what the table knows. */
static const struct procobsrv_process *present(struct dispatch *dispatch,
					       const struct record_view *view,
					       const struct process_entry *entry)
{
	struct record_body body = *view->body;

	if (entry && !body.process.start_ns)
		body.process.start_ns = entry->process->start_boot_ns;
	return process_create(&dispatch->context, &body,
			      entry ? process_image(entry->process) : NULL,
			      entry && entry->process->flags & PROCOBSRV_PROCESS_FORKED,
			      find_cgroup(dispatch, &body));
}

static int deal_with_failed_exec(struct dispatch *dispatch, const struct record_view *view)
{
	const struct process_entry *entry = dispatch_find(dispatch, &view->body->process);
	const struct procobsrv_process *process = present(dispatch, view, entry);

	if (!process)
		return ENOMEM;
	return report_record(dispatch, PROCOBSRV_EXEC_FAILED, view, process,
			     entry && entry->in_tree);
}

static void note_exit(struct dispatch *dispatch, const struct record_identity *identity)
{
	if (dispatch->exited_count == dispatch->exited_capacity) {
		size_t capacity = dispatch->exited_capacity ? dispatch->exited_capacity * 2 : 256;
		struct dispatch_identity *grown =
		    realloc(dispatch->exited, capacity * sizeof *grown);
		if (!grown)
			return; /* a process may be told once more as gone by the next resync */
		dispatch->exited = grown;
		dispatch->exited_capacity = capacity;
	}
	dispatch->exited[dispatch->exited_count++] =
	    (struct dispatch_identity){identity->pid, identity->start_ns};
}

/* Who ends: where an observer could not ask any more when it began, whoever has its pid. */
static struct process_entry *find_ending(const struct dispatch *dispatch,
					 const struct record_identity *identity)
{
	return identity->start_ns ? dispatch_find(dispatch, identity)
				  : process_table_find(&dispatch->table, identity->pid);
}

static int deal_with_exit(struct dispatch *dispatch, const struct record_view *view)
{
	struct process_entry *entry = find_ending(dispatch, &view->body->process);
	const struct procobsrv_process *process = present(dispatch, view, entry);
	bool of_tree = dispatch->root_pid && entry && entry->in_tree;

	if (dispatch->note_exits)
		note_exit(dispatch, &view->body->process);
	/* The event first: its parent and its tree are as they were while it lived. */
	int error =
	    process ? report_record(dispatch, PROCOBSRV_EXIT, view, process, of_tree) : ENOMEM;
	entry = find_ending(dispatch, &view->body->process);
	if (entry)
		dispatch_remove(dispatch, entry);
	return error;
}

static int deal_with(struct dispatch *dispatch, const struct record_view *view)
{
	switch (view->header->kind) {
	case RECORD_START:
		return deal_with_start(dispatch, view);
	case RECORD_EXEC:
		return deal_with_exec(dispatch, view);
	case RECORD_EXEC_FAILED:
		return deal_with_failed_exec(dispatch, view);
	case RECORD_EXIT:
		return deal_with_exit(dispatch, view);
	default:
		return EINVAL; /* RECORD_EXISTING has no business in a stream */
	}
}

void dispatch_note(struct dispatch *dispatch, const struct record_view *view)
{
	if (view->cgroup)
		cgroup_table_put(&dispatch->cgroups, view->cgroup->id, view->cgroup_path.data,
				 view->cgroup_path.size);
}

void dispatch_record(struct dispatch *dispatch, uint64_t stream, const struct source_record *record)
{
	struct record_view view;
	struct record_gap gap;

	dispatch->stream = stream;
	dispatch->position = record->position;
	if (record_decode(record->data, record->size, &view)) {
		struct record_header unknown = {.time_ns = os_boot_ns()};
		lose(dispatch, &unknown, EBADMSG);
		return;
	}
	if (view.chunk) {
		assembly_add(&dispatch->assembly, &view, record->position);
		return;
	}
	if (view.gap) {
		gaps_told(&dispatch->gaps, view.gap);
		dispatch_gap(dispatch, view.gap);
		return;
	}
	if (view.header->kind >= RECORD_NOTES) {
		dispatch_note(dispatch, &view);
		return;
	}
	dispatch_tell_unsaid(dispatch);
	bool missing = gaps_feed(&dispatch->gaps, view.header, &gap);
	dispatch->counted = true;
	if (missing)
		dispatch_gap(dispatch, &gap);
	if (dispatch->drop_repeats && repeats_feed(&dispatch->repeats, &view)) {
		struct image_chunks unwanted;
		assembly_take(&dispatch->assembly, view.header, &unwanted);
		report_repeat(dispatch);
		dispatch->counted = false;
		return;
	}

	int error = deal_with(dispatch, &view);
	if (error)
		lose(dispatch, view.header, error);
	dispatch->counted = false;
}

/* ---- what has no record ---- */

const struct procobsrv_process *dispatch_put_existing(struct dispatch *dispatch,
						      const struct record_view *view)
{
	struct image *image = NULL;

	if (view->image && !(image = make_image(dispatch, view, &(struct image_chunks){0})))
		return NULL;
	const struct procobsrv_process *process = process_create(
	    &dispatch->context, view->body, image, false, find_cgroup(dispatch, view->body));
	image_unref(image);
	if (!process)
		return NULL;

	bool of_tree = dispatch->root_pid && (view->body->process.pid == dispatch->root_pid ||
					      dispatch_in_tree(dispatch, &view->body->parent));
	return dispatch_put(dispatch, process, of_tree) ? process : NULL;
}

void dispatch_existing(struct dispatch *dispatch, const struct procobsrv_process *process)
{
	report_concluded(dispatch, PROCOBSRV_EXISTING, process, 0);
}

void dispatch_synthetic(struct dispatch *dispatch, enum procobsrv_kind kind,
			const struct procobsrv_process *process)
{
	report_concluded(dispatch, kind, process, PROCOBSRV_EVENT_SYNTHETIC);
}

void dispatch_gone(struct dispatch *dispatch, struct process_entry *entry)
{
	report_concluded(dispatch, PROCOBSRV_EXIT, entry->process, PROCOBSRV_EVENT_SYNTHETIC);
	dispatch_remove(dispatch, entry);
}
