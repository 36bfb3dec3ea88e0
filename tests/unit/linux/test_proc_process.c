/* SPDX-License-Identifier: MIT */
/* What /proc tells of processes that this test makes, and the records that are written of it. */
#include "arena.h"
#include "harness.h"
#include "record_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pid_table.h"
#include "linux/pool.h"
#include "linux/proc_process.h"

static struct proc_image image;

static const struct proc_image_options everything = {
    .env = true, .max_args = UINT64_MAX, .invocation = true};

static uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int open_process(pid_t pid)
{
	int directory = proc_process_open((uint32_t)pid);

	assert_true(directory >= 0);
	return directory;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static bool is(enum record_string string, const char *text)
{
	return image.strings[string].size == strlen(text) &&
	       !memcmp(image.strings[string].data, text, strlen(text));
}

static enum record_missing missing(enum record_string string)
{
	return record_missing(&image.image, string);
}

/* ---- processes ---- */

static void test_reads_this_process(void **state)
{
	struct proc_process process;
	int directory = open_process(getpid());

	(void)state;
	assert_true(proc_process_read(directory, &process));
	close(directory);
	assert_int_equal(process.body.process.pid, getpid());
	assert_int_equal(process.thread_group, getpid());
	assert_int_equal(process.body.parent.pid, getppid());
	assert_int_equal(process.body.credentials.uid, getuid());
	assert_int_equal(process.body.credentials.euid, geteuid());
	assert_int_equal(process.body.credentials.gid, getgid());
	assert_int_equal(process.body.session_leader, getsid(0));
	assert_true(process.body.process.start_ns > 0);
	assert_true(process.body.process.start_ns < boot_ns());
	assert_true(process.body.process_flags & RECORD_PROCESS_EXECED);
	assert_false(process.not_execed);
	assert_int_equal(process.state, 'R');
	assert_true(process.max_rss_bytes > 0);
	assert_int_equal(process.tracer, 0);
}

static void test_reads_odd_names(void **state)
{
	static const char *const names[] = {"a) b (c", "x\ny\\z", ") R 1 1 1", "",
					    "123456789012345"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct proc_process by_stat = {0}, by_status = {0};
		pid_t child = fork();
		if (!child) {
			prctl(PR_SET_NAME, names[i]);
			raise(SIGSTOP);
			_exit(0);
		}
		assert_int_equal(waitpid(child, NULL, WUNTRACED), child);
		int directory = open_process(child);
		assert_true(proc_process_read_stat(directory, &by_stat));
		assert_true(proc_process_read_status(directory, &by_status));
		close(directory);
		assert_string_equal(by_stat.body.name, names[i]);
		assert_string_equal(by_status.body.name, names[i]);
		assert_int_equal(by_stat.body.parent.pid, getpid());
		assert_int_equal(by_status.body.parent.pid, getpid());
		assert_true(by_stat.not_execed);
		assert_int_equal(by_stat.state, 'T');
		end(child);
	}
}

static void test_reads_a_zombie(void **state)
{
	struct proc_process process = {0};
	siginfo_t info;
	pid_t child = fork();

	(void)state;
	if (!child)
		_exit(7);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	int directory = open_process(child);
	assert_true(proc_process_read(directory, &process));
	assert_true(proc_process_is_dead(&process));
	assert_true(process.body.process_flags & RECORD_PROCESS_EXITING);
	proc_image_read(directory, &everything, &image);
	assert_int_equal(missing(RECORD_STRING_EXE), RECORD_MISSING_TOO_LATE);
	assert_int_equal(missing(RECORD_STRING_ARGV), RECORD_MISSING_TOO_LATE);

	/* The descriptor leads to nobody, now and for ever. */
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(proc_process_read(directory, &process));
	proc_image_read(directory, &everything, &image);
	assert_int_equal(missing(RECORD_STRING_EXE), RECORD_MISSING_TOO_LATE);
	assert_int_equal(missing(RECORD_STRING_CWD), RECORD_MISSING_TOO_LATE);
	assert_int_equal(missing(RECORD_STRING_ARGV), RECORD_MISSING_TOO_LATE);
	close(directory);
	assert_int_equal(proc_process_identity((uint32_t)child).pid, 0);
}

static void test_decodes_status(void **state)
{
	struct record_exit exit = {0};

	(void)state;
	proc_process_decode_status(5 << 8, &exit);
	assert_int_equal(exit.code, 5);
	assert_int_equal(exit.signal, 0);
	exit = (struct record_exit){0};
	proc_process_decode_status(SIGSEGV | 0x80, &exit);
	assert_int_equal(exit.code, 0);
	assert_int_equal(exit.signal, SIGSEGV);
	assert_int_equal(exit.flags, RECORD_EXIT_CORE_DUMPED);
}

static void note_pid(uint32_t pid, void *param)
{
	uint32_t *wanted = param;

	if (pid == *wanted)
		*wanted = 0;
}

static void test_walks(void **state)
{
	uint32_t wanted = (uint32_t)getpid();

	(void)state;
	assert_true(proc_walk(note_pid, &wanted));
	assert_int_equal(wanted, 0);
	wanted = (uint32_t)getpid();
	assert_true(proc_walk_threads(wanted, note_pid, &wanted));
	assert_int_equal(wanted, 0);
	assert_false(proc_walk_threads(0x7fffffff, note_pid, &wanted));
}

/* ---- images ---- */

/* Until it waits for something, or is stopped: then nothing of it changes any more. */
static void wait_until_it_waits(int directory)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct proc_process process = {0};

	for (int tries = 0; process.state != 'S' && process.state != 'T'; tries++) {
		assert_true(tries < 20000);
		nanosleep(&pause, NULL);
		assert_true(proc_process_read_stat(directory, &process));
	}
}

/* A child that has called exec and stops or sleeps there; `directory` is its own in /proc. */
static pid_t run(const char *path, const char *const argv[], int *directory)
{
	int ends[2];
	char byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t child = fork();
	if (!child) {
		static const char *const env[] = {"ONE=1", "TWO=2", NULL};
		if (chdir("/usr"))
			_exit(126);
		execve(path, (char *const *)argv, (char *const *)env);
		_exit(127);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0); /* closed by exec */
	close(ends[0]);
	*directory = open_process(child);
	/* That was in the middle of exec: arguments and environment come after it. */
	wait_until_it_waits(*directory);
	return child;
}

static void test_reads_a_program(void **state)
{
	struct stat status;
	int directory;

	(void)state;
	/* sleep refuses an empty argument; cat waits for input. */
	int input[2];
	assert_int_equal(pipe(input), 0);
	int before = dup(0);
	dup2(input[0], 0);
	pid_t child =
	    run("/bin/cat", (const char *const[]){"odd\nname", "-", "", NULL}, &directory);
	dup2(before, 0);
	close(before);

	proc_image_read(directory, &everything, &image);
	assert_int_equal(stat("/bin/cat", &status), 0);
	assert_int_equal(image.image.exe_inode, status.st_ino);
	assert_int_equal(image.image.exe_device, status.st_dev);
	assert_true(image.strings[RECORD_STRING_EXE].size > 4);
	assert_true(is(RECORD_STRING_CWD, "/usr"));
	assert_true(is(RECORD_STRING_FILENAME, "/bin/cat"));
	assert_int_equal(image.strings[RECORD_STRING_INTERPRETER].size, 0);
	assert_int_equal(image.strings[RECORD_STRING_ARGV].size, 9 + 2 + 1);
	assert_memory_equal(image.strings[RECORD_STRING_ARGV].data, "odd\nname\0-\0", 12);
	assert_int_equal(image.image.argv_size, 12);
	assert_int_equal(image.strings[RECORD_STRING_ENV].size, 12);
	assert_memory_equal(image.strings[RECORD_STRING_ENV].data, "ONE=1\0TWO=2", 12);
	assert_int_equal(image.image.missing, 0);
	assert_int_equal(image.image.flags, 0);
	assert_int_not_equal(image.image.mount_namespace, 0);
	assert_int_not_equal(image.image.pid_namespace, 0);

	proc_image_read(directory, &(struct proc_image_options){.max_args = 5}, &image);
	assert_int_equal(image.strings[RECORD_STRING_ARGV].size, 5);
	assert_int_equal(missing(RECORD_STRING_ARGV), RECORD_MISSING_TRUNCATED);
	assert_int_equal(image.strings[RECORD_STRING_ENV].size, 0);
	assert_int_equal(missing(RECORD_STRING_ENV), RECORD_WHOLE);
	end(child);
	close(directory);
	close(input[0]);
	close(input[1]);
}

static void test_reads_a_script(void **state)
{
	char path[] = "/tmp/procobsrv-script-XXXXXX";
	static const char text[] = "#! /bin/sh\nkill -STOP $$\n";
	int directory, status;

	(void)state;
	int file = mkstemp(path);
	assert_true(file >= 0);
	assert_int_equal(write(file, text, sizeof text - 1), sizeof text - 1);
	assert_int_equal(fchmod(file, 0700), 0);
	close(file);
	pid_t child = run(path, (const char *const[]){"ignored", "one", NULL}, &directory);
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	assert_true(WIFSTOPPED(status));
	proc_image_read(directory, &everything, &image);
	assert_true(is(RECORD_STRING_FILENAME, path));
	assert_true(is(RECORD_STRING_INTERPRETER, "/bin/sh"));
	assert_memory_equal(image.strings[RECORD_STRING_ARGV].data, "/bin/sh", 8);
	end(child);
	close(directory);
	unlink(path);
}

static void test_marks_deleted_and_memory_programs(void **state)
{
	char path[] = "/tmp/procobsrv-deleted-XXXXXX";
	struct stat status;
	int directory;

	(void)state;
	for (int memory = 0; memory < 2; memory++) {
		int source = open("/bin/sleep", O_RDONLY | O_CLOEXEC);
		int copy = memory ? memfd_create("hidden", 0) : mkstemp(path);
		assert_true(source >= 0 && copy >= 0);
		assert_int_equal(fstat(source, &status), 0);
		assert_int_equal(sendfile(copy, source, NULL, (size_t)status.st_size),
				 status.st_size);
		close(source);
		fchmod(copy, 0700);
		char called[64];
		if (memory)
			snprintf(called, sizeof called, "/proc/self/fd/%d", copy);
		else
			close(copy);
		pid_t child = run(memory ? called : path,
				  (const char *const[]){"sleep", "60", NULL}, &directory);
		if (memory)
			close(copy);
		else
			unlink(path);
		proc_image_read(directory, &everything, &image);
		assert_true(image.image.flags & RECORD_IMAGE_DELETED);
		assert_int_equal(!!(image.image.flags & RECORD_IMAGE_MEMFD), memory);
		assert_true(is(RECORD_STRING_EXE, memory ? "/memfd:hidden" : path));
		end(child);
		close(directory);
	}
}

static void test_says_what_is_missing(void **state)
{
	(void)state;
	proc_image_too_late(&image, false);
	assert_int_equal(missing(RECORD_STRING_EXE), RECORD_MISSING_TOO_LATE);
	assert_int_equal(missing(RECORD_STRING_CWD), RECORD_MISSING_TOO_LATE);
	assert_int_equal(missing(RECORD_STRING_ARGV), RECORD_MISSING_TOO_LATE);
	assert_int_equal(missing(RECORD_STRING_ENV), RECORD_WHOLE);
	assert_int_equal(image.strings[RECORD_STRING_ARGV].size, 0);
}

static void test_marks_setuid(void **state)
{
	struct record_credentials credentials = {.uid = 1000, .euid = 0, .gid = 1000, .egid = 1000};

	(void)state;
	memset(&image.image, 0, sizeof image.image);
	image.exe_mode = S_IFREG | S_ISUID | S_ISGID | 0755;
	image.exe_uid = image.exe_gid = 0;
	proc_image_mark_privileges(&image, &credentials);
	assert_int_equal(image.image.flags, RECORD_IMAGE_SETUID);
	credentials.euid = 1000;
	image.image.flags = 0;
	proc_image_mark_privileges(&image, &credentials);
	assert_int_equal(image.image.flags, 0);
}

/* ---- records ---- */

struct taken {
	uint64_t number;
	uint64_t position;
	uint64_t resume;
	size_t events;
	struct arena argv;
	uint32_t lost_starts;
};

static void take(const struct source_batch *batch, void *param)
{
	struct taken *taken = param;

	for (size_t i = 0; i < batch->count; i++) {
		const struct source_record *record = &batch->records[i];
		struct record_view view;

		assert_int_equal((uintptr_t)record->data % 8, 0);
		assert_int_equal(record_decode(record->data, record->size, &view), 0);
		assert_true(record->size <= RECORD_SIZE_MAX);
		assert_true(i == 0 || record->position > taken->position);
		taken->position = record->position;
		if (view.chunk) {
			assert_int_equal(view.chunk->string, RECORD_STRING_ARGV);
			assert_int_equal(view.chunk->offset, taken->argv.size);
			memcpy(arena_add(&taken->argv, view.chunk_data.size), view.chunk_data.data,
			       view.chunk_data.size);
			assert_int_equal(view.header->number, taken->number + 1);
			continue;
		}
		if (view.gap)
			continue;
		taken->events++;
		taken->number = view.header->number;
		taken->lost_starts = view.header->lost[RECORD_LOST_INDEX(RECORD_START)];
		if (view.image)
			memcpy(arena_add(&taken->argv, view.strings[RECORD_STRING_ARGV].size),
			       view.strings[RECORD_STRING_ARGV].data,
			       view.strings[RECORD_STRING_ARGV].size);
	}
	taken->resume = batch->resume;
}

static void test_writes_long_strings_in_chunks(void **state)
{
	static const size_t sizes[] = {0, 1, 16384, 16385, 32768, 49152, 49153, 2000000};
	struct record_body body = {.process = {.pid = 1, .start_ns = 2}, .name = "x"};
	struct record_image written = {.exe_inode = 3};
	char *bytes = malloc(2000000);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < 2000000; i++)
		bytes[i] = (char)(i * 31 >> 3);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct record_writer writer;
		struct taken taken = {0};
		struct record_bytes strings[RECORD_STRING_COUNT] = {
		    [RECORD_STRING_EXE] = {"/bin/x", 6},
		    [RECORD_STRING_ARGV] = {bytes, sizes[i]},
		};
		record_writer_init(&writer, 0);
		record_writer_add(&writer, &(struct record_parts){.kind = RECORD_EXEC,
								  .body = &body,
								  .image = &written,
								  .strings = strings});
		record_writer_lend(&writer, take, &taken);
		assert_int_equal(taken.events, 1);
		assert_int_equal(taken.argv.size, sizes[i]);
		if (sizes[i])
			assert_memory_equal(taken.argv.data, bytes, sizes[i]);
		assert_int_equal(taken.resume, writer.position);
		arena_free(&taken.argv);
		record_writer_free(&writer);
	}
	free(bytes);
}

static void test_numbers_what_it_writes(void **state)
{
	struct record_body body = {.process = {.pid = 1}, .name = "x"};
	struct record_start start = {0};
	struct record_exit exit = {.code = 3};
	struct record_gap gap = {.unknown = 5};
	struct taken taken = {0};
	struct record_writer writer;

	(void)state;
	record_writer_init(&writer, 1u << RECORD_EXIT | 1u << RECORD_START);
	record_writer_add(
	    &writer, &(struct record_parts){.kind = RECORD_START, .body = &body, .start = &start});
	record_writer_gap(&writer, 1, &gap);
	/* Not wanted: bears no number. */
	record_writer_add(&writer, &(struct record_parts){.kind = RECORD_EXEC, .body = &body});
	record_writer_add(
	    &writer, &(struct record_parts){.kind = RECORD_EXIT, .body = &body, .exit = &exit});
	record_writer_lend(&writer, take, &taken);
	assert_int_equal(taken.events, 2);
	assert_int_equal(taken.number, 2);
	assert_int_equal(taken.lost_starts, 0);
	/* Nothing is lent twice. */
	record_writer_lend(&writer, take, &taken);
	assert_int_equal(taken.events, 2);
	record_writer_free(&writer);
}

static void take_existing(const void *data, uint32_t size, void *param)
{
	struct record_view view;

	assert_int_equal(record_decode(data, size, &view), 0);
	assert_int_equal(view.header->kind, RECORD_EXISTING);
	*(size_t *)param += view.strings[RECORD_STRING_ARGV].size;
}

static void test_writes_snapshots_whole(void **state)
{
	static const char bytes[100000] = "x";
	struct record_bytes strings[RECORD_STRING_COUNT] = {
	    [RECORD_STRING_ARGV] = {bytes, sizeof bytes}};
	struct record_body body = {.process = {.pid = 1}, .name = "x"};
	struct record_image written = {0};
	struct record_writer writer;
	size_t sum = 0;

	(void)state;
	record_writer_init(&writer, 1u << RECORD_EXIT);
	record_writer_add(&writer, &(struct record_parts){.kind = RECORD_EXISTING,
							  .body = &body,
							  .image = &written,
							  .strings = strings});
	record_writer_lend_each(&writer, take_existing, &sum);
	assert_int_equal(sum, sizeof bytes);
	record_writer_free(&writer);
}

/* ---- memory ---- */

static void test_arena_grows_and_shrinks(void **state)
{
	struct arena arena = {0};

	(void)state;
	arena_consume(&arena, 0);
	for (int i = 0; i < 100000; i++)
		memcpy(arena_add(&arena, sizeof i), &i, sizeof i);
	arena_consume(&arena, 40000 * sizeof(int));
	assert_int_equal(arena.size, 60000 * sizeof(int));
	assert_int_equal(*(int *)arena.data, 40000);
	assert_null(arena_add(&arena, SIZE_MAX / 2));
	assert_int_equal(arena.size, 60000 * sizeof(int));
	arena_clear(&arena, SIZE_MAX);
	assert_non_null(arena.data);
	arena_clear(&arena, 0);
	assert_null(arena.data);
}

static void count_slot(void **slot, void *param)
{
	assert_non_null(*slot);
	++*(int *)param;
}

static void test_pid_table_holds_any_pid(void **state)
{
	static struct pid_table table;
	static const uint32_t pids[] = {1, 511, 512, 32768, 4194303};
	int count = 0;

	(void)state;
	for (size_t i = 0; i < sizeof pids / sizeof *pids; i++) {
		assert_null(pid_table_get(&table, pids[i]));
		*pid_table_slot(&table, pids[i]) = (void *)&pids[i];
	}
	for (size_t i = 0; i < sizeof pids / sizeof *pids; i++)
		assert_ptr_equal(pid_table_get(&table, pids[i]), &pids[i]);
	assert_null(pid_table_get(&table, 4194304));
	assert_null(pid_table_slot(&table, 4194304));
	pid_table_visit(&table, count_slot, &count);
	assert_int_equal(count, 5);
	pid_table_free(&table);
	assert_null(pid_table_get(&table, 1));
}

static void test_pool_gives_zeroes(void **state)
{
	struct pool pool = {.size = 40};
	void *pieces[5000];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 5000; i++) {
			pieces[i] = pool_take(&pool);
			assert_non_null(pieces[i]);
			assert_int_equal(*(uint64_t *)pieces[i], 0);
			memset(pieces[i], 0xff, 40);
		}
		for (size_t i = 0; i < 5000; i++)
			pool_give(&pool, pieces[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reads_this_process),
	    cmocka_unit_test(test_reads_odd_names),
	    cmocka_unit_test(test_reads_a_zombie),
	    cmocka_unit_test(test_decodes_status),
	    cmocka_unit_test(test_walks),
	    cmocka_unit_test(test_reads_a_program),
	    cmocka_unit_test(test_reads_a_script),
	    cmocka_unit_test(test_marks_deleted_and_memory_programs),
	    cmocka_unit_test(test_says_what_is_missing),
	    cmocka_unit_test(test_marks_setuid),
	    cmocka_unit_test(test_writes_long_strings_in_chunks),
	    cmocka_unit_test(test_numbers_what_it_writes),
	    cmocka_unit_test(test_writes_snapshots_whole),
	    cmocka_unit_test(test_arena_grows_and_shrinks),
	    cmocka_unit_test(test_pid_table_holds_any_pid),
	    cmocka_unit_test(test_pool_gives_zeroes),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	proc_image_free(&image);
	return failed;
}
