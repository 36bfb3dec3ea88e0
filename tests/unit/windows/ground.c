/* SPDX-License-Identifier: MIT */
#include "ground.h"

#include "harness.h"
#include "security.h"

#include <aclapi.h>
#include <direct.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <windows.h>

const char ground_separator = '\\';
const char *const ground_missing_directory = "C:\\nonexistent\\procobsrv";
const char *const ground_no_directory = "C:\\windows\\system32\\ntdll.dll";

char *directory_make(void)
{
	char path[MAX_PATH + 64];
	unsigned number = 0;

	do
		snprintf(path, sizeof(path), "%sprocobsrv-test-%lu-%u", os_temporary_directory(),
			 GetCurrentProcessId(), ++number);
	while (_mkdir(path) != 0 && number < 1000);
	assert_true(number < 1000);
	return strdup(path);
}

void directory_remove(char *directory)
{
	assert_int_equal(_rmdir(directory), 0);
	free(directory);
}

void sleep_ms(unsigned duration_ms)
{
	Sleep(duration_ms);
}

bool is_set(const struct os_event *event)
{
	return WaitForSingleObject((HANDLE)os_event_handle(event), 0) == WAIT_OBJECT_0;
}

/* Of a zone, the C library here understands its name and how far it is from UTC. */
bool ground_set_zone(const char *zone)
{
	char setting[64];

	if (strchr(zone, ',') || strchr(zone, '<'))
		return false;
	snprintf(setting, sizeof(setting), "TZ=%s", zone);
	_putenv(setting);
	_tzset();
	return true;
}

void file_write_private(const char *path, const void *bytes, size_t size)
{
	struct security_private security;
	DWORD done;
	HANDLE file;

	assert_true(security_private_init(&security));
	DeleteFileA(path);
	file = CreateFileA(path, GENERIC_WRITE, 0, &security.attributes, CREATE_NEW,
			   FILE_ATTRIBUTE_NORMAL, NULL);
	assert_true(file != INVALID_HANDLE_VALUE);
	assert_true(WriteFile(file, bytes, (DWORD)size, &done, NULL));
	assert_int_equal(done, size);
	CloseHandle(file);
}

void file_make_public(const char *path)
{
	struct security_private security;
	EXPLICIT_ACCESSA reader;
	ACL *list;

	assert_true(security_private_init(&security));
	BuildExplicitAccessWithNameA(&reader, (char *)"EVERYONE", GENERIC_READ, GRANT_ACCESS, 0);
	assert_int_equal(SetEntriesInAclA(1, &reader, &security.access.list, &list), 0);
	assert_true(SetSecurityDescriptorDacl(&security.descriptor, TRUE, list, FALSE));
	assert_true(SetFileSecurityA(path, DACL_SECURITY_INFORMATION, &security.descriptor));
	LocalFree(list);
}

void file_make_private(const char *path)
{
	struct security_private security;

	assert_true(security_private_init(&security));
	assert_true(SetFileSecurityA(path, DACL_SECURITY_INFORMATION, &security.descriptor));
}

void file_link(const char *path, const char *other)
{
	assert_true(CreateHardLinkA(other, path, NULL));
}

/* Symbolic links need a right that users do not have. */
bool file_plant(const char *path, const char *target, unsigned way)
{
	(void)target;
	if (way > 0)
		return false;
	assert_int_equal(_mkdir(path), 0);
	return true;
}

void file_remove(const char *path)
{
	if (!DeleteFileA(path))
		RemoveDirectoryA(path);
}

/* What be_killed() ends with; nothing else does. */
#define KILLED_STATUS 0xdeadu

int role_run(const char *name, const char *argument, uint32_t *process)
{
	STARTUPINFOA startup = {.cb = sizeof(startup)};
	PROCESS_INFORMATION child;
	char program[MAX_PATH], line[1024];
	DWORD status;

	assert_true(GetModuleFileNameA(NULL, program, sizeof(program)) > 0);
	snprintf(line, sizeof(line), "\"%s\" --role %s \"%s\"", program, name, argument);
	assert_true(
	    CreateProcessA(program, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child));
	WaitForSingleObject(child.hProcess, INFINITE);
	assert_true(GetExitCodeProcess(child.hProcess, &status));
	*process = child.dwProcessId;
	CloseHandle(child.hThread);
	CloseHandle(child.hProcess);
	return status == KILLED_STATUS ? ROLE_KILLED : (int)status;
}

void be_killed(void)
{
	TerminateProcess(GetCurrentProcess(), KILLED_STATUS);
	for (;;)
		Sleep(INFINITE);
}

/* Arguments of tests have no quotes in them, and no backslash at their end. */
static char *make_line(const char *const *arguments)
{
	size_t size = 1;
	char *line;

	for (size_t at = 0; arguments[at]; at++)
		size += strlen(arguments[at]) + 3;
	line = calloc(1, size);
	assert_non_null(line);
	for (size_t at = 0; arguments[at]; at++) {
		strcat(line, at ? " \"" : "\"");
		strcat(line, arguments[at]);
		strcat(line, "\"");
	}
	return line;
}

int program_run(const char *const *arguments, char *text, size_t size)
{
	SECURITY_ATTRIBUTES inherited = {.nLength = sizeof(inherited), .bInheritHandle = TRUE};
	STARTUPINFOA startup = {.cb = sizeof(startup), .dwFlags = STARTF_USESTDHANDLES};
	char *line = make_line(arguments);
	PROCESS_INFORMATION child;
	DWORD status, got;
	size_t total = 0;
	HANDLE ours, its;

	assert_true(CreatePipe(&ours, &its, &inherited, 0));
	SetHandleInformation(ours, HANDLE_FLAG_INHERIT, 0);
	startup.hStdOutput = startup.hStdError = its;
	assert_true(CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child));
	CloseHandle(its);
	free(line);
	while (total < size - 1 &&
	       ReadFile(ours, text + total, (DWORD)(size - 1 - total), &got, NULL) && got > 0)
		total += got;
	text[total] = '\0';
	CloseHandle(ours);
	WaitForSingleObject(child.hProcess, INFINITE);
	assert_true(GetExitCodeProcess(child.hProcess, &status));
	CloseHandle(child.hThread);
	CloseHandle(child.hProcess);
	return (int)status;
}
