/* SPDX-License-Identifier: MIT */
/*
 * os_path_of_device(): which drive or directory a device of the kernel is. The volumes and where
 * they are mounted are read anew when they are old, or when a device is not among them.
 */
#include "os.h"
#include "wide.h"

#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define OLD_NS	   10000000000u /* mounts change seldom */
#define UNKNOWN_NS 1000000000u	/* and a device that is none of them stays so for a while */
#define PATH_COUNT 1024

struct mount {
	char *device; /* "\Device\HarddiskVolume2" */
	char *path;   /* "C:", without a backslash at the end */
};

static struct {
	pthread_mutex_t lock;
	struct mount *mounts;
	size_t count;
	uint64_t read_ns; /* os_monotonic_ns(); 0: never */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char lower(char character)
{
	return character >= 'A' && character <= 'Z' ? (char)(character - 'A' + 'a') : character;
}

/* Bytes of `path` that `name` is, as whole components; 0: it begins otherwise. */
static size_t begins_with(const char *path, const char *name)
{
	size_t length = 0;

	for (; name[length]; length++)
		if (lower(path[length]) != lower(name[length]))
			return 0;
	return path[length] == '\0' || path[length] == '\\' ? length : 0;
}

/* The device that a link of users' names ("C:", "Volume{...}") stands for; the caller frees. */
static char *device_of(const wchar_t *link)
{
	wchar_t device[PATH_COUNT];

	/* What `subst` made is another path, no device. */
	if (!QueryDosDeviceW(link, device, PATH_COUNT) || wcsncmp(device, L"\\??\\", 4) == 0)
		return NULL;
	return wide_to_utf8(device, wcslen(device));
}

/* Takes over both strings; what has a NULL is left out. */
static void add_mount(char *device, char *path)
{
	struct mount *grown = NULL;

	if (device && path)
		grown = realloc(table.mounts, (table.count + 1) * sizeof(*grown));
	if (!grown) {
		free(device);
		free(path);
		return;
	}
	table.mounts = grown;
	table.mounts[table.count++] = (struct mount){device, path};
}

static void read_drives(void)
{
	DWORD drives = GetLogicalDrives();

	for (wchar_t letter = L'A'; letter <= L'Z'; letter++) {
		const wchar_t drive[] = {letter, L':', L'\0'};

		if (drives >> (letter - L'A') & 1)
			add_mount(device_of(drive), wide_to_utf8(drive, 2));
	}
}

/* Directories that volumes without a letter are mounted on. `volume` is "\\?\Volume{...}\". */
static void read_volume(wchar_t *volume)
{
	wchar_t paths[PATH_COUNT];
	size_t length = wcslen(volume);
	DWORD count;

	if (length < 6 || volume[length - 1] != L'\\' ||
	    !GetVolumePathNamesForVolumeNameW(volume, paths, PATH_COUNT, &count))
		return;
	count = (DWORD)wcslen(paths);
	if (count == 0)
		return;
	volume[length - 1] = L'\0';
	add_mount(device_of(volume + 4), wide_to_utf8(paths, count - 1));
}

static void read_mounts(void)
{
	wchar_t volume[PATH_COUNT];
	HANDLE search;

	while (table.count > 0) {
		table.count--;
		free(table.mounts[table.count].device);
		free(table.mounts[table.count].path);
	}
	read_drives(); /* first: a volume that has both is known by its letter */
	search = FindFirstVolumeW(volume, PATH_COUNT);
	if (search != INVALID_HANDLE_VALUE) {
		do
			read_volume(volume);
		while (FindNextVolumeW(search, volume, PATH_COUNT));
		FindVolumeClose(search);
	}
	table.read_ns = os_monotonic_ns();
}

static size_t find_mount(const char *kernel_path, char *prefix, size_t size)
{
	for (size_t i = 0; i < table.count; i++) {
		size_t taken = begins_with(kernel_path, table.mounts[i].device);
		size_t length = strlen(table.mounts[i].path);

		if (taken && length < size) {
			memcpy(prefix, table.mounts[i].path, length + 1);
			return taken;
		}
	}
	return 0;
}

static size_t path_of_mount(const char *kernel_path, char *prefix, size_t size)
{
	uint64_t now = os_monotonic_ns();
	size_t taken;

	pthread_mutex_lock(&table.lock);
	if (!table.read_ns || now - table.read_ns >= OLD_NS)
		read_mounts();
	taken = find_mount(kernel_path, prefix, size);
	if (!taken && now > table.read_ns && now - table.read_ns >= UNKNOWN_NS) {
		read_mounts();
		taken = find_mount(kernel_path, prefix, size);
	}
	pthread_mutex_unlock(&table.lock);
	return taken;
}

/* `rest` follows "\??\": a link, "Volume{...}" for instance, and what is below it. */
static size_t path_of_link(const char *rest, char *prefix, size_t size)
{
	size_t length = strcspn(rest, "\\");
	wchar_t *wide = wide_from_utf8(rest);
	char *device = NULL;
	size_t taken = 0;

	if (wide) {
		wide[wcscspn(wide, L"\\")] = L'\0';
		device = device_of(wide);
	}
	/* The whole device, or nothing: it has no rest of its own. (GLOBALROOT is an empty one.) */
	if (device && *device && path_of_mount(device, prefix, size) == strlen(device))
		taken = length;
	free(device);
	free(wide);
	return taken;
}

static size_t path_of_system_root(char *prefix, size_t size)
{
	wchar_t wide[MAX_PATH + 1];
	UINT count = GetSystemWindowsDirectoryW(wide, MAX_PATH + 1);
	char *narrow = count && count <= MAX_PATH ? wide_to_utf8(wide, count) : NULL;
	size_t length = narrow ? strlen(narrow) : 0;
	bool fits = narrow && length < size;

	if (fits)
		memcpy(prefix, narrow, length + 1);
	free(narrow);
	return fits;
}

size_t os_path_of_device(const char *kernel_path, char *prefix, size_t size)
{
	static const char links[] = "\\??\\", root[] = "\\SystemRoot";
	size_t taken;

	if (begins_with(kernel_path, root))
		return path_of_system_root(prefix, size) ? sizeof(root) - 1 : 0;
	if (strncmp(kernel_path, links, sizeof(links) - 1) != 0)
		return path_of_mount(kernel_path, prefix, size);
	taken = path_of_link(kernel_path + sizeof(links) - 1, prefix, size);
	return taken ? taken + sizeof(links) - 1 : 0;
}
