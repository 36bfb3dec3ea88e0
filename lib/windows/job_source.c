/* SPDX-License-Identifier: MIT */
/*
 * The source "job": the programs of this process's job (job.h), as the system tells of them,
 * without a driver and without rights. Of a program that ended before it could be opened only its
 * pid is told; of those that the system did not tell of at all, the number.
 */
#include "backends.h"
#include "error.h"
#include "job_observer.h"
#include "os.h"
#include "record_writer.h"
#include "running_process.h"

#include <stdlib.h>
#include <string.h>

struct source {
	struct os_event *wake;
	struct job *job;
	struct record_writer lent; /* the listener's: room to lend from */
	bool detached;

	pthread_mutex_t lock; /* guards what follows */
	struct record_writer writer;
	uint64_t wakeups;
};

/* ---- what the job tells ---- */

static void write_member(struct record_writer *writer, enum record_kind kind, uint64_t time_ns,
			 const struct job_member *member, const struct running_image *image)
{
	struct record_start start = {0};

	record_writer_add(writer,
			  &(struct record_parts){.kind = (uint16_t)kind,
						 .time_ns = time_ns,
						 .body = &member->body,
						 .start = kind == RECORD_START ? &start : NULL,
						 .flags = RECORD_UTF16,
						 .image = &image->image,
						 .strings = image->strings});
}

static void on_start(const struct job_member *member, const struct running_image *image,
		     void *param)
{
	struct source *source = param;

	pthread_mutex_lock(&source->lock);
	write_member(&source->writer, RECORD_START, member->body.process.start_ns, member, image);
	pthread_mutex_unlock(&source->lock);
	os_event_set(source->wake);
}

static void on_exit(const struct job_member *member, const struct record_exit *exit,
		    uint64_t time_ns, void *param)
{
	struct source *source = param;

	pthread_mutex_lock(&source->lock);
	record_writer_add(&source->writer, &(struct record_parts){.kind = RECORD_EXIT,
								  .time_ns = time_ns,
								  .body = &member->body,
								  .exit = exit});
	pthread_mutex_unlock(&source->lock);
	os_event_set(source->wake);
}

static void on_missed(uint64_t count, void *param)
{
	struct source *source = param;
	struct record_gap gap = {.to_ns = os_boot_ns(), .stage = RECORD_GAP_SOURCE};

	gap.lost[RECORD_LOST_INDEX(RECORD_START)] = count;
	gap.lost[RECORD_LOST_INDEX(RECORD_EXIT)] = count;
	pthread_mutex_lock(&source->lock);
	record_writer_gap(&source->writer, gap.to_ns, &gap);
	pthread_mutex_unlock(&source->lock);
	os_event_set(source->wake);
}

/* ---- the operations ---- */

static void free_source(struct source *source)
{
	record_writer_free(&source->writer);
	record_writer_free(&source->lent);
	os_event_destroy(source->wake);
	pthread_mutex_destroy(&source->lock);
	free(source);
}

static int explain_refusal(int error, uint32_t root_pid)
{
	if (error == PROCOBSRV_ERROR_BUSY)
		return error_set(error, "another monitor follows the job of process %u already",
				 root_pid);
	return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
			 "the job backend follows the programs that consctl run starts: process %u "
			 "is none that has made a job for such",
			 root_pid);
}

static int job_source_open(const struct source_options *options, struct source **opened)
{
	struct source *source;

	if (options->resident)
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "the job backend has no resident observer; use --backend driver");
	source = calloc(1, sizeof(*source));
	if (!source || !(source->wake = os_event_create())) {
		free(source);
		return error_set(PROCOBSRV_ERROR_MEMORY,
				 "no memory or handle is left for the job backend");
	}
	pthread_mutex_init(&source->lock, NULL);
	record_writer_init(&source->writer, options->record_kinds);
	const struct job_observer observer = {on_start, on_exit, on_missed, source};
	int error = job_observe(options->root_pid, &observer, &source->job);
	if (error) {
		free_source(source);
		return explain_refusal(error, options->root_pid);
	}
	*opened = source;
	return 0;
}

/* Takes what has been written, so that more can be while it is lent. */
static void take_written(struct source *source)
{
	struct arena bytes = source->lent.bytes, index = source->lent.index;

	pthread_mutex_lock(&source->lock);
	source->lent = source->writer;
	source->writer.bytes = bytes;
	source->writer.index = index;
	source->wakeups++;
	pthread_mutex_unlock(&source->lock);
}

static int job_source_drain(struct source *source, int timeout_ms, source_on_batch on_batch,
			    void *param)
{
	WaitForSingleObject((HANDLE)os_event_handle(source->wake),
			    timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms);
	os_event_clear(source->wake);
	take_written(source);
	record_writer_lend(&source->lent, on_batch, param);
	return source->detached ? PROCOBSRV_ERROR_ENDED : 0;
}

static void job_source_release(struct source *source, uint64_t position)
{
	(void)source, (void)position; /* what is lent is copied by who takes it */
}

static void job_source_wake(struct source *source)
{
	os_event_set(source->wake);
}

static void job_source_detach(struct source *source)
{
	job_flush(source->job);
	job_observe_no_more(source->job);
	source->detached = true;
}

static int job_source_statistics(struct source *source, struct source_statistics *statistics)
{
	pthread_mutex_lock(&source->lock);
	record_writer_statistics(&source->writer, statistics);
	statistics->wakeups = source->wakeups;
	pthread_mutex_unlock(&source->lock);
	return 0;
}

struct snapshot {
	struct record_writer writer;
	struct running_image image;
	source_on_record on_record;
	void *param;
	struct source *source;
	uint64_t position;
};

static void tell_existing(const struct job_member *member, void *param)
{
	struct snapshot *snapshot = param;

	running_image_read(member->process, member->pid, false, &snapshot->image);
	write_member(&snapshot->writer, RECORD_EXISTING, os_boot_ns(), member, &snapshot->image);
	record_writer_lend_each(&snapshot->writer, snapshot->on_record, snapshot->param);
	/* None comes or goes while they are visited. */
	pthread_mutex_lock(&snapshot->source->lock);
	snapshot->position = snapshot->source->writer.position;
	pthread_mutex_unlock(&snapshot->source->lock);
}

/* The maker of the job, and its members. */
static int job_source_snapshot(struct source *source, source_on_record on_record, void *param,
			       uint64_t *position)
{
	struct snapshot snapshot = {.on_record = on_record, .param = param, .source = source};

	record_writer_init(&snapshot.writer, 0);
	job_visit(source->job, tell_existing, &snapshot);
	*position = snapshot.position;
	record_writer_free(&snapshot.writer);
	running_image_free(&snapshot.image);
	return 0;
}

static const char *job_source_limits(struct source *source)
{
	(void)source;
	return "follows a job: of programs that end at once only the pid is told, and what a "
	       "service starts for them is not in it";
}

static void job_source_close(struct source *source, bool forked)
{
	(void)forked; /* nobody forks here */
	job_observe_no_more(source->job);
	job_leave(source->job);
	free_source(source);
}

const struct source_operations job_source_operations = {
    .name = "job",
    .tree_only = true,
    .open = job_source_open,
    .drain = job_source_drain,
    .release = job_source_release,
    .wake = job_source_wake,
    .detach = job_source_detach,
    .statistics = job_source_statistics,
    .snapshot = job_source_snapshot,
    .limits = job_source_limits,
    .close = job_source_close,
};
