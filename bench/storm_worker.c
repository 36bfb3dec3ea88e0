/* SPDX-License-Identifier: MIT */
/* One worker of a storm. */
#include "storm.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In mode mixed every so-many-th round makes a thread besides. */
#define MIXED_THREAD_EVERY 8u

static char *const no_environment[] = {NULL};

struct arguments {
	char tag[17];
	char ending[8];
	bool hold;   /* the child waits to be killed */
	char **argv; /* owned; points into this struct, too */
};

static bool arguments_create(struct arguments *arguments, const char *child, uint64_t args_size)
{
	const char *slash = strrchr(child, '/');
	size_t count = truth_padding_count(args_size);

	arguments->argv = calloc(count + 4, sizeof(char *));
	if (arguments->argv == NULL)
		return false;
	arguments->argv[0] = (char *)(uintptr_t)(slash != NULL ? slash + 1 : child);
	arguments->argv[1] = arguments->tag;
	arguments->argv[2] = arguments->ending;
	for (size_t i = 0; i < count; i++) {
		size_t length = truth_padding_length(args_size, i);
		char *text = malloc(length + 1);

		if (text == NULL)
			return false;
		memset(text, 'x', length);
		text[length] = '\0';
		arguments->argv[3 + i] = text;
	}
	return true;
}

/* By hand: snprintf would be a good part of the cost of a process. */
static void arguments_fill(struct arguments *arguments, const struct truth_child *child)
{
	unsigned number = child->signal != 0 ? child->signal : child->code;
	char *text = arguments->ending;

	for (int i = 0; i < 16; i++)
		arguments->tag[i] = "0123456789abcdef"[child->tag >> (60 - 4 * i) & 0xf];
	if (arguments->hold) {
		memcpy(text, "p", 2);
		return;
	}
	if (child->signal != 0)
		*text++ = 's';
	if (number >= 100)
		*text++ = (char)('0' + number / 100);
	if (number >= 10)
		*text++ = (char)('0' + number / 10 % 10);
	*text++ = (char)('0' + number % 10);
	*text = '\0';
}

static pid_t make_fork(const struct truth_child *child, bool hold)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (hold)
			for (;;)
				pause();
		if (child->signal != 0)
			kill(getpid(), child->signal);
		_exit(child->code);
	}
	return pid;
}

static pid_t make_vfork_exec(const char *program, char *const *argv)
{
	volatile int exec_error = 0; /* the child shares our memory */
	pid_t pid = vfork();

	if (pid == 0) {
		execve(program, argv, no_environment);
		exec_error = errno; /* NOLINT(clang-analyzer-unix.Vfork): what it is for */
		_exit(127);
	}
	if (pid > 0 && exec_error != 0) {
		waitpid(pid, NULL, 0);
		errno = exec_error;
		return -1;
	}
	return pid;
}

static pid_t make_spawn(const char *program, char *const *argv)
{
	pid_t pid;

	errno = posix_spawn(&pid, program, NULL, NULL, argv, no_environment);
	return errno == 0 ? pid : -1;
}

static pid_t make_child(const struct storm_options *options, const struct truth_child *child,
			struct arguments *arguments)
{
	if (child->mode == TRUTH_FORK)
		return make_fork(child, arguments->hold);
	arguments_fill(arguments, child);
	if (child->mode == TRUTH_SPAWN)
		return make_spawn(options->child, arguments->argv);
	return make_vfork_exec(options->child, arguments->argv);
}

static void *thread_run(void *param)
{
	return param;
}

static bool make_thread(struct truth_worker *worker)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, thread_run, NULL);

	if (error != 0) {
		fprintf(stderr, "storm: thread: %s\n", strerror(error));
		return false;
	}
	pthread_join(thread, NULL);
	worker->thread_count++;
	return true;
}

/* Waits for the child and makes sure that it ended as it was told to. */
static bool wait_child(const struct truth_child *child)
{
	int status;

	while (waitpid((pid_t)child->pid, &status, 0) < 0) {
		if (errno == EINTR)
			continue;
		fprintf(stderr, "storm: waitpid %u: %s\n", child->pid, strerror(errno));
		return false;
	}
	if (child->signal != 0 ? WIFSIGNALED(status) && WTERMSIG(status) == child->signal
			       : WIFEXITED(status) && WEXITSTATUS(status) == child->code)
		return true;
	fprintf(stderr, "storm: process %u ended with wait status %#x, not code %u signal %u\n",
		child->pid, (unsigned)status, child->code, child->signal);
	return false;
}

/* Says beforehand what the child will be. */
static void plan_child(const struct storm_options *options, uint32_t number, uint64_t index,
		       struct truth_child *child)
{
	static const uint8_t mixed[] = {TRUTH_FORK, TRUTH_VFORK_EXEC, TRUTH_SPAWN};

	child->tag = options->tag_base | (uint64_t)number << 40 | (index + 1);
	child->ppid = (uint32_t)getpid();
	child->mode = options->mode == TRUTH_MIXED ? mixed[index % 3] : (uint8_t)options->mode;
	if (options->hold ||
	    (options->signal_every != 0 && (index + 1) % options->signal_every == 0))
		child->signal = SIGTERM;
	else
		child->code = options->spread ? (uint8_t)index : options->code;
}

/* Sleeps until it is the turn of the process number `index`. */
static void keep_pace(const struct storm_options *options, uint64_t begin_ns, uint64_t index)
{
	uint64_t due =
	    begin_ns + (uint64_t)((double)index * 1e9 * options->workers / (double)options->rate);
	struct timespec until = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};

	if (due > storm_clock_ns())
		clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL);
}

static bool work_one(const struct storm_options *options, uint32_t number, uint64_t index,
		     struct truth_child *child, struct arguments *arguments)
{
	pid_t pid;

	plan_child(options, number, index, child);
	pid = make_child(options, child, arguments);
	child->forked_ns = storm_clock_ns();
	if (pid < 0) {
		fprintf(stderr, "storm: cannot make process %llu: %s\n",
			(unsigned long long)index + 1, strerror(errno));
		return false;
	}
	child->pid = (uint32_t)pid;
	return options->hold || wait_child(child);
}

/* Ends the children that were held. */
static bool end_children(const struct storm_options *options, const struct truth_child *children,
			 uint64_t count)
{
	sleep(options->hold_seconds);
	for (uint64_t i = 0; i < count; i++) {
		kill((pid_t)children[i].pid, children[i].signal);
		if (!wait_child(&children[i]))
			return false;
	}
	return true;
}

int storm_work(const struct storm_options *options, uint32_t number, uint64_t count,
	       struct truth_child *children, struct truth_worker *worker)
{
	struct arguments arguments = {.hold = options->hold};
	uint64_t begin_ns = storm_clock_ns();

	if (!arguments_create(&arguments, options->child, options->args_size)) {
		fputs("storm: out of memory\n", stderr);
		return 1;
	}
	for (uint64_t i = 0; i < count; i++) {
		bool threads = options->mode == TRUTH_THREADS;

		if (options->rate != 0)
			keep_pace(options, begin_ns, i);
		if ((threads || (options->mode == TRUTH_MIXED && i % MIXED_THREAD_EVERY == 0)) &&
		    !make_thread(worker))
			return 1;
		if (threads)
			continue;
		if (!work_one(options, number, i, &children[i], &arguments))
			return 1;
		worker->child_count++;
	}
	if (options->hold && !end_children(options, children, worker->child_count))
		return 1;
	return 0;
}
