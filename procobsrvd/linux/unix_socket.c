/* SPDX-License-Identifier: MIT */
#include "unix_socket.h"

#include "error.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

static int make_address(const char *path, struct sockaddr_un *address)
{
	size_t length = strlen(path);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (length >= sizeof(address->sun_path))
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "the path of the socket '%s' is longer than %zu bytes: give a "
				 "shorter one",
				 path, sizeof(address->sun_path) - 1);
	memcpy(address->sun_path, path, length);
	return 0;
}

/* Removes the socket of a service that is no more. */
static int clear_path(const char *path, const struct sockaddr_un *address)
{
	struct stat status;
	int error;
	int probe;

	if (lstat(path, &status) != 0)
		return errno == ENOENT ? 0 : error_set_errno(errno, "cannot look at '%s'", path);
	if (!S_ISSOCK(status.st_mode))
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "'%s' exists and is no socket: remove it, or name another path",
				 path);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return error_set_errno(errno, "cannot make a socket");
	error = connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(probe);
	if (error == 0 || error == EAGAIN)
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "another program listens on '%s': end it, or name another path",
				 path);
	/* EPROTOTYPE: a socket of another type, so not one of ours. */
	if (error != ECONNREFUSED)
		return error_set_errno(error, "cannot replace the socket '%s'", path);
	if (unlink(path) != 0 && errno != ENOENT)
		return error_set_errno(errno, "cannot remove the old socket '%s'", path);
	return 0;
}

static int find_group(const char *name, gid_t *id)
{
	size_t size = 65536; /* a group may have many members */
	char *memory = malloc(size);
	struct group entry;
	struct group *found = NULL;
	int error;

	if (memory == NULL)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory");
	error = getgrnam_r(name, &entry, memory, size, &found);
	if (found != NULL)
		*id = found->gr_gid;
	free(memory);
	if (found == NULL)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND,
				 "there is no group '%s'%s%s: make it, or name another", name,
				 error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
	return 0;
}

/* Nobody may connect before all of it is set: the file gets the mode that the descriptor has at
 * bind(). (A mask would be that of all threads.) */
static int bind_and_listen(int descriptor, const char *path, const struct sockaddr_un *address,
			   mode_t mode, const char *group)
{
	int status = 0;
	gid_t id = (gid_t)-1;

	if (fchmod(descriptor, 0) != 0 ||
	    bind(descriptor, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return error_set_errno(errno, "cannot make the socket '%s'", path);
	if (group != NULL) {
		status = find_group(group, &id);
		if (status == 0 && chown(path, (uid_t)-1, id) != 0)
			status = error_set_errno(errno, "cannot give '%s' to the group '%s'", path,
						 group);
	}
	if (status == 0 && chmod(path, mode) != 0)
		status = error_set_errno(errno, "cannot set who may use '%s'", path);
	if (status == 0 && listen(descriptor, BACKLOG) != 0)
		status = error_set_errno(errno, "cannot listen on '%s'", path);
	if (status != 0)
		unlink(path);
	return status;
}

int unix_socket_listen(const char *path, mode_t mode, const char *group,
		       struct unix_socket *listening)
{
	struct sockaddr_un address;
	struct stat status;
	int descriptor;
	int result = make_address(path, &address);

	if (result == 0)
		result = clear_path(path, &address);
	if (result != 0)
		return result;
	descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (descriptor < 0)
		return error_set_errno(errno, "cannot make a socket");
	result = bind_and_listen(descriptor, path, &address, mode, group);
	if (result == 0 && lstat(path, &status) != 0) {
		result = error_set_errno(errno, "cannot look at '%s'", path);
		unlink(path);
	}
	if (result != 0) {
		close(descriptor);
		return result;
	}
	*listening = (struct unix_socket){descriptor, status.st_dev, status.st_ino};
	return 0;
}

bool unix_socket_is_there(const struct unix_socket *listening, const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && status.st_dev == listening->device &&
	       status.st_ino == listening->inode;
}

void unix_socket_close(struct unix_socket *listening, const char *path)
{
	if (listening->descriptor < 0)
		return;
	if (unix_socket_is_there(listening, path))
		unlink(path);
	close(listening->descriptor);
	*listening = UNIX_SOCKET_NONE;
}
