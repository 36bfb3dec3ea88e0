/* SPDX-License-Identifier: MIT */
/* Image path, command line and user of a running process. */
#include "running_process.h"

#include "lookup.h"

#include <sddl.h>
#include <string.h>
#include <winternl.h>

#define PROCESS_COMMAND_LINE_INFORMATION 60 /* since Windows 8.1 */

/* As the driver does: so much of a path, and the command line has what is left of a record. */
#define EXE_SIZE_MAX 32768u
#define STRINGS_MAX                                                                                \
	(RECORD_SIZE_MAX - sizeof(struct record_header) - sizeof(struct record_body) -             \
	 sizeof(struct record_start) - sizeof(struct record_image))
/* The longest command line, and room for the struct before it. */
#define ANSWER_SIZE (65536u + 64)

typedef NTSTATUS(NTAPI *query_process)(HANDLE, ULONG, void *, ULONG, ULONG *);

static void set_missing(struct running_image *image, enum record_string string,
			enum record_missing missing)
{
	image->image.missing &= ~(0xfu << RECORD_MISSING_SHIFT(string));
	image->image.missing |= (uint32_t)missing << RECORD_MISSING_SHIFT(string);
}

/* Takes `size` bytes of a string, or as many as there is room for. */
static void take(struct running_image *image, enum record_string string, const void *text,
		 size_t size, size_t room)
{
	size_t taken = size > room ? room & ~(size_t)1 : size;
	size_t begin = image->text.size;

	if (!arena_add(&image->text, taken)) {
		set_missing(image, string, RECORD_MISSING_NO_ROOM);
		return;
	}
	memcpy(image->text.data + begin, text, taken);
	/* The arena moves while it grows: an offset until all is there. */
	image->strings[string] = (struct record_bytes){(const char *)(uintptr_t)begin, taken};
	set_missing(image, string, taken < size ? RECORD_MISSING_TRUNCATED : RECORD_WHOLE);
}

/* A string that NtQueryInformationProcess() answers with. */
static bool take_answer(struct running_image *image, enum record_string string, HANDLE process,
			ULONG what, size_t room)
{
	query_process query = (query_process)lookup("ntdll.dll", "NtQueryInformationProcess");
	UNICODE_STRING *answer = HeapAlloc(GetProcessHeap(), 0, ANSWER_SIZE);
	bool told = answer && query && query(process, what, answer, ANSWER_SIZE, NULL) >= 0;

	if (told)
		take(image, string, answer->Buffer, answer->Buffer ? answer->Length : 0, room);
	if (answer)
		HeapFree(GetProcessHeap(), 0, answer);
	return told;
}

/* The memory of a process of our own kind, where a user's programs find their command line. */
static bool take_from_memory(struct running_image *image, uint32_t pid, size_t room)
{
	query_process query = (query_process)lookup("ntdll.dll", "NtQueryInformationProcess");
	HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, FALSE, pid);
	PROCESS_BASIC_INFORMATION basic;
	RTL_USER_PROCESS_PARAMETERS parameters;
	PEB peb;
	void *text = NULL;
	bool read = false;

	if (!process)
		return false;
	if (query && query(process, ProcessBasicInformation, &basic, sizeof(basic), NULL) >= 0 &&
	    basic.PebBaseAddress &&
	    ReadProcessMemory(process, basic.PebBaseAddress, &peb, sizeof(peb), NULL) &&
	    ReadProcessMemory(process, peb.ProcessParameters, &parameters, sizeof(parameters),
			      NULL)) {
		text = HeapAlloc(GetProcessHeap(), 0, parameters.CommandLine.Length + 1);
		read = text && ReadProcessMemory(process, parameters.CommandLine.Buffer, text,
						 parameters.CommandLine.Length, NULL);
	}
	if (read)
		take(image, RECORD_STRING_COMMAND_LINE, text, parameters.CommandLine.Length, room);
	if (text)
		HeapFree(GetProcessHeap(), 0, text);
	CloseHandle(process);
	return read;
}

static void take_user(struct running_image *image, HANDLE process)
{
	struct {
		TOKEN_USER user;
		char sid[SECURITY_MAX_SID_SIZE];
	} answer;
	wchar_t *text = NULL;
	HANDLE token;
	DWORD size;

	if (!OpenProcessToken(process, TOKEN_QUERY, &token))
		return;
	if (GetTokenInformation(token, TokenUser, &answer, sizeof(answer), &size) &&
	    ConvertSidToStringSidW(answer.user.User.Sid, &text)) {
		take(image, RECORD_STRING_SID, text, wcslen(text) * sizeof(*text), STRINGS_MAX);
		LocalFree(text);
	}
	CloseHandle(token);
}

void running_image_read(HANDLE process, uint32_t pid, bool denied, struct running_image *image)
{
	enum record_missing missing =
	    process || denied ? RECORD_MISSING_UNREADABLE : RECORD_MISSING_TOO_LATE;

	arena_clear(&image->text, RECORD_SIZE_MAX);
	image->image = (struct record_image){.thread_pid = pid};
	memset(image->strings, 0, sizeof(image->strings));
	for (int string = 0; string < RECORD_STRING_COUNT; string++)
		set_missing(image, string, RECORD_MISSING_NOT_TAKEN);
	set_missing(image, RECORD_STRING_EXE, missing);
	set_missing(image, RECORD_STRING_COMMAND_LINE, missing);
	set_missing(image, RECORD_STRING_SID, missing);
	if (!process)
		return;

	take_user(image, process);
	take_answer(image, RECORD_STRING_EXE, process, ProcessImageFileName, EXE_SIZE_MAX);
	size_t room = STRINGS_MAX - image->text.size;
	if (!take_answer(image, RECORD_STRING_COMMAND_LINE, process,
			 PROCESS_COMMAND_LINE_INFORMATION, room))
		take_from_memory(image, pid, room);
	for (int string = 0; string < RECORD_STRING_COUNT; string++)
		if (image->strings[string].size)
			image->strings[string].data =
			    image->text.data + (uintptr_t)image->strings[string].data;
}

void running_image_free(struct running_image *image)
{
	arena_free(&image->text);
}
