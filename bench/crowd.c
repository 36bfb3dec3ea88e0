/* SPDX-License-Identifier: MIT */
/*
 * crowd [options] READERS STORM...: a crowd of readers of the service while a storm blows; some of
 * them are stopped meanwhile, some are killed in its midst. Holds what each other one was told
 * against what the storm says that it did (truth.h): every process has its start, exec and exit,
 * once, in order; and what a reader was not told it has been told to miss, in exact numbers.
 *
 * Reads the service at PROCOBSRV_SERVICE_SOCKET. Prints a line of name=value for each reader, and
 * one of the crowd. Exit status: 0; 1 if a reader misses what it was not told to; 2: it could not
 * be tried.
 */
#include "crowd.h"
#include "truth.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS	    20
#define PATIENCE_MS 60000 /* without that anybody is told anything */

static const char usage[] =
    "usage: crowd [options] READERS STORM...\n"
    "  -n, --count N        processes of the storm\n"
    "  -c, --child PROGRAM  what it runs; its name must be nobody else's\n"
    "  -t, --truth FILE     where it says what it did\n"
    "  -s, --stopped N      readers that are stopped while the storm blows; 0\n"
    "  -k, --killed N       readers that are killed in its midst; 0\n"
    "STORM is the command, bench/storm with two workers, and the same -n, -c and -t.\n";

struct crowd {
	unsigned count;
	unsigned stopped; /* the first ones */
	unsigned killed;  /* those after them */
	uint64_t processes;
	char **storm_words;
	char *truth_path;
	struct crowd_storm storm;
	pid_t pids[CROWD_READERS_MAX];
	struct crowd_reader *readers;
	struct crowd_seen *seen; /* of all */
	pid_t storm_pid;
	int storm_status;
	uint64_t storm_ns;
	uint64_t last_ns; /* from the begin of the storm until the last one that ran had all */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int fail(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	return 2;
}

static struct crowd_seen *seen_of(const struct crowd *crowd, unsigned reader)
{
	return crowd->seen + reader * CROWD_WORKERS * crowd->storm.per_worker;
}

/* ---- its phases ---- */

static bool is_killed(const struct crowd *crowd, unsigned reader)
{
	return reader >= crowd->stopped && reader < crowd->stopped + crowd->killed;
}

static bool all_ready(const struct crowd *crowd, uint64_t phase)
{
	for (unsigned i = 0; i < crowd->count; i++)
		if (atomic_load(&crowd->readers[i].ready) < phase)
			return false;
	return true;
}

static bool half_is_told(const struct crowd *crowd, uint64_t count)
{
	for (unsigned i = crowd->stopped; i < crowd->count; i++)
		if (atomic_load(&crowd->readers[i].storm) >= count)
			return true;
	return crowd->stopped == crowd->count;
}

/* Those from `first` on, but for who was killed. */
static bool all_ended(const struct crowd *crowd, uint64_t first)
{
	for (unsigned i = (unsigned)first; i < crowd->count; i++)
		if (!is_killed(crowd, i) && !atomic_load(&crowd->readers[i].ended))
			return false;
	return true;
}

/* False: nobody is told anything any more, or a reader has ended by itself. */
static bool wait_until(struct crowd *crowd, bool (*is_so)(const struct crowd *, uint64_t),
		       uint64_t value)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
	uint64_t before = 0, moved_ns = now_ns();

	while (!is_so(crowd, value)) {
		uint64_t told = 0;
		for (unsigned i = 0; i < crowd->count; i++)
			told += atomic_load(&crowd->readers[i].told);
		if (told != before)
			moved_ns = now_ns();
		before = told;
		if (now_ns() - moved_ns > (uint64_t)PATIENCE_MS * 1000000) {
			fputs("crowd: nobody is told anything any more\n", stderr);
			return false;
		}
		nanosleep(&pause, NULL);
	}
	return true;
}

static int start_readers(struct crowd *crowd)
{
	size_t each = CROWD_WORKERS * crowd->storm.per_worker * sizeof(struct crowd_seen);

	crowd->readers = mmap(NULL, crowd->count * sizeof *crowd->readers, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	crowd->seen = mmap(NULL, crowd->count * each, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (crowd->readers == MAP_FAILED || crowd->seen == MAP_FAILED)
		return fail("memory");
	for (unsigned i = 0; i < crowd->count; i++) {
		crowd->pids[i] = fork();
		if (crowd->pids[i] < 0)
			return fail("fork");
		if (crowd->pids[i] > 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(crowd_read(&crowd->storm, &crowd->readers[i], seen_of(crowd, i)));
	}
	return wait_until(crowd, all_ready, 1) ? 0 : 2;
}

/* Runs a process that all readers know by its argument. */
static int mark(const struct crowd *crowd, const char *text)
{
	const char *slash = strrchr(crowd->storm.child, '/');
	char name[32], argument[8], ending[] = "0";
	char *arguments[] = {name, argument, ending, NULL};
	int status;
	pid_t pid;

	snprintf(name, sizeof name, "%s", slash ? slash + 1 : crowd->storm.child);
	snprintf(argument, sizeof argument, "%s", text);
	errno = posix_spawn(&pid, crowd->storm.child, NULL, NULL, arguments, environ);
	if (errno || waitpid(pid, &status, 0) != pid)
		return fail(crowd->storm.child);
	return 0;
}

static int start_storm(struct crowd *crowd)
{
	char **words = crowd->storm_words;

	errno = posix_spawn(&crowd->storm_pid, words[0], NULL, NULL, words, environ);
	return errno ? fail(words[0]) : 0;
}

static void signal_readers(const struct crowd *crowd, unsigned first, unsigned count, int number)
{
	for (unsigned i = first; i < first + count; i++)
		kill(crowd->pids[i], number);
}

static int run(struct crowd *crowd)
{
	if (start_readers(crowd) || mark(crowd, "begin") || !wait_until(crowd, all_ready, 2))
		return 2;
	signal_readers(crowd, 0, crowd->stopped, SIGSTOP);
	uint64_t begin = now_ns();
	if (start_storm(crowd))
		return 2;
	if (crowd->killed) {
		if (!wait_until(crowd, half_is_told, crowd->processes / 2))
			return 2;
		signal_readers(crowd, crowd->stopped, crowd->killed, SIGKILL);
	}
	if (waitpid(crowd->storm_pid, &crowd->storm_status, 0) != crowd->storm_pid ||
	    crowd->storm_status)
		return 2;
	crowd->storm_ns = now_ns() - begin;
	if (mark(crowd, "end") || !wait_until(crowd, all_ended, crowd->stopped))
		return 2;
	crowd->last_ns = now_ns() - begin;
	signal_readers(crowd, 0, crowd->stopped, SIGCONT);
	return wait_until(crowd, all_ended, 0) ? 0 : 2;
}

static void end_readers(const struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->count; i++) {
		if (crowd->pids[i] <= 0)
			continue;
		kill(crowd->pids[i], SIGKILL);
		waitpid(crowd->pids[i], NULL, 0);
	}
}

/* ---- what they were told ---- */

struct verdict {
	uint64_t missing[CROWD_KINDS]; /* of the storm */
	uint64_t wrong;		       /* told twice, or what was not so */
	uint64_t lost;
	uint64_t sums[CROWD_KINDS]; /* told, and told to be lost */
};

static void compare(const struct crowd *crowd, const struct truth *truth, unsigned index,
		    struct verdict *verdict)
{
	const struct crowd_reader *reader = &crowd->readers[index];
	const struct crowd_seen *seen = seen_of(crowd, index);

	*verdict = (struct verdict){.wrong = reader->strange + reader->disorder,
				    .lost = reader->lost_unknown + reader->lost_other};
	for (int kind = 0; kind < CROWD_KINDS; kind++) {
		verdict->lost += reader->lost[kind];
		verdict->sums[kind] = reader->lost[kind] + reader->events[kind];
	}
	for (uint64_t i = 0; i < truth->header->child_count; i++) {
		const struct truth_child *child = &truth->children[i];
		const struct crowd_seen *one =
		    &seen[crowd_worker(child->tag) * crowd->storm.per_worker +
			  crowd_index(child->tag)];

		for (int kind = 0; kind < CROWD_KINDS; kind++)
			verdict->missing[kind] += !(one->told & 1u << kind);
		verdict->wrong += one->twice != 0;
		if (one->told & 1u << CROWD_EXEC)
			verdict->wrong += one->pid != child->pid;
		if (one->told & 1u << CROWD_EXIT)
			verdict->wrong += one->code != child->code || one->signal != child->signal;
	}
}

/* Whether nothing is missing but what was told to be. */
static bool is_told(const struct crowd_reader *reader, const struct verdict *verdict, int kind)
{
	uint64_t lost = reader->lost[kind];

	/* Whose start and exit these are, is known by the exec in between. */
	if (kind != CROWD_EXEC)
		lost += reader->lost[CROWD_EXEC];
	return verdict->missing[kind] <= lost;
}

static bool adds_up(const struct crowd_reader *reader, const struct verdict *verdict,
		    const struct verdict *other)
{
	bool good = !verdict->wrong && !reader->lost_unknown && !reader->lost_other;

	for (int kind = 0; kind < CROWD_KINDS; kind++)
		good = good && verdict->sums[kind] == other->sums[kind] &&
		       is_told(reader, verdict, kind);
	return good;
}

static void print_reader(const struct crowd *crowd, unsigned index, const struct verdict *verdict,
			 bool good)
{
	const struct crowd_reader *reader = &crowd->readers[index];

	printf("reader=%u state=%s good=%d told=%" PRIu64 " lost=%" PRIu64 " gaps=%" PRIu64
	       " missing=%" PRIu64 ",%" PRIu64 ",%" PRIu64 " wrong=%" PRIu64 " sums=%" PRIu64
	       ",%" PRIu64 ",%" PRIu64 " spilled=%" PRIu64 " cpu_ns=%" PRIu64 "\n",
	       index, index < crowd->stopped ? "stopped" : "running", good,
	       atomic_load(&reader->told), verdict->lost, reader->gaps,
	       verdict->missing[CROWD_START], verdict->missing[CROWD_EXEC],
	       verdict->missing[CROWD_EXIT], verdict->wrong, verdict->sums[CROWD_START],
	       verdict->sums[CROWD_EXEC], verdict->sums[CROWD_EXIT], reader->spilled,
	       reader->cpu_ns);
}

static int judge(const struct crowd *crowd)
{
	static struct verdict verdicts[CROWD_READERS_MAX];
	struct truth truth;
	unsigned bad = 0, whole = 0, midst = 0;
	/* The last one was neither stopped nor killed, unless all were. */
	const struct verdict *other = &verdicts[crowd->count - 1];

	if (truth_open(crowd->truth_path, &truth))
		return 2;
	for (unsigned i = 0; i < crowd->count; i++)
		if (!is_killed(crowd, i))
			compare(crowd, &truth, i, &verdicts[i]);
	for (unsigned i = 0; i < crowd->count; i++) {
		bool good = adds_up(&crowd->readers[i], &verdicts[i], other);
		if (is_killed(crowd, i)) {
			midst += !crowd->readers[i].ended;
			continue;
		}
		print_reader(crowd, i, &verdicts[i], good);
		bad += !good;
		whole += !verdicts[i].lost;
	}
	truth_close(&truth);
	printf("crowd=%u stopped=%u killed=%u bad=%u whole=%u storm_ns=%" PRIu64 " last_ns=%" PRIu64
	       " events=%" PRIu64 "\n",
	       crowd->count, crowd->stopped, midst, bad, whole, crowd->storm_ns, crowd->last_ns,
	       other->sums[CROWD_START] + other->sums[CROWD_EXEC] + other->sums[CROWD_EXIT]);
	return bad || midst != crowd->killed;
}

/* ---- the command line ---- */

static _Noreturn void wrong_usage(void)
{
	fputs(usage, stderr);
	exit(2);
}

static void parse(int argc, char **argv, struct crowd *crowd)
{
	static const struct option names[] = {
	    {"count", required_argument, NULL, 'n'},  {"stopped", required_argument, NULL, 's'},
	    {"killed", required_argument, NULL, 'k'}, {"child", required_argument, NULL, 'c'},
	    {"truth", required_argument, NULL, 't'},  {NULL, 0, NULL, 0},
	};
	int option;

	/* +: what begins with '-' later is the storm's. */
	while ((option = getopt_long(argc, argv, "+n:s:k:c:t:", names, NULL)) != -1) {
		if (option == 'n')
			crowd->processes = strtoull(optarg, NULL, 10);
		else if (option == 's')
			crowd->stopped = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'k')
			crowd->killed = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'c')
			crowd->storm.child = optarg;
		else if (option == 't')
			crowd->truth_path = optarg;
		else
			wrong_usage();
	}
	if (optind + 2 > argc || !crowd->storm.child || !crowd->truth_path)
		wrong_usage();
	crowd->storm_words = argv + optind + 1;
	crowd->count = (unsigned)strtoul(argv[optind], NULL, 10);
	if (!crowd->count || crowd->count > CROWD_READERS_MAX ||
	    crowd->stopped + crowd->killed >= crowd->count || crowd->processes < CROWD_WORKERS)
		wrong_usage();
	crowd->storm.per_worker = crowd->processes / CROWD_WORKERS + 1;
}

int main(int argc, char **argv)
{
	static struct crowd crowd;

	parse(argc, argv, &crowd);
	int result = run(&crowd);
	if (!result)
		result = judge(&crowd);
	if (crowd.storm_pid > 0 && result == 2)
		kill(crowd.storm_pid, SIGKILL);
	end_readers(&crowd);
	return result;
}
