/* SPDX-License-Identifier: MIT */
/* What lib/os.h supplies on Linux beyond what every system does: test_os.c. */
#include "ground.h"
#include "harness.h"
#include "os.h"
#include "procobsrv.h"
#include "queue_records.h"
#include "reader_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void test_clocks(void **state)
{
	uint64_t boot = os_boot_ns();
	struct timespec boot_time;

	(void)state;
	clock_gettime(CLOCK_BOOTTIME, &boot_time);
	assert_true((uint64_t)boot_time.tv_sec * 1000000000 + (uint64_t)boot_time.tv_nsec >= boot);
	assert_true(os_boot_ns() >= boot);
}

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t condition;
	bool done;
	sigset_t mask;
	char name[16];
};

static void *run(void *param)
{
	struct shared *shared = param;

	pthread_mutex_lock(&shared->lock);
	pthread_sigmask(SIG_SETMASK, NULL, &shared->mask);
	while (!shared->done) /* until the name is there */
		pthread_cond_wait(&shared->condition, &shared->lock);
	pthread_getname_np(pthread_self(), shared->name, sizeof(shared->name));
	pthread_mutex_unlock(&shared->lock);
	return param;
}

static void test_threads(void **state)
{
	struct shared shared = {.lock = PTHREAD_MUTEX_INITIALIZER};
	uint64_t begin = os_monotonic_ns();
	sigset_t before, after;
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(os_condition_init(&shared.condition), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(os_thread_start(&thread, "a name that is too long", run, &shared), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	pthread_mutex_lock(&shared.lock);
	while (os_condition_wait(&shared.condition, &shared.lock, 10000000))
		;
	assert_true(os_monotonic_ns() - begin >= 10000000);
	assert_false(os_condition_wait(&shared.condition, &shared.lock, 0));
	shared.done = true;
	pthread_cond_signal(&shared.condition);
	pthread_mutex_unlock(&shared.lock);
	pthread_join(thread, &result);
	assert_ptr_equal(result, &shared);
	assert_string_equal(shared.name, "a name that is ");
	for (int number = 1; number < 32; number++) {
		assert_int_equal(sigismember(&before, number), sigismember(&after, number));
		if (number != SIGKILL && number != SIGSTOP)
			assert_int_equal(sigismember(&shared.mask, number), 1);
	}
	pthread_cond_destroy(&shared.condition);
}

static void test_event_descriptor(void **state)
{
	struct os_event *event = os_event_create();
	int descriptor = (int)os_event_handle(event);

	(void)state;
	assert_true(fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
	os_event_destroy(event);
	assert_int_equal(fcntl(descriptor, F_GETFD), -1);
}

static void test_file_mode(void **state)
{
	char *directory = directory_make(), text[1] = "x";
	struct os_file *file, *second;
	struct stat status;

	(void)state;
	assert_int_equal(os_file_create_private(directory, "test-", &file), 0);
	assert_int_equal(os_file_path(file)[0], '/');
	assert_int_equal(stat(os_file_path(file), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(os_file_open(os_file_path(file), &second), 0);
	assert_int_equal(os_file_write(second, 0, text, 1), EBADF);
	os_file_close(second, false);
	os_file_close(file, true);
	directory_remove(directory);
}

/* Only what is ours is removed: not a file that somebody has put under the name since. */
static void test_remove_own_only(void **state)
{
	char *directory = directory_make(), path[600], moved[700];
	struct os_file *file;

	(void)state;
	assert_int_equal(os_file_create_private(directory, "test-", &file), 0);
	snprintf(path, sizeof(path), "%s", os_file_path(file));
	snprintf(moved, sizeof(moved), "%s.moved", path);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(symlink(moved, path), 0);
	os_file_close(file, true);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(moved), 0);
	directory_remove(directory);
}

static void test_default_directory(void **state)
{
	char *directory = directory_make();
	const char *before = getenv("TMPDIR");
	char *copy = before ? strdup(before) : NULL;
	struct os_file *file;

	(void)state;
	setenv("TMPDIR", directory, 1);
	assert_int_equal(os_file_create_private(NULL, "test-", &file), 0);
	assert_memory_equal(os_file_path(file), directory, strlen(directory));
	os_file_close(file, true);
	unsetenv("TMPDIR");
	assert_int_equal(os_file_create_private(NULL, "procobsrv-unit-test-", &file), 0);
	assert_memory_equal(os_file_path(file), "/tmp/", 5);
	os_file_close(file, true);
	if (copy)
		setenv("TMPDIR", copy, 1);
	free(copy);
	directory_remove(directory);
}

static void test_unsafe_directories(void **state)
{
	char *directory = directory_make();
	struct os_file *file = NULL;

	(void)state;
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(os_file_create_private(directory, "test-", &file),
			 PROCOBSRV_ERROR_PERMISSION);
	assert_non_null(strstr(procobsrv_explain(), "sticky"));
	assert_int_equal(chmod(directory, 01777), 0);
	assert_int_equal(os_file_create_private(directory, "test-", &file), 0);
	os_file_close(file, true);
	directory_remove(directory);
}

static void test_error_names(void **state)
{
	(void)state;
	assert_string_equal(os_error_name(ENOENT), "ENOENT");
	assert_string_equal(os_error_name(EACCES), "EACCES");
}

static uint32_t encode(unsigned major, unsigned minor)
{
	return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static void test_tty_names(void **state)
{
	char name[64] = "untouched", small[3];
	struct stat status;

	(void)state;
	assert_false(os_tty_name(0, name, sizeof(name)));
	assert_string_equal(name, "untouched");
	assert_true(os_tty_name(encode(136, 1), name, sizeof(name)));
	assert_string_equal(name, "pts/1");
	assert_true(os_tty_name(encode(136, 300), name, sizeof(name)));
	assert_string_equal(name, "pts/300");
	assert_true(os_tty_name(encode(137, 1), name, sizeof(name)));
	assert_string_equal(name, "pts/257");
	assert_false(os_tty_name(encode(4000, 77), name, sizeof(name)));
	assert_true(os_tty_name(encode(136, 12), small, sizeof(small)));
	assert_string_equal(small, "pt");
	if (stat("/sys/dev/char/5:0/uevent", &status) == 0) /* not in every container */
		for (int i = 0; i < 3; i++) {
			assert_true(os_tty_name(encode(5, 0), name, sizeof(name)));
			assert_string_equal(name, "tty");
		}
}

static void test_terminal(void **state)
{
	struct winsize window = {.ws_row = 10, .ws_col = 123};
	FILE *null = fopen("/dev/null", "r+"), *terminal;
	int master, slave;

	(void)state;
	assert_false(os_is_terminal(null));
	assert_int_equal(os_terminal_columns(null), 0);
	fclose(null);
	if (openpty(&master, &slave, NULL, NULL, &window) < 0)
		skip(); /* no /dev/pts here */
	terminal = fdopen(slave, "r+");
	assert_true(os_is_terminal(terminal));
	assert_int_equal(os_terminal_columns(terminal), 123);
	window.ws_col = 0;
	ioctl(master, TIOCSWINSZ, &window);
	setenv("COLUMNS", "77", 1);
	assert_int_equal(os_terminal_columns(terminal), 77);
	setenv("COLUMNS", "rubbish", 1);
	assert_int_equal(os_terminal_columns(terminal), 80);
	unsetenv("COLUMNS");
	assert_int_equal(os_terminal_columns(terminal), 80);
	fclose(terminal);
	close(master);
}

/* A child with the lock's descriptor: it releases it, or keeps it until it is told to end. */
static pid_t fork_with(int lock, bool releases, int *end)
{
	int ends[2];
	char nothing;

	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[1]);
		if (releases)
			reader_lock_release(lock);
		_exit(read(ends[0], &nothing, 1) != 0);
	}
	close(ends[0]);
	*end = ends[1];
	return child;
}

static void end_child(pid_t child, int end)
{
	int status;

	close(end);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_reader_lock_and_children(void **state)
{
	char *directory = directory_make();
	char path[4096];
	int lock, other, end;
	pid_t child;

	(void)state;
	assert_int_equal(reader_lock_take(directory, &lock), 0);
	child = fork_with(lock, true, &end);
	end_child(child, end);
	assert_int_equal(reader_lock_take(directory, &other), PROCOBSRV_ERROR_BUSY);
	child = fork_with(lock, false, &end);
	reader_lock_release(lock);
	assert_int_equal(reader_lock_take(directory, &lock), 0);
	end_child(child, end);
	reader_lock_release(lock);
	snprintf(path, sizeof(path), "%s/reader", directory);
	assert_int_equal(unlink(path), 0);
	directory_remove(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clocks),
	    cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_event_descriptor),
	    cmocka_unit_test(test_file_mode),
	    cmocka_unit_test(test_remove_own_only),
	    cmocka_unit_test(test_default_directory),
	    cmocka_unit_test(test_unsafe_directories),
	    cmocka_unit_test(test_error_names),
	    cmocka_unit_test(test_tty_names),
	    cmocka_unit_test(test_terminal),
	    cmocka_unit_test(test_reader_lock_and_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
