/* SPDX-License-Identifier: MIT */
#include "job_members.h"

#include "os.h"
#include "running_process.h"

#include <stdlib.h>

/* The end of a member has been told: its handle is about to tell it, too. */
#define END_WAIT_MS 1000

static struct job_member *member_at(const struct job_members *members, size_t index)
{
	return (struct job_member *)(void *)members->list.data + index;
}

static size_t count_members(const struct job_members *members)
{
	return members->list.size / sizeof(struct job_member);
}

static struct job_member *find(const struct job_members *members, uint32_t pid)
{
	for (size_t i = count_members(members); i-- > 0;)
		if (member_at(members, i)->body.process.pid == pid)
			return member_at(members, i);
	return NULL;
}

/* ---- the object ---- */

bool job_members_create(struct job_members *members, HANDLE port, ULONG_PTR key, bool kills)
{
	JOBOBJECT_ASSOCIATE_COMPLETION_PORT association = {(void *)key, port};
	JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};

	members->object = CreateJobObjectW(NULL, NULL);
	if (!members->object ||
	    !SetInformationJobObject(members->object, JobObjectAssociateCompletionPortInformation,
				     &association, sizeof(association)))
		return false;
	limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
	if (kills && !SetInformationJobObject(members->object, JobObjectExtendedLimitInformation,
					      &limits, sizeof(limits)))
		return false;
	return running_process_body(GetCurrentProcess(), &members->maker);
}

void job_members_close(struct job_members *members)
{
	if (members->object)
		CloseHandle(members->object);
	members->object = NULL;
}

void job_members_free(struct job_members *members)
{
	for (size_t i = 0; i < count_members(members); i++)
		if (member_at(members, i)->process)
			CloseHandle(member_at(members, i)->process);
	arena_free(&members->list);
	job_members_close(members);
}

bool job_members_count(const struct job_members *members, struct job_accounting *accounting)
{
	JOBOBJECT_BASIC_ACCOUNTING_INFORMATION information;

	if (!QueryInformationJobObject(members->object, JobObjectBasicAccountingInformation,
				       &information, sizeof(information), NULL))
		return false;
	accounting->total = information.TotalProcesses;
	accounting->active = information.ActiveProcesses;
	return true;
}

/* ---- who comes ---- */

/* A parent is known as long as it lives; its pid is nobody else's before the child. */
static void name_parent(const struct job_members *members, struct record_body *body)
{
	const struct job_member *member = find(members, body->parent.pid);
	const struct record_identity *parent = member ? &member->body.process : NULL;

	if (!parent && body->parent.pid == members->maker.process.pid)
		parent = &members->maker.process;
	if (parent && parent->start_ns <= body->process.start_ns)
		body->parent = *parent;
}

static void add(struct job_members *members, struct job_member *member)
{
	struct job_member *added;

	members->started++;
	name_parent(members, &member->body);
	if (members->observer.on_start)
		members->observer.on_start(member, members->observer.param);
	added = arena_add(&members->list, sizeof(*added));
	if (added)
		*added = *member;
	else if (member->process)
		CloseHandle(member->process); /* its end will be among those that are missed */
}

/* The process of this pid, if it is of this job. */
static HANDLE open_member(const struct job_members *members, uint32_t pid)
{
	HANDLE process = running_process_open(pid);
	BOOL belongs = FALSE;

	if (process && IsProcessInJob(process, members->object, &belongs) && belongs)
		return process;
	if (process)
		CloseHandle(process);
	return NULL;
}

static void meet(struct job_members *members, uint32_t pid)
{
	struct job_member member = {.process = open_member(members, pid)};

	if (!member.process || !running_process_body(member.process, &member.body)) {
		member.body = running_process_unknown();
		member.body.process.pid = pid;
		member.body.process.start_ns = os_boot_ns();
	}
	add(members, &member);
}

DWORD job_members_put(struct job_members *members, HANDLE process)
{
	struct job_member member = {.announced = true};

	if (!AssignProcessToJobObject(members->object, process) ||
	    !DuplicateHandle(GetCurrentProcess(), process, GetCurrentProcess(), &member.process, 0,
			     FALSE, DUPLICATE_SAME_ACCESS))
		return GetLastError();
	if (running_process_body(process, &member.body)) {
		add(members, &member);
		return 0;
	}
	DWORD error = GetLastError();
	CloseHandle(member.process);
	return error;
}

/* ---- who goes ---- */

static void tell_end(const struct job_members *members, const struct job_member *member)
{
	struct record_exit exit = {.flags = RECORD_EXIT_STATUS_UNKNOWN | RECORD_EXIT_USAGE_UNKNOWN};
	uint64_t time_ns = os_boot_ns();

	if (!members->observer.on_exit)
		return;
	if (member->process && WaitForSingleObject(member->process, END_WAIT_MS) == WAIT_OBJECT_0)
		exit = running_process_exit(member->process, &time_ns);
	members->observer.on_exit(member, &exit, time_ns, members->observer.param);
}

static void remove_member(struct job_members *members, struct job_member *member)
{
	size_t last = count_members(members) - 1;

	tell_end(members, member);
	if (member->process)
		CloseHandle(member->process);
	*member = *member_at(members, last);
	members->list.size = last * sizeof(*member);
}

void job_members_new(struct job_members *members, uint32_t pid)
{
	struct job_member *member = find(members, pid);

	if (member && member->announced) {
		member->announced = false;
		return;
	}
	/* The end of who had the pid was not told. */
	if (member)
		remove_member(members, member);
	meet(members, pid);
}

void job_members_gone(struct job_members *members, uint32_t pid)
{
	struct job_member *member = find(members, pid);

	/* Of who was not met the count tells. */
	if (member)
		remove_member(members, member);
}

/* ---- what the system did not say ---- */

/* Members that the job lists and nobody told of; those that ended meanwhile are not met. */
static void meet_listed(struct job_members *members, const JOBOBJECT_BASIC_PROCESS_ID_LIST *list)
{
	for (DWORD i = 0; i < list->NumberOfProcessIdsInList; i++) {
		uint32_t pid = (uint32_t)list->ProcessIdList[i];
		HANDLE process = find(members, pid) ? NULL : open_member(members, pid);
		bool lives = process && WaitForSingleObject(process, 0) == WAIT_TIMEOUT;

		if (process)
			CloseHandle(process);
		if (lives)
			meet(members, pid);
	}
}

static bool is_listed(const JOBOBJECT_BASIC_PROCESS_ID_LIST *list, uint32_t pid)
{
	for (DWORD i = 0; i < list->NumberOfProcessIdsInList; i++)
		if (list->ProcessIdList[i] == pid)
			return true;
	return false;
}

/* Whether a member has ended. Its handle tells; of who has none, the job's list. */
static bool has_ended(const struct job_member *member, const JOBOBJECT_BASIC_PROCESS_ID_LIST *list)
{
	if (member->process)
		return WaitForSingleObject(member->process, 0) == WAIT_OBJECT_0;
	return !is_listed(list, member->body.process.pid);
}

/* The caller frees. NULL: the system does not tell. */
static JOBOBJECT_BASIC_PROCESS_ID_LIST *list_job(const struct job_members *members, uint32_t active)
{
	size_t room = active + 64; /* processes may come meanwhile; the next look meets the rest */
	size_t size = sizeof(JOBOBJECT_BASIC_PROCESS_ID_LIST) + room * sizeof(ULONG_PTR);
	JOBOBJECT_BASIC_PROCESS_ID_LIST *list = calloc(1, size);

	if (list && (QueryInformationJobObject(members->object, JobObjectBasicProcessIdList, list,
					       (DWORD)size, NULL) ||
		     GetLastError() == ERROR_MORE_DATA))
		return list;
	free(list);
	return NULL;
}

static void tell_missed(struct job_members *members, const struct job_accounting *accounting)
{
	uint64_t missed = accounting->total - members->started;

	members->started = accounting->total;
	if (members->observer.on_missed)
		members->observer.on_missed(missed, members->observer.param);
}

void job_members_settle(struct job_members *members, const struct job_accounting *accounting)
{
	bool missed = accounting->total > members->started;
	bool unended = accounting->active < count_members(members);

	if (!missed && !unended)
		return;
	JOBOBJECT_BASIC_PROCESS_ID_LIST *list = list_job(members, accounting->active);
	if (!list)
		return; /* with the next look */
	if (missed)
		meet_listed(members, list);
	if (accounting->total > members->started)
		tell_missed(members, accounting);
	for (size_t i = count_members(members); i-- > 0;)
		if (has_ended(member_at(members, i), list))
			remove_member(members, member_at(members, i));
	free(list);
}

bool job_members_none(const struct job_members *members)
{
	return !members->list.size;
}

void job_members_visit(const struct job_members *members,
		       void (*visit)(const struct job_member *member, void *param), void *param)
{
	const struct job_member maker = {.body = members->maker, .process = GetCurrentProcess()};

	visit(&maker, param);
	for (size_t i = 0; i < count_members(members); i++)
		visit(member_at(members, i), param);
}
