/* SPDX-License-Identifier: MIT */
/* The source "bpf": an observer in the kernel, and the reader of its ring. */
#include "bpf_observer.h"
#include "cgroup_hierarchy.h"
#include "error.h"
#include "proc_files.h"
#include "reader_lock.h"
#include "resident_linux.h"
#include "ring_reader.h"
#include "task_snapshot.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BATCH 256

/*
 * A reader that slept is woken by the first record, and waking costs more than all else. So it
 * does not go to sleep again at once: it looks every now and then, and sleeps when there was
 * nothing. While little comes it looks often, for the sake of who waits for an event.
 */
#define PAUSE_LEAST_NS 250000u
#define PAUSE_NS       1000000u
#define PAUSE_MOST_NS  4000000u
#define MANY_RECORDS   16u

/* The number that the kernel gives to the first pid namespace (PROC_PID_INIT_INO). */
#define FIRST_PID_NAMESPACE 0xeffffffcu

struct source {
	struct bpf_observer observer;
	struct ring_reader reader;
	struct task_snapshot_options snapshot;
	pthread_mutex_t snapshot_lock; /* the iterator has one buffer */
	_Atomic uint64_t ring_peak;    /* bytes in use, the most that was seen */
	int reader_lock;	       /* of the resident observer; -1: our own observer */
	uint64_t pause_ns;	       /* before the next look; 0: nothing came last time */
	char limits[BPF_OBSERVER_LIMITS_SIZE + 256];
	struct source_record records[BATCH];
};

static void add_limit(struct source *source, const char *text)
{
	size_t used = strlen(source->limits);

	if (*text)
		snprintf(source->limits + used, sizeof source->limits - used, "%s%s",
			 used ? "; " : "", text);
}

static void describe_limits(struct source *source, const struct source_options *options)
{
	uint32_t lacking = options->record_kinds & ~source->observer.state->record_kinds;
	struct stat namespace;

	add_limit(source, source->observer.limits);
	if (lacking & 1u << RECORD_EXEC_FAILED)
		add_limit(source, "the resident observer was installed without exec_failed: none "
				  "are told (\"consctl install --replace --kinds "
				  "start,exec,exec_failed,exit\" adds them)");
	if (!stat("/proc/self/ns/pid", &namespace) && namespace.st_ino != FIRST_PID_NAMESPACE)
		add_limit(source, "processes outside of this pid namespace that ran before are "
				  "known only from their next event on");
}

static int open_observer(const struct source_options *options, struct source *source)
{
	source->reader_lock = -1;
	if (!options->resident)
		return bpf_observer_load(options, &source->observer);

	int error = bpf_observer_open_pinned(resident_pin_directory(), &source->observer);
	if (error)
		return error;
	error = reader_lock_take(resident_directory(), &source->reader_lock);
	if (error)
		bpf_observer_close(&source->observer, false);
	return error;
}

static int bpf_open(const struct source_options *options, struct source **opened)
{
	struct source *source = calloc(1, sizeof *source);

	if (!source)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the eBPF source");
	int error = open_observer(options, source);
	if (error)
		goto failed;
	error = ring_reader_open(&source->reader, source->observer.ring,
				 source->observer.state->ring_size,
				 &source->observer.state->reader_waiting);
	if (error)
		goto failed_observer;
	/* What is safe needs not be read again, if the last reader died before it gave it back. */
	if (options->resident) {
		ring_reader_release(&source->reader, source->observer.state->acknowledged);
		source->reader.position = ring_reader_released(&source->reader);
	}
	source->snapshot = (struct task_snapshot_options){
	    .program = source->observer.snapshot_program,
	    .max_args = options->max_args ? options->max_args : UINT64_MAX,
	    .capture_env = options->capture_env,
	};
	pthread_mutex_init(&source->snapshot_lock, NULL);
	describe_limits(source, options);
	*opened = source;
	return 0;

failed_observer:
	bpf_observer_close(&source->observer, false);
	reader_lock_release(source->reader_lock);
failed:
	free(source);
	return error;
}

/* Lends what is there now. Returns how many records. */
static size_t lend(struct source *source, source_on_batch on_batch, void *param)
{
	uint64_t end = ring_reader_produced(&source->reader);
	size_t total = 0;

	while (source->reader.position < end) {
		uint64_t before = source->reader.position;
		size_t count = ring_reader_take(&source->reader, end, source->records, BATCH);
		if (source->reader.position == before)
			break;
		struct source_batch batch = {
		    .stream = source->observer.state->generation,
		    .records = source->records,
		    .count = count,
		    .resume = source->reader.position,
		};
		on_batch(&batch, param);
		total += count;
	}
	return total;
}

/* How long to let records gather before the next look, after `count` came at this one. */
static void choose_pause(struct source *source, size_t count)
{
	uint64_t used =
	    ring_reader_produced(&source->reader) - ring_reader_released(&source->reader);

	if (used > atomic_load_explicit(&source->ring_peak, memory_order_relaxed))
		atomic_store_explicit(&source->ring_peak, used, memory_order_relaxed);
	if (count == 0)
		source->pause_ns = 0;
	else if (used > source->reader.size / 4)
		source->pause_ns = PAUSE_LEAST_NS;
	else if (source->pause_ns == 0)
		source->pause_ns = PAUSE_LEAST_NS;
	else if (count >= MANY_RECORDS)
		source->pause_ns =
		    source->pause_ns * 2 > PAUSE_MOST_NS ? PAUSE_MOST_NS : source->pause_ns * 2;
	else
		source->pause_ns =
		    source->pause_ns * 2 > PAUSE_NS ? PAUSE_NS : source->pause_ns * 2;
}

static int bpf_drain(struct source *source, int timeout_ms, source_on_batch on_batch, void *param)
{
	uint64_t now = os_boot_ns();
	uint64_t end = timeout_ms < 0 ? UINT64_MAX : now + (uint64_t)timeout_ms * 1000000;
	bool woken = false;

	if (source->pause_ns && now < end)
		woken = ring_reader_pause(
		    &source->reader, source->pause_ns < end - now ? source->pause_ns : end - now);
	for (;;) {
		size_t count = lend(source, on_batch, param);
		choose_pause(source, count);
		if (count || woken || timeout_ms == 0)
			return 0;
		now = os_boot_ns();
		if (now >= end)
			return 0;
		uint64_t left_ms = (end - now + 999999) / 1000000;
		woken = ring_reader_sleep(&source->reader, left_ms > 60000 ? 60000 : (int)left_ms);
	}
}

static void bpf_release(struct source *source, uint64_t position)
{
	ring_reader_release(&source->reader, position);
}

static void bpf_wake(struct source *source)
{
	ring_reader_wake(&source->reader);
}

static void bpf_detach(struct source *source)
{
	bpf_observer_detach(&source->observer);
}

static int bpf_statistics(struct source *source, struct source_statistics *statistics)
{
	bpf_observer_counters(&source->observer, statistics);
	statistics->released = ring_reader_released(&source->reader);
	statistics->produced = ring_reader_produced(&source->reader);
	statistics->wakeups = source->reader.wakeups;
	statistics->ring_peak = atomic_load_explicit(&source->ring_peak, memory_order_relaxed);
	return 0;
}

static void bpf_acknowledge(struct source *source, uint64_t position, uint64_t read,
			    uint64_t repeats)
{
	__atomic_store_n(&source->observer.state->read, read, __ATOMIC_RELAXED);
	__atomic_store_n(&source->observer.state->repeats, repeats, __ATOMIC_RELAXED);
	__atomic_store_n(&source->observer.state->acknowledged, position, __ATOMIC_RELEASE);
}

static int bpf_snapshot(struct source *source, source_on_record on_record, void *param,
			uint64_t *position)
{
	pthread_mutex_lock(&source->snapshot_lock);
	int error = task_snapshot_take(&source->snapshot, on_record, param);
	pthread_mutex_unlock(&source->snapshot_lock);
	if (!error)
		*position = ring_reader_produced(&source->reader);
	return error;
}

static bool bpf_read_argv(const struct record_identity *identity, struct buffer *buffer)
{
	return proc_files_read_argv(identity, buffer, UINT64_MAX) == RECORD_WHOLE;
}

static const char *bpf_limits(struct source *source)
{
	return source->limits[0] ? source->limits : NULL;
}

static void bpf_close(struct source *source, bool forked)
{
	ring_reader_close(&source->reader, forked);
	bpf_observer_close(&source->observer, forked);
	reader_lock_release(source->reader_lock);
	if (!forked)
		pthread_mutex_destroy(&source->snapshot_lock);
	free(source);
}

const struct source_operations bpf_source_operations = {
    .name = "bpf",
    .open = bpf_open,
    .drain = bpf_drain,
    .release = bpf_release,
    .acknowledge = bpf_acknowledge,
    .wake = bpf_wake,
    .detach = bpf_detach,
    .statistics = bpf_statistics,
    .snapshot = bpf_snapshot,
    .read_argv = bpf_read_argv,
    .read_cgroup = cgroup_hierarchy_path,
    .list_cgroups = cgroup_hierarchy_list,
    .limits = bpf_limits,
    .close = bpf_close,
};
