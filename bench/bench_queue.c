/* SPDX-License-Identifier: MIT */
/*
 * What it costs to pass a record through the queue: nanoseconds a record for append and take on one
 * thread, beside the bare copying of the same bytes, the median of several rounds.
 *
 *	bench_queue [ROUNDS]
 */
#include "procobsrv.h"
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECORDS_PER_ROUND 1000000
#define ROUNDS_DEFAULT	  9
#define ROUNDS_MAX	  99

/* The source's ring: records come from memory that is not in the nearest cache. */
#define RING_SIZE (8u << 20)

struct scene {
	const char *name;
	size_t batch;  /* records in an append */
	size_t behind; /* records that the taker is behind when it begins to take */
	uint32_t size; /* bytes of a record */
	bool spill;
	double nanoseconds[ROUNDS_MAX];
};

static struct scene scenes[] = {
    {.name = "copying alone", .batch = 0, .size = 320},
    {.name = "batches of 1", .batch = 1, .behind = 1, .size = 320},
    {.name = "batches of 10", .batch = 10, .behind = 10, .size = 320},
    {.name = "batches of 100", .batch = 100, .behind = 100, .size = 320},
    {.name = "batches of 100, records of 200 bytes", .batch = 100, .behind = 100, .size = 200},
    {.name = "batches of 100, records of 500 bytes", .batch = 100, .behind = 100, .size = 500},
    {.name = "batches of 100, 5,000 behind", .batch = 100, .behind = 5000, .size = 320},
    {.name = "batches of 100, through the disk",
     .batch = 100,
     .behind = 100000,
     .size = 320,
     .spill = true},
};

static char *ring;
static size_t ring_next;
static volatile unsigned sink;

static uint64_t processor_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static const void *next_record(uint32_t size)
{
	struct record_header *header;

	if (ring_next + size > RING_SIZE)
		ring_next = 0;
	header = (struct record_header *)(void *)(ring + ring_next);
	ring_next += (size + 7) / 8 * 8;
	header->size = size;
	header->kind = RECORD_EXEC;
	return header;
}

static double copy_alone(uint32_t size)
{
	static _Alignas(8) char there[256 * 1024];
	uint64_t begin = processor_ns();
	size_t used = 0;

	for (int i = 0; i < RECORDS_PER_ROUND; i++) {
		if (used + size > sizeof(there))
			used = 0;
		memcpy(there + used, next_record(size), size);
		used += size;
	}
	sink = (unsigned)there[used];
	return (double)(processor_ns() - begin) / RECORDS_PER_ROUND;
}

static void append(struct queue *queue, const struct scene *scene, uint64_t *position)
{
	struct source_record records[100];
	struct source_batch batch = {.records = records, .count = scene->batch};

	for (size_t i = 0; i < scene->batch; i++) {
		records[i].data = next_record(scene->size);
		records[i].size = scene->size;
		records[i].position = *position;
		*position += scene->size;
	}
	batch.resume = *position;
	queue_append(queue, &batch);
}

static void take_all(struct queue *queue)
{
	struct queue_batch batch;

	while (queue_take(queue, 0, 1000, &batch) == 0)
		for (size_t i = 0; i < batch.count; i++)
			sink += ((const struct record_header *)batch.records[i].data)->kind;
}

static double pass(const struct scene *scene)
{
	const struct queue_options options = {
	    .memory_size = 4 << 20,
	    .spill = scene->spill,
	    .spill_size = 1 << 30,
	};
	struct queue_statistics statistics;
	struct queue *queue;
	uint64_t position = 0, begin;

	if (queue_create(&options, &queue)) {
		fprintf(stderr, "bench_queue: %s\n", procobsrv_explain());
		exit(1);
	}
	begin = processor_ns();
	for (size_t done = 0; done < RECORDS_PER_ROUND; done += scene->behind) {
		for (size_t i = 0; i < scene->behind; i += scene->batch)
			append(queue, scene, &position);
		take_all(queue);
	}
	begin = processor_ns() - begin;
	queue_statistics(queue, &statistics);
	if (statistics.lost > 0 || (statistics.spill_total > 0) != scene->spill) {
		fprintf(stderr, "bench_queue: %s: %llu lost, %llu bytes spilled\n", scene->name,
			(unsigned long long)statistics.lost,
			(unsigned long long)statistics.spill_total);
		exit(1);
	}
	queue_destroy(queue);
	return (double)begin / RECORDS_PER_ROUND;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS_DEFAULT;
	double alone = 0;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench_queue [ROUNDS], 1 to %d\n", ROUNDS_MAX);
		return 2;
	}
	ring = calloc(1, RING_SIZE);
	if (!ring) {
		fprintf(stderr, "bench_queue: out of memory\n");
		return 1;
	}
	/* By turns, so that what else the machine does falls on all alike. */
	for (long round = 0; round < rounds; round++)
		for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
			scenes[i].nanoseconds[round] =
			    scenes[i].batch ? pass(&scenes[i]) : copy_alone(scenes[i].size);
	printf("ns a record, append and take   (as a multiple of copying it once)\n");
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		struct scene *scene = &scenes[i];
		double median;

		qsort(scene->nanoseconds, (size_t)rounds, sizeof(double), compare);
		median = scene->nanoseconds[rounds / 2];
		if (i == 0)
			alone = median;
		printf("%8.1f  %5.1f  %s\n", median, median / alone, scene->name);
	}
	free(ring);
	return 0;
}
