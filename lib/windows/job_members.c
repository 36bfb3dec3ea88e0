/* SPDX-License-Identifier: MIT */
#include "job_members.h"

#include "os.h"
#include "running_process.h"

#include <stdlib.h>

/* The end of a member has been told: its handle is about to tell it, too. */
#define END_WAIT_MS 1000
/* A program that is being set up gets its name and command line within this time. */
#define SETUP_NS 1000000000ull

struct job_news {
	struct job_member *member;
	bool gone; /* else: come */
};

static struct job_member *member_at(const struct job_members *members, size_t index)
{
	return ((struct job_member **)(void *)members->list.data)[index];
}

static size_t count_members(const struct job_members *members)
{
	return members->list.size / sizeof(struct job_member *);
}

/* Who has a pid now, which others may have had. */
static struct job_member *find(const struct job_members *members, uint32_t pid)
{
	for (size_t i = count_members(members); i-- > 0;)
		if (member_at(members, i)->pid == pid && !member_at(members, i)->gone)
			return member_at(members, i);
	return NULL;
}

static void free_member(struct job_member *member)
{
	if (member->process)
		CloseHandle(member->process);
	free(member);
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
		free_member(member_at(members, i));
	arena_free(&members->list);
	arena_free(&members->news);
	running_image_free(&members->image);
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

/* ---- who comes and goes ---- */

static void note(struct job_members *members, struct job_member *member, bool gone)
{
	struct job_news *news = arena_add(&members->news, sizeof(*news));

	member->gone = gone;
	if (news)
		*news = (struct job_news){member, gone};
}

/* Takes over the handle. False: no memory; it will be among those that are missed. */
static bool add(struct job_members *members, uint32_t pid, HANDLE process, bool announced)
{
	struct job_member *member = calloc(1, sizeof(*member)), **place = NULL;

	if (member && arena_reserve(&members->news, 2 * sizeof(struct job_news)))
		place = arena_add(&members->list, sizeof(struct job_member *));
	if (!place) {
		free(member);
		if (process)
			CloseHandle(process);
		return false;
	}
	*member = (struct job_member){
	    .pid = pid,
	    .process = process,
	    .met_ns = os_monotonic_ns(),
	    .announced = announced,
	};
	*place = member;
	members->started++;
	note(members, member, false);
	return true;
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

DWORD job_members_put(struct job_members *members, HANDLE process, uint32_t pid)
{
	HANDLE own;

	if (!AssignProcessToJobObject(members->object, process) ||
	    !DuplicateHandle(GetCurrentProcess(), process, GetCurrentProcess(), &own, 0, FALSE,
			     DUPLICATE_SAME_ACCESS))
		return GetLastError();
	return add(members, pid, own, true) ? 0 : ERROR_NOT_ENOUGH_MEMORY;
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
		note(members, member, true);
	add(members, pid, open_member(members, pid), false);
}

void job_members_gone(struct job_members *members, uint32_t pid)
{
	struct job_member *member = find(members, pid);

	/* Of who was not met the count tells. */
	if (member)
		note(members, member, true);
}

/* ---- telling ---- */

/* A parent is known as long as it lives; its pid is nobody else's before the child. */
static void name_parent(const struct job_members *members, struct record_body *body)
{
	const struct record_identity *parent = NULL;

	for (size_t i = 0; i < count_members(members); i++)
		if (member_at(members, i)->told && member_at(members, i)->pid == body->parent.pid)
			parent = &member_at(members, i)->body.process;
	if (!parent && body->parent.pid == members->maker.process.pid)
		parent = &members->maker.process;
	if (parent && parent->start_ns <= body->process.start_ns)
		body->parent = *parent;
}

/* What the system tells while a process is being set up may be anything. */
static bool read_body(const struct job_members *members, struct job_member *member)
{
	return member->process && running_process_body(member->process, &member->body) &&
	       member->body.process.start_ns >= members->maker.process.start_ns &&
	       member->body.process.start_ns <= os_boot_ns();
}

static bool may_be_told(struct job_members *members, struct job_member *member)
{
	bool whole = read_body(members, member);

	running_image_read(member->process, member->pid, false, &members->image);
	return !member->process || os_monotonic_ns() - member->met_ns > SETUP_NS ||
	       WaitForSingleObject(member->process, 0) == WAIT_OBJECT_0 ||
	       (whole && members->image.strings[RECORD_STRING_EXE].size &&
		members->image.strings[RECORD_STRING_COMMAND_LINE].size);
}

static void tell_start(struct job_members *members, struct job_member *member)
{
	if (!read_body(members, member)) {
		if (member->body.process.pid != member->pid)
			member->body = running_process_unknown();
		member->body.process.pid = member->pid;
		member->body.process.start_ns = os_boot_ns();
	}
	name_parent(members, &member->body);
	member->told = true;
	if (members->observer.on_start)
		members->observer.on_start(member, &members->image, members->observer.param);
}

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
	struct job_member **list = (void *)members->list.data;
	size_t last = count_members(members) - 1;

	for (size_t i = 0; i <= last; i++)
		if (list[i] == member)
			list[i] = list[last];
	members->list.size = last * sizeof(*list);
	free_member(member);
}

bool job_members_tell(struct job_members *members)
{
	size_t told = 0;

	for (; told < members->news.size / sizeof(struct job_news); told++) {
		struct job_news news = ((struct job_news *)(void *)members->news.data)[told];

		if (!news.gone && !may_be_told(members, news.member))
			break;
		if (!news.gone) {
			tell_start(members, news.member);
			continue;
		}
		tell_end(members, news.member);
		remove_member(members, news.member);
	}
	arena_consume(&members->news, told * sizeof(struct job_news));
	return members->news.size;
}

/* ---- what the system did not say ---- */

/* Members that the job lists and nobody told of; those that ended meanwhile are not met. */
static void meet_listed(struct job_members *members, const JOBOBJECT_BASIC_PROCESS_ID_LIST *list)
{
	for (DWORD i = 0; i < list->NumberOfProcessIdsInList; i++) {
		uint32_t pid = (uint32_t)list->ProcessIdList[i];
		HANDLE process = find(members, pid) ? NULL : open_member(members, pid);
		bool lives = process && WaitForSingleObject(process, 0) == WAIT_TIMEOUT;

		if (lives)
			add(members, pid, process, false);
		else if (process)
			CloseHandle(process);
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
	return !is_listed(list, member->pid);
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
	for (size_t i = 0; i < count_members(members); i++)
		if (!member_at(members, i)->gone && has_ended(member_at(members, i), list))
			note(members, member_at(members, i), true);
	free(list);
}

bool job_members_none(const struct job_members *members)
{
	return !members->list.size;
}

void job_members_visit(const struct job_members *members,
		       void (*visit)(const struct job_member *member, void *param), void *param)
{
	const struct job_member maker = {
	    .pid = members->maker.process.pid,
	    .body = members->maker,
	    .process = GetCurrentProcess(),
	};

	visit(&maker, param);
	for (size_t i = 0; i < count_members(members); i++)
		if (member_at(members, i)->told)
			visit(member_at(members, i), param);
}
