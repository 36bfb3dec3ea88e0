/* SPDX-License-Identifier: MIT */
/* Workloads of threads: who leads, who leaves first, who calls exec. */
#include "worker.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint32_t thread_id(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

static void thread_exit(int code)
{
	syscall(SYS_exit, code);
}

static pthread_t start_thread(void *(*run)(void *), void *param)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	if (pthread_create(&thread, &attributes, run, param))
		die("pthread_create");
	pthread_attr_destroy(&attributes);
	return thread;
}

static void *idle(void *param)
{
	(void)param;
	note_entry()->pid = thread_id();
	for (;;)
		pause();
	return NULL;
}

static void *exec_in_thread(void *param)
{
	const char *argv[] = {"by-a-thread", "exit", param, NULL};

	note_entry()->pid = thread_id();
	exec_self(argv);
}

/* thread_exec CODE: one of six threads that is not the leader runs "exit CODE". */
int verb_thread_exec(int argc, char **argv)
{
	(void)argc;
	for (int i = 0; i < 4; i++)
		start_thread(idle, NULL);
	while (atomic_load(&note->count) < 4)
		sleep_ms(1);
	start_thread(exec_in_thread, argv[2]);
	for (;;)
		pause();
}

struct last_thread {
	const char *how;
	int code;
};

static void *outlive_the_leader(void *param)
{
	const struct last_thread *last = param;

	sleep_ms(150);
	note_entry()->to_ns = boot_ns();
	if (!strcmp(last->how, "group"))
		_exit(last->code);
	if (!strcmp(last->how, "kill"))
		kill(getpid(), last->code);
	else
		thread_exit(last->code);
	return NULL;
}

/*
 * leader_exit LEADER LAST HOW: the leader leaves with LEADER, 150 ms before the last thread, which
 * ends by SYS_exit(LAST) ("thread"), by exit_group(LAST) ("group") or by signal LAST ("kill").
 */
int verb_leader_exit(int argc, char **argv)
{
	static struct last_thread last;

	last.code = (int)number_at(argc, argv, 3, 0);
	last.how = argc > 4 ? argv[4] : "thread";
	start_thread(outlive_the_leader, &last);
	thread_exit((int)number_at(argc, argv, 2, 0));
	return 0;
}

static _Atomic int waiting;
static _Atomic int released;

struct at_once {
	int code;
	int whole; /* exit_group rather than exit */
};

static void *exit_at_once(void *param)
{
	const struct at_once *how = param;

	atomic_fetch_add(&waiting, 1);
	while (!atomic_load(&released))
		sched_yield();
	if (how->whole)
		_exit(how->code);
	thread_exit(how->code);
	return NULL;
}

static void exit_with_seven_others(int round)
{
	static struct at_once how[8];

	for (int i = 0; i < 8; i++) {
		how[i].code = (round + i) % 250;
		how[i].whole = round % 4 == 3;
		if (i)
			start_thread(exit_at_once, &how[i]);
	}
	while (atomic_load(&waiting) < 7)
		sched_yield();
	atomic_store(&released, 1);
	exit_at_once(&how[0]);
}

static void *exit_as_it_begins(void *param)
{
	thread_exit(*(int *)param);
	return NULL;
}

/* A thread that has hardly run when it exits, and the leader any moment around that. */
static void exit_with_a_new_one(int round)
{
	static int codes[2];

	codes[0] = (round + 1) % 250;
	codes[1] = round % 250;
	start_thread(exit_as_it_begins, &codes[0]);
	for (volatile int i = 0; i < round % 64 * 2000; i++)
		;
	thread_exit(codes[1]);
}

/*
 * exits_at_once ROUNDS: as many children, whose threads exit all at once: two in every other one,
 * eight in the others.
 */
int verb_exits_at_once(int argc, char **argv)
{
	int rounds = (int)number_at(argc, argv, 2, 1000);

	for (int i = 0; i < rounds; i++) {
		struct note_entry *entry = note_entry();
		int pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid && i % 2)
			exit_with_a_new_one(i / 2);
		if (!pid)
			exit_with_seven_others(i / 2);
		entry->pid = (uint32_t)pid;
		entry->status = wait_status(pid);
	}
	return 0;
}

static pthread_barrier_t barrier;

static void *meet(void *param)
{
	(void)param;
	note_entry()->pid = thread_id();
	pthread_barrier_wait(&barrier);
	return NULL;
}

/* threads COUNT: as many threads, all alive at one time. */
int verb_threads(int argc, char **argv)
{
	unsigned count = (unsigned)number_at(argc, argv, 2, 1000);
	pthread_t *threads = calloc(count, sizeof(*threads));

	if (!threads)
		die("calloc");
	pthread_barrier_init(&barrier, NULL, count + 1);
	for (unsigned i = 0; i < count; i++)
		threads[i] = start_thread(meet, NULL);
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return 0;
}

static unsigned burn_ms;
static int linger;
static _Atomic unsigned burnt; /* threads that are done with it */

static void burn_here(void)
{
	struct timespec used;

	do {
		for (volatile int i = 0; i < 100000; i++)
			;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	} while ((unsigned long)used.tv_sec * 1000 + (unsigned long)used.tv_nsec / 1000000 <
		 burn_ms);
}

/* What the process has used so far: it cannot end with less. */
static void note_cpu_time(void)
{
	struct note_entry *entry = note_entry();
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	entry->pid = (uint32_t)getpid();
	entry->value = (uint32_t)(used.tv_sec * 1000000 + used.tv_nsec / 1000);
}

static void *burn(void *param)
{
	(void)param;
	burn_here();
	note_cpu_time();
	atomic_fetch_add(&burnt, 1);
	while (linger)
		sleep_ms(1000);
	return NULL;
}

static int burn_with_others(unsigned ms, unsigned count, const char *how)
{
	pthread_t threads[64];

	burn_ms = ms;
	linger = !strcmp(how, "living");
	for (unsigned i = 0; i < count && i < 64; i++)
		threads[i] = start_thread(burn, NULL);
	if (!strcmp(how, "leaderless")) {
		burn(NULL);
		thread_exit(0);
	}
	if (linger) {
		while (atomic_load(&burnt) < count)
			sleep_ms(1);
		burn_here();
		note_cpu_time();
		_exit(0);
	}
	for (unsigned i = 0; i < count && i < 64; i++)
		pthread_join(threads[i], NULL);
	burn(NULL);
	return 0;
}

/*
 * burn MS THREADS HOW: the main thread and THREADS others burn MS milliseconds of CPU each, and
 * note in microseconds what the process has used by then. At the end the others have been joined
 * ("joined"), still live ("living"), or the leader has gone first
 * ("leaderless").
 */
int verb_burn(int argc, char **argv)
{
	return burn_with_others((unsigned)number_at(argc, argv, 2, 20),
				(unsigned)number_at(argc, argv, 3, 1),
				argc > 4 ? argv[4] : "joined");
}

/* burn_often ROUNDS: as many children that "burn 1 2 living", one after the other. */
int verb_burn_often(int argc, char **argv)
{
	unsigned long rounds = number_at(argc, argv, 2, 200);

	for (unsigned long i = 0; i < rounds; i++) {
		int pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			_exit(burn_with_others(1, 2, "living"));
		if (wait_status(pid))
			die("a child that burns");
	}
	return 0;
}
