/* SPDX-License-Identifier: MIT */
/* Workloads about programs: how they are run, and how they end. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void exec_descriptor(int descriptor, const char *name, const char *code)
{
	const char *argv[] = {name, "exit", code, NULL};

	syscall(SYS_execveat, descriptor, "", argv, environ, AT_EMPTY_PATH);
	die("execveat");
}

/* chain N CODE: runs itself N more times in the same process, then exits. */
int verb_chain(int argc, char **argv)
{
	unsigned long left = number_at(argc, argv, 2, 0);
	const char *next[] = {"link", "chain", NULL, argc > 3 ? argv[3] : "0", NULL};
	char number[24];

	if (!left)
		return (int)number_at(argc, argv, 3, 0);
	snprintf(number, sizeof(number), "%lu", left - 1);
	next[2] = number;
	exec_self(next);
}

/* memfd CODE: runs a copy of itself that has never been in a file system. */
int verb_memfd(int argc, char **argv)
{
	int copy = memfd_create("live-program", MFD_CLOEXEC);

	if (copy < 0)
		die("memfd_create");
	copy_self_to(copy);
	exec_descriptor(copy, "in-memory", argc > 2 ? argv[2] : "0");
	return 0;
}

/* deleted PATH CODE: runs a copy of itself at PATH that has no name any more. */
int verb_deleted(int argc, char **argv)
{
	int copy;

	copy_self(argv[2], 0700);
	copy = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (copy < 0 || unlink(argv[2]))
		die(argv[2]);
	exec_descriptor(copy, "nameless", argc > 3 ? argv[3] : "0");
	return 0;
}

/*
 * failing DIRECTORY: calls exec for what is not there, not executable, no program, and below what
 * is no directory; by execve and by execveat. Notes each errno in the order of the calls; value is
 * 1 for execveat.
 */
int verb_failing(int argc, char **argv)
{
	static const char *const names[] = {"absent", "plain", "garbage", "plain/below"};
	int directory = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)argc;
	if (directory < 0)
		die(argv[2]);
	for (unsigned i = 0; i < 8; i++) {
		const char *name = names[i % 4];
		const char *attempt[] = {"attempt", name, "\x1b[31m", NULL};
		struct note_entry *entry = note_entry();
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", argv[2], name);
		if (i < 4)
			execve(path, (char *const *)attempt, environ);
		else
			syscall(SYS_execveat, directory, name, attempt, environ, 0);
		entry->status = errno;
		entry->value = i >= 4;
	}
	return 0;
}

/* die SIGNAL */
int verb_die(int argc, char **argv)
{
	int number = (int)number_at(argc, argv, 2, SIGKILL);

	signal(number, SIG_DFL);
	kill(getpid(), number);
	return 0;
}

/* helper PID FILE: what the kernel runs for a core; adds "PID own-pid own-ppid" to FILE. */
int verb_helper(int argc, char **argv)
{
	char buffer[65536];
	FILE *file;

	if (argc < 4)
		return 122;
	while (read(STDIN_FILENO, buffer, sizeof(buffer)) > 0)
		;
	file = fopen(argv[3], "a");
	if (!file)
		return 122;
	fprintf(file, "%s %d %d\n", argv[2], (int)getpid(), (int)getppid());
	fclose(file);
	return 23;
}

/* touch MIB: uses as much memory, gives it back, and ends. */
int verb_touch(int argc, char **argv)
{
	size_t size = number_at(argc, argv, 2, 32) << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	memset(memory, 1, size);
	munmap(memory, size);
	return 0;
}
