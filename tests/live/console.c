/* SPDX-License-Identifier: MIT */
#include "console.h"
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void console_start(struct console *console, const char *name, const char *const *argv)
{
	console->output = live_path("%s.out", name);
	console->errors = live_path("%s.err", name);
	console_restart(console, argv);
}

void console_restart(struct console *console, const char *const *argv)
{
	const char *program = live_program("consctl");

	/* What an earlier one of the same name said is not what this one says. */
	unlink(console->errors);
	unlink(console->output);
	console->pid = fork();
	EXPECT(console->pid >= 0, "fork: %s", strerror(errno));
	if (console->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Whoever started the tests may ignore them (nohup, a shell's background). */
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	if (dup2(open(console->output, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO) < 0 ||
	    dup2(open(console->errors, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO) < 0)
		_exit(126);
	execv(program, (char *const *)argv);
	_exit(127);
}

const char *console_errors(const struct console *console)
{
	static char text[8192];
	FILE *file = fopen(console->errors, "re");
	size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[length] = '\0';
	if (file)
		fclose(file);
	return text;
}

void console_wait_watching(const struct console *console)
{
	uint64_t begin = live_begin_wait();
	int status;

	do {
		if (strstr(console_errors(console), "watching ("))
			return;
		EXPECT(waitpid(console->pid, &status, WNOHANG) == 0,
		       "consctl ended with wait status %#x before it watched: %s", status,
		       console_errors(console));
	} while (live_goes_on(begin, 1));
	live_fail(__FILE__, __LINE__, "consctl does not watch: %s", console_errors(console));
}

int console_end(const struct console *console, int number)
{
	uint64_t begin = live_begin_wait();
	int status = 0;

	if (number)
		EXPECT(!kill(console->pid, number), "kill: %s", strerror(errno));
	do {
		if (waitpid(console->pid, &status, WNOHANG) == console->pid)
			return status;
	} while (live_goes_on(begin, 1));
	live_fail(__FILE__, __LINE__, "consctl does not end after signal %d", number);
}
