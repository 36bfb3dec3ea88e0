/* SPDX-License-Identifier: MIT */
/*
 * A job: a tree of programs that a process starts and can be told about by the system, without any
 * driver and without rights. Whoever starts the programs makes it (consctl's launcher does) before
 * a monitor is started for the tree; the source "job" then finds it by the monitor's root_pid,
 * which is the id of the process that made it.
 *
 * The root of the tree is the maker itself, which is no member of its job: launcher_pid() on
 * Windows is GetCurrentProcessId(), and there is no process between the maker and the programs.
 * Sources of other kinds ("driver", "snapshot") know the tree by the same root.
 *
 * The system promises no single message of a job. A thread of the job takes them as fast as it can,
 * holds a handle to each process it met, and counts against the job's own accounting.
 *
 * All calls may come from any thread, job_close() last.
 */
#ifndef PROCOBSRV_LIB_WINDOWS_JOB_H
#define PROCOBSRV_LIB_WINDOWS_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <windows.h>

struct job;

enum job_flag {
	JOB_KILLS = 1u << 0, /* at job_close(), or when the maker dies, the programs are killed */
};

/* One for a process at a time. 0 or an error of Windows (GetLastError()). */
int job_create(unsigned flags, struct job **created);

/*
 * CreateProcessW() into the job: the program is created suspended, put into the job, and let go, so
 * that nothing that it starts is missed. Arguments as there; the caller closes both handles of
 * *information. `inherit`: handles that are inheritable are inherited. 0 or an error of Windows;
 * nothing runs then.
 */
int job_start(struct job *job, const wchar_t *application, wchar_t *command_line, bool inherit,
	      DWORD creation_flags, STARTUPINFOW *startup, PROCESS_INFORMATION *information);

/*
 * A handle that is signalled while no program is left in the job after one was: every member has
 * ended, and whoever observes the job has been told of all of it. The job's own; not to be closed.
 */
HANDLE job_ended_event(const struct job *job);

/* Ends every member with this exit code. */
void job_terminate(struct job *job, UINT exit_code);

/* Members that live now, as the system counts them. */
uint32_t job_members(const struct job *job);

/* Members go on, unless JOB_KILLS. NULL is allowed. */
void job_close(struct job *job);

#endif
