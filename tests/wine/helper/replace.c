/* SPDX-License-Identifier: MIT */
/*
 * Under Wine the kernel is a library in the process that hosts drivers. Its routines are replaced
 * in their own code, and hidden in its table of names, so that it does not matter how a driver came
 * by their address.
 */
#include "helper.h"

/* ntoskrnl has them, the headers do not; the last one is not in the import library either. */
PIMAGE_NT_HEADERS NTAPI RtlImageNtHeader(PVOID base);
PVOID NTAPI RtlPcToFileHeader(PVOID address, PVOID *base);
typedef NTSTATUS(NTAPI *protect_routine)(HANDLE process, PVOID *base, SIZE_T *size,
					 ULONG protection, ULONG *old);

#define JUMP_LENGTH 12

struct replacement {
	const WCHAR *name;
	void *instead;
	UCHAR *routine;
	UCHAR saved[JUMP_LENGTH];
	bool done;
};

static struct replacement replacements[] = {
    {.name = L"PsSetCreateProcessNotifyRoutine", .instead = (void *)set_notify_routine},
    {.name = L"PsSetCreateProcessNotifyRoutineEx", .instead = (void *)set_notify_routine_extended},
};

static char *hidden_letter; /* in the table of names; NULL: it is not hidden */

static void *look_up(const WCHAR *wanted)
{
	UNICODE_STRING name;

	RtlInitUnicodeString(&name, wanted);
	return MmGetSystemRoutineAddress(&name);
}

static NTSTATUS write_protected(void *where, const void *bytes, SIZE_T length)
{
	void *base = where;
	SIZE_T size = length;
	ULONG old;
	protect_routine protect = (protect_routine)look_up(L"ZwProtectVirtualMemory");
	NTSTATUS status;

	if (!protect)
		return STATUS_PROCEDURE_NOT_FOUND;
	status = protect(ZwCurrentProcess(), &base, &size, PAGE_EXECUTE_READWRITE, &old);
	if (!NT_SUCCESS(status))
		return status;
	RtlCopyMemory(where, bytes, length);
	return protect(ZwCurrentProcess(), &base, &size, old, &old);
}

static NTSTATUS replace(struct replacement *replacement)
{
	/* mov rax, instead; jmp rax */
	UCHAR jump[JUMP_LENGTH] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0};
	NTSTATUS status;

	replacement->routine = look_up(replacement->name);
	if (!replacement->routine)
		return STATUS_PROCEDURE_NOT_FOUND;
	RtlCopyMemory(replacement->saved, replacement->routine, JUMP_LENGTH);
	RtlCopyMemory(jump + 2, &replacement->instead, sizeof(void *));
	status = write_protected(replacement->routine, jump, JUMP_LENGTH);
	replacement->done = NT_SUCCESS(status);
	return status;
}

void restore_routines(void)
{
	for (ULONG index = 0; index < RTL_NUMBER_OF(replacements); index++)
		if (replacements[index].done)
			write_protected(replacements[index].routine, replacements[index].saved,
					JUMP_LENGTH);
	(void)hide_extended(false);
}

NTSTATUS replace_routines(void)
{
	for (ULONG index = 0; index < RTL_NUMBER_OF(replacements); index++) {
		NTSTATUS status = replace(&replacements[index]);

		if (!NT_SUCCESS(status)) {
			restore_routines();
			return status;
		}
	}
	return STATUS_SUCCESS;
}

static bool same(const char *one, const char *other)
{
	while (*one && *one == *other) {
		one++;
		other++;
	}
	return *one == *other;
}

/* The name as the kernel's table of exports has it. */
static char *exported_name(const char *wanted)
{
	char *base;
	PIMAGE_EXPORT_DIRECTORY directory;
	const ULONG *names;

	if (!RtlPcToFileHeader(replacements[0].routine, (void **)&base))
		return NULL;
	directory = (PIMAGE_EXPORT_DIRECTORY)(base + RtlImageNtHeader(base)
							 ->OptionalHeader.DataDirectory[0]
							 .VirtualAddress);
	names = (const ULONG *)(base + directory->AddressOfNames);
	for (ULONG index = 0; index < directory->NumberOfNames; index++)
		if (same(base + names[index], wanted))
			return base + names[index];
	return NULL;
}

NTSTATUS hide_extended(bool hide)
{
	static const char name[] = "PsSetCreateProcessNotifyRoutineEx";
	NTSTATUS status;

	if (hide == (hidden_letter != NULL))
		return STATUS_SUCCESS;
	if (!hide) {
		status = write_protected(hidden_letter, "x", 1);
		if (NT_SUCCESS(status))
			hidden_letter = NULL;
		return status;
	}
	hidden_letter = exported_name(name);
	if (!hidden_letter)
		return STATUS_PROCEDURE_NOT_FOUND;
	/* Another letter at the end: the table stays sorted. */
	hidden_letter += sizeof(name) - 2;
	status = write_protected(hidden_letter, "w", 1);
	if (!NT_SUCCESS(status))
		hidden_letter = NULL;
	return status;
}
