/* SPDX-License-Identifier: MIT */
/*
 * The launcher's two ends. consctl's end sends commands over a socket and reads answers and news;
 * the other end is a child process, forked before consctl has threads, that forks and reaps the
 * programs. A tracer among consctl's threads would steal the ends of its own children's children;
 * a process in between keeps them apart.
 */
#include "../platform.h"
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum command_kind {
	COMMAND_START = 1,
	COMMAND_SIGNAL = 2,
};

struct command {
	int kind;
	pid_t pid;
	int signal;
};

enum answer_kind {
	ANSWER_STARTED = 1,
	ANSWER_ENDED = 2,
	ANSWER_TREE_ENDED = 3,
	ANSWER_HAD_ENDED = 4,
};

struct answer {
	int kind;
	pid_t pid;
	int error;
	int status;
};

struct launcher {
	int socket;
	pid_t pid;
};

/* The child process's own. */
struct worker {
	int socket;
	unsigned flags;
	char *const *arguments;
	const struct launcher_user *user;
	pid_t *programs; /* that have not ended */
	size_t count;
	size_t capacity;
	bool started; /* something runs whose end has not been told */
};

static sigset_t found_mask;
static sigset_t found_ignored;

void launch_save_signals(void)
{
	struct sigaction action;

	sigemptyset(&found_ignored);
	for (int number = 1; number < NSIG; number++)
		if (!sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN)
			sigaddset(&found_ignored, number);
	sigprocmask(SIG_SETMASK, NULL, &found_mask);
}

void launch_restore_signals(void)
{
	static const int changed[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE};

	for (size_t index = 0; index < sizeof(changed) / sizeof(*changed); index++)
		signal(changed[index],
		       sigismember(&found_ignored, changed[index]) == 1 ? SIG_IGN : SIG_DFL);
	sigprocmask(SIG_SETMASK, &found_mask, NULL);
}

static void answer(const struct worker *worker, const struct answer *answer)
{
	/* An error means that consctl is gone; the next read sees that. */
	while (send(worker->socket, answer, sizeof(*answer), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static int add_program(struct worker *worker)
{
	if (worker->count == worker->capacity) {
		size_t capacity = worker->capacity ? worker->capacity * 2 : 16;
		pid_t *programs = realloc(worker->programs, capacity * sizeof(*programs));

		if (!programs)
			return ENOMEM;
		worker->programs = programs;
		worker->capacity = capacity;
	}
	return 0;
}

static size_t find_program(const struct worker *worker, pid_t pid)
{
	size_t index = 0;

	while (index < worker->count && worker->programs[index] != pid)
		index++;
	return index;
}

/*
 * execvp() tries one directory of PATH after the other, and each try would be told as an exec of
 * the tree that failed. So first the one that looks as if it could be run; execvp() has the last
 * word. Returns if it failed, with errno.
 */
static void execute(char *const *arguments)
{
	const char *directory = strchr(arguments[0], '/') ? NULL : getenv("PATH");
	char path[PATH_MAX];

	while (directory) {
		size_t size = strcspn(directory, ":");
		/* An empty one is the working directory. */
		int length = snprintf(path, sizeof(path), "%.*s%s%s", (int)size, directory,
				      size ? "/" : "./", arguments[0]);
		struct stat status;

		if (length < (int)sizeof(path) && !access(path, X_OK) && !stat(path, &status) &&
		    S_ISREG(status.st_mode)) {
			execv(path, arguments);
			break;
		}
		directory = directory[size] ? directory + size + 1 : NULL;
	}
	execvp(arguments[0], arguments);
}

static _Noreturn void run_program(const struct worker *worker, int failure)
{
	int error = launch_become(worker->user);

	if (worker->flags & LAUNCHER_KILLS)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	launch_restore_signals();
	if (!error) {
		execute(worker->arguments);
		error = errno;
	}
	while (write(failure, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

static void start_program(struct worker *worker)
{
	struct answer started = {.kind = ANSWER_STARTED};
	int failure[2];
	ssize_t got;

	/* The write end closes at exec: nothing to read means that the program runs. */
	started.error = add_program(worker);
	if (!started.error && pipe2(failure, O_CLOEXEC))
		started.error = errno;
	if (started.error) {
		answer(worker, &started);
		return;
	}
	started.pid = fork();
	if (!started.pid)
		run_program(worker, failure[1]);
	if (started.pid < 0)
		started.error = errno;
	close(failure[1]);
	if (started.pid > 0) {
		worker->programs[worker->count++] = started.pid;
		worker->started = true;
		do
			got = read(failure[0], &started.error, sizeof(started.error));
		while (got < 0 && errno == EINTR);
		if (got != sizeof(started.error))
			started.error = 0;
	}
	close(failure[0]);
	answer(worker, &started);
}

static void reap(struct worker *worker)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct answer ended = {.kind = ANSWER_ENDED, .pid = pid};
		size_t index = find_program(worker, pid);

		if (index == worker->count)
			continue; /* an orphan that came to us */
		worker->programs[index] = worker->programs[--worker->count];
		ended.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		if (!(worker->flags & LAUNCHER_KILLS))
			answer(worker, &ended);
	}
	if (pid < 0 && errno == ECHILD && worker->started) {
		worker->started = false;
		if (!(worker->flags & LAUNCHER_KILLS))
			answer(worker, &(struct answer){.kind = ANSWER_TREE_ENDED});
	}
}

static void signal_all(const struct worker *worker, int number)
{
	for (size_t index = 0; index < worker->count; index++)
		kill(worker->programs[index], number);
}

/* consctl may not have read yet that the program has ended: then the signal is consctl's own. */
static void signal_program(struct worker *worker, const struct command *command)
{
	reap(worker);
	/* Not reaped yet, so the pid is still its own. */
	if (find_program(worker, command->pid) < worker->count)
		kill(command->pid, command->signal);
	else if (!(worker->flags & LAUNCHER_KILLS))
		answer(worker, &(struct answer){.kind = ANSWER_HAD_ENDED});
}

/* consctl has gone, or wants no more. */
static void kill_programs(struct worker *worker)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	signal_all(worker, SIGTERM);
	for (int tries = 0; worker->count && tries < 200; tries++) {
		reap(worker);
		if (worker->count)
			nanosleep(&pause, NULL);
	}
	signal_all(worker, SIGKILL);
	while (worker->count) {
		reap(worker);
		if (worker->count)
			nanosleep(&pause, NULL);
	}
}

static _Noreturn void work(struct worker *worker, int children)
{
	for (;;) {
		struct pollfd polled[] = {
		    {.fd = worker->socket, .events = POLLIN},
		    {.fd = children, .events = POLLIN},
		};
		struct signalfd_siginfo signal;
		struct command command;

		if (poll(polled, 2, -1) < 0)
			continue;
		if (polled[1].revents) {
			while (read(children, &signal, sizeof(signal)) > 0)
				;
			reap(worker);
		}
		if (!polled[0].revents)
			continue;
		if (recv(worker->socket, &command, sizeof(command), 0) != sizeof(command))
			break;
		if (command.kind == COMMAND_START)
			start_program(worker);
		else
			signal_program(worker, &command);
	}
	if (worker->flags & LAUNCHER_KILLS)
		kill_programs(worker);
	_exit(0);
}

static _Noreturn void be_launcher(int socket, char *const *arguments, unsigned flags,
				  const struct launcher_user *user)
{
	static const int ignored[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
	struct worker worker = {
	    .socket = socket, .flags = flags, .arguments = arguments, .user = user};
	sigset_t mask;
	int children;

	for (size_t index = 0; index < sizeof(ignored) / sizeof(*ignored); index++)
		signal(ignored[index], SIG_IGN);
	/* Ignored, it would make the kernel reap our children unseen. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	children = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (children < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) ||
	    prctl(PR_SET_NAME, "consctl-launch"))
		_exit(1);
	/* Where Yama restricts ptrace to descendants: the tracer of the library is a sibling.
	 * Without Yama this fails, and is not needed. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	work(&worker, children);
}

int launcher_open(char *const *arguments, unsigned flags, const struct launcher_user *user,
		  struct launcher **launcher)
{
	struct launcher *made = malloc(sizeof(*made));
	int sockets[2];
	int error;

	if (!made)
		return ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) {
		error = errno;
		goto free;
	}
	made->pid = fork();
	if (made->pid < 0) {
		error = errno;
		close(sockets[0]);
		close(sockets[1]);
		goto free;
	}
	if (!made->pid) {
		close(sockets[0]);
		be_launcher(sockets[1], arguments, flags, user);
	}
	close(sockets[1]);
	made->socket = sockets[0];
	*launcher = made;
	return 0;
free:
	free(made);
	return error;
}

uint32_t launcher_pid(const struct launcher *launcher)
{
	return (uint32_t)launcher->pid;
}

static int command(struct launcher *launcher, const struct command *command)
{
	ssize_t sent;

	do
		sent = send(launcher->socket, command, sizeof(*command), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? errno : 0;
}

static bool receive(struct launcher *launcher, struct answer *answer)
{
	ssize_t got;

	do
		got = recv(launcher->socket, answer, sizeof(*answer), 0);
	while (got < 0 && errno == EINTR);
	return got == sizeof(*answer);
}

int launcher_start(struct launcher *launcher, uint32_t *pid)
{
	struct answer answer;
	int error = command(launcher, &(struct command){.kind = COMMAND_START});

	if (error)
		return error;
	/* Only a launcher that kills starts more than one program, and that one tells no news: the
	 * next answer is to this command. */
	if (!receive(launcher, &answer))
		return ECHILD;
	if (answer.error)
		return answer.error;
	*pid = (uint32_t)answer.pid;
	return 0;
}

void launcher_forward(struct launcher *launcher, uint32_t pid, int signal)
{
	command(launcher,
		&(struct command){.kind = COMMAND_SIGNAL, .pid = (pid_t)pid, .signal = signal});
}

void launcher_end(struct launcher *launcher, uint32_t pid, bool force)
{
	launcher_forward(launcher, pid, force ? SIGKILL : SIGTERM);
}

intptr_t launcher_handle(const struct launcher *launcher)
{
	return launcher->socket;
}

struct launcher_news launcher_read(struct launcher *launcher)
{
	static const enum launcher_message messages[] = {
	    [ANSWER_ENDED] = LAUNCHER_ENDED,
	    [ANSWER_HAD_ENDED] = LAUNCHER_HAD_ENDED,
	    [ANSWER_TREE_ENDED] = LAUNCHER_TREE_ENDED,
	};
	struct answer answer;

	if (!receive(launcher, &answer))
		return (struct launcher_news){.message = LAUNCHER_GONE};
	return (struct launcher_news){
	    .message = messages[answer.kind],
	    .pid = (uint32_t)answer.pid,
	    .status = answer.status,
	};
}

void launcher_close(struct launcher *launcher)
{
	if (!launcher)
		return;
	close(launcher->socket);
	/* A monitor that traced it may have reaped it already. */
	while (waitpid(launcher->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(launcher);
}
