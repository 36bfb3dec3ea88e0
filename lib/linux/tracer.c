/* SPDX-License-Identifier: MIT */
/* The tracer's life: attach, wait, send, end. See tracer.h for what must not be called here. */
#include "tracer_state.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLUSH_BYTES   (64u << 10)
#define BACKLOG_BYTES (256u << 20) /* beyond it the traced programs wait for who reads */
#define EVENTS_MOST   64	   /* between two looks at the socket */

#define KEEP_BYTES (1u << 20)

/* ---- the process around it ---- */

static void on_child(int signal)
{
	(void)signal; /* its only use is to end ppoll() */
}

/* All signals are blocked, but SIGCHLD while we wait: a Ctrl-C is for the traced, not for us. */
static void set_signals(sigset_t *while_waiting)
{
	struct sigaction action = {.sa_handler = on_child};
	sigset_t all;

	sigaction(SIGCHLD, &action, NULL);
	sigfillset(&all);
	*while_waiting = all;
	sigdelset(while_waiting, SIGCHLD);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Closes the embedding program's descriptors: a pipe's end must not stay open because of us. */
static void close_others(int keep)
{
	bool done = true;

#ifdef SYS_close_range
	if (keep > 0)
		done = syscall(SYS_close_range, 0u, (unsigned)keep - 1, 0u) == 0;
	done = done && syscall(SYS_close_range, (unsigned)keep + 1, ~0u, 0u) == 0;
	if (done)
		return;
#endif
	struct rlimit limit;
	int most = 1 << 20;
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < (rlim_t)most)
		most = (int)limit.rlim_cur;
	for (int i = 0; i < most; i++)
		if (i != keep)
			close(i);
}

/* ---- sending ---- */

/* Sends what can be sent without waiting. False: nobody reads any more. */
static bool send_some(struct tracer *tracer)
{
	struct arena *bytes = &tracer->writer.bytes;

	while (tracer->sent < bytes->size) {
		ssize_t sent = send(tracer->options.socket, bytes->data + tracer->sent,
				    bytes->size - tracer->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN;
		tracer->sent += (size_t)sent;
	}
	arena_clear(bytes, KEEP_BYTES);
	arena_clear(&tracer->writer.index, KEEP_BYTES);
	tracer->sent = 0;
	return true;
}

static bool is_backlogged(const struct tracer *tracer)
{
	return tracer->sent < tracer->writer.bytes.size;
}

static bool send_all(struct tracer *tracer)
{
	struct pollfd wait = {tracer->options.socket, POLLOUT, 0};

	for (;;) {
		if (!send_some(tracer))
			return false;
		if (!is_backlogged(tracer))
			return true;
		poll(&wait, 1, -1);
	}
}

/* A message stands in the stream like a record. */
static void write_message(struct tracer *tracer, enum tracer_message_type type, int error)
{
	struct tracer_message *message = arena_add(&tracer->writer.bytes, sizeof *message);

	_Static_assert(sizeof *message % 8 == 0, "records are padded to 8");
	if (!message)
		return; /* the end of the stream without it tells of a failure */
	*message = (struct tracer_message){
	    .header = {.size = sizeof *message, .version = RECORD_VERSION},
	    .type = type,
	    .error = error,
	    .unfollowed = tracer->unfollowed,
	};
}

/* ---- waiting ---- */

/* Deals with what waits for us, but not for ever. True: there may be more. */
static bool take_events(struct tracer *tracer)
{
	for (int i = 0; i < EVENTS_MOST; i++) {
		int status = 0;
		pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);
		if (tid < 0 && errno == EINTR)
			continue;
		if (tid <= 0)
			return false;
		tracer_event(tracer, (uint32_t)tid, status);
		if (tracer->writer.bytes.size - tracer->sent > FLUSH_BYTES && !send_some(tracer))
			return true; /* the socket's state is looked at next */
	}
	return true;
}

/* Waits for a traced thread or the socket; false: we are to end. */
static bool wait_for_more(struct tracer *tracer, const sigset_t *mask, bool more)
{
	const struct timespec none = {0}, idle = {.tv_sec = 1}, soon = {.tv_nsec = 100000000};
	const struct timespec *timeout = more ? &none : tracer->held ? &soon : &idle;
	struct pollfd wait = {tracer->options.socket, POLLIN, 0};

	if (is_backlogged(tracer))
		wait.events |= POLLOUT;
	int ready = ppoll(&wait, 1, timeout, more ? NULL : mask);
	/* Nothing is ever sent to us: the socket is readable when its other end was shut. */
	if (ready > 0 && wait.revents & (POLLIN | POLLHUP | POLLERR))
		return false;
	if (tracer->held)
		tracer_release_held(tracer);
	return true;
}

static void follow(struct tracer *tracer, const sigset_t *mask)
{
	while (tracer->count) {
		bool more = take_events(tracer);
		if (!more || tracer->writer.bytes.size > FLUSH_BYTES)
			send_some(tracer);
		if (!tracer->count)
			return;
		if (tracer->writer.bytes.size - tracer->sent > BACKLOG_BYTES && !send_all(tracer))
			return;
		if (!wait_for_more(tracer, mask, more))
			return;
	}
}

_Noreturn void tracer_run(const struct tracer_options *options)
{
	struct tracer *tracer =
	    mmap(NULL, sizeof *tracer, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigset_t while_waiting;

	if (tracer == MAP_FAILED)
		_exit(1);
	set_signals(&while_waiting);
	prctl(PR_SET_NAME, "procobsrv-trace");
	setsid(); /* so that stopping the embedding program's group does not stop us */
	close_others(options->socket);
	tracer->options = *options;
	tracer->pid = (uint32_t)getpid();
	tracer->tracees.size = sizeof(struct tracee);
	tracer->processes.size = sizeof(struct traced);
	record_writer_init(&tracer->writer, options->kinds);

	int error = tracer_attach(tracer);
	/* The running processes bear no numbers of the stream. */
	tracer->writer.number = 0;
	tracer->writer.position = 0;
	write_message(tracer, TRACER_READY, error);
	if (!error && send_all(tracer)) {
		follow(tracer, &while_waiting);
		write_message(tracer, TRACER_END, 0);
	}
	send_all(tracer);
	/* The kernel lets all go on that are still followed. */
	_exit(0);
}
