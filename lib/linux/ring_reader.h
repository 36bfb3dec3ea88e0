/* SPDX-License-Identifier: MIT */
/*
 * Reads a BPF ring buffer through a mapping of our own, as Documentation/bpf/ringbuf.rst has it.
 * Reading and giving back are apart: what has been read stays in the ring until it is released, so
 * that a reader who dies loses nothing.
 */
#ifndef PROCOBSRV_LIB_LINUX_RING_READER_H
#define PROCOBSRV_LIB_LINUX_RING_READER_H

#include "os.h"
#include "source.h"

#include <stdatomic.h>

struct ring_reader {
	uint64_t size; /* of the ring's data, a power of two */
	size_t page_size;
	void *consumer_page;
	void *producer_pages;	    /* the producer's page, then the data twice */
	const char *data;	    /* within producer_pages */
	_Atomic uint32_t *waiting;  /* observer_state.reader_waiting; borrowed */
	_Atomic uint64_t *consumer; /* what has been given back */
	const _Atomic uint64_t *producer;
	uint64_t position;     /* what has been read */
	int epoll;	       /* of the ring and of wake */
	struct os_event *wake; /* ends a wait */
	_Atomic uint64_t wakeups;
};

/* `ring` and `waiting` stay the caller's. Continues at what was given back last. */
int ring_reader_open(struct ring_reader *reader, int ring, uint64_t size, uint32_t *waiting);
/* `forked`: in a child, which has no copy of the mappings. */
void ring_reader_close(struct ring_reader *reader, bool forked);

/*
 * Reads on: up to `most` records that lie before `end`, and moves the position behind them (and
 * behind what was discarded). They are valid until released. Returns how many.
 */
size_t ring_reader_take(struct ring_reader *reader, uint64_t end, struct source_record *records,
			size_t most);

/* The position after the last record that has been reserved. Any thread. */
uint64_t ring_reader_produced(const struct ring_reader *reader);
uint64_t ring_reader_released(const struct ring_reader *reader);
/* Gives back what lies before `position`. Any thread. */
void ring_reader_release(struct ring_reader *reader, uint64_t position);

/* Lets time pass without being woken by records. True: ring_reader_wake() was called. */
bool ring_reader_pause(struct ring_reader *reader, uint64_t duration_ns);
/* Sleeps until there is something to read, or the time is over. True: as above. */
bool ring_reader_sleep(struct ring_reader *reader, int timeout_ms);
/* Ends a pause or a sleep, or the next one. Any thread. */
void ring_reader_wake(struct ring_reader *reader);

#endif
