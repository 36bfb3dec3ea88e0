/* SPDX-License-Identifier: MIT */
/*
 * The launcher: a job that holds the programs and all that they start. Nothing of a job leaves it,
 * whoever its parent was, so no process in between is needed: the root of the tree is consctl.
 */
#include "../platform.h"
#include "own_arguments.h"
#include "system_error.h"
#include "job.h"
#include "windows_of.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

/* What a program that was ended by force ends with. */
#define FORCED_EXIT_CODE 1

struct program {
	DWORD pid;
	HANDLE process; /* open, so that nobody else gets its pid */
};

struct launcher {
	struct job *job;
	wchar_t *command_line;
	struct program *programs;
	size_t count;
	bool told; /* the end of the first program: the next news is the end of the tree */
};

/* As CreateProcessW() would run them: by handing their arguments to a shell that reads them in its
 * own way. */
static bool is_script(const char *name)
{
	size_t length = strlen(name);

	while (length && strchr(" .", name[length - 1]))
		length--;
	return length > 4 && (!_strnicmp(name + length - 4, ".bat", 4) ||
			      !_strnicmp(name + length - 4, ".cmd", 4));
}

bool launcher_user_find(const char *name, struct launcher_user **user, char *why, size_t size)
{
	(void)name;
	(void)user;
	snprintf(why, size,
		 "consctl runs commands with its own rights on Windows: start it as that user, "
		 "with runas /user:NAME");
	return false;
}

void launcher_user_free(struct launcher_user *user)
{
	(void)user; /* there never is one */
}

int launcher_open(char *const *arguments, unsigned flags, const struct launcher_user *user,
		  struct launcher **launcher)
{
	struct launcher *made = calloc(1, sizeof(*made));
	DWORD code;

	(void)user;
	if (!made)
		return ENOMEM;
	if (!is_script(arguments[0])) {
		made->command_line = arguments_join(arguments);
		if (!made->command_line) {
			free(made);
			return ENOMEM;
		}
	}
	code = (DWORD)job_create(flags & LAUNCHER_KILLS ? JOB_KILLS : 0, &made->job);
	if (code) {
		free(made->command_line);
		free(made);
		return system_error_of(code);
	}
	*launcher = made;
	return 0;
}

uint32_t launcher_pid(const struct launcher *launcher)
{
	(void)launcher;
	return GetCurrentProcessId();
}

int launcher_start(struct launcher *launcher, uint32_t *pid)
{
	STARTUPINFOW startup = {.cb = sizeof(startup)};
	PROCESS_INFORMATION information;
	struct program *programs;
	wchar_t *command_line;
	DWORD code;

	if (!launcher->command_line)
		return system_error_of(ERROR_BAD_EXE_FORMAT);
	programs = realloc(launcher->programs, (launcher->count + 1) * sizeof(*programs));
	if (!programs)
		return ENOMEM;
	launcher->programs = programs;
	/* CreateProcessW() writes into it. */
	command_line = _wcsdup(launcher->command_line);
	if (!command_line)
		return ENOMEM;
	code = (DWORD)job_start(launcher->job, NULL, command_line, true, 0, &startup, &information);
	free(command_line);
	if (code)
		return system_error_of(code);
	CloseHandle(information.hThread);
	programs[launcher->count++] =
	    (struct program){information.dwProcessId, information.hProcess};
	*pid = information.dwProcessId;
	return 0;
}

void launcher_forward(struct launcher *launcher, uint32_t pid, int signal)
{
	/* Whatever the console asks for, it asks the program itself too: control_signal() never
	 * names anything to send. */
	(void)launcher;
	(void)pid;
	(void)signal;
}

void launcher_end(struct launcher *launcher, uint32_t pid, bool force)
{
	for (size_t index = 0; index < launcher->count; index++) {
		const struct program *program = &launcher->programs[index];

		if (program->pid != pid)
			continue;
		if (force)
			TerminateProcess(program->process, FORCED_EXIT_CODE);
		else
			windows_close_of(program->process, pid);
	}
}

intptr_t launcher_handle(const struct launcher *launcher)
{
	return (intptr_t)(launcher->told ? job_ended_event(launcher->job)
					 : launcher->programs[0].process);
}

struct launcher_news launcher_read(struct launcher *launcher)
{
	const struct program *program = &launcher->programs[0];
	DWORD code = 0;

	if (launcher->told)
		return (struct launcher_news){.message = LAUNCHER_TREE_ENDED};
	launcher->told = true;
	GetExitCodeProcess(program->process, &code);
	return (struct launcher_news){
	    .message = LAUNCHER_ENDED, .pid = program->pid, .status = (int)code};
}

void launcher_close(struct launcher *launcher)
{
	if (!launcher)
		return;
	job_close(launcher->job);
	for (size_t index = 0; index < launcher->count; index++)
		CloseHandle(launcher->programs[index].process);
	free(launcher->programs);
	free(launcher->command_line);
	free(launcher);
}

bool launcher_not_found(int error)
{
	DWORD code = system_error_code(error);

	return code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND;
}
