/* SPDX-License-Identifier: MIT */
#include "process_query.h"

#include "driver.h"
#include "os.h"

#define QUERY_INFORMATION 0x0400 /* PROCESS_QUERY_INFORMATION, which older systems know too */

#define SID_SIZE_MAX	 68u  /* with 15 parts */
#define FIRST_IMAGE_SIZE 768u /* a UNICODE_STRING and the name, mostly */

/* PASSIVE_LEVEL, as all here. */
HANDLE process_open(PEPROCESS process)
{
	HANDLE handle;

	EXPECT_IRQL(PASSIVE_LEVEL);
	if (!NT_SUCCESS(ObOpenObjectByPointer(process, OBJ_KERNEL_HANDLE, NULL, QUERY_INFORMATION,
					      PROCESS_TYPE, KernelMode, &handle)))
		return NULL;
	return handle;
}

HANDLE process_open_pid(uint32_t pid)
{
	PEPROCESS process;

	if (!NT_SUCCESS(PsLookupProcessByProcessId((HANDLE)(ULONG_PTR)pid, &process)))
		return NULL;
	HANDLE handle = process_open(process);
	ObDereferenceObject(process);
	return handle;
}

static bool query(HANDLE process, PROCESSINFOCLASS class, void *answer, ULONG size)
{
	return process && NT_SUCCESS(ZwQueryInformationProcess(process, class, answer, size, NULL));
}

uint64_t process_start_ns(HANDLE process)
{
	KERNEL_USER_TIMES times;

	if (!query(process, ProcessTimes, &times, sizeof times))
		return 0;
	return ns_since_1970(&times.CreateTime);
}

uint32_t process_session(HANDLE process)
{
	PROCESS_SESSION_INFORMATION session;

	if (!query(process, ProcessSessionInformation, &session, sizeof session))
		return RECORD_ID_UNKNOWN;
	return session.SessionId;
}

uint32_t process_parent_pid(HANDLE process)
{
	PROCESS_BASIC_INFORMATION basic;

	if (!query(process, ProcessBasicInformation, &basic, sizeof basic))
		return 0;
	return (uint32_t)basic.InheritedFromUniqueProcessId;
}

void process_exit(HANDLE process, struct record_exit *exit)
{
	PROCESS_BASIC_INFORMATION basic;
	KERNEL_USER_TIMES times;
	VM_COUNTERS memory;

	*exit = (struct record_exit){0};
	if (query(process, ProcessBasicInformation, &basic, sizeof basic))
		exit->code = (uint32_t)basic.ExitStatus;
	else
		exit->flags |= RECORD_EXIT_STATUS_UNKNOWN;
	if (!query(process, ProcessTimes, &times, sizeof times) ||
	    !query(process, ProcessVmCounters, &memory, sizeof memory)) {
		exit->flags |= RECORD_EXIT_USAGE_UNKNOWN;
		return;
	}
	exit->user_ns = ns_of_ticks(times.UserTime.QuadPart);
	exit->system_ns = ns_of_ticks(times.KernelTime.QuadPart);
	exit->cpu_ns = exit->user_ns + exit->system_ns;
	exit->max_rss_bytes = memory.PeakWorkingSetSize;
}

static struct observed_text text_of(const UNICODE_STRING *string)
{
	return (struct observed_text){string->Buffer, string->Length, RECORD_WHOLE};
}

static struct observed_text no_text(enum record_missing reason)
{
	return (struct observed_text){.missing = reason};
}

void *process_image(HANDLE process, struct observed_text *exe)
{
	ULONG size = FIRST_IMAGE_SIZE;

	*exe = no_text(process ? RECORD_MISSING_UNREADABLE : RECORD_MISSING_TOO_LATE);
	/* Twice, should the first be too small. */
	for (int attempt = 0; process && attempt < 2; attempt++) {
		UNICODE_STRING *name = os_allocate(size);
		if (!name)
			break;
		NTSTATUS status =
		    ZwQueryInformationProcess(process, ProcessImageFileName, name, size, &size);
		if (NT_SUCCESS(status)) {
			*exe = text_of(name);
			return name;
		}
		os_free(name);
		if (status != STATUS_INFO_LENGTH_MISMATCH && status != STATUS_BUFFER_TOO_SMALL &&
		    status != STATUS_BUFFER_OVERFLOW)
			break;
	}
	return NULL;
}

/* The user of the process's own token. */
static NTSTATUS query_user(HANDLE process, void *user, ULONG size)
{
	HANDLE token;
	NTSTATUS status = ZwOpenProcessTokenEx(process, TOKEN_QUERY, OBJ_KERNEL_HANDLE, &token);

	if (!NT_SUCCESS(status))
		return status;
	status = ZwQueryInformationToken(token, TokenUser, user, size, &size);
	ZwClose(token);
	return status;
}

void *process_sid(HANDLE process, struct observed_text *sid)
{
	union {
		TOKEN_USER user;
		UCHAR room[sizeof(TOKEN_USER) + SID_SIZE_MAX];
	} answer;
	UNICODE_STRING string = {.MaximumLength = WRITER_SID_SIZE_MAX};

	*sid = no_text(process ? RECORD_MISSING_UNREADABLE : RECORD_MISSING_TOO_LATE);
	if (!process || !NT_SUCCESS(query_user(process, &answer, sizeof answer)))
		return NULL;
	string.Buffer = os_allocate(string.MaximumLength);
	if (string.Buffer &&
	    NT_SUCCESS(RtlConvertSidToUnicodeString(&string, answer.user.User.Sid, FALSE)))
		*sid = text_of(&string);
	return string.Buffer;
}
