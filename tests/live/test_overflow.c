/* SPDX-License-Identifier: MIT */
/*
 * Losses that are forced: a ring of 64 KiB whose reader is stopped while a storm passes. What is
 * lost is told to the last event, by kind, and afterwards the stream tells who came, went and
 * changed meanwhile. A second observer, with room enough, knows the truth of the whole machine.
 */
#include "census.h"
#include "console.h"
#include "resident.h"
#include "storms.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARKER "overflow-marker"

/* What was seen between two processes that were run for that. */
struct between {
	bool begun;
	_Atomic bool over; /* the storm is, and what came of it: see "over" of mark() */
	bool ended;
	uint64_t kinds[8]; /* observed ones */
	uint64_t lost[8];  /* by kind, as lost events told */
	uint64_t unknown;
	uint64_t gaps;
	_Atomic uint64_t happened; /* events of any kind; others' threads look at it */
	struct census *census;	   /* NULL: not wanted */
};

/* So many processes that neither ring nor queue holds their events. */
static unsigned storm_size(void)
{
	unsigned scaled = live_scaled(10000);

	return scaled < 2000 ? 2000 : scaled;
}

static bool is_marker(const struct seen *seen, const char *which)
{
	/* Ours, should the same test run twice on the machine. */
	return seen->kind == PROCOBSRV_EXEC && !seen->synthetic && !strcmp(seen->argv[0], MARKER) &&
	       !strcmp(seen->argv[1], which) && seen->ppid == (uint32_t)getpid();
}

static void feed(struct between *between, const struct seen *seen)
{
	if (between->census)
		census_feed(between->census, seen);
	if (is_marker(seen, "over"))
		between->over = true;
	if (is_marker(seen, "end"))
		between->ended = true;
	if (between->begun && !between->ended && seen->kind == PROCOBSRV_LOST) {
		between->lost[PROCOBSRV_START] += seen->lost.start;
		between->lost[PROCOBSRV_EXEC] += seen->lost.exec;
		between->lost[PROCOBSRV_EXIT] += seen->lost.exit;
		between->unknown += seen->lost.unknown;
		between->gaps++;
	} else if (between->begun && !between->ended && !seen->synthetic) {
		between->kinds[seen->kind]++;
		between->happened++;
	}
	if (is_marker(seen, "begin"))
		between->begun = true;
}

static void feed_event(const struct procobsrv_event *event, void *param)
{
	struct seen seen;

	seen_from_event(&seen, event);
	feed(param, &seen);
}

/* Handles one event while four happen. */
struct slow_handler {
	struct between *seen;
	const struct between *truth;
	_Atomic bool hurry;
};

static void feed_slowly(const struct procobsrv_event *event, void *param)
{
	struct slow_handler *slow = param;

	while (!slow->hurry && slow->truth->happened < 4 * slow->seen->happened)
		live_sleep_ms(1);
	feed_event(event, slow->seen);
}

static void read_lines(struct between *between, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t capacity = 0;
	char *line = NULL;

	EXPECT(file, "%s: %s", path, strerror(errno));
	while (getline(&line, &capacity, file) > 0) {
		json_t *object = json_loads(line, 0, NULL);
		struct seen seen;

		if (!object && line[strlen(line) - 1] != '\n')
			break; /* it is being written */
		EXPECT(object && !seen_from_json(&seen, object), "not a line of events: %.200s",
		       line);
		if (seen.kind < SEEN_BEGIN)
			feed(between, &seen);
		json_decref(object);
	}
	free(line);
	fclose(file);
}

static pid_t spawn(const char *const *argv)
{
	pid_t pid = fork();

	EXPECT(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return pid;
}
#define SPAWN(...) spawn((const char *const[]){__VA_ARGS__, NULL})

static void end(pid_t pid)
{
	EXPECT(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid, "process %d: %s", (int)pid,
	       strerror(errno));
}

static void mark(const char *which)
{
	struct workload workload;

	workload_start(&workload, "/bin/true", (const char *const[]){MARKER, which, NULL});
	workload_wait(&workload);
	workload_free(&workload);
}

/* Another process with the pid of one that has just ended. 0: this kernel does not let us choose.
 */
static pid_t take_pid(pid_t wanted)
{
	for (int tries = 0; tries < 1000; tries++) {
		int file = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
		char text[16];
		int length = snprintf(text, sizeof(text), "%d", (int)wanted - 1);
		bool written = file >= 0 && write(file, text, (size_t)length) == length;
		pid_t pid;

		if (file >= 0)
			close(file);
		if (!written)
			return 0;
		pid = SPAWN("sleep", "5004");
		if (pid == wanted)
			return pid;
		end(pid);
	}
	return 0;
}

/* Who lives through the gap, begins, ends or changes in it. */
struct actors {
	pid_t ends;
	pid_t execs;
	pid_t starts;
	pid_t reused; /* 0: not here */
};

static void wait_stopped(pid_t pid)
{
	siginfo_t info;

	EXPECT(!waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), "waitid: %s", strerror(errno));
}

static void before_the_gap(struct actors *actors)
{
	actors->ends = SPAWN("sleep", "5001");
	actors->execs = SPAWN("sh", "-c", "kill -STOP $$; exec sleep 5002");
	actors->reused = SPAWN("sleep", "5000");
	wait_stopped(actors->execs);
}

static void within_the_gap(struct actors *actors)
{
	end(actors->ends);
	EXPECT(!kill(actors->execs, SIGCONT), "kill: %s", strerror(errno));
	actors->starts = SPAWN("sleep", "5003");
	end(actors->reused);
	actors->reused = take_pid(actors->reused);
	/* Begins and ends in it: counted, not named. */
	mark("inside");
	live_sleep_ms(300);
}

static void expect_concluded(const struct census *census, const struct actors *actors)
{
	census_expect(census, actors->ends, CENSUS_EXIT, "sleep 5001");
	census_expect(census, actors->execs, CENSUS_EXEC, "sleep 5002");
	census_expect(census, actors->starts, CENSUS_START | CENSUS_EXEC, "sleep 5003");
	if (!actors->reused) {
		printf("# a pid cannot be chosen here: its reuse is not tried\n");
		return;
	}
	census_expect(census, actors->reused, CENSUS_EXIT, "sleep 5000");
	census_expect(census, actors->reused, CENSUS_START | CENSUS_EXEC, "sleep 5004");
}

static void expect_sums(const struct between *seen, const struct between *truth)
{
	EXPECT(seen->begun && seen->ended && truth->begun && truth->ended,
	       "the markers were not seen");
	EXPECT_EQUAL("lost of unknown kind", seen->unknown, 0);
	for (int kind = PROCOBSRV_START; kind <= PROCOBSRV_EXIT; kind++) {
		if (kind == PROCOBSRV_EXEC_FAILED)
			continue;
		printf("# %s: %" PRIu64 " happened, %" PRIu64 " delivered, %" PRIu64 " lost\n",
		       procobsrv_kind_name((enum procobsrv_kind)kind), truth->kinds[kind],
		       seen->kinds[kind], seen->lost[kind]);
		EXPECT_EQUAL("delivered and lost", seen->kinds[kind] + seen->lost[kind],
			     truth->kinds[kind]);
		EXPECT(seen->lost[kind] > storm_size() / 10, "hardly anything was lost");
	}
	fflush(stdout);
}

static void wait_happened(const struct between *truth, uint64_t events)
{
	uint64_t begin = live_begin_wait();

	while (truth->happened < events && live_goes_on(begin, 1))
		;
	EXPECT(truth->happened >= events, "%" PRIu64 " events came, not %" PRIu64, truth->happened,
	       events);
}

/* Until the resync has come to who began in the gap. */
static void wait_concluded(const char *path, pid_t who)
{
	uint64_t begin = live_begin_wait();
	static char line[65536];
	char pid[32];

	snprintf(pid, sizeof(pid), "\"pid\":%d,", (int)who);
	do {
		FILE *file = fopen(path, "re");
		bool found = false;

		EXPECT(file, "%s: %s", path, strerror(errno));
		while (!found && fgets(line, sizeof(line), file))
			found = strstr(line, "\"synthetic\":true") && strstr(line, "\"5003\"") &&
				strstr(line, pid);
		fclose(file);
		if (found)
			return;
	} while (live_goes_on(begin, 100));
	live_fail(__FILE__, __LINE__, "nothing is concluded about what happened in the gap");
}

/*
 * Until the reader has told of all that had happened when the storm was over, be it as lost: on
 * each cpu with its next event, or within a second.
 */
static void wait_told(const char *path, const struct between *truth)
{
	uint64_t begin = live_begin_wait();
	struct between then, seen;
	bool all;

	mark("over");
	while (!truth->over && live_goes_on(begin, 10))
		;
	memcpy(&then, truth, sizeof(then));
	do {
		seen = (struct between){0};
		read_lines(&seen, path);
		all = true;
		for (int kind = PROCOBSRV_START; kind <= PROCOBSRV_EXIT; kind++)
			all &= seen.kinds[kind] + seen.lost[kind] >= then.kinds[kind];
		if (all)
			return;
	} while (live_goes_on(begin, 200));
	live_fail(__FILE__, __LINE__, "the reader does not tell of all that happened");
}

static void stopped_reader(void)
{
	const char *path = live_path("events.json");
	const char *const argv[] = {"consctl",
				    "watch",
				    "-j",
				    "--kinds",
				    "existing,start,exec,exit,lost",
				    "--output",
				    path,
				    "--buffer-size",
				    "64K",
				    NULL};
	struct between truth = {0}, seen = {.census = census_create()};
	struct observation control = {.forget = true, .also = feed_event, .param = &truth};
	struct storms storms = {.processes = storm_size()};
	struct actors actors;
	struct console reader;
	const char *output;
	int status;

	observe_start(&control, NULL);
	console_start(&reader, "reader", argv);
	console_wait_watching(&reader);
	before_the_gap(&actors);
	live_sleep_ms(300);
	mark("begin");
	live_sleep_ms(300);
	EXPECT(!kill(reader.pid, SIGSTOP), "kill: %s", strerror(errno));
	storms_begin(&storms);
	/* More than the ring holds, whatever the size of each. */
	wait_happened(&truth, 1500);
	within_the_gap(&actors);
	storms_wait(&storms);
	EXPECT(!kill(reader.pid, SIGCONT), "kill: %s", strerror(errno));
	wait_concluded(path, actors.starts);
	wait_told(path, &truth);
	/* Another resync, if one was under way. */
	live_sleep_ms(1500);
	mark("end");
	live_sleep_ms(300);
	census_of_proc(seen.census);
	status = console_end(&reader, SIGTERM);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 3,
	       "consctl ended with wait status %#x: %s", (unsigned)status, console_errors(&reader));
	observe_stop(&control);
	read_lines(&seen, path);
	expect_sums(&seen, &truth);
	expect_concluded(seen.census, &actors);
	census_compare(seen.census);
	status = CONSCTL(&output, NULL, "verify", path);
	EXPECT_EQUAL("status of verify", status, 3);
	EXPECT(strstr(output, " 0 missing, 0 things"), "verify finds more than losses: %s", output);
	end(actors.execs);
	end(actors.starts);
	if (actors.reused)
		end(actors.reused);
	census_free(seen.census);
	observe_free(&control);
}

static int count_in(const struct procobsrv_process *process, void *param)
{
	struct seen seen = {
	    .kind = PROCOBSRV_EXISTING,
	    .id = process->id,
	    .pid = process->pid,
	    .argc = process->argc,
	    .argv = {process->argc > 0 ? process->argv[0] : "",
		     process->argc > 1 ? process->argv[1] : "", ""},
	};

	census_feed(param, &seen);
	return 0;
}

/* Until a monitor knows a process that begins now, and so all that began before. */
static void wait_known(struct procobsrv *monitor)
{
	const struct procobsrv_process *process = NULL;
	uint64_t begin = live_begin_wait();
	pid_t pid = SPAWN("sleep", "5005");
	bool known;

	do {
		known = !procobsrv_find(monitor, (uint32_t)pid, &process) &&
			process->ppid == (uint32_t)getpid();
		procobsrv_process_unref(process);
		process = NULL;
	} while (!known && live_goes_on(begin, 10));
	end(pid);
	EXPECT(known, "the monitor does not come to know process %d", (int)pid);
}

/* A queue without a disk behind it, whose handler is slow: the queue loses, the ring does not. */
static void full_queue(void)
{
	struct procobsrv_options options = {
	    .size = sizeof(options),
	    .flags = PROCOBSRV_NO_SPILL,
	    .queue_size = 256 << 10,
	};
	struct between truth = {0}, seen = {0};
	struct observation control = {.forget = true, .also = feed_event, .param = &truth};
	struct slow_handler handler = {.seen = &seen, .truth = &truth};
	struct observation slow = {
	    .forget = true, .may_lose = true, .also = feed_slowly, .param = &handler};
	struct storms storms = {.processes = storm_size()};
	struct census *census = census_create();
	struct procobsrv_statistics now;
	uint64_t begin;

	observe_start(&control, NULL);
	observe_start(&slow, &options);
	mark("begin");
	live_sleep_ms(300);
	storms_begin(&storms);
	storms_wait(&storms);
	handler.hurry = true;
	/* What is queued, and the resync after it. */
	begin = live_begin_wait();
	do
		EXPECT(!procobsrv_statistics(slow.monitor, &now, sizeof(now)), "statistics");
	while ((now.pending >= 100 || !now.resyncs) && live_goes_on(begin, 100));
	live_sleep_ms(1500);
	mark("end");
	/* Who has begun by then has come to the table when one has that began after it. */
	census_of_proc(census);
	wait_known(slow.monitor);
	EXPECT_ERROR(procobsrv_visit(slow.monitor, count_in, census), 0);
	census_compare(census);
	observe_stop(&slow);
	observe_stop(&control);
	expect_sums(&seen, &truth);
	EXPECT(slow.statistics.queue_peak <= 2 * options.queue_size,
	       "the queue took %" PRIu64 " bytes", slow.statistics.queue_peak);
	EXPECT_EQUAL("spilled bytes", slow.statistics.spill_total, 0);
	census_free(census);
	observe_free(&slow);
	observe_free(&control);
}

const struct live_test overflow_tests[] = {
    {"overflow_of_stopped_reader", stopped_reader, 120},
    {"overflow_of_queue", full_queue, 120},
    {NULL, NULL, 0},
};
