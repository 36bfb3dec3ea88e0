/* SPDX-License-Identifier: MIT */
/*
 * The source "ptrace": follows the tree of one process without privileges. The tracing is done by a
 * process of its own (tracer.c), so that the embedding program's waitpid() and SIGCHLD are not
 * disturbed; this side starts it and lends the records that it sends.
 */
#include "arena.h"
#include "backends.h"
#include "error.h"
#include "os.h"
#include "tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES (256u << 10)
#define KEEP_BYTES (1u << 20)
#define READY_MS   30000

/* After the end was asked for, a drain that may not wait waits so long for the tracer. */
#define LAST_WAIT_MS 20

struct source {
	int socket;
	pid_t tracer;
	struct os_event *wake;
	struct arena inbox;    /* what has come; begins with a whole record */
	struct arena index;    /* struct source_record of the batch at hand */
	struct arena existing; /* RECORD_EXISTING, from when the tracer attached */
	uint64_t stream;
	bool detached;
	bool end_seen;
	atomic_ullong position; /* after what was lent */
	atomic_ullong number;
	atomic_ullong wakeups;
	atomic_bool ended;
	_Atomic uint32_t lost[RECORD_LOST_KINDS];
	char limits[400];
};

/* ---- starting the tracer ---- */

/*
 * A bare clone() without a signal for its end: the embedding program's SIGCHLD handler does not
 * hear of the tracer, and its waitpid(-1) does not meet it. All arguments are 0, so that their
 * order, which differs between architectures, does not matter.
 */
static pid_t clone_quietly(void)
{
	return (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
}

static int start_tracer(struct source *source, const struct source_options *options)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return error_set_errno(errno, "cannot make a socket for the tracer");
	struct tracer_options tracer = {
	    .socket = ends[1],
	    .root_pid = options->root_pid,
	    .kinds = options->record_kinds,
	    .image = {.env = options->capture_env,
		      .max_args = options->max_args,
		      .invocation = true},
	};
	sigset_t all, before;
	/* No signal may run the embedding program's handlers in the tracer. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	source->tracer = clone_quietly();
	if (source->tracer == 0)
		tracer_run(&tracer);
	int error = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	source->socket = ends[0];
	if (source->tracer < 0)
		return error_set_errno(error, "cannot start the tracer");
	return 0;
}

static void reap(struct source *source)
{
	while (source->tracer > 0 && waitpid(source->tracer, NULL, __WALL) < 0 && errno == EINTR)
		;
	source->tracer = 0;
}

/* ---- taking what it sends ---- */

/* Reads what is there. 1: something, 0: nothing now, -1: the other end is closed. */
static int receive(struct source *source)
{
	int result = 0;

	for (;;) {
		if (!arena_reserve(&source->inbox, READ_BYTES))
			return result; /* it stays in the socket */
		ssize_t got = recv(source->socket, source->inbox.data + source->inbox.size,
				   READ_BYTES, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? result : -1;
		if (got == 0)
			return -1;
		source->inbox.size += (size_t)got;
		result = 1;
		if (got < (ssize_t)READ_BYTES || source->inbox.size > KEEP_BYTES)
			return result;
	}
}

/* The whole record at `offset`, and how far the next one is; NULL: it is not there yet. */
static const struct record_header *record_at(const struct source *source, size_t offset,
					     size_t *step)
{
	size_t left = source->inbox.size - offset;
	const struct record_header *header;

	if (left < sizeof *header)
		return NULL;
	header = (const void *)(source->inbox.data + offset);
	*step = (header->size + (size_t)7) & ~(size_t)7;
	return *step <= left ? header : NULL;
}

static int explain_refusal(const struct source_options *options, int error)
{
	char text[16] = "";
	int file = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);

	if (file >= 0) {
		ssize_t got = read(file, text, sizeof text - 1);
		text[got > 0 ? got : 0] = '\0';
		close(file);
	}
	if (error == ESRCH)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND, "there is no process %u to follow",
				 options->root_pid);
	if (error == EPERM && atoi(text) == 1)
		return error_set(
		    PROCOBSRV_ERROR_PERMISSION,
		    "process %u cannot be traced: kernel.yama.ptrace_scope is 1, so it "
		    "must allow that itself by prctl(PR_SET_PTRACER, "
		    "PR_SET_PTRACER_ANY), as consctl run does",
		    options->root_pid);
	if (error == EPERM && atoi(text) > 1)
		return error_set(
		    PROCOBSRV_ERROR_PERMISSION,
		    "process %u cannot be traced: kernel.yama.ptrace_scope is %d, which "
		    "allows it to root only, or to nobody",
		    options->root_pid, atoi(text));
	return error_set_errno(error,
			       "process %u cannot be traced (it belongs to somebody else, or a "
			       "debugger or strace follows it already)",
			       options->root_pid);
}

static void describe_limits(struct source *source, const struct source_options *options,
			    uint32_t unfollowed)
{
	int length = snprintf(
	    source->limits, sizeof source->limits,
	    "traces the tree of process %u, which slows it; %sdebuggers, strace "
	    "and LeakSanitizer do not work inside it; execs that fail are not seen",
	    options->root_pid, geteuid() ? "setuid programs run without their privilege; " : "");

	if (unfollowed && length > 0 && (size_t)length < sizeof source->limits)
		snprintf(source->limits + length, sizeof source->limits - (size_t)length,
			 "; %u running descendants belong to others and are not followed",
			 unfollowed);
}

/* Takes the running processes, then the word that the tracer has attached. */
static int wait_until_ready(struct source *source, const struct source_options *options)
{
	uint64_t end = os_boot_ns() + READY_MS * 1000000ull;
	struct pollfd wait = {source->socket, POLLIN, 0};

	for (;;) {
		const struct record_header *header;
		size_t step;

		while ((header = record_at(source, 0, &step))) {
			if (header->kind == 0) {
				struct tracer_message message;
				memcpy(&message, header, sizeof message);
				arena_consume(&source->inbox, step);
				if (message.error)
					return explain_refusal(options, message.error);
				describe_limits(source, options, message.unfollowed);
				return 0;
			}
			void *copy = arena_add(&source->existing, step);
			if (!copy)
				return error_set(PROCOBSRV_ERROR_MEMORY,
						 "out of memory for the running processes");
			memcpy(copy, header, step);
			arena_consume(&source->inbox, step);
		}
		uint64_t now = os_boot_ns();
		if (now >= end)
			return error_set(PROCOBSRV_ERROR_SYSTEM,
					 "the tracer did not get ready within %d s",
					 READY_MS / 1000);
		poll(&wait, 1, (int)((end - now) / 1000000) + 1);
		if (receive(source) < 0 && !record_at(source, 0, &step))
			return error_set(PROCOBSRV_ERROR_SYSTEM,
					 "the tracer ended before it had attached");
	}
}

/* ---- the operations ---- */

static void ptrace_close(struct source *source, bool forked)
{
	if (source->socket >= 0)
		close(source->socket); /* which ends the tracer */
	if (!forked)
		reap(source);
	os_event_destroy(source->wake);
	arena_free(&source->inbox);
	arena_free(&source->index);
	arena_free(&source->existing);
	free(source);
}

static int ptrace_open(const struct source_options *options, struct source **opened)
{
	struct source *source;
	int error;

	if (options->resident)
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "the ptrace backend has no resident observer; use --backend bpf");
	if (!options->root_pid)
		return error_set(
		    PROCOBSRV_ERROR_UNSUPPORTED,
		    "the ptrace backend follows the tree of one process, not a machine; "
		    "use consctl run");
	source = calloc(1, sizeof *source);
	if (!source || !(source->wake = os_event_create())) {
		free(source);
		return error_set(PROCOBSRV_ERROR_MEMORY,
				 "no memory or descriptor is left for the ptrace backend");
	}
	source->socket = -1;
	if (getrandom(&source->stream, sizeof source->stream, GRND_NONBLOCK) !=
	    sizeof source->stream)
		source->stream = os_boot_ns();
	error = start_tracer(source, options);
	if (!error)
		error = wait_until_ready(source, options);
	if (error) {
		ptrace_close(source, false);
		return error;
	}
	*opened = source;
	return 0;
}

/* Lends the whole records of the inbox and keeps the rest. */
static void lend(struct source *source, source_on_batch on_batch, void *param)
{
	struct source_batch batch = {.stream = source->stream};
	uint64_t position = atomic_load(&source->position);
	const struct record_header *header;
	size_t offset = 0, step;

	arena_clear(&source->index, KEEP_BYTES);
	for (; (header = record_at(source, offset, &step)); offset += step) {
		if (header->kind == 0) {
			source->end_seen = true;
			continue;
		}
		struct source_record *entry = arena_add(&source->index, sizeof *entry);
		if (!entry)
			break; /* the rest is lent next time */
		*entry = (struct source_record){header, header->size, position};
		position += step;
		atomic_store(&source->number, header->number);
		for (int i = 0; i < RECORD_LOST_KINDS; i++)
			atomic_store(&source->lost[i], header->lost[i]);
	}
	batch.records = (const struct source_record *)source->index.data;
	batch.count = source->index.size / sizeof *batch.records;
	batch.resume = position;
	if (batch.count)
		on_batch(&batch, param);
	atomic_store(&source->position, position);
	arena_consume(&source->inbox, offset);
	if (!source->inbox.size)
		arena_clear(&source->inbox, KEEP_BYTES);
}

static int ptrace_drain(struct source *source, int timeout_ms, source_on_batch on_batch,
			void *param)
{
	struct pollfd waits[] = {{source->socket, POLLIN, 0},
				 {(int)os_event_handle(source->wake), POLLIN, 0}};
	int received;

	if (atomic_load(&source->ended))
		return PROCOBSRV_ERROR_ENDED;
	if (source->detached && timeout_ms >= 0 && timeout_ms < LAST_WAIT_MS)
		timeout_ms = LAST_WAIT_MS;
	if (poll(waits, 2, timeout_ms) < 0 && errno != EINTR)
		return error_set_errno(errno, "cannot wait for the tracer");
	os_event_clear(source->wake);
	atomic_fetch_add(&source->wakeups, 1);
	received = receive(source);
	lend(source, on_batch, param);
	if (source->end_seen) {
		atomic_store(&source->ended, true);
		return PROCOBSRV_ERROR_ENDED;
	}
	if (received < 0) {
		atomic_store(&source->ended, true);
		return error_set(PROCOBSRV_ERROR_SYSTEM,
				 "the tracer was killed: the traced programs go on, unobserved");
	}
	return 0;
}

static void ptrace_release(struct source *source, uint64_t position)
{
	(void)source, (void)position; /* what is lent is copied by who takes it */
}

static void ptrace_wake(struct source *source)
{
	os_event_set(source->wake);
}

static void ptrace_detach(struct source *source)
{
	source->detached = true;
	shutdown(source->socket, SHUT_WR);
}

static int ptrace_statistics(struct source *source, struct source_statistics *statistics)
{
	memset(statistics, 0, offsetof(struct source_statistics, sequences));
	statistics->stream = source->stream;
	statistics->released = atomic_load(&source->position);
	/* What the tracer still holds is not known; until its last word there may be more. */
	statistics->produced =
	    statistics->released + (source->detached && !atomic_load(&source->ended));
	statistics->wakeups = atomic_load(&source->wakeups);
	statistics->sequence_count = 1;
	statistics->sequences[0].number = atomic_load(&source->number);
	for (int i = 0; i < RECORD_LOST_KINDS; i++)
		statistics->sequences[0].lost[i] = atomic_load(&source->lost[i]);
	return 0;
}

/* The tree as it was when the tracer attached, which is where the stream begins. */
static int ptrace_snapshot(struct source *source, source_on_record on_record, void *param,
			   uint64_t *position)
{
	size_t offset = 0;

	while (offset < source->existing.size) {
		const struct record_header *header = (const void *)(source->existing.data + offset);
		on_record(header, header->size, param);
		offset += (header->size + (size_t)7) & ~(size_t)7;
	}
	*position = 0;
	return 0;
}

static const char *ptrace_limits(struct source *source)
{
	return source->limits;
}

const struct source_operations ptrace_source_operations = {
    .name = "ptrace",
    .tree_only = true,
    .open = ptrace_open,
    .drain = ptrace_drain,
    .release = ptrace_release,
    .wake = ptrace_wake,
    .detach = ptrace_detach,
    .statistics = ptrace_statistics,
    .snapshot = ptrace_snapshot,
    .limits = ptrace_limits,
    .close = ptrace_close,
};
