/* SPDX-License-Identifier: MIT */
/* What doctor looks at on Windows: the system. Nothing here decides: the backends are tried. */
#include "check.h"
#include "lookup.h"
#include "machine.h"

#include <stdint.h>
#include <stdio.h>

/* SystemCodeIntegrityInformation, and what its options mean; the headers for programs lack them. */
#define CODE_INTEGRITY_INFORMATION 103
#define CODE_INTEGRITY_TEST_SIGN   0x2u
#define CODE_INTEGRITY_HVCI	   0x400u

struct code_integrity {
	ULONG size;
	ULONG options;
};

typedef LONG(WINAPI *query_system)(ULONG which, void *information, ULONG size, ULONG *got);
typedef LONG(WINAPI *get_version)(RTL_OSVERSIONINFOEXW *version);
typedef const char *(*wine_version)(void);

/* The kernels since Vista's first service pack hand over command lines. */
static bool tells_command_lines(const RTL_OSVERSIONINFOEXW *version)
{
	return version->dwMajorVersion > 6 ||
	       (version->dwMajorVersion == 6 &&
		(version->dwMinorVersion > 0 || version->dwBuildNumber >= 6001));
}

static void check_version(struct check_list *list)
{
	get_version get = (get_version)lookup("ntdll.dll", "RtlGetVersion");
	RTL_OSVERSIONINFOEXW version = {.dwOSVersionInfoSize = sizeof(version)};
	char text[160];
	struct check *check;

	if (!get || get(&version) < 0) {
		check_add(list, "Windows", CHECK_NEUTRAL, "of an unknown version");
		return;
	}
	snprintf(text, sizeof(text), "%lu.%lu build %lu (%s)", version.dwMajorVersion,
		 version.dwMinorVersion, version.dwBuildNumber, machine_name(machine_of_kernel()));
	check = check_add(list, "Windows", CHECK_NEUTRAL, text);
	if (!tells_command_lines(&version))
		check_note(check, "its kernel tells a driver no command lines: those of processes "
				  "that start are missing");
}

static void check_wine(struct check_list *list)
{
	wine_version wine = (wine_version)lookup("ntdll.dll", "wine_get_version");
	char text[160];

	if (!wine)
		return;
	snprintf(text, sizeof(text), "%.100s", wine());
	check_note(check_add(list, "Wine", CHECK_NEUTRAL, text),
		   "it calls no driver when processes start or end: the driver loads, and is told "
		   "nothing");
}

static void check_program(struct check_list *list)
{
	USHORT kernel = machine_of_kernel();
	USHORT program = machine_of_program();
	struct check *check = check_add(
	    list, "consctl.exe", kernel == program ? CHECK_GOOD : CHECK_BAD, machine_name(program));

	if (kernel == program)
		return;
	check_note(check,
		   kernel == IMAGE_FILE_MACHINE_ARM64
		       ? "there is no driver for ARM64: only the backends job and snapshot "
			 "work here"
		       : "loads no driver into another kind of Windows: take the consctl.exe "
			 "that is built for this one");
}

/* A number of the machine's registry. False: it is not there, or may not be read. */
static bool read_number(const wchar_t *key, const wchar_t *name, DWORD *number)
{
	DWORD size = sizeof(*number);
	DWORD type;
	HKEY opened;
	bool read;

	if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, key, 0, KEY_QUERY_VALUE, &opened) != ERROR_SUCCESS)
		return false;
	read =
	    RegQueryValueExW(opened, name, NULL, &type, (BYTE *)number, &size) == ERROR_SUCCESS &&
	    type == REG_DWORD;
	RegCloseKey(opened);
	return read;
}

static void check_secure_boot(struct check_list *list)
{
	DWORD enabled;

	if (!read_number(L"SYSTEM\\CurrentControlSet\\Control\\SecureBoot\\State",
			 L"UEFISecureBootEnabled", &enabled))
		check_add(list, "Secure Boot", CHECK_NEUTRAL,
			  "not told: no UEFI, or an old Windows");
	else if (enabled)
		check_note(check_add(list, "Secure Boot", CHECK_NEUTRAL, "on"),
			   "as long as it is, test signing cannot be switched on");
	else
		check_add(list, "Secure Boot", CHECK_NEUTRAL, "off");
}

static void check_code_integrity(struct check_list *list)
{
	query_system query = (query_system)lookup("ntdll.dll", "NtQuerySystemInformation");
	struct code_integrity integrity = {.size = sizeof(integrity)};

	if (!query || query(CODE_INTEGRITY_INFORMATION, &integrity, sizeof(integrity), NULL) < 0) {
		check_note(check_add(list, "test signing", CHECK_NEUTRAL, "not told"),
			   "versions before Vista load any driver");
		return;
	}
	if (integrity.options & CODE_INTEGRITY_TEST_SIGN)
		check_note(check_add(list, "test signing", CHECK_GOOD, "on"),
			   "drivers that anybody signed are loaded");
	else
		check_note(check_add(list, "test signing", CHECK_NEUTRAL, "off"),
			   "64-bit Windows loads only drivers that Microsoft signed; a machine for "
			   "tests takes others after 'bcdedit /set testsigning on' and a restart");
	if (integrity.options & CODE_INTEGRITY_HVCI)
		check_note(check_add(list, "memory integrity", CHECK_NEUTRAL, "on (HVCI)"),
			   "drivers must keep its rules; this one is built to, but was never run "
			   "under it");
	else
		check_add(list, "memory integrity", CHECK_NEUTRAL, "off");
}

static void check_blocklist(struct check_list *list)
{
	DWORD enabled;

	if (!read_number(L"SYSTEM\\CurrentControlSet\\Control\\CI\\Config",
			 L"VulnerableDriverBlocklistEnable", &enabled))
		return;
	check_note(check_add(list, "driver blocklist", CHECK_NEUTRAL, enabled ? "on" : "off"),
		   "Microsoft's list of vulnerable drivers; one that is on it fails with error "
		   "1275");
}

size_t platform_check(struct check checks[CHECKS_MAX])
{
	struct check_list list = {checks, 0};

	check_version(&list);
	check_wine(&list);
	check_program(&list);
	check_rights(&list);
	check_driver_file(&list);
	check_service(&list);
	check_code_integrity(&list);
	check_secure_boot(&list);
	check_blocklist(&list);
	return list.count;
}
