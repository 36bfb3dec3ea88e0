/* SPDX-License-Identifier: MIT */
#include "ring_reader.h"

#include "error.h"

#include <errno.h>
#include <linux/bpf.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Nobody sleeps longer than this beside records, should a wake-up ever be lost. */
#define NET_MS 100

/* What precedes each record in the ring. */
struct ring_header {
	_Atomic uint32_t length; /* BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT */
	uint32_t page;
};

static int map_pages(struct ring_reader *reader, int ring)
{
	size_t page = reader->page_size;
	void *consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);

	if (consumer == MAP_FAILED)
		return error_set_errno(errno, "cannot map the position of the ring's reader");
	size_t length = page + 2 * reader->size;
	void *producer = mmap(NULL, length, PROT_READ, MAP_SHARED, ring, (off_t)page);
	if (producer == MAP_FAILED) {
		int error = errno;
		munmap(consumer, page);
		return error_set_errno(error, "cannot map %zu bytes of the observer's ring",
				       length);
	}
	/* A child of the embedding program must not hold our ring. */
	madvise(consumer, page, MADV_DONTFORK);
	madvise(producer, length, MADV_DONTFORK);
	reader->consumer_page = consumer;
	reader->consumer = consumer;
	reader->producer_pages = producer;
	reader->producer = producer;
	reader->data = (const char *)producer + page;
	return 0;
}

static int watch(int epoll, int descriptor, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = descriptor};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int ring_reader_open(struct ring_reader *reader, int ring, uint64_t size, uint32_t *waiting)
{
	memset(reader, 0, sizeof *reader);
	reader->size = size;
	reader->page_size = (size_t)sysconf(_SC_PAGESIZE);
	reader->waiting = (_Atomic uint32_t *)waiting;
	reader->epoll = -1;
	int error = map_pages(reader, ring);
	if (error)
		return error;
	reader->wake = os_event_create();
	reader->epoll = epoll_create1(EPOLL_CLOEXEC);
	/*
	 * The ring polls readable as long as anything has not been given back, also what has been
	 * read long since; so it is taken edge-triggered: only the kernel's wake-ups count.
	 */
	if (!reader->wake || reader->epoll < 0 || watch(reader->epoll, ring, EPOLLIN | EPOLLET) ||
	    watch(reader->epoll, (int)os_event_handle(reader->wake), EPOLLIN)) {
		error = error_set_errno(errno, "cannot wait for the observer's ring");
		ring_reader_close(reader, false);
		return error;
	}
	reader->position = ring_reader_released(reader);
	return 0;
}

void ring_reader_close(struct ring_reader *reader, bool forked)
{
	if (reader->epoll >= 0)
		close(reader->epoll);
	os_event_destroy(reader->wake);
	if (!forked) {
		munmap(reader->producer_pages, reader->page_size + 2 * reader->size);
		munmap(reader->consumer_page, reader->page_size);
	}
}

uint64_t ring_reader_produced(const struct ring_reader *reader)
{
	return atomic_load_explicit(reader->producer, memory_order_acquire);
}

uint64_t ring_reader_released(const struct ring_reader *reader)
{
	return atomic_load_explicit(reader->consumer, memory_order_acquire);
}

void ring_reader_release(struct ring_reader *reader, uint64_t position)
{
	uint64_t before = atomic_load_explicit(reader->consumer, memory_order_relaxed);

	/* Two threads may release: the later position wins. */
	while (before < position &&
	       !atomic_compare_exchange_weak_explicit(reader->consumer, &before, position,
						      memory_order_release, memory_order_relaxed))
		;
}

size_t ring_reader_take(struct ring_reader *reader, uint64_t end, struct source_record *records,
			size_t most)
{
	uint64_t position = reader->position;
	size_t count = 0;

	while (position < end && count < most) {
		const char *place = reader->data + (position & (reader->size - 1));
		const struct ring_header *header = (const struct ring_header *)place;
		uint32_t length = atomic_load_explicit(&header->length, memory_order_acquire);

		if (length & BPF_RINGBUF_BUSY_BIT)
			break; /* reserved, not yet written: the order is the ring's */
		uint32_t size = length & ~(uint32_t)BPF_RINGBUF_DISCARD_BIT;
		if (!(length & BPF_RINGBUF_DISCARD_BIT))
			records[count++] = (struct source_record){
			    .data = place + BPF_RINGBUF_HDR_SZ,
			    .size = size,
			    .position = position,
			};
		position += ((uint64_t)size + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;
	}
	reader->position = position;
	return count;
}

void ring_reader_wake(struct ring_reader *reader)
{
	os_event_set(reader->wake);
}

bool ring_reader_pause(struct ring_reader *reader, uint64_t duration_ns)
{
	struct pollfd wake = {.fd = (int)os_event_handle(reader->wake), .events = POLLIN};
	struct timespec duration = {
	    .tv_sec = (time_t)(duration_ns / 1000000000),
	    .tv_nsec = (long)(duration_ns % 1000000000),
	};

	if (ppoll(&wake, 1, &duration, NULL) <= 0)
		return false;
	os_event_clear(reader->wake);
	return true;
}

bool ring_reader_sleep(struct ring_reader *reader, int timeout_ms)
{
	struct epoll_event events[2];
	bool woken = false;

	if (timeout_ms < 0 || timeout_ms > NET_MS)
		timeout_ms = NET_MS;
	atomic_store_explicit(reader->waiting, 1, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
	/* From here on a program that commits a record sees the flag; what was reserved before is
	 * seen here, also if it is not written yet. */
	if (ring_reader_produced(reader) == reader->position) {
		int count = epoll_wait(reader->epoll, events, 2, timeout_ms);
		for (int i = 0; i < count; i++)
			if (events[i].data.fd == (int)os_event_handle(reader->wake))
				woken = true;
		atomic_fetch_add_explicit(&reader->wakeups, 1, memory_order_relaxed);
	} else {
		woken = ring_reader_pause(reader, 20000);
	}
	atomic_store_explicit(reader->waiting, 0, memory_order_relaxed);
	if (woken)
		os_event_clear(reader->wake);
	return woken;
}
