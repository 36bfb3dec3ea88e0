/* SPDX-License-Identifier: MIT */
/*
 * What the kernel calls for each process that starts or ends: PASSIVE_LEVEL, in the thread of who
 * creates it, or its own last. Everything is asked before any lock is taken, since the answers may
 * need to wait; what is given by pointer is copied before we return.
 */
#include "driver.h"
#include "process_query.h"

#include "os.h"

static uint32_t pid_of(HANDLE id)
{
	return (uint32_t)(ULONG_PTR)id;
}

/*
 * Who has this pid now. It can be another one by now: whoever began later than `child_start_ns` is
 * not the one that is meant, and only the pid is told.
 */
static struct record_identity identify(uint32_t pid, uint64_t child_start_ns)
{
	struct record_identity identity = {.pid = pid};
	HANDLE process = pid ? process_open_pid(pid) : NULL;

	if (!process)
		return identity;
	uint64_t start_ns = process_start_ns(process);
	if (!child_start_ns || start_ns <= child_start_ns)
		identity.start_ns = start_ns;
	ZwClose(process);
	return identity;
}

static struct record_identity identify_current(void)
{
	return (struct record_identity){
	    .start_ns = process_start_ns(ZwCurrentProcess()),
	    .pid = pid_of(PsGetCurrentProcessId()),
	};
}

static struct record_identity identify_creator(uint32_t pid, uint64_t child_start_ns)
{
	if (pid == pid_of(PsGetCurrentProcessId()))
		return identify_current();
	return identify(pid, child_start_ns);
}

static struct observed_text given_text(PCUNICODE_STRING string)
{
	if (!string || !string->Buffer)
		return (struct observed_text){.missing = RECORD_MISSING_UNREADABLE};
	return (struct observed_text){string->Buffer, string->Length, RECORD_WHOLE};
}

/* Whether a name is one of the kernel's own already, and not of somebody's drive letters. */
static bool names_device(const struct observed_text *name)
{
	static const WCHAR prefix[] = L"\\Device\\";
	const WCHAR *units = name->units;
	uint32_t count = sizeof prefix / sizeof *prefix - 1;

	if (name->size < count * sizeof *units)
		return false;
	while (count && units[count - 1] == prefix[count - 1])
		count--;
	return count == 0;
}

/* The kernel's name of the image, else that by which it was opened. Returns memory to free. */
static void *observe_image(HANDLE process, const struct observed_text *opened,
			   struct observed_text *exe)
{
	*exe = *opened;
	if (names_device(opened))
		return NULL;
	void *memory = process_image(process, exe);
	if (exe->missing != RECORD_WHOLE && opened->missing == RECORD_WHOLE)
		*exe = *opened;
	return memory;
}

/* `observation` has creator and parent by pid, command line, and as exe the name it was opened by.
 */
static void keep_start(HANDLE process, struct observation *observation)
{
	struct observed_text opened = observation->exe;
	uint64_t start_ns = process_start_ns(process);

	observation->kind = RECORD_START;
	observation->process.start_ns = start_ns;
	observation->session = process_session(process);
	observation->creator = identify_creator(observation->creator.pid, start_ns);
	if (observation->parent.pid == observation->creator.pid)
		observation->parent = observation->creator;
	else
		observation->parent = identify(observation->parent.pid, start_ns);
	void *sid = process_sid(process, &observation->sid);
	void *image = observe_image(process, &opened, &observation->exe);
	observer_keep(driver.observer, observation);
	os_free(image);
	os_free(sid);
}

static void keep_exit(HANDLE process, uint32_t pid)
{
	struct observation observation = {
	    .kind = RECORD_EXIT,
	    .process = {.start_ns = process_start_ns(process), .pid = pid},
	    .session = process_session(process),
	};

	observation.parent = identify(process_parent_pid(process), observation.process.start_ns);
	process_exit(process, &observation.exit);
	observer_keep(driver.observer, &observation);
}

void NTAPI notify_extended(PEPROCESS process, HANDLE pid, PPS_CREATE_NOTIFY_INFO info)
{
	HANDLE handle = process_open(process);

	EXPECT_IRQL(PASSIVE_LEVEL);
	if (info) {
		struct observation observation = {
		    .process.pid = pid_of(pid),
		    .parent.pid = pid_of(info->ParentProcessId),
		    .creator.pid = pid_of(info->CreatingThreadId.UniqueProcess),
		    .exe = given_text(info->ImageFileName),
		    .command_line = given_text(info->CommandLine),
		};
		keep_start(handle, &observation);
	} else {
		keep_exit(handle, pid_of(pid));
	}
	if (handle)
		ZwClose(handle);
}

void NTAPI notify_plain(HANDLE parent_pid, HANDLE pid, BOOLEAN create)
{
	HANDLE handle = process_open_pid(pid_of(pid));

	EXPECT_IRQL(PASSIVE_LEVEL);
	if (create) {
		struct observation observation = {
		    .process.pid = pid_of(pid),
		    .parent.pid = pid_of(parent_pid),
		    .creator.pid = pid_of(PsGetCurrentProcessId()),
		    .exe = {.missing = RECORD_MISSING_NOT_TAKEN},
		    .command_line = {.missing = RECORD_MISSING_NOT_TAKEN},
		};
		keep_start(handle, &observation);
	} else {
		keep_exit(handle, pid_of(pid));
	}
	if (handle)
		ZwClose(handle);
}
