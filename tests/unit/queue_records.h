/* SPDX-License-Identifier: MIT */
/* Records whose whole content follows from their number, and an account of what came out. */
#ifndef PROCOBSRV_TESTS_QUEUE_RECORDS_H
#define PROCOBSRV_TESTS_QUEUE_RECORDS_H

#include "queue.h"

/* Most records of one batch. */
#define FEED_MOST 256

/* What is fed: the numbers from `next` on. Positions are the sum of the sizes before. */
struct feeder {
	struct queue *queue;
	uint64_t stream;
	uint64_t next;
	uint64_t position;
};

uint16_t number_kind(uint64_t number);
uint32_t number_size(uint64_t number);
/* Writes record `number` into memory of RECORD_SIZE_MAX, aligned to 8. */
void number_record(uint64_t number, void *memory);

/* Appends `count` records, as one batch if there are FEED_MOST at most. */
void feed(struct feeder *feeder, size_t count);

/* What must come out: the numbers from `next` on, or gaps that stand for exactly those missing. */
struct account {
	uint64_t next;
	uint64_t position; /* of the next record */
	uint64_t records;
	uint64_t gaps;
	struct record_gap gap;		  /* the last one that came, if `in_gap` */
	bool in_gap;			  /* it has not been held against a record yet */
	uint64_t told[RECORD_LOST_KINDS]; /* by all gaps */
	uint64_t lost;			  /* sum of those */
};

/* Checks each record of a batch, fails the test at the first that is wrong. */
void account_batch(struct account *account, const struct queue_batch *batch);
/* The same for what a source lends. */
void account_record(struct account *account, const struct source_record *record);
/* Checks that nothing is missing before `end`. */
void account_end(struct account *account, uint64_t end);

/* Takes all that is there now; returns the last code. */
int drain(struct queue *queue, struct account *account);

/* Spill files in a directory. */
size_t directory_count(const char *directory);

/* A queue with little memory that keeps its spill files in `directory`. */
#define QUEUE_MEMORY (256u * 1024)
struct queue *make_spilling_queue(const char *directory, uint64_t spill_size);

struct queue_statistics statistics_of(struct queue *queue);

/* A queue cannot use the directory: events are lost, told with the errno, and it goes on. */
void check_unusable_directory(const char *directory, int error);

#endif
