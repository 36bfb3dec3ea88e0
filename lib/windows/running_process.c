/* SPDX-License-Identifier: MIT */
#include "running_process.h"

#include "lookup.h"

#include <winternl.h>

/* From 1601 to 1970, in the system's units of 100 ns. */
#define UNITS_TO_1970 116444736000000000ull

/* What the headers do not name. */
#define PROCESS_VM_COUNTERS	    3
#define PROCESS_SESSION_INFORMATION 24
#ifndef PROCESS_QUERY_LIMITED_INFORMATION
#define PROCESS_QUERY_LIMITED_INFORMATION 0x1000
#endif

typedef NTSTATUS(NTAPI *query_process)(HANDLE, ULONG, void *, ULONG, ULONG *);

static bool ask(HANDLE process, ULONG what, void *answer, ULONG size)
{
	query_process query = (query_process)lookup("ntdll.dll", "NtQueryInformationProcess");

	return query && query(process, what, answer, size, NULL) >= 0;
}

uint64_t running_process_time_ns(uint64_t system_time)
{
	return system_time > UNITS_TO_1970 ? (system_time - UNITS_TO_1970) * 100 : 0;
}

static uint64_t units_of(const FILETIME *time)
{
	return (uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime;
}

HANDLE running_process_open(uint32_t pid)
{
	HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION | SYNCHRONIZE, FALSE, (DWORD)pid);

	/* Those that Windows protects give the lesser right alone, which NT 5.2 does not know. */
	if (!process && GetLastError() == ERROR_ACCESS_DENIED)
		process =
		    OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, (DWORD)pid);
	return process;
}

struct record_body running_process_unknown(void)
{
	return (struct record_body){
	    .credentials = {RECORD_ID_UNKNOWN, RECORD_ID_UNKNOWN, RECORD_ID_UNKNOWN,
			    RECORD_ID_UNKNOWN, RECORD_ID_UNKNOWN, RECORD_ID_UNKNOWN},
	    .process_flags = RECORD_PROCESS_NO_CREDENTIALS,
	};
}

bool running_process_body(HANDLE process, struct record_body *body)
{
	FILETIME create, exit, kernel, user;
	PROCESS_BASIC_INFORMATION basic;
	ULONG session;

	if (!GetProcessTimes(process, &create, &exit, &kernel, &user) ||
	    !ask(process, ProcessBasicInformation, &basic, sizeof(basic)))
		return false;
	*body = running_process_unknown();
	body->process.pid = (uint32_t)basic.UniqueProcessId;
	body->process.start_ns = running_process_time_ns(units_of(&create));
	body->parent.pid = (uint32_t)basic.InheritedFromUniqueProcessId;
	if (ask(process, PROCESS_SESSION_INFORMATION, &session, sizeof(session)))
		body->credentials.session = session;
	return true;
}

struct record_exit running_process_exit(HANDLE process, uint64_t *end_ns)
{
	/* The beginning of the system's VM_COUNTERS. */
	struct {
		SIZE_T peak_virtual_size, virtual_size;
		ULONG page_fault_count;
		SIZE_T peak_working_set_size, rest[7];
	} memory;
	struct record_exit record = {0};
	FILETIME create, exit, kernel, user;
	DWORD code;

	if (GetExitCodeProcess(process, &code))
		record.code = code;
	else
		record.flags |= RECORD_EXIT_STATUS_UNKNOWN;
	if (GetProcessTimes(process, &create, &exit, &kernel, &user)) {
		*end_ns = running_process_time_ns(units_of(&exit));
		record.user_ns = units_of(&user) * 100;
		record.system_ns = units_of(&kernel) * 100;
		record.cpu_ns = record.user_ns + record.system_ns;
		if (ask(process, PROCESS_VM_COUNTERS, &memory, sizeof(memory)))
			record.max_rss_bytes = memory.peak_working_set_size;
	} else {
		record.flags |= RECORD_EXIT_USAGE_UNKNOWN;
	}
	return record;
}
