/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "lookup.h"

#include <string.h>

/* Since Windows 10 1709; the only one that tells the truth to a program that is emulated. */
typedef BOOL(WINAPI *machines_of_process)(HANDLE process, USHORT *process_machine,
					  USHORT *native_machine);
/* Not before XP SP2. */
typedef BOOL(WINAPI *is_32_bit_on_64)(HANDLE process, BOOL *answer);

USHORT machine_of_program(void)
{
#if defined(__x86_64__)
	return IMAGE_FILE_MACHINE_AMD64;
#else
	return IMAGE_FILE_MACHINE_I386;
#endif
}

USHORT machine_of_kernel(void)
{
	machines_of_process machines =
	    (machines_of_process)lookup("kernel32.dll", "IsWow64Process2");
	is_32_bit_on_64 is_emulated = (is_32_bit_on_64)lookup("kernel32.dll", "IsWow64Process");
	USHORT process;
	USHORT native;
	BOOL emulated = FALSE;

	if (machines && machines(GetCurrentProcess(), &process, &native))
		return native;
	if (is_emulated && is_emulated(GetCurrentProcess(), &emulated) && emulated)
		return IMAGE_FILE_MACHINE_AMD64;
	return machine_of_program();
}

const char *machine_name(USHORT machine)
{
	switch (machine) {
	case IMAGE_FILE_MACHINE_AMD64:
		return "x64";
	case IMAGE_FILE_MACHINE_I386:
		return "32-bit x86";
	case IMAGE_FILE_MACHINE_ARM64:
		return "ARM64";
	default:
		return "another processor";
	}
}

/* The directory's entry for signatures is as far from the header's begin as the format says. */
static bool has_signature(const char *headers, DWORD got, DWORD offset, USHORT machine)
{
	const IMAGE_NT_HEADERS64 *wide = (const void *)(headers + offset);
	const IMAGE_NT_HEADERS32 *narrow = (const void *)(headers + offset);

	if (offset + sizeof(*wide) > got)
		return false;
	if (machine == IMAGE_FILE_MACHINE_I386)
		return narrow->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_SECURITY].Size;
	return wide->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_SECURITY].Size;
}

bool machine_of_file(const wchar_t *path, USHORT *machine, bool *is_signed)
{
	_Alignas(8) char headers[4096];
	const IMAGE_DOS_HEADER *dos = (const void *)headers;
	const IMAGE_NT_HEADERS32 *image;
	DWORD got = 0;
	HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL,
				  OPEN_EXISTING, 0, NULL);
	bool read;

	if (file == INVALID_HANDLE_VALUE)
		return false;
	read = ReadFile(file, headers, sizeof(headers), &got, NULL);
	CloseHandle(file);
	if (!read)
		return false;
	SetLastError(ERROR_BAD_EXE_FORMAT);
	if (got < sizeof(*dos) || dos->e_magic != IMAGE_DOS_SIGNATURE || dos->e_lfanew < 0 ||
	    (DWORD)dos->e_lfanew % 4 || (DWORD)dos->e_lfanew > got - sizeof(*image))
		return false;
	image = (const void *)(headers + dos->e_lfanew);
	if (image->Signature != IMAGE_NT_SIGNATURE)
		return false;
	*machine = image->FileHeader.Machine;
	*is_signed = has_signature(headers, got, (DWORD)dos->e_lfanew, *machine);
	return true;
}
