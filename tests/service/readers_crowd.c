/* SPDX-License-Identifier: MIT */
/*
 * Many readers of the service while processes come and go: some are stopped, some killed; the
 *others must be told every start, exec and exit of what is started here, in order.
 *
 *	readers_crowd READERS STOPPED KILLED PROCESSES
 *
 * Reads the service at PROCOBSRV_SERVICE_SOCKET. Writes a line for each reader that was not killed:
 *
 *	reader INDEX stopped|running starts N execs N exits N disorder N lost N
 *
 * Exit status: 0; 1 if a reader that ran missed anything; 2: usage, or it could not be tried.
 */
#include "procobsrv.h"

#include <signal.h>
#include <stdbool.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READERS_MAX 256
#define PATIENCE_MS 60000
#define QUIET_MS    3000

struct told {
	unsigned index;
	unsigned starts;
	unsigned execs;
	unsigned exits;
	unsigned disorder; /* not the next one that had to come */
	unsigned long long lost;
	unsigned started; /* the pid of the last one */
	unsigned running; /* the pid of the one that has not ended; 0: none */
};

struct crowd {
	pid_t readers[READERS_MAX];
	unsigned count;
	unsigned stopped; /* the first ones */
	unsigned killed;  /* those after them */
	unsigned processes;
	int results; /* struct told, from all */
};

static pid_t spawner;

/* Its argument says which one it is; they run one after the other. The readers are children, too,
 * but run no program. True: it is one of them. */
static bool take(struct told *told, const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;

	if (event->kind == PROCOBSRV_LOST)
		told->lost += event->lost->count;
	if (!process || process->ppid != (uint32_t)spawner)
		return false;
	if (event->kind == PROCOBSRV_START) {
		told->started = process->pid;
	} else if (event->kind == PROCOBSRV_EXEC) {
		unsigned which = process->argc == 2 ? (unsigned)atoi(process->argv[1]) : 0;
		told->starts += told->started == process->pid;
		told->execs++;
		told->running = process->pid;
		told->disorder += told->execs != told->exits + 1 || which != told->execs;
	} else if (event->kind == PROCOBSRV_EXIT && told->running == process->pid) {
		told->exits++;
		told->running = 0;
		told->disorder += told->exits != told->execs || !event->exit->has_status ||
				  event->exit->code != told->exits % 2;
	}
	return true;
}

static unsigned long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

static _Noreturn void read_events(const struct crowd *crowd, unsigned index, int ready, int results)
{
	const struct procobsrv_options options = {.size = sizeof options, .backend = "service"};
	const struct procobsrv_event *event;
	struct told told = {.index = index};
	struct procobsrv *monitor;
	unsigned long long last_ms = now_ms();
	int error;

	if (procobsrv_open(&options, &monitor) || procobsrv_start(monitor)) {
		fprintf(stderr, "reader %u: %s\n", index, procobsrv_explain());
		_exit(2);
	}
	if (write(ready, "r", 1) != 1)
		_exit(2);
	/* One that was overtaken ends when nothing of this comes any more. */
	while (told.exits < crowd->processes &&
	       now_ms() - last_ms < (told.lost ? QUIET_MS : PATIENCE_MS)) {
		error = procobsrv_next(monitor, 500, &event);
		if (error && error != PROCOBSRV_ERROR_TIMEOUT) {
			fprintf(stderr, "reader %u: %s\n", index, procobsrv_explain());
			break;
		}
		if (!error && take(&told, event))
			last_ms = now_ms();
	}
	if (write(results, &told, sizeof told) != sizeof told)
		_exit(2);
	_exit(0);
}

static int start_readers(struct crowd *crowd)
{
	int ready[2], results[2];
	char byte;

	if (pipe(ready) || pipe(results))
		return -1;
	for (unsigned i = 0; i < crowd->count; i++) {
		crowd->readers[i] = fork();
		if (crowd->readers[i] < 0)
			return -1;
		if (!crowd->readers[i])
			read_events(crowd, i, ready[1], results[1]);
	}
	close(ready[1]);
	close(results[1]);
	for (unsigned i = 0; i < crowd->count; i++)
		if (read(ready[0], &byte, 1) != 1)
			return -1;
	crowd->results = results[0];
	return 0;
}

static int run_one(unsigned number)
{
	char which[16];
	char path[] = "/bin/true", other[] = "/bin/false";
	char *arguments[] = {number % 2 ? other : path, which, NULL};
	int status;
	pid_t pid;

	snprintf(which, sizeof which, "%u", number);
	if (posix_spawn(&pid, arguments[0], NULL, NULL, arguments, environ))
		return -1;
	return waitpid(pid, &status, 0) == pid ? 0 : -1;
}

static int run_storm(const struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->stopped; i++)
		kill(crowd->readers[i], SIGSTOP);
	for (unsigned number = 1; number <= crowd->processes; number++) {
		if (number == crowd->processes / 2)
			for (unsigned i = 0; i < crowd->killed; i++)
				kill(crowd->readers[crowd->stopped + i], SIGKILL);
		if (run_one(number))
			return -1;
	}
	return 0;
}

static bool is_whole(const struct crowd *crowd, const struct told *told)
{
	return told->starts == crowd->processes && told->execs == crowd->processes &&
	       told->exits == crowd->processes && !told->disorder && !told->lost;
}

/* Whether those that ran have all; the stopped ones go on only then. */
static int collect(const struct crowd *crowd)
{
	unsigned running = crowd->count - crowd->stopped - crowd->killed;
	struct told told;
	int result = 0;

	for (unsigned i = 0; i < running + crowd->stopped; i++) {
		if (i == running)
			for (unsigned j = 0; j < crowd->stopped; j++)
				kill(crowd->readers[j], SIGCONT);
		if (read(crowd->results, &told, sizeof told) != sizeof told)
			return 2;
		bool stopped = told.index < crowd->stopped;
		printf("reader %u %s starts %u execs %u exits %u disorder %u lost %llu\n",
		       told.index, stopped ? "stopped" : "running", told.starts, told.execs,
		       told.exits, told.disorder, told.lost);
		if (!stopped && !is_whole(crowd, &told))
			result = 1;
		/* What was missed was told. */
		if (stopped && !told.lost && !is_whole(crowd, &told))
			result = 1;
	}
	return result;
}

static void end_readers(const struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->count; i++) {
		if (crowd->readers[i] <= 0)
			continue;
		kill(crowd->readers[i], SIGKILL);
		waitpid(crowd->readers[i], NULL, 0);
	}
}

int main(int count, char **arguments)
{
	static struct crowd crowd;

	if (count != 5) {
		fprintf(stderr, "usage: readers_crowd READERS STOPPED KILLED PROCESSES\n");
		return 2;
	}
	crowd.count = (unsigned)atoi(arguments[1]);
	crowd.stopped = (unsigned)atoi(arguments[2]);
	crowd.killed = (unsigned)atoi(arguments[3]);
	crowd.processes = (unsigned)atoi(arguments[4]);
	if (crowd.count > READERS_MAX || crowd.stopped + crowd.killed > crowd.count)
		return 2;
	spawner = getpid();
	int result = start_readers(&crowd) || run_storm(&crowd) ? 2 : collect(&crowd);
	end_readers(&crowd);
	return result;
}
