/* SPDX-License-Identifier: MIT */
/*
 * storm - makes processes as fast as the machine can, and writes down each one (truth.h).
 *
 * A load generator for the benchmarks, and the ground truth of the live tests: whoever observed
 * while it ran must have seen exactly what its truth file says.
 */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 255u

static const char usage[] =
    "usage: storm [options]\n"
    "Makes processes as fast as it can, and writes down each one.\n"
    "\n"
    "  -n, --count N           how many processes (threads in mode threads); 10000\n"
    "  -j, --workers N         worker processes that make them side by side; 2\n"
    "  -m, --mode MODE         fork, vfork-exec, spawn, threads, mixed; vfork-exec\n"
    "  -t, --truth FILE        write what was made to FILE (bench/truth.h tells the layout)\n"
    "  -a, --args BYTES        bytes of padding in the arguments; 0\n"
    "  -r, --rate N            processes per second, all workers together; as fast as it goes\n"
    "  -x, --exit-codes WHICH  spread (0 to 255 in turn) or one number for all; spread\n"
    "  -s, --signal-every N    every Nth process of a worker ends by SIGTERM; 0: none\n"
    "  -H, --hold SECONDS      all live at once: once made they are held for so long, then ended "
    "by\n"
    "                          SIGTERM in the order in which they were made\n"
    "  -c, --child PROGRAM     the program that is run; storm_child beside this program\n"
    "  -h, --help\n"
    "\n"
    "Prints one line: N processes, N threads, SECONDS s, N processes/s. Exit status: 0; 1 if\n"
    "a process could not be made or did not end as it was told to; 2 wrong usage.\n";

static const struct {
	const char *name;
	enum truth_mode mode;
} modes[] = {
    {"fork", TRUTH_FORK},	{"vfork-exec", TRUTH_VFORK_EXEC}, {"spawn", TRUTH_SPAWN},
    {"threads", TRUTH_THREADS}, {"mixed", TRUTH_MIXED},
};

uint64_t storm_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void wrong_usage(const char *option, const char *value)
{
	fprintf(stderr, "storm: %s: '%s' will not do; see storm --help\n", option, value);
	exit(2);
}

static uint64_t parse_number(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < least ||
	    value > most)
		wrong_usage(option, text);
	return value;
}

static enum truth_mode parse_mode(const char *text)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(modes[i].name, text) == 0)
			return modes[i].mode;
	wrong_usage("--mode", text);
	return 0;
}

/* storm_child lies beside this program. */
static const char *default_child(void)
{
	static char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof("/" TRUTH_NAME));
	char *slash;

	if (length < 0) {
		fprintf(stderr, "storm: /proc/self/exe: %s; name the child with --child\n",
			strerror(errno));
		exit(1);
	}
	path[length] = '\0';
	slash = strrchr(path, '/');
	memcpy(slash + 1, TRUTH_NAME, sizeof(TRUTH_NAME));
	return path;
}

static void parse_options(int argc, char **argv, struct storm_options *options)
{
	static const struct option names[] = {
	    {"count", required_argument, NULL, 'n'},
	    {"workers", required_argument, NULL, 'j'},
	    {"mode", required_argument, NULL, 'm'},
	    {"truth", required_argument, NULL, 't'},
	    {"args", required_argument, NULL, 'a'},
	    {"rate", required_argument, NULL, 'r'},
	    {"exit-codes", required_argument, NULL, 'x'},
	    {"signal-every", required_argument, NULL, 's'},
	    {"hold", required_argument, NULL, 'H'},
	    {"child", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:j:m:t:a:r:x:s:H:c:h", names, NULL)) != -1) {
		switch (option) {
		case 'n':
			options->count = parse_number("--count", optarg, 1, 1u << 28);
			break;
		case 'j':
			options->workers =
			    (uint32_t)parse_number("--workers", optarg, 1, WORKERS_MAX);
			break;
		case 'm':
			options->mode = parse_mode(optarg);
			break;
		case 't':
			options->truth = optarg;
			break;
		case 'a':
			options->args_size = parse_number("--args", optarg, 0, 6u << 20);
			break;
		case 'r':
			options->rate = parse_number("--rate", optarg, 0, 1000000000);
			break;
		case 'x':
			options->spread = strcmp(optarg, "spread") == 0;
			if (!options->spread)
				options->code =
				    (uint8_t)parse_number("--exit-codes", optarg, 0, 255);
			break;
		case 's':
			options->signal_every = parse_number("--signal-every", optarg, 0, 1u << 28);
			break;
		case 'H':
			options->hold = true;
			options->hold_seconds =
			    (uint32_t)parse_number("--hold", optarg, 0, 1u << 20);
			break;
		case 'c':
			options->child = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs("storm: see storm --help\n", stderr);
			exit(2);
		}
	}
	if (optind < argc)
		wrong_usage("arguments", argv[optind]);
	if (options->child == NULL)
		options->child = default_child();
}

/* Everything that workers write down: one piece of memory that they share. */
static struct truth_header *create_truth(const struct storm_options *options, size_t *size)
{
	uint64_t children = options->mode == TRUTH_THREADS ? 0 : options->count;
	struct truth_header *header;

	*size = sizeof(struct truth_header) + options->workers * sizeof(struct truth_worker) +
		children * sizeof(struct truth_child);
	header = mmap(NULL, *size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (header == MAP_FAILED) {
		fprintf(stderr, "storm: no memory for %zu bytes: %s\n", *size, strerror(errno));
		exit(1);
	}
	header->magic = TRUTH_MAGIC;
	header->version = TRUTH_VERSION;
	header->mode = options->mode;
	header->storm_pid = (uint32_t)getpid();
	header->worker_count = options->workers;
	header->child_count = children;
	header->args_size = options->args_size;
	return header;
}

static void write_truth(const char *path, const void *data, size_t size)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const char *rest = data;

	while (file >= 0 && size > 0) {
		ssize_t written = write(file, rest, size);

		if (written <= 0)
			break;
		rest += written;
		size -= (size_t)written;
	}
	if (file < 0 || size > 0 || close(file) < 0) {
		fprintf(stderr, "storm: %s: %s\n", path, strerror(errno));
		exit(1);
	}
}

/* Starts the workers, which wait on the gate until all are there, so that they begin together. */
static void start_workers(const struct storm_options *options, struct truth_header *header,
			  const int gate[2])
{
	struct truth_worker *workers = (struct truth_worker *)(header + 1);
	struct truth_child *children = (struct truth_child *)(workers + options->workers);
	uint64_t share = options->count / options->workers;
	uint64_t rest = options->count % options->workers;
	char go;

	for (uint32_t i = 0; i < options->workers; i++) {
		uint64_t count = share + (i < rest);
		pid_t pid = fork();

		if (pid < 0) {
			fprintf(stderr, "storm: fork: %s\n", strerror(errno));
			exit(1);
		}
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(gate[1]);
			if (read(gate[0], &go, 1) < 0)
				_exit(1);
			_exit(storm_work(options, i, count, children, &workers[i]));
		}
		workers[i].pid = (uint32_t)pid;
		children += options->mode == TRUTH_THREADS ? 0 : count;
	}
}

static int wait_workers(const struct truth_header *header)
{
	const struct truth_worker *workers = (const struct truth_worker *)(header + 1);
	int failed = 0;

	for (uint32_t i = 0; i < header->worker_count; i++) {
		int status;

		if (waitpid((pid_t)workers[i].pid, &status, 0) < 0 || status != 0)
			failed = 1;
	}
	return failed;
}

int main(int argc, char **argv)
{
	struct storm_options options = {
	    .count = 10000, .workers = 2, .mode = TRUTH_VFORK_EXEC, .spread = true};
	struct truth_header *header;
	const struct truth_worker *workers;
	int gate[2];
	size_t size;
	uint64_t processes = 0;
	double seconds;

	parse_options(argc, argv, &options);
	header = create_truth(&options, &size);
	workers = (const struct truth_worker *)(header + 1);
	/* Differs between storms, so that two at once can be told apart. */
	options.tag_base = (storm_clock_ns() >> 10 & 0xffff) << 48;
	if (pipe2(gate, O_CLOEXEC) < 0) {
		fprintf(stderr, "storm: pipe: %s\n", strerror(errno));
		return 1;
	}
	start_workers(&options, header, gate);

	header->begin_ns = storm_clock_ns();
	close(gate[1]);
	if (wait_workers(header) != 0)
		return 1;
	header->end_ns = storm_clock_ns();

	for (uint32_t i = 0; i < header->worker_count; i++) {
		processes += workers[i].child_count;
		header->thread_count += workers[i].thread_count;
	}
	seconds = (double)(header->end_ns - header->begin_ns) / 1e9;
	if (options.truth != NULL)
		write_truth(options.truth, header, size);
	printf("%llu processes, %llu threads, %.6f s, %.0f processes/s\n",
	       (unsigned long long)processes, (unsigned long long)header->thread_count, seconds,
	       (double)processes / seconds);
	return 0;
}
