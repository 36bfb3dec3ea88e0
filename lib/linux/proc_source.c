/* SPDX-License-Identifier: MIT */
/*
 * The source "proc": the last resort, where the system lets nobody be told. It looks at /proc every
 * now and then and tells the differences. What lives shorter than that is missed, and limits() says
 * so; of who is gone only that it is gone is known, unless it was met as a zombie.
 */
#include "backends.h"
#include "error.h"
#include "os.h"
#include "pid_table.h"
#include "proc_process.h"
#include "record_writer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_NS 50000000ull
/* One look may take this part of the time between two: 5 % of a cpu. */
#define COST_SHARE 20

/* A process as the last look found it. */
struct sampled {
	struct record_body body;
	uint64_t layout;
	uint64_t look; /* the last one that met it */
	bool not_execed;
	bool ended; /* its exit was told: a zombie */
};

struct source {
	struct os_event *wake;
	uint64_t next_ns; /* when the next look is due */
	char limits[160];
	bool detached;

	pthread_mutex_t lock; /* guards what follows */
	struct record_writer writer;
	struct proc_image_options image_options;
	struct proc_image image;
	struct pid_table table; /* struct sampled */
	uint64_t look;
	uint64_t now_ns;
	struct arena born; /* struct sampled *: of this look, to be told in order of start */
};

static struct sampled *find(const struct source *source, uint32_t pid)
{
	return pid_table_get(&source->table, pid);
}

static struct record_identity identity_of(const struct source *source, uint32_t pid)
{
	struct sampled *sampled = find(source, pid);

	return sampled ? sampled->body.process : proc_process_identity(pid);
}

/* ---- what is told ---- */

static void tell_start(struct source *source, struct sampled *sampled)
{
	struct record_start start = {0};

	record_writer_add(&source->writer, &(struct record_parts){.kind = RECORD_START,
								  .time_ns = source->now_ns,
								  .body = &sampled->body,
								  .start = &start});
}

static void tell_exec(struct source *source, struct sampled *sampled)
{
	int directory = proc_process_open(sampled->body.process.pid);

	if (directory < 0) {
		proc_image_too_late(&source->image, source->image_options.env);
	} else {
		proc_image_read(directory, &source->image_options, &source->image);
		close(directory);
	}
	source->image.image.thread_pid = sampled->body.process.pid;
	record_writer_add(&source->writer,
			  &(struct record_parts){.kind = RECORD_EXEC,
						 .time_ns = source->now_ns,
						 .body = &sampled->body,
						 .image = &source->image.image,
						 .strings = source->image.strings});
}

/* `zombie`: what /proc tells of it, or NULL if it is not there any more. */
static void tell_exit(struct source *source, struct sampled *sampled,
		      const struct proc_process *zombie, bool status_told)
{
	struct record_exit exit = {.flags = RECORD_EXIT_USAGE_UNKNOWN};

	if (zombie && status_told)
		proc_process_decode_status(zombie->exit_status, &exit);
	else
		exit.flags |= RECORD_EXIT_STATUS_UNKNOWN;
	record_writer_add(&source->writer, &(struct record_parts){.kind = RECORD_EXIT,
								  .time_ns = source->now_ns,
								  .body = &sampled->body,
								  .exit = &exit});
}

/* ---- one look ---- */

/* May we know its exit status? The link exe leads nowhere for a zombie, but first it is asked. */
static bool may_trace(int directory)
{
	char path[8];

	return readlinkat(directory, "exe", path, sizeof path) >= 0 || errno != EACCES;
}

static void forget(struct source *source, uint32_t pid)
{
	void **slot = pid_table_slot(&source->table, pid);

	free(*slot);
	*slot = NULL;
}

static void take_present(struct source *source, struct sampled *sampled,
			 const struct proc_process *process)
{
	struct record_body *body = &sampled->body;
	uint64_t exec_id = body->exec_id;
	struct record_identity parent = body->parent;

	*body = process->body;
	body->exec_id = exec_id;
	body->parent = process->body.parent.pid == parent.pid
			   ? parent
			   : identity_of(source, process->body.parent.pid);
	sampled->layout = process->layout;
	sampled->not_execed = process->not_execed;
}

/* Somebody who was not there at the last look. */
static void meet(struct source *source, int directory, struct proc_process *process)
{
	void **slot = pid_table_slot(&source->table, process->body.process.pid);
	struct sampled *sampled, **born;

	if (!slot || !proc_process_read_status(directory, process))
		return; /* no memory, or gone already: it is met at the next look, or never */
	proc_process_read_audit(directory, process);
	sampled = calloc(1, sizeof *sampled);
	born = sampled ? arena_add(&source->born, sizeof(struct sampled *)) : NULL;
	if (!born) {
		free(sampled);
		return;
	}
	sampled->body = process->body;
	sampled->layout = process->layout;
	sampled->not_execed = process->not_execed;
	sampled->look = source->look;
	*slot = *born = sampled;
}

static bool has_execed(const struct sampled *before, const struct proc_process *now)
{
	return (before->not_execed && !now->not_execed) ||
	       (before->layout && now->layout && before->layout != now->layout) ||
	       /* Without the right to see more, a new name is the best sign; names change
		* otherwise, too, but seldom. */
	       (!now->layout && !now->not_execed &&
		memcmp(before->body.name, now->body.name, sizeof before->body.name));
}

static bool has_changed(const struct sampled *before, const struct proc_process *now)
{
	return has_execed(before, now) ||
	       before->body.process.start_ns != now->body.process.start_ns ||
	       (!before->ended && now->body.process_flags & RECORD_PROCESS_EXITING) ||
	       before->body.parent.pid != now->body.parent.pid ||
	       memcmp(before->body.name, now->body.name, sizeof before->body.name);
}

static void compare(struct source *source, int directory, struct sampled *sampled,
		    struct proc_process *process)
{
	if (sampled->ended)
		return;
	if (process->body.process_flags & RECORD_PROCESS_EXITING) {
		tell_exit(source, sampled, process, may_trace(directory));
		sampled->ended = true;
		return;
	}
	bool execed = has_execed(sampled, process);
	if (!proc_process_read_status(directory, process))
		return;
	proc_process_read_audit(directory, process);
	take_present(source, sampled, process);
	if (execed) {
		sampled->body.exec_id++;
		tell_exec(source, sampled);
	}
}

/* Somebody new, or somebody who has changed. */
static void look_closer(struct source *source, uint32_t pid)
{
	struct sampled *sampled = find(source, pid);
	struct proc_process process = {0};
	int directory = proc_process_open(pid);

	if (directory < 0)
		return;
	if (proc_process_read_stat(directory, &process)) {
		if (sampled && sampled->body.process.start_ns != process.body.process.start_ns) {
			if (!sampled->ended)
				tell_exit(source, sampled, NULL, false);
			forget(source, pid);
			sampled = NULL;
		}
		if (sampled)
			compare(source, directory, sampled, &process);
		else
			meet(source, directory, &process);
	}
	close(directory);
}

static void look_at(uint32_t pid, void *param)
{
	struct source *source = param;
	struct sampled *sampled = find(source, pid);
	struct proc_process process = {0};

	if (sampled) {
		/* Most have not changed, which one file tells. */
		if (!proc_process_read_stat_of(pid, &process))
			return;
		sampled->look = source->look;
		if (!has_changed(sampled, &process))
			return;
	}
	look_closer(source, pid);
}

static void look_for_gone(void **slot, void *param)
{
	struct source *source = param;
	struct sampled *sampled = *slot;

	if (sampled->look == source->look)
		return;
	if (!sampled->ended)
		tell_exit(source, sampled, NULL, false);
	free(sampled);
	*slot = NULL;
}

static int by_start(const void *left, const void *right)
{
	const struct record_identity *a = &(*(struct sampled *const *)left)->body.process;
	const struct record_identity *b = &(*(struct sampled *const *)right)->body.process;

	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* Parents before their children. */
static void tell_born(struct source *source, bool silently)
{
	struct sampled **born = (struct sampled **)source->born.data;
	size_t count = source->born.size / sizeof *born;

	if (count)
		qsort(born, count, sizeof(struct sampled *), by_start);
	for (size_t i = 0; i < count; i++) {
		born[i]->body.parent = identity_of(source, born[i]->body.parent.pid);
		if (silently)
			continue;
		uint32_t flags = born[i]->body.process_flags;
		born[i]->body.process_flags &= ~(uint32_t)RECORD_PROCESS_EXITING;
		tell_start(source, born[i]);
		if (!born[i]->not_execed && !(flags & RECORD_PROCESS_KERNEL_THREAD)) {
			born[i]->body.exec_id++;
			tell_exec(source, born[i]);
		}
	}
	arena_clear(&source->born, 1u << 16);
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * 1000000000u + (uint64_t)spent.tv_nsec;
}

/* Compares /proc with what the last look found. False: /proc cannot be read. */
static bool look(struct source *source, bool silently)
{
	uint64_t begin = os_boot_ns(), spent = thread_cpu_ns();

	pthread_mutex_lock(&source->lock);
	source->now_ns = begin;
	source->look++;
	bool done = proc_walk(look_at, source);
	if (done)
		pid_table_visit(&source->table, look_for_gone, source);
	tell_born(source, silently);
	pthread_mutex_unlock(&source->lock);

	uint64_t cost = thread_cpu_ns() - spent;
	uint64_t interval = cost * COST_SHARE > INTERVAL_NS ? cost * COST_SHARE : INTERVAL_NS;
	source->next_ns = begin + interval;
	return done;
}

/* ---- the operations ---- */

static void free_sampled(void **slot, void *param)
{
	(void)param;
	free(*slot);
}

static void proc_close(struct source *source, bool forked)
{
	pid_table_visit(&source->table, free_sampled, NULL);
	pid_table_free(&source->table);
	record_writer_free(&source->writer);
	proc_image_free(&source->image);
	arena_free(&source->born);
	os_event_destroy(source->wake);
	if (!forked)
		pthread_mutex_destroy(&source->lock);
	free(source);
}

static int proc_open(const struct source_options *options, struct source **opened)
{
	struct source *source;

	if (options->resident)
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "the proc backend has no resident observer; use --backend bpf");
	source = calloc(1, sizeof *source);
	if (!source || !(source->wake = os_event_create())) {
		free(source);
		return error_set(PROCOBSRV_ERROR_MEMORY,
				 "no memory or descriptor is left for the proc backend");
	}
	pthread_mutex_init(&source->lock, NULL);
	record_writer_init(&source->writer, options->record_kinds);
	source->image_options = (struct proc_image_options){
	    .env = options->capture_env, .max_args = options->max_args, .invocation = true};
	/* The second look is as all others will be: it tells what one costs. */
	if (!look(source, true) || !look(source, false)) {
		int error = error_set_errno(errno, "the proc backend cannot read /proc");
		proc_close(source, false);
		return error;
	}
	snprintf(source->limits, sizeof source->limits,
		 "samples /proc every %u ms or more: processes that live shorter are missed, of "
		 "those that "
		 "end the exit status mostly is not known",
		 (unsigned)((source->next_ns - source->now_ns) / 1000000));
	*opened = source;
	return 0;
}

static void wait_until(struct source *source, uint64_t time_ns)
{
	struct pollfd wait = {(int)os_event_handle(source->wake), POLLIN, 0};
	uint64_t now = os_boot_ns();

	if (now < time_ns)
		poll(&wait, 1, (int)((time_ns - now + 999999) / 1000000));
	os_event_clear(source->wake);
}

static int proc_drain(struct source *source, int timeout_ms, source_on_batch on_batch, void *param)
{
	uint64_t end = timeout_ms < 0 ? UINT64_MAX : os_boot_ns() + (uint64_t)timeout_ms * 1000000u;

	if (source->detached)
		return PROCOBSRV_ERROR_ENDED;
	wait_until(source, end < source->next_ns ? end : source->next_ns);
	if (os_boot_ns() < source->next_ns)
		return 0;
	if (!look(source, false))
		return error_set_errno(errno, "the proc backend cannot read /proc any more");
	record_writer_lend(&source->writer, on_batch, param);
	return 0;
}

static void proc_release(struct source *source, uint64_t position)
{
	(void)source, (void)position; /* what is lent is copied by who takes it */
}

static void proc_wake(struct source *source)
{
	os_event_set(source->wake);
}

static void proc_detach(struct source *source)
{
	source->detached = true;
}

static int proc_statistics(struct source *source, struct source_statistics *statistics)
{
	pthread_mutex_lock(&source->lock);
	record_writer_statistics(&source->writer, statistics);
	statistics->wakeups = source->look;
	pthread_mutex_unlock(&source->lock);
	return 0;
}

struct snapshot {
	struct source *source;
	struct record_writer writer;
	source_on_record on_record;
	void *param;
};

static void snapshot_one(void **slot, void *param)
{
	struct snapshot *snapshot = param;
	struct source *source = snapshot->source;
	const struct sampled *sampled = *slot;
	struct record_parts parts = {
	    .kind = RECORD_EXISTING, .time_ns = source->now_ns, .body = &sampled->body};
	bool kernel = sampled->body.process_flags & RECORD_PROCESS_KERNEL_THREAD;
	int directory = kernel ? -1 : proc_process_open(sampled->body.process.pid);

	if (sampled->ended)
		goto out;
	if (directory >= 0)
		proc_image_read(directory, &source->image_options, &source->image);
	else if (!kernel)
		proc_image_too_late(&source->image, source->image_options.env);
	if (!kernel) {
		source->image.image.thread_pid = sampled->body.process.pid;
		parts.image = &source->image.image;
		parts.strings = source->image.strings;
	}
	record_writer_add(&snapshot->writer, &parts);
	record_writer_lend_each(&snapshot->writer, snapshot->on_record, snapshot->param);
out:
	if (directory >= 0)
		close(directory);
}

/* The last look is the snapshot: no look is taken while it is told. */
static int proc_snapshot(struct source *source, source_on_record on_record, void *param,
			 uint64_t *position)
{
	struct snapshot snapshot = {.source = source, .on_record = on_record, .param = param};

	record_writer_init(&snapshot.writer, 0);
	pthread_mutex_lock(&source->lock);
	pid_table_visit(&source->table, snapshot_one, &snapshot);
	*position = source->writer.position;
	pthread_mutex_unlock(&source->lock);
	record_writer_free(&snapshot.writer);
	return 0;
}

static const char *proc_limits(struct source *source)
{
	return source->limits;
}

const struct source_operations proc_source_operations = {
    .name = "proc",
    .open = proc_open,
    .drain = proc_drain,
    .release = proc_release,
    .wake = proc_wake,
    .detach = proc_detach,
    .statistics = proc_statistics,
    .snapshot = proc_snapshot,
    .limits = proc_limits,
    .close = proc_close,
};
