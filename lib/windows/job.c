/* SPDX-License-Identifier: MIT */
#include "job_observer.h"

#include "job_members.h"
#include "os.h"

#include <pthread.h>
#include <stdlib.h>

/* How often the job's accounting is looked at while no message comes. */
#define SETTLE_MS 200
/* How soon a program that is being set up is looked at again. */
#define TELL_MS	      2
#define FLUSH_WAIT_MS 5000

/* What the port carries: the system's messages, and our own. */
enum port_key {
	KEY_SYSTEM = 1,
	KEY_FLUSH = 2,
	KEY_CLOSE = 3,
};

struct job {
	HANDLE port;
	HANDLE ended;
	HANDLE flushed;
	pthread_t thread;
	uint32_t maker;
	unsigned references; /* under jobs_lock */

	pthread_mutex_t lock; /* guards the members, and is held while the observer is called */
	struct job_members members;
};

/* The job of this process: there is one at a time. */
static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *job_of_process;

/* ---- the thread ---- */

static void take_message(struct job *job, DWORD message, uint32_t pid)
{
	switch (message) {
	case JOB_OBJECT_MSG_NEW_PROCESS:
		job_members_new(&job->members, pid);
		break;
	case JOB_OBJECT_MSG_EXIT_PROCESS:
	case JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS:
		job_members_gone(&job->members, pid);
		break;
	default:
		break;
	}
}

/* Takes the next message. False: none came in time. */
static bool take(struct job *job, DWORD timeout_ms, ULONG_PTR *key)
{
	OVERLAPPED *value = NULL;
	DWORD message;

	if (!GetQueuedCompletionStatus(job->port, &message, key, &value, timeout_ms))
		return false;
	pthread_mutex_lock(&job->lock);
	if (*key == KEY_SYSTEM)
		take_message(job, message, (uint32_t)(uintptr_t)value);
	pthread_mutex_unlock(&job->lock);
	return true;
}

/* What our own messages ask for. */
struct wishes {
	bool flush;
	bool close;
};

static bool take_and_note(struct job *job, DWORD timeout_ms, struct wishes *wishes)
{
	ULONG_PTR key;

	if (!take(job, timeout_ms, &key))
		return false;
	wishes->flush |= key == KEY_FLUSH;
	wishes->close |= key == KEY_CLOSE;
	return true;
}

/* Holds what was met against the job's own accounting: the messages of what it counts have come. */
static void settle(struct job *job, struct wishes *wishes)
{
	struct job_accounting accounting;
	bool counted = job_members_count(&job->members, &accounting);

	while (take_and_note(job, 0, wishes))
		;
	pthread_mutex_lock(&job->lock);
	if (counted)
		job_members_settle(&job->members, &accounting);
	while (job_members_tell(&job->members) && (wishes->flush || wishes->close))
		Sleep(TELL_MS); /* not for long: job_members.h */
	if (counted && accounting.total && !accounting.active && job_members_none(&job->members))
		SetEvent(job->ended);
	pthread_mutex_unlock(&job->lock);
}

/* Tells what has come; *none: nobody is left in the job. True: there is more to tell soon. */
static bool tell(struct job *job, bool *none)
{
	pthread_mutex_lock(&job->lock);
	bool waits = job_members_tell(&job->members);
	*none = job_members_none(&job->members);
	pthread_mutex_unlock(&job->lock);
	return waits;
}

static void *run(void *param)
{
	struct job *job = param;
	struct wishes wishes = {0};
	DWORD wait_ms = SETTLE_MS;

	while (!wishes.close) {
		wishes.flush = false;
		bool came = take_and_note(job, wait_ms, &wishes), none;
		bool ours = wishes.flush || wishes.close;
		bool idle = !came && wait_ms == SETTLE_MS;

		/* While messages come, reading them is first: who ends at once is soon gone. */
		wait_ms = 0;
		if (came && !ours)
			continue;
		wait_ms = tell(job, &none) ? TELL_MS : SETTLE_MS;
		if (ours || idle || none)
			settle(job, &wishes);
		if (wishes.flush)
			SetEvent(job->flushed);
	}
	return NULL;
}

/* ---- making and ending ---- */

static void free_job(struct job *job)
{
	job_members_free(&job->members);
	if (job->port)
		CloseHandle(job->port);
	if (job->ended)
		CloseHandle(job->ended);
	if (job->flushed)
		CloseHandle(job->flushed);
	pthread_mutex_destroy(&job->lock);
	free(job);
}

static bool create_objects(struct job *job, unsigned flags)
{
	job->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
	job->ended = CreateEventW(NULL, TRUE, FALSE, NULL);
	job->flushed = CreateEventW(NULL, FALSE, FALSE, NULL);
	return job->port && job->ended && job->flushed &&
	       job_members_create(&job->members, job->port, KEY_SYSTEM, flags & JOB_KILLS);
}

int job_create(unsigned flags, struct job **created)
{
	struct job *job = calloc(1, sizeof(*job));
	int error = 0;

	if (!job)
		return ERROR_NOT_ENOUGH_MEMORY;
	pthread_mutex_init(&job->lock, NULL);
	job->maker = GetCurrentProcessId();
	job->references = 1;
	if (!create_objects(job, flags)) {
		error = (int)GetLastError();
		free_job(job);
		return error;
	}
	pthread_mutex_lock(&jobs_lock);
	if (job_of_process)
		error = ERROR_ALREADY_EXISTS;
	else if (os_thread_start(&job->thread, "procobsrv-job", run, job))
		error = ERROR_NOT_ENOUGH_MEMORY;
	else
		job_of_process = job;
	pthread_mutex_unlock(&jobs_lock);
	if (error) {
		free_job(job);
		return error;
	}
	*created = job;
	return 0;
}

static void drop(struct job *job)
{
	pthread_mutex_lock(&jobs_lock);
	bool last = --job->references == 0;
	pthread_mutex_unlock(&jobs_lock);
	if (last)
		free_job(job);
}

void job_close(struct job *job)
{
	if (!job)
		return;
	PostQueuedCompletionStatus(job->port, 0, KEY_CLOSE, NULL);
	pthread_join(job->thread, NULL);
	pthread_mutex_lock(&jobs_lock);
	job_of_process = NULL;
	pthread_mutex_unlock(&jobs_lock);
	pthread_mutex_lock(&job->lock);
	job_members_close(&job->members); /* who observes it may be there still */
	pthread_mutex_unlock(&job->lock);
	drop(job);
}

/* ---- programs ---- */

int job_start(struct job *job, const wchar_t *application, wchar_t *command_line, bool inherit,
	      DWORD creation_flags, STARTUPINFOW *startup, PROCESS_INFORMATION *information)
{
	bool suspended = creation_flags & CREATE_SUSPENDED;
	DWORD error;

	if (!CreateProcessW(application, command_line, NULL, NULL, inherit,
			    creation_flags | CREATE_SUSPENDED, NULL, NULL, startup, information))
		return (int)GetLastError();
	pthread_mutex_lock(&job->lock);
	error = job_members_put(&job->members, information->hProcess, information->dwProcessId);
	if (!error)
		ResetEvent(job->ended);
	pthread_mutex_unlock(&job->lock);
	if (!error && (suspended || ResumeThread(information->hThread) != (DWORD)-1))
		return 0;
	if (!error)
		error = GetLastError();
	TerminateProcess(information->hProcess, error);
	CloseHandle(information->hThread);
	CloseHandle(information->hProcess);
	return (int)error;
}

HANDLE job_ended_event(const struct job *job)
{
	return job->ended;
}

void job_terminate(struct job *job, UINT exit_code)
{
	TerminateJobObject(job->members.object, exit_code);
}

uint32_t job_members(const struct job *job)
{
	struct job_accounting accounting;

	return job_members_count(&job->members, &accounting) ? accounting.active : 0;
}

/* ---- observing ---- */

int job_observe(uint32_t maker, const struct job_observer *observer, struct job **observed)
{
	struct job *job = NULL;
	int error;

	pthread_mutex_lock(&jobs_lock);
	if (job_of_process && job_of_process->maker == maker) {
		job = job_of_process;
		job->references++;
	}
	pthread_mutex_unlock(&jobs_lock);
	if (!job)
		return PROCOBSRV_ERROR_NOT_FOUND;
	pthread_mutex_lock(&job->lock);
	error = job->members.observer.on_start ? PROCOBSRV_ERROR_BUSY : 0;
	if (!error)
		job->members.observer = *observer;
	pthread_mutex_unlock(&job->lock);
	if (error) {
		drop(job);
		return error;
	}
	*observed = job;
	return 0;
}

void job_observe_no_more(struct job *job)
{
	pthread_mutex_lock(&job->lock);
	job->members.observer = (struct job_observer){0};
	pthread_mutex_unlock(&job->lock);
}

void job_leave(struct job *job)
{
	drop(job);
}

void job_visit(struct job *job, void (*visit)(const struct job_member *member, void *param),
	       void *param)
{
	pthread_mutex_lock(&job->lock);
	job_members_visit(&job->members, visit, param);
	pthread_mutex_unlock(&job->lock);
}

void job_flush(struct job *job)
{
	pthread_mutex_lock(&jobs_lock);
	bool alive = job_of_process == job;
	if (alive)
		PostQueuedCompletionStatus(job->port, 0, KEY_FLUSH, NULL);
	pthread_mutex_unlock(&jobs_lock);
	if (alive)
		WaitForSingleObject(job->flushed, FLUSH_WAIT_MS);
}
