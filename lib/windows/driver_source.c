/* SPDX-License-Identifier: MIT */
/*
 * The source "driver": batches of records from the driver's ring, read by overlapped calls. The
 * driver keeps one ring for all; this client's numbers begin after what was before it, so that they
 * count from 1 as if the ring were its own. The resident reader's begin with the residence.
 */
#include "backends.h"
#include "driver_join.h"
#include "error.h"
#include "os.h"
#include "passed_log.h"
#include "process_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The system copies a reply through memory of its own, of the size that was asked for: while few
 * records come the least that the driver takes, else the most that it fills.
 */
#define BUFFER_LEAST (sizeof(struct ioctl_batch) + RECORD_SIZE_MAX)
#define BUFFER_MOST  (1u << 20)
/* What came until the end of observing is there; reading it takes no longer. */
#define LAST_WAIT_MS 20
/* A read that was cancelled ends at once; else the driver is gone. */
#define CANCEL_WAIT_MS 5000
#define KEEP_BYTES     (1u << 16)

struct source {
	struct driver_client client;
	bool resident;
	char limits[160];
	struct os_event *wake;

	/* The listener's: */
	OVERLAPPED overlapped;
	bool reading;	    /* buffer and overlapped are the driver's */
	char *buffer;	    /* BUFFER_MOST */
	size_t buffer_size; /* of it, for the next read */
	bool introduced;    /* where the stream begins has been told */
	struct arena index; /* struct source_record */
	uint64_t base;	    /* number before our first */

	pthread_mutex_t lock; /* guards what follows */
	uint64_t position;    /* after what was lent last */
	uint64_t number;      /* of the last record that was lent */
	uint64_t lost[RECORD_LOST_KINDS];
	uint64_t kept; /* released: before it all is delivered or on disk */
	uint64_t ring_peak;
	uint64_t wakeups;
	struct passed_log log; /* resident */
	bool detached;	       /* what comes after these is none of ours: */
	uint64_t end_position;
	uint64_t end_number;
};

static uint64_t sum(const uint64_t *counts)
{
	uint64_t total = 0;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		total += counts[kind];
	return total;
}

/* ---- open ---- */

static void describe_limits(struct source *source)
{
	if (source->client.driver_flags & IOCTL_DRIVER_HAS_COMMAND_LINE)
		return;
	snprintf(source->limits, sizeof(source->limits),
		 "this Windows tells its drivers no command lines: those of processes that start "
		 "are missing");
}

/* The records of a client bear what it lost; the resident reader's go on from the last one's. */
static int set_beginning(struct source *source)
{
	struct ioctl_information information;
	const struct ioctl_token *begin = &source->client.begin;
	DWORD error = driver_query(source->client.device, &information);

	if (error)
		return driver_name_error(error, "cannot ask the driver what it has");
	source->position = begin->position;
	source->base = source->resident ? source->client.resident_base : sum(begin->passed);
	source->number = sum(begin->passed) - source->base;
	if (source->resident)
		memcpy(source->lost, information.resident_lost, sizeof(source->lost));
	return 0;
}

static void free_source(struct source *source)
{
	if (source->overlapped.hEvent)
		CloseHandle(source->overlapped.hEvent);
	os_event_destroy(source->wake);
	arena_free(&source->index);
	passed_log_free(&source->log);
	free(source->buffer);
	pthread_mutex_destroy(&source->lock);
	free(source);
}

static struct source *create(const struct source_options *options)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	pthread_mutex_init(&source->lock, NULL);
	source->resident = options->resident;
	source->buffer = malloc(BUFFER_MOST);
	source->buffer_size = BUFFER_LEAST;
	source->wake = os_event_create();
	source->overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (source->buffer && source->wake && source->overlapped.hEvent)
		return source;
	free_source(source);
	return NULL;
}

static int driver_source_open(const struct source_options *options, struct source **opened)
{
	struct source *source = create(options);
	int error;

	if (!source)
		return error_set(PROCOBSRV_ERROR_MEMORY,
				 "no memory or handle is left for the driver's records");
	error = driver_join(options->resident, options->buffer_size, &source->client);
	if (!error && (error = set_beginning(source))) {
		char explanation[ERROR_TEXT_SIZE];
		error_save(explanation);
		driver_leave(&source->client);
		error_restore(explanation);
	}
	if (error) {
		free_source(source);
		return error;
	}
	describe_limits(source);
	*opened = source;
	return 0;
}

/* ---- what a batch holds ---- */

static bool is_sound(const struct record_header *header, size_t left)
{
	return left >= sizeof(*header) && header->size >= sizeof(*header) && header->size <= left &&
	       header->size % 8 == 0 && header->kind >= RECORD_START && header->kind <= RECORD_EXIT;
}

/* The token before the first record. */
static struct ioctl_token begin_of(const struct ioctl_batch *batch)
{
	struct ioctl_token token = batch->token;
	const char *cursor = (const char *)(batch + 1);

	token.position = batch->position;
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct record_header *header = (const void *)cursor;
		token.passed[RECORD_LOST_INDEX(header->kind)]--;
		cursor += header->size;
	}
	return token;
}

/* Gives the records their places. False: it is none of the driver's batches. */
static bool index_batch(struct source *source, const struct ioctl_batch *batch, size_t size)
{
	char *cursor = source->buffer + sizeof(*batch);
	uint64_t position = batch->position;
	size_t left = size - sizeof(*batch);

	arena_clear(&source->index, KEEP_BYTES);
	for (uint32_t i = 0; i < batch->count; i++) {
		struct record_header *header = (void *)cursor;
		struct source_record *entry;

		if (!is_sound(header, left) || !(entry = arena_add(&source->index, sizeof(*entry))))
			return false;
		*entry = (struct source_record){cursor, header->size, position};
		header->number -= source->base;
		position += header->size;
		cursor += header->size;
		left -= header->size;
	}
	return true;
}

/* What the next reader of the resident monitoring needs to be told where this one stopped. */
static void log_batch(struct source *source, const struct ioctl_batch *batch)
{
	struct ioctl_token begin = begin_of(batch);
	const struct source_record *records = (const void *)source->index.data;

	if (!passed_log_begin(&source->log, &begin))
		return;
	for (uint32_t i = 0; i < batch->count; i++)
		if (!passed_log_add(&source->log, records[i].data))
			return;
}

/* ---- lending ---- */

static void lend(struct source *source, size_t count, uint64_t resume, source_on_batch on_batch,
		 void *param)
{
	const struct source_batch lent = {
	    .stream = source->client.begin.stream,
	    .records = (const void *)source->index.data,
	    .count = count,
	    .resume = resume,
	};

	on_batch(&lent, param);
}

/* How many of the batch's records came before observing ended. */
static size_t count_wanted(const struct source *source, const struct ioctl_batch *batch)
{
	const struct source_record *records = (const void *)source->index.data;
	size_t count = batch->count;

	while (source->detached && count && records[count - 1].position >= source->end_position)
		count--;
	return count;
}

/* Observing has ended, and the last of what it had seen was evicted before it was read. */
static void lend_last_gap(struct source *source, uint64_t missing, source_on_batch on_batch,
			  void *param)
{
	struct {
		struct record_header header;
		struct record_gap gap;
	} record = {
	    .header = {.size = sizeof(record),
		       .version = RECORD_VERSION,
		       .kind = RECORD_GAP,
		       .time_ns = os_boot_ns()},
	    .gap = {.unknown = missing, .stage = RECORD_GAP_KERNEL},
	};
	struct source_record entry = {&record, sizeof(record), source->position};
	const struct source_batch lent = {
	    .stream = source->client.begin.stream,
	    .records = &entry,
	    .count = 1,
	    .resume = source->end_position,
	};

	on_batch(&lent, param);
}

static int lend_batch(struct source *source, size_t size, source_on_batch on_batch, void *param)
{
	const struct ioctl_batch *batch = (const void *)source->buffer;
	uint64_t missing = 0;

	if (size < sizeof(*batch) || batch->size != size || !index_batch(source, batch, size))
		return error_set(PROCOBSRV_ERROR_CORRUPT,
				 "the driver handed over what are no records: is it another's?");
	const struct source_record *records = (const void *)source->index.data;

	pthread_mutex_lock(&source->lock);
	size_t count = count_wanted(source, batch);
	uint64_t resume = count < batch->count ? source->end_position : batch->token.position;
	if (source->resident)
		log_batch(source, batch);
	if (count) {
		const struct record_header *last = records[count - 1].data;
		source->number = last->number;
		for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
			source->lost[kind] = batch->lost[kind];
	}
	if (count < batch->count && source->number < source->end_number)
		missing = source->end_number - source->number;
	pthread_mutex_unlock(&source->lock);

	lend(source, count, resume, on_batch, param);
	pthread_mutex_lock(&source->lock);
	source->position = resume;
	source->number += missing;
	pthread_mutex_unlock(&source->lock);
	if (missing)
		lend_last_gap(source, missing, on_batch, param);
	return 0;
}

/* ---- reading ---- */

static int read_failed(struct source *source, DWORD error)
{
	source->reading = false;
	if (error == ERROR_OPERATION_ABORTED)
		return 0; /* the thread that began it has ended: another goes on */
	return driver_name_error(error, "cannot read from the driver any more");
}

/* Waits for the read that is under way. True: it has ended. */
static bool wait_for_read(struct source *source, DWORD timeout_ms)
{
	HANDLE handles[] = {source->overlapped.hEvent, (HANDLE)os_event_handle(source->wake)};
	DWORD got = WaitForMultipleObjects(2, handles, FALSE, timeout_ms);

	os_event_clear(source->wake);
	return got == WAIT_OBJECT_0;
}

static bool has_ended(struct source *source)
{
	pthread_mutex_lock(&source->lock);
	bool ended = source->detached && source->position >= source->end_position;
	pthread_mutex_unlock(&source->lock);
	return ended;
}

static int driver_source_drain(struct source *source, int timeout_ms, source_on_batch on_batch,
			       void *param)
{
	DWORD wait_ms = timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms;
	DWORD error;
	size_t size;

	if (!source->introduced) {
		source->introduced = true;
		lend(source, 0, source->position, on_batch, param);
	}
	if (has_ended(source))
		return PROCOBSRV_ERROR_ENDED;
	if (!source->reading) {
		error = driver_begin_read(source->client.device, source->buffer,
					  source->buffer_size, &source->overlapped);
		if (error)
			return read_failed(source, error);
		source->reading = true;
	}
	if (source->detached && wait_ms < LAST_WAIT_MS)
		wait_ms = LAST_WAIT_MS;
	if (!wait_for_read(source, wait_ms))
		return 0;
	error = driver_finish_read(source->client.device, &source->overlapped, false, &size);
	if (error)
		return read_failed(source, error);
	source->reading = false;
	source->buffer_size = size > BUFFER_LEAST / 2 ? BUFFER_MOST : BUFFER_LEAST;
	pthread_mutex_lock(&source->lock);
	source->wakeups++;
	pthread_mutex_unlock(&source->lock);
	return lend_batch(source, size, on_batch, param);
}

static void driver_source_release(struct source *source, uint64_t position)
{
	pthread_mutex_lock(&source->lock);
	if (position > source->kept)
		source->kept = position;
	pthread_mutex_unlock(&source->lock);
}

static void driver_source_acknowledge(struct source *source, uint64_t position, uint64_t read,
				      uint64_t repeats)
{
	struct ioctl_token token;

	(void)read, (void)repeats; /* the token's counts tell; one driver repeats nothing */
	pthread_mutex_lock(&source->lock);
	bool known = passed_log_take(&source->log, position, &token);
	pthread_mutex_unlock(&source->lock);
	if (known)
		driver_acknowledge(source->client.device, &token);
}

static void driver_source_wake(struct source *source)
{
	os_event_set(source->wake);
}

/* The driver goes on for others; what it has now is the last of ours. */
static void driver_source_detach(struct source *source)
{
	struct ioctl_information information;
	DWORD error = driver_query(source->client.device, &information);

	pthread_mutex_lock(&source->lock);
	source->detached = true;
	source->end_position = error ? source->position : information.head;
	source->end_number = error ? source->number : information.number - source->base;
	pthread_mutex_unlock(&source->lock);
}

/* ---- looking ---- */

static uint64_t larger(uint64_t left, uint64_t right)
{
	return left > right ? left : right;
}

static void fill(struct source *source, const struct ioctl_information *information,
		 struct source_statistics *statistics)
{
	bool ended = source->detached;

	statistics->stream = information->stream;
	statistics->produced = ended ? source->end_position : information->head;
	statistics->ring_size = information->ring_size;
	statistics->sequence_count = 1;
	statistics->sequences[0].number =
	    ended ? source->end_number : information->number - source->base;
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		statistics->sequences[0].lost[kind] = (uint32_t)source->lost[kind];
	statistics->released = source->position;
	if (source->resident) {
		const struct ioctl_token *token = &information->resident_token;
		statistics->acknowledged = token->position;
		statistics->read =
		    sum(token->passed) - source->base - sum(information->resident_lost);
		/* What is not safe yet is in the ring as long as it is not evicted. */
		statistics->released =
		    larger(larger(token->position, information->tail), source->kept);
	}
	uint64_t used = statistics->produced - statistics->released;
	if (statistics->produced > statistics->released && used > source->ring_peak)
		source->ring_peak = used;
	statistics->ring_peak = source->ring_peak;
	statistics->wakeups = source->wakeups;
}

static int driver_source_statistics(struct source *source, struct source_statistics *statistics)
{
	struct ioctl_information information;
	DWORD error = driver_query(source->client.device, &information);

	if (error)
		return driver_name_error(error, "cannot ask the driver for its counters");
	memset(statistics, 0, offsetof(struct source_statistics, sequences));
	pthread_mutex_lock(&source->lock);
	fill(source, &information, statistics);
	pthread_mutex_unlock(&source->lock);
	return 0;
}

static int driver_source_snapshot(struct source *source, source_on_record on_record, void *param,
				  uint64_t *position)
{
	struct ioctl_information information;
	int error = process_list_snapshot(on_record, param);
	DWORD failure;

	if (error)
		return error;
	failure = driver_query(source->client.device, &information);
	if (failure)
		return driver_name_error(failure, "cannot ask the driver where it stands");
	pthread_mutex_lock(&source->lock);
	*position = source->detached ? source->end_position : information.head;
	pthread_mutex_unlock(&source->lock);
	return 0;
}

static const char *driver_source_limits(struct source *source)
{
	return source->limits[0] ? source->limits : NULL;
}

static void driver_source_close(struct source *source, bool forked)
{
	bool leaves_read = false;

	(void)forked; /* nobody forks here */
	if (source->reading) {
		/* Which ends the read; whose memory stays the driver's if it should not. */
		driver_deactivate(source->client.device);
		leaves_read =
		    WaitForSingleObject(source->overlapped.hEvent, CANCEL_WAIT_MS) != WAIT_OBJECT_0;
	}
	driver_leave(&source->client);
	if (!leaves_read)
		free_source(source);
}

const struct source_operations driver_source_operations = {
    .name = "driver",
    .open = driver_source_open,
    .drain = driver_source_drain,
    .release = driver_source_release,
    .acknowledge = driver_source_acknowledge,
    .wake = driver_source_wake,
    .detach = driver_source_detach,
    .statistics = driver_source_statistics,
    .snapshot = driver_source_snapshot,
    .limits = driver_source_limits,
    .close = driver_source_close,
};
