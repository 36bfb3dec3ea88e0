/* SPDX-License-Identifier: MIT */
/*
 * source_dump BACKEND [-r PID] [-s SECONDS] [-q] [-b BUFFER] [-w FILE] [-- COMMAND...]
 *
 * Opens one source by its name, without the library around it, and prints each record that it
 * lends, one line each; with -q only how many of each kind there were. With COMMAND it runs that
 * and follows its tree (or the machine, for sources that cannot follow a tree) until it has ended.
 * With -w the records of COMMAND and its descendants are also written to FILE as they came, each at
 * a multiple of 8 bytes.
 * Checks on the way what every source promises: records decode, numbers count up by one, positions
 * grow. Ends with 1 if a promise is broken.
 */
#include "error.h"
#include "os.h"
#include "procobsrv.h"
#include "record.h"
#include "source.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KINDS	   8
#define TREE_MAX   64
#define CHUNKS_MAX 64
#define CPUS_MAX   1024

struct dump {
	const struct source_operations *operations;
	struct source *source;
	bool quiet;
	uint64_t counts[KINDS];
	uint64_t records; /* all that were lent */
	uint64_t existing;
	uint64_t lost;
	uint64_t numbers[CPUS_MAX];
	uint64_t position;
	uint64_t broken;
	atomic_ullong drained;
	FILE *raw;		 /* NULL: records are not written */
	uint32_t tree[TREE_MAX]; /* pids of the command and its descendants */
	size_t tree_count;
	const struct source_record *chunks[CHUNKS_MAX]; /* whose record has not come yet */
	size_t chunk_count;
};

static const char *const kind_names[KINDS] = {"?",    "start",	  "exec",  "exec_failed",
					      "exit", "existing", "chunk", "gap"};

static void complain(struct dump *dump, const char *what)
{
	dump->broken++;
	printf("BROKEN: %s\n", what);
}

static void print_bytes(const char *name, struct record_bytes bytes, uint32_t missing)
{
	printf(" %s=", name);
	if (missing)
		printf("<%u>", missing);
	for (size_t i = 0; i < bytes.size && i < 200; i++) {
		unsigned char byte = (unsigned char)bytes.data[i];
		if (byte == 0)
			putchar(' ');
		else if (byte < 32 || byte > 126)
			printf("\\x%02x", byte);
		else
			putchar(byte);
	}
	if (bytes.size > 200)
		printf("...(%zu)", bytes.size);
}

static void print_record(const struct record_view *view)
{
	const struct record_body *body = view->body;

	flockfile(stdout); /* the snapshot is printed by another thread */
	if (view->cgroup)
		printf("cgroup=%" PRIu64 " %.*s", view->cgroup->id, (int)view->cgroup_path.size,
		       view->cgroup_path.data);
	else
		printf("%" PRIu64 " %s", view->header->number,
		       kind_names[view->header->kind % KINDS]);
	if (view->gap)
		printf(" unknown=%" PRIu64 " stage=%u", view->gap->unknown, view->gap->stage);
	if (body)
		printf(" %u@%" PRIu64 ".%06" PRIu64 " (%s) ppid=%u@%" PRIu64
		       " uid=%u euid=%u flags=%x "
		       "tty=%x sid=%u nspid=%u",
		       body->process.pid, body->process.start_ns / 1000000000,
		       body->process.start_ns / 1000 % 1000000, body->name, body->parent.pid,
		       body->parent.start_ns / 1000000000, body->credentials.uid,
		       body->credentials.euid, body->process_flags, body->tty, body->session_leader,
		       body->process.ns_pid);
	if (view->start)
		printf(" creator=%u", view->start->creator.pid);
	if (view->exit)
		printf(" code=%u signal=%u flags=%x cpu=%" PRIu64 " user=%" PRIu64
		       " system=%" PRIu64 " rss=%" PRIu64,
		       view->exit->code, view->exit->signal, view->exit->flags, view->exit->cpu_ns,
		       view->exit->user_ns, view->exit->system_ns, view->exit->max_rss_bytes);
	if (view->image) {
		static const char *const names[] = {"exe", "cwd", "filename", "interpreter",
						    "argv"};
		for (int i = 0; i < 5; i++)
			if (view->strings[i].size || record_missing(view->image, i))
				print_bytes(names[i], view->strings[i],
					    record_missing(view->image, i));
		printf(" image=%x inode=%" PRIu64 " mnt=%u", view->image->flags,
		       view->image->exe_inode, view->image->mount_namespace);
	}
	if (view->chunk)
		printf(" string=%u offset=%" PRIu64 " length=%u", view->chunk->string,
		       view->chunk->offset, view->chunk->length);
	putchar('\n');
	funlockfile(stdout);
}

static bool in_tree(const struct dump *dump, uint32_t pid)
{
	for (size_t i = 0; i < dump->tree_count; i++)
		if (dump->tree[i] == pid)
			return true;
	return false;
}

static void write_record(struct dump *dump, const struct source_record *record)
{
	static const char zeros[8];

	fwrite(record->data, 1, record->size, dump->raw);
	fwrite(zeros, 1, -record->size & 7, dump->raw);
}

/* Chunks come before their record, which tells whose they are, and in the same batch. */
static void write_of_tree(struct dump *dump, const struct source_record *record,
			  const struct record_view *view)
{
	if (view->chunk && dump->chunk_count < CHUNKS_MAX)
		dump->chunks[dump->chunk_count++] = record;
	if (!view->body)
		return;

	uint32_t pid = view->body->process.pid;
	if (view->start && in_tree(dump, view->body->parent.pid) && dump->tree_count < TREE_MAX)
		dump->tree[dump->tree_count++] = pid;
	for (size_t i = 0; i < dump->chunk_count; i++) {
		const struct record_header *chunk = dump->chunks[i]->data;
		if (in_tree(dump, pid) && chunk->cpu == view->header->cpu &&
		    chunk->number == view->header->number)
			write_record(dump, dump->chunks[i]);
	}
	if (in_tree(dump, pid))
		write_record(dump, record);
}

static void on_batch(const struct source_batch *batch, void *param)
{
	struct dump *dump = param;

	dump->records += batch->count;
	for (size_t i = 0; i < batch->count; i++) {
		const struct source_record *record = &batch->records[i];
		struct record_view view;

		if (record->position < dump->position)
			complain(dump, "a position went back");
		dump->position = record->position;
		if (record_decode(record->data, record->size, &view)) {
			complain(dump, "a record does not decode");
			continue;
		}
		dump->counts[view.header->kind % KINDS]++;
		if (view.gap)
			dump->lost += view.gap->unknown;
		else if (view.body) {
			uint64_t *number = &dump->numbers[view.header->cpu % CPUS_MAX];
			if (view.header->number != ++*number)
				complain(dump, "a number was left out");
			*number = view.header->number;
		}
		if (!dump->quiet)
			print_record(&view);
		if (dump->raw)
			write_of_tree(dump, record, &view);
	}
	dump->chunk_count = 0;
	dump->operations->release(dump->source, batch->resume);
	atomic_store(&dump->drained, batch->resume);
}

static void on_existing(const void *data, uint32_t size, void *param)
{
	struct dump *dump = param;
	struct record_view view;

	if (record_decode(data, size, &view) || view.header->kind != RECORD_EXISTING)
		complain(dump, "the snapshot's record does not decode");
	else if (!dump->quiet)
		print_record(&view);
	dump->existing++;
}

static void *take_snapshot(void *param)
{
	struct dump *dump = param;
	uint64_t position = 0;
	uint64_t begin = os_boot_ns();
	int error = dump->operations->snapshot(dump->source, on_existing, dump, &position);

	if (error)
		fprintf(stderr, "snapshot: %s\n", procobsrv_explain());
	else
		fprintf(stderr,
			"snapshot: %" PRIu64 " processes up to position %" PRIu64 ", %.1f ms\n",
			dump->existing, position, (double)(os_boot_ns() - begin) / 1e6);
	return NULL;
}

/* Starts the command; it waits for a byte on *go before it runs. */
static pid_t start_command(char **arguments, int *go)
{
	int ends[2];
	pid_t child;

	if (pipe(ends) || (child = fork()) < 0) {
		perror("source_dump");
		exit(125);
	}
	if (!child) {
		char byte;
		prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* the tracer is a sibling */
		close(ends[1]);
		if (read(ends[0], &byte, 1) == 1)
			execvp(*arguments, arguments);
		_exit(127);
	}
	close(ends[0]);
	*go = ends[1];
	return child;
}

static void print_sums(const struct dump *dump)
{
	struct source_statistics *statistics = calloc(1, sizeof *statistics);

	if (statistics && !dump->operations->statistics(dump->source, statistics))
		fprintf(stderr, "ring %" PRIu64 " KiB, %" PRIu64 " wake-ups\n",
			statistics->ring_size >> 10, statistics->wakeups);
	free(statistics);
	printf("start=%" PRIu64 " exec=%" PRIu64 " exit=%" PRIu64 " gap=%" PRIu64 " lost=%" PRIu64
	       " existing=%" PRIu64 " broken=%" PRIu64 "\n",
	       dump->counts[RECORD_START], dump->counts[RECORD_EXEC], dump->counts[RECORD_EXIT],
	       dump->counts[RECORD_GAP], dump->lost, dump->existing, dump->broken);
}

int main(int argc, char **argv)
{
	struct source_options options = {.record_kinds = UINT32_MAX, .max_args = UINT64_MAX};
	struct dump dump = {0};
	double seconds = 0;
	int go = -1, option, status = 0;
	pid_t child = 0;

	if (argc < 2)
		return fprintf(stderr, "usage: source_dump BACKEND [options] [-- COMMAND...]\n"), 2;
	for (size_t i = 0; source_backends[i]; i++)
		if (!strcmp(source_backends[i]->name, argv[1]))
			dump.operations = source_backends[i];
	if (!dump.operations)
		return fprintf(stderr, "source_dump: no backend %s\n", argv[1]), 2;
	optind = 2;
	while ((option = getopt(argc, argv, "+r:s:b:w:qe")) != -1) {
		if (option == 'r')
			options.root_pid = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 's')
			seconds = strtod(optarg, NULL);
		else if (option == 'b')
			options.buffer_size = strtoull(optarg, NULL, 0);
		else if (option == 'w' && !(dump.raw = fopen(optarg, "wb")))
			return perror(optarg), 1;
		else if (option == 'w')
			continue;
		else if (option == 'q')
			dump.quiet = true;
		else if (option == 'e')
			options.capture_env = true;
		else
			return 2;
	}
	if (optind < argc) {
		options.root_pid = (uint32_t)(child = start_command(argv + optind, &go));
		dump.tree[dump.tree_count++] = options.root_pid;
	}

	uint64_t begin = os_boot_ns();
	int error = dump.operations->open(&options, &dump.source);
	if (error) {
		fprintf(stderr, "source_dump: %s: %s\n", procobsrv_strerror(error),
			procobsrv_explain());
		return 1;
	}
	fprintf(stderr, "open: %.1f ms; limits: %s\n", (double)(os_boot_ns() - begin) / 1e6,
		dump.operations->limits(dump.source));
	pthread_t thread;
	pthread_create(&thread, NULL, take_snapshot, &dump);
	bool joined = false, ended = false, detached = false;
	begin = os_boot_ns();
	for (;;) {
		uint64_t records = dump.records;
		error = dump.operations->drain(dump.source, 100, on_batch, &dump);
		/* Sources of a tree say when it has ended, the others go on for ever. */
		if (!error && detached && dump.records == records)
			error = PROCOBSRV_ERROR_ENDED;
		if (error)
			break;
		if (!joined && !pthread_tryjoin_np(thread, NULL)) {
			joined = true;
			begin = os_boot_ns();
			if (go >= 0 && write(go, "", 1) != 1)
				perror("source_dump: write");
		}
		if (child && joined && !ended && waitpid(child, &status, WNOHANG) == child) {
			ended = true;
			fprintf(stderr, "command: %.1f ms, status %x\n",
				(double)(os_boot_ns() - begin) / 1e6, (unsigned)status);
			if (!seconds) {
				dump.operations->detach(dump.source);
				detached = true;
			}
		} else if (seconds && (double)(os_boot_ns() - begin) > seconds * 1e9) {
			dump.operations->detach(dump.source);
			detached = true;
			seconds = 0;
		}
	}
	if (error != PROCOBSRV_ERROR_ENDED)
		fprintf(stderr, "drain: %s\n", procobsrv_explain());
	if (!joined)
		pthread_join(thread, NULL);
	if (child && !ended)
		waitpid(child, &status, 0);
	print_sums(&dump);
	dump.operations->close(dump.source, false);
	if (dump.raw && fclose(dump.raw))
		return perror("source_dump: cannot write the records"), 1;
	return dump.broken || error != PROCOBSRV_ERROR_ENDED;
}
