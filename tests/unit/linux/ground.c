/* SPDX-License-Identifier: MIT */
#include "ground.h"

#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char ground_separator = '/';
const char *const ground_missing_directory = "/nonexistent/procobsrv";
const char *const ground_no_directory = "/dev/null";

char *directory_make(void)
{
	const char *parent = getenv("TMPDIR");
	char path[512];

	snprintf(path, sizeof(path), "%s/procobsrv-test-XXXXXX", parent ? parent : "/tmp");
	assert_non_null(mkdtemp(path));
	return strdup(path);
}

void directory_remove(char *directory)
{
	assert_int_equal(rmdir(directory), 0);
	free(directory);
}

void sleep_ms(unsigned duration_ms)
{
	poll(NULL, 0, (int)duration_ms);
}

bool is_set(const struct os_event *event)
{
	struct pollfd descriptor = {.fd = (int)os_event_handle(event), .events = POLLIN};

	return poll(&descriptor, 1, 0) == 1;
}

bool ground_set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
	return true;
}

void file_write_private(const char *path, const void *bytes, size_t size)
{
	int file;

	unlink(path); /* a file that is cut instead is flushed to disk at once, which takes long */
	file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(file >= 0);
	assert_int_equal(write(file, bytes, size), size);
	close(file);
}

void file_make_public(const char *path)
{
	assert_int_equal(chmod(path, 0644), 0);
}

void file_make_private(const char *path)
{
	assert_int_equal(chmod(path, 0600), 0);
}

void file_link(const char *path, const char *other)
{
	assert_int_equal(link(path, other), 0);
}

bool file_plant(const char *path, const char *target, unsigned way)
{
	switch (way) {
	case 0:
		assert_int_equal(symlink(target, path), 0);
		return true;
	case 1:
		assert_int_equal(mkfifo(path, 0600), 0);
		return true;
	case 2:
		assert_int_equal(mkdir(path, 0700), 0);
		return true;
	default:
		return false;
	}
}

void file_remove(const char *path)
{
	if (unlink(path) < 0)
		rmdir(path);
}

int role_run(const char *name, const char *argument, uint32_t *process)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		execl("/proc/self/exe", "unit test", "--role", name, argument, (char *)NULL);
		_exit(127);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	*process = (uint32_t)child;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ROLE_KILLED;
}

void be_killed(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

int program_run(const char *const *arguments, char *text, size_t size)
{
	ssize_t got = 0;
	size_t total = 0;
	int status, ends[2];
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		execv(arguments[0], (char *const *)(uintptr_t)arguments);
		_exit(99);
	}
	close(ends[1]);
	while (total < size - 1 && (got = read(ends[0], text + total, size - 1 - total)) > 0)
		total += (size_t)got;
	text[total] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : ROLE_KILLED;
}
