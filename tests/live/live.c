/* SPDX-License-Identifier: MIT */
/* What tests may call. The program around them is main.c. */
#include "live.h"
#include "live_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What a loaded machine may take for what takes an idle one a moment. */
#define LIVE_WAIT_SECONDS 60u

struct live_state *live_state;

static void verdict(enum live_verdict which, const char *format, va_list arguments)
{
	size_t length = strlen(live_state->why);

	vsnprintf(live_state->why + length, sizeof(live_state->why) - length, format, arguments);
	live_state->verdict = which;
	/* No exit handlers: other threads may be in the middle of anything. */
	_exit(1);
}

void live_fail(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	va_list arguments;

	snprintf(live_state->why, sizeof(live_state->why), "%s:%d: ", slash ? slash + 1 : file,
		 line);
	va_start(arguments, format);
	verdict(LIVE_FAILED, format, arguments);
	va_end(arguments);
	abort();
}

void live_skip(const char *format, ...)
{
	va_list arguments;

	live_state->why[0] = '\0';
	va_start(arguments, format);
	verdict(LIVE_SKIPPED, format, arguments);
	va_end(arguments);
	abort();
}

void live_expect_text(const char *file, int line, const char *what, const char *seen,
		      const char *expected)
{
	if (seen == expected || (seen && expected && !strcmp(seen, expected)))
		return;
	live_fail(file, line, "%s is %s%.700s%s, not %s%.700s%s", what, seen ? "\"" : "",
		  seen ? seen : "absent", seen ? "\"" : "", expected ? "\"" : "",
		  expected ? expected : "absent", expected ? "\"" : "");
}

const char *live_directory(void)
{
	return live_state->directory;
}

const char *live_path(const char *format, ...)
{
	static char paths[64][PATH_MAX];
	static size_t used;
	char *path = paths[used++];
	va_list arguments;
	int length;

	EXPECT(used <= 64, "too many paths in one test");
	length = snprintf(path, PATH_MAX, "%s/", live_state->directory);
	va_start(arguments, format);
	vsnprintf(path + length, PATH_MAX - (size_t)length, format, arguments);
	va_end(arguments);
	return path;
}

void live_remove_later(const char *path)
{
	EXPECT(live_state->removal_count < LIVE_REMOVALS, "too many directories to remove");
	snprintf(live_state->removals[live_state->removal_count++], PATH_MAX, "%s", path);
}

/* Beside this program, or in its own folder of the build. */
static bool find_program(const char *name, char path[PATH_MAX])
{
	static const char *const folders[] = {"", "../consctl/", "../bench/", "../docs/"};
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	EXPECT(length > 0, "/proc/self/exe: %s", strerror(errno));
	self[length] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		char candidate[2 * PATH_MAX];

		snprintf(candidate, sizeof(candidate), "%s/%s%s", self, folders[i], name);
		if (!access(candidate, X_OK) && realpath(candidate, path))
			return true;
	}
	return false;
}

const char *live_program(const char *name)
{
	static struct {
		const char *name;
		char path[PATH_MAX];
	} found[16];

	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
		if (!found[i].name && find_program(name, found[i].path))
			found[i].name = name;
		if (!found[i].name)
			break;
		if (!strcmp(found[i].name, name))
			return found[i].path;
	}
	live_fail(__FILE__, __LINE__, "%s: not in this build", name);
}

unsigned live_setting(const char *name, unsigned absent)
{
	const char *text = getenv(name);

	return text && *text ? (unsigned)strtoul(text, NULL, 10) : absent;
}

unsigned live_scaled(unsigned count)
{
	uint64_t most = live_setting("PROCOBSRV_LIVE_STORM_COUNT", 200000);

	return most < 200000 ? (unsigned)(count * most / 200000) + 100 : count;
}

unsigned live_rounds(unsigned count)
{
	unsigned fewer = count / live_setting("PROCOBSRV_LIVE_PATIENCE", 1);

	return fewer < 3 ? 3 : fewer;
}

bool live_write_core_pattern(const char *pattern)
{
	int file = open(LIVE_CORE_PATTERN, O_WRONLY | O_CLOEXEC);
	bool written = file >= 0 && write(file, pattern, strlen(pattern)) > 0;

	if (file >= 0)
		close(file);
	return written;
}

void live_core_pattern(const char *pattern)
{
	int lock;
	int file;
	ssize_t length;

	if (!live_state->core_pattern[0]) {
		/* Held, as the descriptor, until the program around the tests has restored it. */
		lock = live_state->core_lock;
		EXPECT(!flock(lock, LOCK_EX), "lock of the core pattern: %s", strerror(errno));
		file = open(LIVE_CORE_PATTERN, O_RDONLY | O_CLOEXEC);
		length = file < 0 ? -1
				  : read(file, live_state->core_pattern,
					 sizeof(live_state->core_pattern) - 1);
		EXPECT(length > 0, "%s: %s", LIVE_CORE_PATTERN, strerror(errno));
		close(file);
	}
	EXPECT(live_write_core_pattern(pattern), "%s: %s", LIVE_CORE_PATTERN, strerror(errno));
}

void live_write(const char *path, const char *text, unsigned mode)
{
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	EXPECT(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text) &&
		   !fchmod(file, mode) && !close(file),
	       "%s: %s", path, strerror(errno));
}

void live_copy(const char *from, const char *to, unsigned mode)
{
	int source = open(from, O_RDONLY | O_CLOEXEC);
	int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	static char buffer[65536];
	ssize_t got = 0;

	while (source >= 0 && target >= 0 && (got = read(source, buffer, sizeof(buffer))) > 0)
		EXPECT(write(target, buffer, (size_t)got) == got, "%s: %s", to, strerror(errno));
	EXPECT(source >= 0 && target >= 0 && got == 0 && !fchmod(target, mode), "%s to %s: %s",
	       from, to, strerror(errno));
	close(source);
	close(target);
}

/* Where the unified hierarchy is mounted; mounts it where it is not. */
static const char *unified_hierarchy(void)
{
	static char where[PATH_MAX];
	char line[2 * PATH_MAX];
	char type[64];
	FILE *mounts = fopen("/proc/self/mounts", "re");

	while (mounts && fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %4095s %63s", where, type) == 2 && !strcmp(type, "cgroup2")) {
			fclose(mounts);
			return where;
		}
	if (mounts)
		fclose(mounts);
	snprintf(where, sizeof(where), "%s", live_path("cgroup2"));
	if (mkdir(where, 0755) || mount("none", where, "cgroup2", 0, NULL))
		live_skip("no cgroup2: %s", strerror(errno));
	live_state->unmount = true;
	return where;
}

const char *live_cgroup(void)
{
	static char path[PATH_MAX];

	EXPECT(snprintf(path, sizeof(path), "%s/procobsrv-live-%d", unified_hierarchy(),
			(int)getpid()) < PATH_MAX,
	       "the path of a cgroup is too long");
	EXPECT(!mkdir(path, 0755), "%s: %s", path, strerror(errno));
	live_remove_later(path);
	return path;
}

uint64_t live_boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t live_begin_wait(void)
{
	return live_boot_ns();
}

bool live_goes_on(uint64_t begin_ns, unsigned sleep_ms)
{
	uint64_t most_ns =
	    LIVE_WAIT_SECONDS * live_setting("PROCOBSRV_LIVE_PATIENCE", 1) * (uint64_t)1000000000;

	live_sleep_ms(sleep_ms);
	return live_boot_ns() - begin_ns < most_ns;
}

void live_sleep_ms(unsigned milliseconds)
{
	struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}
