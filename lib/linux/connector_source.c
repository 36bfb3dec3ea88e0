/* SPDX-License-Identifier: MIT */
/*
 * The source "connector": the kernel's process events connector (CONFIG_PROC_EVENTS), for kernels
 * without BTF and where eBPF is refused. Why it is built so: docs/decisions/020-connector.md.
 */
#include "backends.h"
#include "connector_events.h"
#include "error.h"
#include "os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define BARRIER_TRY_NS 200000000ull
#define BARRIER_TRIES  50
#define SWEEP_MS       1000
#define LEND_BYTES     (1u << 20)

/* A process that is this young when a snapshot meets it will be told by its own event. */
#define YOUNG_NS 200000000ull

struct source {
	struct connector_receiver *receiver;
	uint64_t swept_ns;
	uint64_t attach_ns; /* who began before this has no fork event here */
	char limits[320];

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t passed;
	struct connector_events events;
	uint32_t barrier; /* id of the last ping whose answer has come by */
	uint64_t barrier_position;
	bool ended;
};

static void describe_limits(struct source *source, uint64_t wanted)
{
	uint64_t room = connector_receiver_room(source->receiver);
	int length = snprintf(source->limits, sizeof source->limits,
			      "argv, exe and cwd are read from /proc after the fact: missing for "
			      "processes that end at once; no CPU times; gaps count all kernel "
			      "messages, also those of threads");

	if (room < wanted && length > 0 && (size_t)length < sizeof source->limits)
		snprintf(source->limits + length, sizeof source->limits - (size_t)length,
			 "; the receive buffer is %llu KiB, not the %llu KiB wanted",
			 (unsigned long long)room >> 10, (unsigned long long)wanted >> 10);
}

static void connector_close(struct source *source, bool forked)
{
	connector_receiver_close(source->receiver, forked);
	connector_table_free(&source->events.table);
	record_writer_free(&source->events.writer);
	proc_image_free(&source->events.image);
	/* In a forked child the lock may be held, for ever, by a thread that is not there. */
	if (!forked) {
		pthread_cond_destroy(&source->passed);
		pthread_mutex_destroy(&source->lock);
	}
	free(source);
}

static int connector_open(const struct source_options *options, struct source **opened)
{
	uint64_t room = options->buffer_size ? options->buffer_size : 64u << 20;
	struct source *source;

	if (options->resident)
		return error_set(
		    PROCOBSRV_ERROR_UNSUPPORTED,
		    "the connector backend has no resident observer; use --backend bpf");
	if (access("/proc/self/stat", R_OK))
		return error_set_errno(errno, "the connector backend needs /proc");
	source = calloc(1, sizeof *source);
	if (!source)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the connector backend");
	pthread_mutex_init(&source->lock, NULL);
	int error = os_condition_init(&source->passed);
	if (error) {
		pthread_mutex_destroy(&source->lock);
		free(source);
		return error_set_errno(error, "cannot make a condition variable");
	}

	source->events.image_options = (struct proc_image_options){
	    .env = options->capture_env, .max_args = options->max_args, .invocation = true};
	record_writer_init(&source->events.writer, options->record_kinds);

	error = connector_receiver_open(room, &source->receiver);
	if (error) {
		connector_close(source, false);
		return error;
	}
	source->attach_ns = os_boot_ns();
	describe_limits(source, room);
	*opened = source;
	return 0;
}

/* Under the lock. */
static void feed(struct source *source, const struct connector_event *event)
{
	connector_events_feed(&source->events, event);
	if (event->event.what != PROC_EVENT_NONE)
		return;
	source->barrier = event->acknowledged - 1;
	source->barrier_position = source->events.writer.position;
	pthread_cond_broadcast(&source->passed);
}

static void feed_block(struct source *source, const struct connector_block *block,
		       source_on_batch on_batch, void *param)
{
	for (size_t i = 0; i < block->count; i++) {
		/* One by one: a snapshot wants the lock, too. */
		pthread_mutex_lock(&source->lock);
		feed(source, &block->events[i]);
		pthread_mutex_unlock(&source->lock);
		/* Only this thread writes, so what is lent stays as it is without the lock. */
		if (source->events.writer.bytes.size > LEND_BYTES)
			record_writer_lend(&source->events.writer, on_batch, param);
	}
}

static void sweep(struct source *source)
{
	uint64_t now = os_boot_ns();

	if (now - source->swept_ns < SWEEP_MS * 1000000ull)
		return;
	source->swept_ns = now;
	pthread_mutex_lock(&source->lock);
	connector_events_sweep(&source->events, now);
	pthread_mutex_unlock(&source->lock);
}

static bool is_anybody_lingering(struct source *source)
{
	pthread_mutex_lock(&source->lock);
	bool lingering = source->events.table.lingering > 0;
	pthread_mutex_unlock(&source->lock);
	return lingering;
}

static int connector_drain(struct source *source, int timeout_ms, source_on_batch on_batch,
			   void *param)
{
	struct connector_block *block;
	bool stopped = connector_receiver_stopped(source->receiver);
	size_t blocks = 0;

	if ((timeout_ms < 0 || timeout_ms > SWEEP_MS) && is_anybody_lingering(source))
		timeout_ms = SWEEP_MS;
	/* A few at a time, so that the caller sees its wake-ups in a storm, too. */
	while (blocks < 16 &&
	       (block = connector_receiver_take(source->receiver, blocks ? 0 : timeout_ms))) {
		feed_block(source, block, on_batch, param);
		connector_receiver_give(source->receiver, block);
		blocks++;
	}
	if (!blocks)
		sweep(source);
	record_writer_lend(&source->events.writer, on_batch, param);
	if (blocks || !stopped)
		return 0;

	pthread_mutex_lock(&source->lock);
	source->ended = true;
	pthread_cond_broadcast(&source->passed);
	pthread_mutex_unlock(&source->lock);
	return PROCOBSRV_ERROR_ENDED;
}

static void connector_release(struct source *source, uint64_t position)
{
	(void)source, (void)position; /* what is lent is copied by who takes it */
}

static void connector_wake(struct source *source)
{
	connector_receiver_wake(source->receiver);
}

static void connector_detach(struct source *source)
{
	connector_receiver_stop(source->receiver);
}

static int connector_statistics(struct source *source, struct source_statistics *statistics)
{
	memset(statistics, 0, offsetof(struct source_statistics, sequences));
	pthread_mutex_lock(&source->lock);
	struct record_writer *writer = &source->events.writer;
	statistics->stream = writer->stream;
	statistics->released = writer->position;
	/* What waits to be made into records has no positions yet, but there is more to come. */
	statistics->produced = writer->position + connector_receiver_has_more(source->receiver);
	statistics->sequence_count = 1;
	statistics->sequences[0].number = writer->number;
	memcpy(statistics->sequences[0].lost, writer->lost, sizeof writer->lost);
	pthread_mutex_unlock(&source->lock);
	statistics->ring_size = connector_receiver_room(source->receiver);
	statistics->wakeups = connector_receiver_wakeups(source->receiver);
	return 0;
}

/*
 * Waits until the listener has seen every event that was sent before this call. A ping's answer
 * comes behind them in the socket.
 */
static int pass_barrier(struct source *source, uint64_t *position)
{
	uint32_t id = 0;
	bool passed = false;

	if (getrandom(&id, sizeof id, GRND_NONBLOCK) < 0)
		id = (uint32_t)os_boot_ns();
	pthread_mutex_lock(&source->lock);
	for (int i = 0; i < BARRIER_TRIES && !passed && !source->ended; i++) {
		if (!connector_receiver_ping(source->receiver, ++id))
			break;
		uint64_t end = os_boot_ns() + BARRIER_TRY_NS, now;
		while (!(passed = source->barrier == id) && !source->ended &&
		       (now = os_boot_ns()) < end)
			os_condition_wait(&source->passed, &source->lock, end - now);
	}
	*position = source->barrier_position;
	if (source->ended) {
		*position = source->events.writer.position;
		passed = true;
	}
	pthread_mutex_unlock(&source->lock);
	return passed ? 0
		      : error_set(PROCOBSRV_ERROR_SYSTEM,
				  "the proc connector has stopped to answer, so the running "
				  "processes cannot be told apart from new ones");
}

struct snapshot {
	struct source *source;
	source_on_record on_record;
	void *param;
	uint64_t begin_ns;
	uint64_t gaps; /* that there had been before it */
	struct record_writer writer;
	struct proc_image image;
};

/* Takes the entry's identity, or makes the entry. False: the process tells itself, or is gone. */
static bool settle(struct snapshot *snapshot, int directory, struct proc_process *process)
{
	struct connector_events *events = &snapshot->source->events;
	uint32_t parent = process->body.parent.pid;
	struct connector_process *entry;
	struct proc_process now = {0};
	bool settled = false;

	/* Should the event of one who is taken still come, it finds the entry and its identity. */
	bool untold = process->body.process.start_ns < snapshot->source->attach_ns ||
		      process->body.process.start_ns + YOUNG_NS < snapshot->begin_ns;

	pthread_mutex_lock(&snapshot->source->lock);
	entry = connector_events_match(events, process);
	if (!entry && untold &&
	    /* Its exit event may have passed since it was read. */
	    proc_process_read_stat(directory, &now) &&
	    !(now.body.process_flags & RECORD_PROCESS_EXITING)) {
		process->body.parent = connector_events_identity(events, parent);
		entry = connector_table_put(&events->table, &process->body);
		if (entry) {
			entry->gaps = events->gaps;
			entry->layout = process->layout;
		}
	}
	if (entry) {
		/* Only after a gap can an exec have gone by untold. */
		if (events->gaps && process->layout && process->layout != entry->layout) {
			entry->body.exec_id += entry->layout != 0;
			entry->layout = process->layout;
		}
		entry->seen = true;
		process->body.exec_id = entry->body.exec_id;
		process->body.process.start_ns = entry->body.process.start_ns;
		process->body.parent = connector_events_identity(events, parent);
		settled = true;
	}
	pthread_mutex_unlock(&snapshot->source->lock);
	return settled;
}

static void snapshot_one(uint32_t pid, void *param)
{
	struct snapshot *snapshot = param;
	struct proc_process process;
	int directory = proc_process_open(pid);

	if (directory < 0)
		return;
	if (proc_process_read(directory, &process) && settle(snapshot, directory, &process)) {
		bool kernel = process.body.process_flags & RECORD_PROCESS_KERNEL_THREAD;
		struct record_parts parts = {
		    .kind = RECORD_EXISTING, .time_ns = os_boot_ns(), .body = &process.body};
		if (!kernel) {
			proc_image_read(directory, &snapshot->source->events.image_options,
					&snapshot->image);
			snapshot->image.image.thread_pid = pid;
			parts.image = &snapshot->image.image;
			parts.strings = snapshot->image.strings;
		}
		record_writer_add(&snapshot->writer, &parts);
		record_writer_lend_each(&snapshot->writer, snapshot->on_record, snapshot->param);
	}
	close(directory);
}

static void forget_one(void **slot, void *param)
{
	struct snapshot *snapshot = param;
	struct connector_process *entry = *slot;
	bool old = entry->body.process.start_ns + YOUNG_NS < snapshot->begin_ns;

	if (old && !entry->seen && snapshot->gaps)
		connector_table_remove(&snapshot->source->events.table, entry->body.process.pid);
	else
		entry->seen = false;
}

/*
 * Every exit that was told has passed by now: after a gap, who was not there is one whose exit was
 * lost.
 */
static void forget_unseen(struct snapshot *snapshot)
{
	struct source *source = snapshot->source;

	pthread_mutex_lock(&source->lock);
	pid_table_visit(&source->events.table.processes, forget_one, snapshot);
	pthread_mutex_unlock(&source->lock);
}

static int connector_snapshot(struct source *source, source_on_record on_record, void *param,
			      uint64_t *position)
{
	struct snapshot *snapshot = calloc(1, sizeof *snapshot);
	uint64_t before;
	int error;

	if (!snapshot)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a snapshot");
	snapshot->source = source;
	snapshot->on_record = on_record;
	snapshot->param = param;
	/* Who is not in the table after this, and not young, was never told: it gets its entry. */
	error = pass_barrier(source, &before);
	snapshot->begin_ns = os_boot_ns();
	pthread_mutex_lock(&source->lock);
	snapshot->gaps = source->events.gaps;
	pthread_mutex_unlock(&source->lock);
	record_writer_init(&snapshot->writer, 0);
	if (!error && !proc_walk(snapshot_one, snapshot))
		error = error_set_errno(errno, "cannot read /proc");
	if (!error)
		error = pass_barrier(source, position);
	if (!error)
		forget_unseen(snapshot);
	record_writer_free(&snapshot->writer);
	proc_image_free(&snapshot->image);
	free(snapshot);
	return error;
}

static const char *connector_limits(struct source *source)
{
	return source->limits;
}

const struct source_operations connector_source_operations = {
    .name = "connector",
    .open = connector_open,
    .drain = connector_drain,
    .release = connector_release,
    .wake = connector_wake,
    .detach = connector_detach,
    .statistics = connector_statistics,
    .snapshot = connector_snapshot,
    .limits = connector_limits,
    .close = connector_close,
};
