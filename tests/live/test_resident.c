/* SPDX-License-Identifier: MIT */
/*
 * The observer that outlives its readers: readers are killed and stopped at random moments of
 * storms, and what all of them wrote, joined and rid of repeats, is each event once.
 * PROCOBSRV_LIVE_KILLS is how often (10); the promise is 100.
 */
#include "console.h"
#include "joined.h"
#include "observe.h"
#include "readers.h"
#include "resident.h"
#include "storms.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Kills at any moment, also while a reader begins. */
static void kill_readers(unsigned processes, unsigned rate, const char *arguments)
{
	const char *path = live_path("events.json");
	const char *const argv[] = {"consctl", "watch", "--resume", "-j", "--output", path, NULL};
	/* Some while it begins to read, most while it does. */
	unsigned longest_ms = 300 * live_setting("PROCOBSRV_LIVE_PATIENCE", 1);
	struct storms storms = {.processes = processes, .rate = rate, .arguments = arguments};
	struct console reader;
	struct joined joined;

	srandom((unsigned)getpid());
	/* The default of a small machine holds long arguments for half a second only. */
	resident_begin((const char *const[]){"--buffer-size", "64M", NULL});
	storms_begin(&storms);
	console_start(&reader, "reader", argv);
	for (unsigned i = 0; i < readers_kills(); i++) {
		readers_kill(&reader, (unsigned)random() % longest_ms);
		storms_keep_up(&storms);
		if (i % 10 == 9)
			json_decref(resident_ask());
		console_restart(&reader, argv);
	}
	console_end(&reader, SIGKILL);
	storms_wait(&storms);
	readers_finish(&reader, argv);
	joined_init(&joined);
	joined_read(&joined, path);
	storms_compare(&storms, &joined);
	json_decref(resident_ask());
	readers_expect_verified(path);
	joined_free(&joined);
	resident_finish();
}

static void killed_readers(void)
{
	kill_readers(live_scaled(20000), 0, NULL);
}

/* Each vector comes in pieces, and a reader may be killed between two of them. Not so many that
 * the ring would not hold them until the next reader has begun. */
static void killed_long_arguments(void)
{
	kill_readers(live_scaled(300), 100, "90000");
}

/* A reader that is stopped, not dead: the ring holds what happens. */
static void stopped_reader(void)
{
	const char *path = live_path("events.json");
	const char *const argv[] = {"consctl", "watch", "--resume", "-j", "--output", path, NULL};
	struct storms storms = {.processes = live_scaled(40000), .arguments = "64"};
	struct console reader;
	struct joined joined;
	uint64_t begin, size, used;

	resident_begin(NULL);
	console_start(&reader, "reader", argv);
	console_wait_watching(&reader);
	storms_begin(&storms);
	live_sleep_ms(200);
	begin = live_begin_wait();
	EXPECT(!kill(reader.pid, SIGSTOP), "kill: %s", strerror(errno));
	live_sleep_ms(5000);
	size = resident_number("ring_size");
	/* A slow machine takes longer to make as much. */
	do
		used = resident_number("ring_used");
	while (used <= live_scaled(40000) * 20 && storms_blow(&storms) && live_goes_on(begin, 100));
	EXPECT(!kill(reader.pid, SIGCONT), "kill: %s", strerror(errno));
	if (storms_blow(&storms))
		storms_wait(&storms);
	printf("# stopped for 5 s: %" PRIu64 " of %" PRIu64 " bytes of the ring used\n", used,
	       size);
	EXPECT(used > live_scaled(40000) * 20, "the ring held but %" PRIu64 " bytes: no test of it",
	       used);
	readers_wait();
	EXPECT(console_end(&reader, SIGTERM) == 0, "the reader did not end well: %s",
	       console_errors(&reader));
	joined_init(&joined);
	joined_read(&joined, path);
	storms_compare(&storms, &joined);
	readers_expect_verified(path);
	joined_free(&joined);
	resident_finish();
}

/* What reads consctl's output, and takes its time; the file has all that came. */
struct slow_pipe {
	int from;
	FILE *to;
	_Atomic bool hurry;
	pthread_t thread;
};

static void *copy_slowly(void *param)
{
	struct slow_pipe *pipe = param;
	static char bytes[32768];
	ssize_t got;

	while ((got = read(pipe->from, bytes, sizeof(bytes))) > 0) {
		EXPECT(fwrite(bytes, 1, (size_t)got, pipe->to) == (size_t)got, "fwrite: %s",
		       strerror(errno));
		if (!pipe->hurry)
			live_sleep_ms(25 * live_setting("PROCOBSRV_LIVE_PATIENCE", 1));
	}
	/* Half a line, should the writer have been killed in it. */
	putc('\n', pipe->to);
	return NULL;
}

static pid_t start_piped(struct slow_pipe *slow, const char *path)
{
	const char *program = live_program("consctl");
	int ends[2];
	pid_t pid;

	slow->hurry = false;
	slow->to = fopen(path, "ae");
	EXPECT(slow->to && !pipe2(ends, O_CLOEXEC), "pipe: %s", strerror(errno));
	slow->from = ends[0];
	pid = fork();
	EXPECT(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDOUT_FILENO);
		execl(program, "consctl", "watch", "--resume", "-j", "--queue-size", "256K",
		      (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	EXPECT(!pthread_create(&slow->thread, NULL, copy_slowly, slow), "no thread");
	return pid;
}

/* The rest of what is in the pipe comes fast. */
static void end_piped(struct slow_pipe *slow, pid_t pid, int number)
{
	int status;

	EXPECT(!kill(pid, number), "kill: %s", strerror(errno));
	slow->hurry = true;
	EXPECT(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
	EXPECT(number == SIGKILL ? WIFSIGNALED(status) : status == 0,
	       "the reader ended with wait status %#x", (unsigned)status);
	pthread_join(slow->thread, NULL);
	close(slow->from);
	EXPECT(!fclose(slow->to), "fclose: %s", strerror(errno));
}

static uint64_t bytes_on_disk(void)
{
	DIR *directory = opendir(RESIDENT_SPILL);
	const struct dirent *entry;
	struct stat status;
	uint64_t sum = 0;

	EXPECT(directory, RESIDENT_SPILL ": %s", strerror(errno));
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' &&
		    !fstatat(dirfd(directory), entry->d_name, &status, 0))
			sum += (uint64_t)status.st_size;
	closedir(directory);
	return sum;
}

/* A reader whose output is slow: its queue goes to disk, and it is killed like that. */
static void slow_reader(void)
{
	const char *path = live_path("events.json");
	unsigned scaled = live_scaled(12000);
	struct storms storms = {.processes = scaled < 2000 ? 2000 : scaled, .rate = 2000};
	struct slow_pipe slow;
	struct joined joined;
	uint64_t on_disk = 0;

	resident_begin((const char *const[]){"--buffer-size", "4M", NULL});
	storms_begin(&storms);
	for (int reader = 0; reader < 4; reader++) {
		pid_t pid = start_piped(&slow, path);

		live_sleep_ms(1500);
		/* A slow machine takes longer to make what the queue does not hold. */
		for (uint64_t begin = live_begin_wait();
		     !on_disk && !bytes_on_disk() && live_goes_on(begin, 100);)
			;
		if (bytes_on_disk() > on_disk)
			on_disk = bytes_on_disk();
		end_piped(&slow, pid, SIGKILL);
		json_decref(resident_ask());
	}
	storms_wait(&storms);
	printf("# on disk: %" PRIu64 " bytes, pending: %" PRIu64 "\n", on_disk,
	       resident_number("pending"));
	EXPECT(on_disk, "nothing went to disk");
	{
		pid_t pid = start_piped(&slow, path);

		slow.hurry = true;
		readers_wait();
		end_piped(&slow, pid, SIGTERM);
	}
	EXPECT(bytes_on_disk() == 0, "%" PRIu64 " bytes stay on disk", bytes_on_disk());
	joined_init(&joined);
	joined_read(&joined, path);
	storms_compare(&storms, &joined);
	joined_free(&joined);
	resident_finish();
}

/* What the observer does not tell is not waited for in silence. */
static void kinds_not_installed(void)
{
	const char *const argv[] = {"consctl", "watch", "--resume", "--kinds", "exec_failed", NULL};
	struct console reader;

	resident_begin(NULL);
	console_start(&reader, "reader", argv);
	console_wait_watching(&reader);
	EXPECT(strstr(console_errors(&reader), "installed without exec_failed"),
	       "the reader says: %s", console_errors(&reader));
	EXPECT(console_end(&reader, SIGTERM) == 0, "the reader did not end well: %s",
	       console_errors(&reader));
	resident_finish();
}

const struct live_test resident_tests[] = {
    {"killed_readers", killed_readers, 600},
    {"killed_long_arguments", killed_long_arguments, 600},
    {"stopped_reader", stopped_reader, 300},
    {"slow_reader", slow_reader, 300},
    {"kinds_not_installed", kinds_not_installed, 60},
    {NULL, NULL, 0},
};
