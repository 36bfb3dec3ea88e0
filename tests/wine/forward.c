/* SPDX-License-Identifier: MIT */
/*
 * forward.exe --load HELPER | --unload | --hide-extended | --gone | -- PROGRAM [ARGUMENT...]
 *
 * Runs PROGRAM in a job object and lets ObsrvTest.sys tell of each process that starts or ends in
 * the job, PROGRAM's own and what they start, as the kernel would. Ends with PROGRAM's status, or
 * 125. The helper driver is loaded, and unloaded, by a call of its own. --gone fails if service,
 * device or callback of ProcObsrv are left.
 */
#include "helper_client.h"
#include "service.h"
#include "tap.h"

#include "../../observer/windows/ioctl.h"

#include <windows.h>
#include <tlhelp32.h>
#include <winternl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN_FAILURE 125

#ifndef ProcessImageFileName
#define ProcessImageFileName 27
#endif

/* A process of the job, held open from its start until its end has been told. */
struct member {
	struct member *next;
	DWORD pid;
	HANDLE process;
	struct helper_process told;
};

static struct member *members;
static HANDLE port;
static unsigned untold; /* wholly, since they ended too soon */

static int fail(const char *what)
{
	fprintf(stderr, "forward: %s: error %lu\n", what, GetLastError());
	return OWN_FAILURE;
}

/* Copies a string that the system tells of a process, ended by NUL; empty if it does not. */
static void ask_string(HANDLE process, ULONG what, wchar_t *text, size_t count)
{
	static union {
		UNICODE_STRING string;
		unsigned char bytes[0x10000];
	} answer;
	ULONG length;

	text[0] = 0;
	if (NtQueryInformationProcess(process, (PROCESSINFOCLASS)what, &answer, sizeof(answer),
				      &length) != 0 ||
	    answer.string.Length / sizeof(wchar_t) >= count)
		return;
	memcpy(text, answer.string.Buffer, answer.string.Length);
	text[answer.string.Length / sizeof(wchar_t)] = 0;
}

/* The command line as the process itself has it. */
static void read_command_line(HANDLE process, wchar_t *text, size_t count)
{
	PROCESS_BASIC_INFORMATION information = {0};
	RTL_USER_PROCESS_PARAMETERS parameters;
	PEB block;

	text[0] = 0;
	if (NtQueryInformationProcess(process, ProcessBasicInformation, &information,
				      sizeof(information), NULL) != 0 ||
	    !ReadProcessMemory(process, information.PebBaseAddress, &block, sizeof(block), NULL) ||
	    !ReadProcessMemory(process, block.ProcessParameters, &parameters, sizeof(parameters),
			       NULL) ||
	    parameters.CommandLine.Length / sizeof(wchar_t) >= count ||
	    !ReadProcessMemory(process, parameters.CommandLine.Buffer, text,
			       parameters.CommandLine.Length, NULL))
		return;
	text[parameters.CommandLine.Length / sizeof(wchar_t)] = 0;
}

#define FILETIME_PER_HOUR (3600ull * 10000000)

static unsigned long long filetime(FILETIME time)
{
	return (unsigned long long)time.dwHighDateTime << 32 | time.dwLowDateTime;
}

/*
 * Whether Wine has set when the process was created, which it does as the process's own code
 * begins. What stands there before is any number, by which the driver would take the process that
 * ends for another one than that which began.
 */
static bool has_create_time(HANDLE process)
{
	FILETIME created, ended, kernel, user, now;

	GetSystemTimeAsFileTime(&now);
	return GetProcessTimes(process, &created, &ended, &kernel, &user) &&
	       filetime(created) <= filetime(now) &&
	       filetime(created) + FILETIME_PER_HOUR > filetime(now);
}

/* Not by waiting: Wine has a process without threads, and so a new one, for ended. */
static bool has_ended(HANDLE process)
{
	DWORD status;

	return GetExitCodeProcess(process, &status) && status != STILL_ACTIVE;
}

/*
 * Copies what the process runs. Under Wine a process learns that itself, in its first moments,
 * which a kernel would know before.
 */
static void describe(HANDLE process, wchar_t *image, wchar_t *command_line, size_t count)
{
	for (int attempt = 0; attempt < 2000; attempt++) {
		ask_string(process, ProcessImageFileName, image, count);
		read_command_line(process, command_line, count);
		if (image[0] && command_line[0] && has_create_time(process))
			return;
		if (has_ended(process))
			return;
		Sleep(1);
	}
}

static DWORD parent_of(HANDLE process)
{
	PROCESS_BASIC_INFORMATION information = {0};
	ULONG length;

	NtQueryInformationProcess(process, ProcessBasicInformation, &information,
				  sizeof(information), &length);
	return (DWORD)(ULONG_PTR)information.InheritedFromUniqueProcessId;
}

static bool is_member(DWORD pid)
{
	for (const struct member *member = members; member; member = member->next)
		if (member->pid == pid)
			return true;
	return false;
}

static void tell_start(DWORD pid)
{
	static wchar_t image[0x8000];
	static wchar_t command_line[0x8000];
	struct member *member;
	DWORD error;

	if (is_member(pid))
		return;
	member = calloc(1, sizeof(*member));
	if (!member)
		exit(OWN_FAILURE);
	member->pid = pid;
	member->process =
	    OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ | SYNCHRONIZE, FALSE, pid);
	if (!member->process) {
		untold++;
		free(member);
		return;
	}
	member->told.kind = HELPER_START;
	member->told.pid = pid;
	member->told.parent = member->told.creator = parent_of(member->process);
	describe(member->process, image, command_line, 0x7fff);
	untold += !image[0] || !command_line[0];
	error = helper_forward(&member->told, image, command_line);
	if (error)
		fprintf(stderr, "forward: the start of %lu: error %lu\n", pid, error);
	member->next = members;
	members = member;
}

static void tell_exit(struct member *member)
{
	DWORD error;

	member->told.kind = HELPER_EXIT;
	error = helper_forward(&member->told, NULL, NULL);
	if (error)
		fprintf(stderr, "forward: the end of %lu: error %lu\n", member->pid, error);
	CloseHandle(member->process);
	free(member);
}

/* Of a job within the job Wine tells the starts alone. */
static void tell_exits(void)
{
	struct member **link = &members;

	while (*link) {
		struct member *member = *link;

		if (has_ended(member->process)) {
			*link = member->next;
			tell_exit(member);
		} else {
			link = &member->next;
		}
	}
}

/*
 * Older than we are: no child of a member, but of who had the member's pid before. (Of a new one
 * the time may be any number yet; it is looked at again.)
 */
static bool was_before_us(DWORD pid)
{
	FILETIME own = {0}, created = {0}, ended, kernel, user;
	HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, pid);
	bool before = process &&
		      GetProcessTimes(GetCurrentProcess(), &own, &ended, &kernel, &user) &&
		      GetProcessTimes(process, &created, &ended, &kernel, &user) &&
		      filetime(created) < filetime(own);

	if (process)
		CloseHandle(process);
	return before;
}

/* A job's messages may get lost: whoever has a member as parent is met all the same. */
static void look_for_missed(void)
{
	PROCESSENTRY32W entry = {.dwSize = sizeof(entry)};
	HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);

	for (BOOL more = Process32FirstW(list, &entry); more; more = Process32NextW(list, &entry))
		if (is_member(entry.th32ParentProcessID) && !is_member(entry.th32ProcessID) &&
		    !was_before_us(entry.th32ProcessID))
			tell_start(entry.th32ProcessID);
	CloseHandle(list);
}

/* Until the last process that was told of has ended. */
static void follow(void)
{
	DWORD message;
	ULONG_PTR key;
	OVERLAPPED *overlapped;
	bool begun = false;

	while (!begun || members) {
		if (!GetQueuedCompletionStatus(port, &message, &key, &overlapped, 20)) {
			look_for_missed();
			tell_exits();
		} else if (message == JOB_OBJECT_MSG_NEW_PROCESS) {
			tell_start((DWORD)(ULONG_PTR)overlapped);
			begun = true;
		}
	}
	if (untold)
		fprintf(stderr, "forward: %u processes were gone before they could be told\n",
			untold);
}

/* What follows " -- " in our own command line, as it stands there. */
static wchar_t *rest_of_command_line(void)
{
	wchar_t *found = wcsstr(GetCommandLineW(), L" -- ");

	return found ? found + 4 : NULL;
}

static HANDLE make_job(void)
{
	HANDLE job = CreateJobObjectW(NULL, NULL);
	JOBOBJECT_ASSOCIATE_COMPLETION_PORT association = {.CompletionKey = job,
							   .CompletionPort = port};

	if (job && !SetInformationJobObject(job, JobObjectAssociateCompletionPortInformation,
					    &association, sizeof(association)))
		return NULL;
	return job;
}

static int run(wchar_t *command_line)
{
	STARTUPINFOW startup = {
	    .cb = sizeof(startup),
	    .dwFlags = STARTF_USESTDHANDLES,
	    .hStdInput = GetStdHandle(STD_INPUT_HANDLE),
	    .hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE),
	    .hStdError = GetStdHandle(STD_ERROR_HANDLE),
	};
	PROCESS_INFORMATION started;
	DWORD status = OWN_FAILURE;
	HANDLE job;

	port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
	job = make_job();

	if (!job)
		return fail("a job object");
	if (!CreateProcessW(NULL, command_line, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL,
			    &startup, &started))
		return fail("starting the program");
	if (!AssignProcessToJobObject(job, started.hProcess)) {
		TerminateProcess(started.hProcess, OWN_FAILURE);
		return fail("putting the program into a job");
	}
	ResumeThread(started.hThread);
	follow();
	GetExitCodeProcess(started.hProcess, &status);
	return (int)status;
}

static int load(const char *path)
{
	wchar_t *wide = service_path(path);
	DWORD error = wide ? helper_begin(wide) : ERROR_NOT_ENOUGH_MEMORY;

	free(wide);
	SetLastError(error);
	return error ? fail("loading the helper driver") : 0;
}

/* Whether nothing of ProcObsrv is left on this system: 0 or 1. */
static int expect_gone(void)
{
	HANDLE device = CreateFileW(PROCOBSRV_CLIENT_PATH, GENERIC_READ | GENERIC_WRITE, 0, NULL,
				    OPEN_EXISTING, 0, NULL);
	bool registered = service_exists(PROCOBSRV_SERVICE_NAME);
	unsigned callbacks = helper_query().registered;

	if (device != INVALID_HANDLE_VALUE || registered || callbacks)
		printf("left: %s%s%u callbacks\n",
		       device != INVALID_HANDLE_VALUE ? "a device, " : "",
		       registered ? "a service, " : "", callbacks);
	return device != INVALID_HANDLE_VALUE || registered || callbacks;
}

int main(int count, char **arguments)
{
	const char *verb = count > 1 ? arguments[1] : "";

	if (strcmp(verb, "--load") == 0 && count == 3)
		return load(arguments[2]);
	if (strcmp(verb, "--unload") == 0) {
		return service_remove(HELPER_SERVICE_NAME) ? OWN_FAILURE : 0;
	}
	SetLastError(helper_open());
	if (GetLastError())
		return fail("the helper driver's device");
	if (strcmp(verb, "--hide-extended") == 0) {
		helper_set_conditions(HELPER_HIDE_EXTENDED);
		return 0;
	}
	if (strcmp(verb, "--gone") == 0)
		return expect_gone();
	if (strcmp(verb, "--") != 0 || count < 3) {
		fprintf(stderr, "usage: forward --load HELPER | --unload | --hide-extended | "
				"--gone | -- PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	return run(rest_of_command_line());
}
