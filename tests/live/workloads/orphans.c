/* SPDX-License-Identifier: MIT */
/*
 * orphans COUNT PROGRAM TAG: makes COUNT daemons, two forks and a setsid each, which run PROGRAM
 * TAG number and are waited for by nobody but whoever inherits them. At most 64 are on their way at
 * once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE 64

/* The end that each daemon holds open until it has ended; what it says is one byte, that it runs.
 */
static void become_daemon(const char *program, const char *tag, unsigned long number, int pipe_end)
{
	char text[24];

	setsid();
	if (fork())
		_exit(0);
	snprintf(text, sizeof(text), "%lu", number);
	if (write(pipe_end, "", 1) != 1)
		_exit(126);
	execl(program, program, tag, text, (char *)NULL);
	_exit(127);
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 4 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long running = 0;
	int ends[2];

	if (!count || pipe(ends)) {
		fputs("usage: orphans COUNT PROGRAM TAG\n", stderr);
		return 2;
	}
	for (unsigned long number = 0; number < count; number++) {
		pid_t child = fork();
		char byte;

		if (child < 0)
			return 1;
		if (!child)
			become_daemon(argv[2], argv[3], number, ends[1]);
		waitpid(child, NULL, 0);
		if (++running < AT_ONCE)
			continue;
		if (read(ends[0], &byte, 1) != 1)
			return 1;
		running--;
	}
	return 0;
}
