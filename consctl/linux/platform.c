/* SPDX-License-Identifier: MIT */
/* Files, names and identities on Linux. */
#include "../platform.h"
#include "launch.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void platform_begin(int *count, char ***arguments)
{
	/* Opened the wrong way round, so that using one that was closed is an error and not
	 * silently nothing. */
	static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};

	for (int file = 0; file < 3; file++)
		if (fcntl(file, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", modes[file]) < 0)
			_exit(1);
	(void)count;
	(void)arguments;
	/* What it has to say about a program that the kernel refuses is thousands of lines. */
	libbpf_set_print(NULL);
	launch_save_signals();
	signal(SIGPIPE, SIG_IGN);
}

void platform_say(const char *text)
{
	fputs(text, stderr);
}

const char *platform_error_text(int error)
{
	return strerror(error);
}

static int open_to_write(const char *path, int flags, intptr_t *file)
{
	int opened =
	    open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | flags, 0600);

	if (opened < 0)
		return errno;
	*file = opened;
	return 0;
}

int platform_file_open(const char *path, intptr_t *file)
{
	return open_to_write(path, O_APPEND, file);
}

int platform_file_open_anew(const char *path, intptr_t *file)
{
	return open_to_write(path, O_TRUNC, file);
}

int platform_file_open_to_read(const char *path, intptr_t *file)
{
	int opened;

	if (!strcmp(path, "-")) {
		*file = STDIN_FILENO;
		return 0;
	}
	opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (opened < 0)
		return errno;
	*file = opened;
	return 0;
}

intptr_t platform_file_standard_output(void)
{
	return STDOUT_FILENO;
}

int platform_file_write(intptr_t file, const void *data, size_t size)
{
	const char *from = data;

	while (size) {
		ssize_t written = write((int)file, from, size);

		if (written >= 0) {
			from += written;
			size -= (size_t)written;
		} else if (errno == EAGAIN) {
			/* Somebody who shares the descriptor made it non-blocking. */
			struct pollfd writable = {.fd = (int)file, .events = POLLOUT};

			poll(&writable, 1, -1);
		} else if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

int platform_file_read(intptr_t file, void *data, size_t size, size_t *got)
{
	ssize_t count;

	do
		count = read((int)file, data, size);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return errno;
	*got = (size_t)count;
	return 0;
}

int platform_file_close(intptr_t file)
{
	/* After EINTR the descriptor is closed nevertheless. */
	return close((int)file) && errno != EINTR ? errno : 0;
}

bool platform_file_is_regular(intptr_t file)
{
	struct stat status;

	return !fstat((int)file, &status) && S_ISREG(status.st_mode);
}

bool platform_file_is_torn(intptr_t file)
{
	char path[64];
	struct stat status;
	char last = '\n';
	int reader;

	if (fstat((int)file, &status) || !S_ISREG(status.st_mode) || !status.st_size)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", (int)file);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	if (reader < 0)
		return false;
	if (pread(reader, &last, 1, status.st_size - 1) != 1)
		last = '\n';
	close(reader);
	return last != '\n';
}

const char *const platform_demo_hint = NULL;

char *const *platform_demo_program(void)
{
	/* Ends by itself, should consctl be killed before it could close it. */
	static char program[] = "sleep";
	static char seconds[] = "60";
	static char *const arguments[] = {program, seconds, NULL};

	return arguments;
}

/* The inode of this process's pid namespace; 0: /proc does not tell. */
static uint32_t own_pid_namespace(void)
{
	static uint32_t inode;
	struct stat status;

	if (!inode && !stat("/proc/self/ns/pid", &status))
		inode = (uint32_t)status.st_ino;
	return inode;
}

uint32_t platform_local_pid(const struct procobsrv_process *process)
{
	uint32_t own = own_pid_namespace();

	if (process->pid_namespace && own && process->pid_namespace != own)
		return 0;
	return process->present & PROCOBSRV_HAS_NS_PID ? process->ns_pid : process->pid;
}

bool platform_process_is(const struct procobsrv_process *process, uint32_t pid)
{
	return pid && platform_local_pid(process) == pid;
}

/* Names that were asked for, since asking may read files or call a directory service. One thread.
 */
#define NAMES_KEPT 64

static const char *name_of_user(uint32_t uid)
{
	static struct {
		uint32_t uid;
		char name[64];
	} names[NAMES_KEPT];
	struct passwd entry;
	struct passwd *found = NULL;
	char buffer[4096];
	char *name = names[uid % NAMES_KEPT].name;

	if (*name && names[uid % NAMES_KEPT].uid == uid)
		return name;
	names[uid % NAMES_KEPT].uid = uid;
	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) || !found || !*entry.pw_name ||
	    strlen(entry.pw_name) >= sizeof(names->name))
		snprintf(name, sizeof(names->name), "%u", uid);
	else
		snprintf(name, sizeof(names->name), "%s", entry.pw_name);
	return name;
}

void platform_user_name(const struct procobsrv_process *process, char *text, size_t size)
{
	if (process->present & PROCOBSRV_HAS_CREDENTIALS)
		snprintf(text, size, "%s", name_of_user(process->euid));
	else
		snprintf(text, size, "?");
}

void platform_short_time(int64_t time_ns, char *text, size_t size)
{
	time_t now = time(NULL);
	time_t then = time_ns / 1000000000;
	struct tm today;
	struct tm local;

	if (!localtime_r(&now, &today) || !localtime_r(&then, &local)) {
		snprintf(text, size, "?");
		return;
	}
	if (today.tm_year == local.tm_year && today.tm_yday == local.tm_yday)
		strftime(text, size, "%H:%M:%S", &local);
	else
		strftime(text, size, "%F", &local);
}

bool platform_shows_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

bool platform_shows_color(void)
{
	const char *kind = getenv("TERM");

	return !(kind && !strcmp(kind, "dumb"));
}

bool launcher_not_found(int error)
{
	return error == ENOENT || error == ENOTDIR;
}
