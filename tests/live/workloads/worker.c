/* SPDX-License-Identifier: MIT */
/*
 * live_worker VERB [ARGUMENTS]: what the live tests have observed. Static, so that its own start
 * costs little, and in no way linked with the library.
 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct note *note;
char worker_path[4096];

struct note_entry *note_entry(void)
{
	uint32_t index = atomic_fetch_add(&note->count, 1);

	if (index >= NOTE_ENTRIES_MAX)
		die("too many entries for the note");
	return &note->entries[index];
}

void note_stage(uint32_t stage)
{
	atomic_store(&note->stage, stage);
	while (atomic_load(&note->permission) < stage)
		sleep_ms(1);
}

uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sleep_ms(unsigned milliseconds)
{
	struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

void die(const char *what)
{
	fprintf(stderr, "live_worker: %s: %s\n", what, strerror(errno));
	_exit(120);
}

int wait_status(int pid)
{
	int status = -1;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			die("waitpid");
	return status;
}

void exec_self(const char *const *argv)
{
	execve(worker_path, (char *const *)argv, environ);
	die("execve of itself");
}

void copy_self_to(int descriptor)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char buffer[65536];
	ssize_t got;

	if (self < 0)
		die("open /proc/self/exe");
	while ((got = read(self, buffer, sizeof(buffer))) > 0)
		if (write(descriptor, buffer, (size_t)got) != got)
			die("write a copy of itself");
	close(self);
}

void copy_self(const char *path, unsigned mode)
{
	int copy = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);

	if (copy < 0)
		die(path);
	copy_self_to(copy);
	if (fchmod(copy, mode) || close(copy))
		die(path);
}

unsigned long number_at(int argc, char **argv, int index, unsigned long absent)
{
	return index < argc ? strtoul(argv[index], NULL, 0) : absent;
}

static int verb_exit(int argc, char **argv)
{
	return (int)number_at(argc, argv, 2, 0);
}

/* Waits at stage 1, then exits. */
static int verb_stay(int argc, char **argv)
{
	note_stage(1);
	return (int)number_at(argc, argv, 2, 0);
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
    {"exit", verb_exit},
    {"stay", verb_stay},
    {"thread_exec", verb_thread_exec},
    {"leader_exit", verb_leader_exit},
    {"exits_at_once", verb_exits_at_once},
    {"threads", verb_threads},
    {"burn", verb_burn},
    {"burn_often", verb_burn_often},
    {"create", verb_create},
    {"orphan", verb_orphan},
    {"storm", verb_storm},
    {"many", verb_many},
    {"chain", verb_chain},
    {"memfd", verb_memfd},
    {"deleted", verb_deleted},
    {"failing", verb_failing},
    {"die", verb_die},
    {"helper", verb_helper},
    {"touch", verb_touch},
    {"with", verb_with},
    {"facts", verb_facts},
};

/* Without a test behind it (by hand, or a helper of the kernel) the note is its own. */
static void find_note(void)
{
	struct stat status;
	void *memory;

	if (!fstat(NOTE_DESCRIPTOR, &status) && status.st_size == (off_t)sizeof(struct note)) {
		memory = mmap(NULL, sizeof(struct note), PROT_READ | PROT_WRITE, MAP_SHARED,
			      NOTE_DESCRIPTOR, 0);
	} else {
		memory = mmap(NULL, sizeof(struct note), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (memory != MAP_FAILED)
			((struct note *)memory)->permission = UINT32_MAX;
	}
	if (memory == MAP_FAILED)
		die("mmap of the note");
	note = memory;
}

int main(int argc, char **argv)
{
	ssize_t length;

	/* How many arguments an empty vector becomes is the kernel's choice: tell it. */
	if (argc == 0 || (argc == 1 && !argv[0][0]))
		return 40 + argc;
	length = readlink("/proc/self/exe", worker_path, sizeof(worker_path) - 1);
	worker_path[length > 0 ? length : 0] = '\0';
	find_note();
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc, argv);
	fprintf(stderr, "live_worker: no such verb: %s\n", argc > 1 ? argv[1] : "(none)");
	return 121;
}
