/* SPDX-License-Identifier: MIT */
/*
 * The source "snapshot": the last resort, without a driver and without rights. It takes the list of
 * processes every now and then and tells the differences. What lives shorter than that is missed,
 * and limits() says so. A handle is held to each process that may be opened: it tells how the
 * process ended, and keeps its pid from being given to another.
 */
#include "backends.h"
#include "error.h"
#include "os.h"
#include "process_list.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_NS 50000000ull
/* One look may take this part of the time between two: 5 % of a processor. */
#define COST_SHARE 20
/* How long a process may be without a name. */
#define SETUP_NS 1000000000ull

/* A process as the last look found it. */
struct sampled {
	struct listed_process listed;
	HANDLE process; /* NULL: we may not open it */
	bool denied;
	bool ended; /* its exit has been told; somebody's handle keeps it in the list */
	bool fresh; /* this look met it first */
};

struct samples {
	struct arena arena; /* struct sampled, in order of pid */
	size_t count;
};

struct source {
	struct os_event *wake;
	uint64_t next_ns; /* when the next look is due, on the clock of deadlines */
	char limits[192];
	bool detached;

	pthread_mutex_t lock; /* guards what follows */
	struct record_writer writer;
	struct running_image image;
	struct process_list list;
	struct samples samples;
	struct samples former; /* room for the next look */
	uint64_t looks;
};

static struct sampled *sample_at(const struct samples *samples, size_t index)
{
	return (struct sampled *)(void *)samples->arena.data + index;
}

static uint32_t pid_of(const struct sampled *sampled)
{
	return sampled->listed.body.process.pid;
}

/* ---- what is told ---- */

static void tell_start(struct source *source, const struct sampled *sampled)
{
	process_list_write(&source->writer, RECORD_START, sampled->listed.body.process.start_ns,
			   &sampled->listed, sampled->process, sampled->denied, &source->image);
}

static void tell_exit(struct source *source, struct sampled *sampled)
{
	struct record_exit exit = {.flags = RECORD_EXIT_STATUS_UNKNOWN | RECORD_EXIT_USAGE_UNKNOWN};
	uint64_t time_ns = os_boot_ns();

	if (sampled->ended)
		return;
	if (sampled->process && WaitForSingleObject(sampled->process, 0) == WAIT_OBJECT_0) {
		exit = running_process_exit(sampled->process, &time_ns);
	}
	record_writer_add(&source->writer, &(struct record_parts){.kind = RECORD_EXIT,
								  .time_ns = time_ns,
								  .body = &sampled->listed.body,
								  .exit = &exit});
	sampled->ended = true;
}

static void forget(struct sampled *sampled)
{
	if (sampled->process)
		CloseHandle(sampled->process);
	sampled->process = NULL;
}

/* ---- one look ---- */

static bool same(const struct sampled *sampled, const struct listed_process *listed)
{
	return sampled->listed.body.process.start_ns == listed->body.process.start_ns;
}

/* Takes over what was known of a process, or meets it. */
static void sample(struct sampled *now, const struct listed_process *listed, struct sampled *before)
{
	memset(now, 0, sizeof(*now));
	if (before) {
		*now = *before;
		now->fresh = false;
		before->process = NULL; /* it is the new one's */
		before->ended = true;
		return;
	}
	now->listed = *listed;
	now->fresh = true;
	now->process = process_list_open(listed, &now->denied);
}

/* The system lists a process before it has set it up: the next look meets it, name and all. */
static bool is_unfinished(const struct listed_process *listed)
{
	return !listed->body.name[0] && listed->body.process.start_ns + SETUP_NS > os_boot_ns();
}

/*
 * Both are in order of pid. Whoever is met under the pid of another, who then must be gone, comes
 * after that one's end.
 */
static bool compare(struct source *source)
{
	struct samples *now = &source->former, *before = &source->samples;
	size_t old = 0;

	arena_clear(&now->arena, before->arena.capacity);
	now->count = 0;
	if (!arena_add(&now->arena, source->list.count * sizeof(struct sampled)))
		return false;
	for (size_t i = 0; i < source->list.count; i++) {
		const struct listed_process *listed = process_list_at(&source->list, i);
		struct sampled *known = NULL;

		while (old < before->count &&
		       pid_of(sample_at(before, old)) < listed->body.process.pid)
			old++;
		if (old < before->count &&
		    pid_of(sample_at(before, old)) == listed->body.process.pid) {
			known = sample_at(before, old);
			if (!same(known, listed)) {
				tell_exit(source, known);
				known = NULL;
			}
		}
		if (known || !is_unfinished(listed))
			sample(sample_at(now, now->count++), listed, known);
	}
	return true;
}

static int by_start(const void *left, const void *right)
{
	const struct record_identity *a = &(*(struct sampled *const *)left)->listed.body.process;
	const struct record_identity *b = &(*(struct sampled *const *)right)->listed.body.process;

	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* Parents before their children. */
static void tell_fresh(struct source *source)
{
	struct sampled **fresh = calloc(source->former.count + 1, sizeof(*fresh));
	size_t count = 0;

	for (size_t i = 0; i < source->former.count; i++) {
		struct sampled *sampled = sample_at(&source->former, i);

		if (!sampled->fresh)
			continue;
		if (fresh)
			fresh[count++] = sampled;
		else
			tell_start(source, sampled); /* in the order of pid, then */
	}
	if (count)
		qsort(fresh, count, sizeof(*fresh), by_start);
	for (size_t i = 0; i < count; i++)
		tell_start(source, fresh[i]);
	free(fresh);
}

/* Those that are listed no more, and those that only somebody's handle keeps in the list. */
static void tell_gone(struct source *source)
{
	for (size_t i = 0; i < source->samples.count; i++) {
		tell_exit(source, sample_at(&source->samples, i));
		forget(sample_at(&source->samples, i));
	}
	for (size_t i = 0; i < source->former.count; i++) {
		struct sampled *sampled = sample_at(&source->former, i);

		if (!sampled->process || sampled->ended ||
		    WaitForSingleObject(sampled->process, 0) != WAIT_OBJECT_0)
			continue;
		tell_exit(source, sampled);
		forget(sampled);
	}
}

static void exchange(struct source *source)
{
	struct samples samples = source->samples;

	source->samples = source->former;
	source->former = samples;
	source->former.count = 0;
}

/* Compares the list with what the last look found. 0, or a PROCOBSRV_ERROR_. */
static int look(struct source *source, bool silently)
{
	uint64_t begin = os_monotonic_ns(), cost;
	int error;

	pthread_mutex_lock(&source->lock);
	source->looks++;
	error = process_list_take(&source->list);
	if (!error && !compare(source))
		error = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the processes");
	if (!error) {
		if (!silently)
			tell_fresh(source);
		tell_gone(source);
		exchange(source);
	}
	pthread_mutex_unlock(&source->lock);

	cost = os_monotonic_ns() - begin;
	source->next_ns =
	    begin + (cost * COST_SHARE > INTERVAL_NS ? cost * COST_SHARE : INTERVAL_NS);
	return error;
}

/* ---- the operations ---- */

static void snapshot_close(struct source *source, bool forked)
{
	(void)forked; /* nobody forks here */
	for (size_t i = 0; i < source->samples.count; i++)
		forget(sample_at(&source->samples, i));
	arena_free(&source->samples.arena);
	arena_free(&source->former.arena);
	process_list_free(&source->list);
	record_writer_free(&source->writer);
	running_image_free(&source->image);
	os_event_destroy(source->wake);
	pthread_mutex_destroy(&source->lock);
	free(source);
}

static int snapshot_open(const struct source_options *options, struct source **opened)
{
	struct source *source;
	int error;

	if (options->resident)
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "the snapshot backend has no resident observer; use --backend "
				 "driver");
	source = calloc(1, sizeof(*source));
	if (!source || !(source->wake = os_event_create())) {
		free(source);
		return error_set(PROCOBSRV_ERROR_MEMORY,
				 "no memory or handle is left for the snapshot backend");
	}
	pthread_mutex_init(&source->lock, NULL);
	record_writer_init(&source->writer, options->record_kinds);
	/* The second look is as all others will be: it tells what one costs. */
	error = look(source, true);
	if (!error)
		error = look(source, false);
	if (error) {
		snapshot_close(source, false);
		return error;
	}
	snprintf(source->limits, sizeof(source->limits),
		 "samples the list of processes every %u ms or more: processes that live shorter "
		 "are missed",
		 (unsigned)((source->next_ns - os_monotonic_ns() + INTERVAL_NS / 2) / 1000000));
	*opened = source;
	return 0;
}

static void wait_until(struct source *source, uint64_t time_ns)
{
	uint64_t now = os_monotonic_ns();

	if (now < time_ns)
		WaitForSingleObject((HANDLE)os_event_handle(source->wake),
				    (DWORD)((time_ns - now + 999999) / 1000000));
	os_event_clear(source->wake);
}

static int snapshot_drain(struct source *source, int timeout_ms, source_on_batch on_batch,
			  void *param)
{
	uint64_t end =
	    timeout_ms < 0 ? UINT64_MAX : os_monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
	int error;

	if (source->detached)
		return PROCOBSRV_ERROR_ENDED;
	wait_until(source, end < source->next_ns ? end : source->next_ns);
	if (os_monotonic_ns() < source->next_ns)
		return 0;
	if ((error = look(source, false)))
		return error;
	record_writer_lend(&source->writer, on_batch, param);
	return 0;
}

static void snapshot_release(struct source *source, uint64_t position)
{
	(void)source, (void)position; /* what is lent is copied by who takes it */
}

static void snapshot_wake(struct source *source)
{
	os_event_set(source->wake);
}

static void snapshot_detach(struct source *source)
{
	source->detached = true;
}

static int snapshot_statistics(struct source *source, struct source_statistics *statistics)
{
	pthread_mutex_lock(&source->lock);
	record_writer_statistics(&source->writer, statistics);
	statistics->wakeups = source->looks;
	pthread_mutex_unlock(&source->lock);
	return 0;
}

/* The last look is the snapshot: no look is taken while it is told. */
static int snapshot_snapshot(struct source *source, source_on_record on_record, void *param,
			     uint64_t *position)
{
	struct record_writer writer;

	record_writer_init(&writer, 0);
	pthread_mutex_lock(&source->lock);
	for (size_t i = 0; i < source->samples.count; i++) {
		const struct sampled *sampled = sample_at(&source->samples, i);

		if (sampled->ended)
			continue;
		process_list_write(&writer, RECORD_EXISTING, os_boot_ns(), &sampled->listed,
				   sampled->process, sampled->denied, &source->image);
		record_writer_lend_each(&writer, on_record, param);
	}
	*position = source->writer.position;
	pthread_mutex_unlock(&source->lock);
	record_writer_free(&writer);
	return 0;
}

static const char *snapshot_limits(struct source *source)
{
	return source->limits;
}

const struct source_operations snapshot_source_operations = {
    .name = "snapshot",
    .open = snapshot_open,
    .drain = snapshot_drain,
    .release = snapshot_release,
    .wake = snapshot_wake,
    .detach = snapshot_detach,
    .statistics = snapshot_statistics,
    .snapshot = snapshot_snapshot,
    .limits = snapshot_limits,
    .close = snapshot_close,
};
