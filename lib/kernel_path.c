/* SPDX-License-Identifier: MIT */
#include "kernel_path.h"

#include "os.h"

#include <string.h>

#define PREFIX_SIZE 1024 /* of the path of a directory that a volume is mounted on */

static char lower(char character)
{
	return character >= 'A' && character <= 'Z' ? (char)(character - 'A' + 'a') : character;
}

/* What comes after the prefix, which ends with a backslash; NULL: the path begins otherwise. */
static const char *after(const char *path, const char *prefix)
{
	for (; *prefix != 0; path++, prefix++)
		if (lower(*path) != *prefix)
			return NULL;
	return path;
}

static bool begins_with_drive(const char *path)
{
	char letter = lower(path[0]);

	return letter >= 'a' && letter <= 'z' && path[1] == ':' && path[2] == '\\';
}

bool kernel_path_is_common(const char *path)
{
	return begins_with_drive(path) || (path[0] == '\\' && path[1] == '\\' && path[2] != '?' &&
					   path[2] != '.' && path[2] != '\\' && path[2] != 0);
}

static bool append_share(struct buffer *path, const char *server)
{
	if (*server == 0 || *server == '\\')
		return false;
	buffer_append_text(path, "\\\\");
	buffer_append_text(path, server);
	return true;
}

/*
 * Below a redirector may come what it belongs to, a drive and a session (";LanmanRedirector\",
 * ";Z:0000000000012345\"); then server and share.
 */
static bool map_redirected(const char *rest, struct buffer *path)
{
	while (*rest == ';') {
		rest = strchr(rest, '\\');
		if (rest == NULL)
			return false;
		rest++;
	}
	return append_share(path, rest);
}

static bool map_device(const char *kernel_path, struct buffer *path)
{
	char prefix[PREFIX_SIZE];
	size_t taken = os_path_of_device(kernel_path, prefix, sizeof prefix);

	if (taken == 0)
		return false;
	buffer_append_text(path, prefix);
	buffer_append_text(path, kernel_path + taken);
	return true;
}

/* Where links of users' names are; "\\?\" is how programs write the same. */
static const char *after_links(const char *path)
{
	static const char *const names[] = {"\\??\\", "\\\\?\\", "\\dosdevices\\", "\\global??\\"};
	const char *rest = NULL;

	for (size_t at = 0; rest == NULL && at < sizeof names / sizeof names[0]; at++)
		rest = after(path, names[at]);
	return rest;
}

bool kernel_path_map(const char *kernel_path, struct buffer *path)
{
	static const char *const redirectors[] = {"\\device\\mup\\", "\\device\\lanmanredirector\\",
						  "\\device\\webdavredirector\\"};
	const char *link = after_links(kernel_path), *rest;

	if (link != NULL) {
		if (begins_with_drive(link)) {
			buffer_append_text(path, link);
			return true;
		}
		if ((rest = after(link, "unc\\")) != NULL)
			return append_share(path, rest);
		/* "\??\GLOBALROOT\Device\...": the root again, from which all is as it was. */
		if ((rest = after(link, "globalroot\\")) != NULL && after_links(rest - 1) == NULL)
			return kernel_path_map(rest - 1, path);
	}
	for (size_t at = 0; at < sizeof redirectors / sizeof redirectors[0]; at++)
		if ((rest = after(kernel_path, redirectors[at])) != NULL)
			return map_redirected(rest, path);
	return kernel_path[0] == '\\' && map_device(kernel_path, path);
}
