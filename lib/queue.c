/* SPDX-License-Identifier: MIT */
/*
 * The queue, in the order in which records are taken:
 *
 *	front: full segments in memory | blocks on disk | tail: the segment being filled | gap
 *
 * The tail belongs to the listener, who writes records into it without a lock and publishes them
 * once a batch. A full tail joins the front if nothing is on disk and there is memory for another,
 * else it is written to disk as one block. Where neither is possible records are counted in the
 * gap; every segment keeps room for a gap record at its end, so that a gap can always be told in
 * the place where it was, before anything that comes later.
 */
#include "queue.h"
#include "error.h"
#include "segment.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SEGMENT_SIZE_MAX (256u * 1024)
/* A record of the largest size and a gap find room in each. */
#define SEGMENT_SIZE_MIN (72u * 1024)
#define SEGMENTS_MIN	 3 /* one lent, one being filled, one being read back */
#define SEGMENTS_KEPT	 4 /* unused ones that are not given back to the system */

#define GAP_SIZE (sizeof(struct record_header) + sizeof(struct record_gap))

struct gap_record {
	struct record_header header;
	struct record_gap gap;
};
_Static_assert(sizeof(struct gap_record) == GAP_SIZE, "a gap record has no padding");

/* Records that were given up and are not yet told. */
struct gap {
	uint64_t events; /* sum of counts; 0: nothing to tell */
	uint64_t stream;
	uint64_t position; /* of the first of them */
	uint64_t resume;   /* not beyond what comes after the last of them */
	struct record_gap counts;
};

/* The last record whose chunk was given up, by cpu: what remains of it is given up too. */
#define BROKEN_SLOTS 1024
struct broken {
	uint32_t cpu;
	int error; /* why; 0: the slot is free */
	uint64_t number;
};

struct queue {
	uint64_t memory_size;
	size_t segment_size; /* of memory[] */
	bool spill;
	struct os_event *readable;
	uint32_t process; /* that made it */

	pthread_mutex_t lock;
	pthread_cond_t taker;	   /* there may be something to take */
	pthread_cond_t positioned; /* position has grown, or the end has come */
	/* Under the lock: */
	struct segment *front, **front_end;
	struct segment *unused;
	size_t unused_count;
	uint64_t allocated; /* bytes of all segments */
	uint64_t memory_peak;
	struct segment *lent;
	struct gap gap;
	uint64_t position;
	unsigned position_waiters;
	bool taker_waits, woken, ended, readable_set;
	uint64_t lost;

	/* The listener's: */
	struct segment *tail; /* changes under the lock only */
	bool dropping;	      /* gap may have something to tell */
	bool any_broken;
	struct broken *broken;

	/* The taker's: */
	struct gap_record lent_gap;
	struct source_record lent_gap_entry;

	atomic_uint_fast64_t appended, taken; /* events */
};

static size_t segment_bytes(const struct queue *queue)
{
	return sizeof(struct segment) + queue->segment_size;
}

static void count_peak(struct queue *queue)
{
	uint64_t used = queue->allocated - queue->unused_count * segment_bytes(queue);

	if (used > queue->memory_peak)
		queue->memory_peak = used;
}

/* An empty segment within the bound, or NULL and errno. */
static struct segment *segment_obtain(struct queue *queue)
{
	struct segment *segment = queue->unused;

	if (segment) {
		queue->unused = segment->next;
		queue->unused_count--;
	} else {
		if (queue->allocated + segment_bytes(queue) > queue->memory_size) {
			errno = ENOBUFS;
			return NULL;
		}
		segment = malloc(segment_bytes(queue));
		if (!segment) {
			errno = ENOMEM;
			return NULL;
		}
		queue->allocated += segment_bytes(queue);
		segment->size = queue->segment_size;
	}
	segment->next = NULL;
	segment->file = NULL;
	segment->stream = 0;
	segment->resume = 0;
	segment_reset(segment);
	count_peak(queue);
	return segment;
}

static void segment_recycle(struct queue *queue, struct segment *segment)
{
	if (queue->unused_count >= SEGMENTS_KEPT) {
		queue->allocated -= segment_bytes(queue);
		free(segment);
		return;
	}
	segment->next = queue->unused;
	queue->unused = segment;
	queue->unused_count++;
}

static bool is_event(uint16_t kind)
{
	return kind >= RECORD_START && kind <= RECORD_EXIT;
}

static uint64_t count_events(const struct source_record *records, size_t count)
{
	uint64_t events = 0;

	for (size_t i = 0; i < count; i++)
		events += is_event(((const struct record_header *)records[i].data)->kind);
	return events;
}

static void gap_to_record(const struct gap *gap, struct gap_record *record)
{
	memset(record, 0, sizeof(*record));
	record->header.size = sizeof(*record);
	record->header.version = RECORD_VERSION;
	record->header.kind = RECORD_GAP;
	record->header.time_ns = gap->counts.to_ns;
	record->gap = gap->counts;
}

static void gap_count(struct gap *gap, const uint64_t lost[RECORD_LOST_KINDS], uint64_t unknown)
{
	for (int i = 0; i < RECORD_LOST_KINDS; i++) {
		gap->counts.lost[i] += lost[i];
		gap->events += lost[i];
	}
	gap->counts.unknown += unknown;
	gap->events += unknown;
}

static void gap_widen(struct gap *gap, uint64_t from_ns, uint64_t to_ns)
{
	if (from_ns && (!gap->counts.from_ns || from_ns < gap->counts.from_ns))
		gap->counts.from_ns = from_ns;
	if (to_ns > gap->counts.to_ns)
		gap->counts.to_ns = to_ns;
}

/* Counts a record that is given up. */
static void gap_add(struct gap *gap, const struct record_header *header, size_t size)
{
	uint64_t lost[RECORD_LOST_KINDS] = {0};

	if (size < sizeof(*header)) {
		gap_count(gap, lost, 1);
		return;
	}
	if (header->kind == RECORD_GAP && size >= GAP_SIZE) {
		const struct record_gap *inner = &((const struct gap_record *)header)->gap;

		/* A gap in a gap: what it told is told by the outer one. */
		gap_count(gap, inner->lost, inner->unknown);
		gap_widen(gap, inner->from_ns, inner->to_ns);
		return;
	}
	if (is_event(header->kind)) {
		lost[RECORD_LOST_INDEX(header->kind)] = 1;
		gap_count(gap, lost, 0);
	} else {
		gap_count(gap, lost, 1);
	}
	gap_widen(gap, header->time_ns, header->time_ns);
}

static void gap_clear(struct gap *gap)
{
	memset(gap, 0, sizeof(*gap));
}

static struct broken *broken_slot(struct queue *queue, const struct record_header *header)
{
	return &queue->broken[header->cpu % BROKEN_SLOTS];
}

/* Why a chunk of this record was given up; 0: none was. */
static int broken_error(struct queue *queue, const struct record_header *header)
{
	const struct broken *slot = broken_slot(queue, header);

	if (slot->cpu != header->cpu || slot->number != header->number ||
	    header->kind == RECORD_GAP)
		return 0;
	return slot->error;
}

/* Gives a record up. Listener, without the lock. */
static void drop(struct queue *queue, uint64_t stream, const struct source_record *record,
		 int error)
{
	const struct record_header *header = record->data;
	struct gap *gap = &queue->gap;

	if (record->size >= sizeof(*header) && header->kind == RECORD_CHUNK) {
		*broken_slot(queue, header) = (struct broken){header->cpu, error, header->number};
		queue->any_broken = true;
		return;
	}
	pthread_mutex_lock(&queue->lock);
	queue->dropping = true;
	if (gap->events == 0) {
		gap_clear(gap);
		gap->stream = stream;
		gap->position = record->position;
		gap->counts.stage =
		    queue->spill && error != EMSGSIZE ? RECORD_GAP_SPILL : RECORD_GAP_QUEUE;
		gap->counts.detail = (uint32_t)error;
	}
	if (gap->stream == stream)
		gap->resume = record->position;
	gap_add(gap, header, record->size);
	queue->lost += record->size >= sizeof(*header) && is_event(header->kind);
	pthread_mutex_unlock(&queue->lock);
}

/* Puts the gap, if there is one, at the end of the tail. Listener, with the lock. */
static void place_gap(struct queue *queue)
{
	struct segment *tail = queue->tail;
	struct gap *gap = &queue->gap;
	struct gap_record record;

	if (gap->events == 0)
		return;
	if (tail->filled == 0)
		tail->stream = gap->stream;
	gap_to_record(gap, &record);
	segment_put(tail, &record, sizeof(record),
		    gap->stream == tail->stream ? gap->position : tail->resume);
	gap_clear(gap);
}

static bool anything_to_take(const struct queue *queue)
{
	const struct segment *front = queue->front;

	/* The first of the front may be lent to its last entry, and then counts no more. */
	return (front && (front->taken < front->count || front->next)) ||
	       queue->tail->count > queue->tail->taken || queue->gap.events > 0;
}

/* Makes `readable` agree with what there is to take. With the lock. */
static void update_readable(struct queue *queue)
{
	bool set = anything_to_take(queue) || queue->ended;

	if (!queue->readable || set == queue->readable_set)
		return;
	queue->readable_set = set;
	if (set)
		os_event_set(queue->readable);
	else
		os_event_clear(queue->readable);
}

/* Ends the lock of someone who has made something to take, and wakes the taker if he waits. */
static void unlock_and_wake(struct queue *queue)
{
	bool wake = queue->taker_waits;

	queue->taker_waits = false;
	update_readable(queue);
	pthread_mutex_unlock(&queue->lock);
	if (wake)
		pthread_cond_signal(&queue->taker);
}

/* Hands the full tail to the front, if there is memory for another. 0 or an errno. */
static int push_tail(struct queue *queue, uint64_t stream, const struct source_record *record)
{
	struct segment *tail = queue->tail, *next = segment_obtain(queue);

	if (!next)
		return errno;
	place_gap(queue);
	if (tail->stream == stream)
		tail->resume = record->position;
	tail->count = tail->filled;
	*queue->front_end = tail;
	queue->front_end = &tail->next;
	queue->tail = next;
	return 0;
}

/*
 * The tail is full, or holds another stream, or a gap may have to be told: makes a tail that
 * takes the record next. 0, or an errno why there is no room. Listener, without the lock.
 */
static int make_room(struct queue *queue, uint64_t stream, const struct source_record *record)
{
	struct segment *tail = queue->tail;
	struct gap *gap = &queue->gap;
	int error = 0;

	pthread_mutex_lock(&queue->lock);
	/* What comes after the tail's last entry begins here. */
	if (tail->filled > 0 && tail->stream == stream)
		tail->resume = gap->events ? gap->position : record->position;
	tail->count = tail->filled;
	if (tail->taken == tail->filled && tail != queue->lent) {
		segment_reset(tail);
		if (gap->events && gap->stream != stream) {
			gap->stream = stream;
			gap->position = record->position;
		}
		place_gap(queue);
	} else if (tail->stream == stream &&
		   segment_room(tail) >= SEGMENT_NEED(record->size) + 2 * SEGMENT_NEED(GAP_SIZE)) {
		place_gap(queue);
	} else {
		error = push_tail(queue, stream, record);
	}
	if (!error) {
		queue->dropping = false;
		if (queue->tail->filled == 0)
			queue->tail->stream = stream;
	}
	unlock_and_wake(queue);
	return error;
}

/* Copies a record into the tail. 0 or an errno why not. Listener, without the lock. */
static int accept_record(struct queue *queue, uint64_t stream, const struct source_record *record)
{
	size_t need = SEGMENT_NEED(record->size) + SEGMENT_NEED(GAP_SIZE);
	int error = 0;

	if (record->size < sizeof(struct record_header) || record->size > RECORD_SIZE_MAX)
		return EMSGSIZE;
	if (queue->any_broken)
		error = broken_error(queue, record->data);
	if (!error &&
	    (queue->dropping || queue->tail->stream != stream || segment_room(queue->tail) < need))
		error = make_room(queue, stream, record);
	if (error)
		return error;
	segment_put(queue->tail, record->data, record->size, record->position);
	return 0;
}

void queue_append(struct queue *queue, const struct source_batch *batch)
{
	struct segment *tail;
	uint64_t events = 0;

	for (size_t i = 0; i < batch->count; i++) {
		const struct source_record *record = &batch->records[i];
		int error = accept_record(queue, batch->stream, record);

		if (error)
			drop(queue, batch->stream, record, error);
		else
			events += is_event(((const struct record_header *)record->data)->kind);
	}
	/* Before they can be taken, so that the difference is never negative. */
	atomic_fetch_add_explicit(&queue->appended, events, memory_order_relaxed);
	pthread_mutex_lock(&queue->lock);
	tail = queue->tail;
	if (queue->gap.events && queue->gap.stream == batch->stream)
		queue->gap.resume = batch->resume;
	if (tail->filled > 0 && tail->stream == batch->stream)
		tail->resume = queue->gap.events ? queue->gap.position : batch->resume;
	tail->count = tail->filled;
	queue->position = batch->resume;
	if (queue->position_waiters)
		pthread_cond_broadcast(&queue->positioned);
	unlock_and_wake(queue);
}

void queue_advance(struct queue *queue, uint64_t position)
{
	pthread_mutex_lock(&queue->lock);
	queue->position = position;
	if (queue->position_waiters)
		pthread_cond_broadcast(&queue->positioned);
	pthread_mutex_unlock(&queue->lock);
}

uint64_t queue_position(struct queue *queue)
{
	uint64_t position;

	pthread_mutex_lock(&queue->lock);
	position = queue->position;
	pthread_mutex_unlock(&queue->lock);
	return position;
}

/* Waits on a condition of the queue until a boot time (0: for ever); false: it is past. */
static bool wait_until(struct queue *queue, pthread_cond_t *condition, uint64_t until)
{
	uint64_t now;

	if (until == 0) {
		pthread_cond_wait(condition, &queue->lock);
		return true;
	}
	now = os_boot_ns();
	if (now >= until)
		return false;
	os_condition_wait(condition, &queue->lock, until - now);
	return true;
}

static uint64_t wait_end(int timeout_ms)
{
	return timeout_ms < 0 ? 0 : os_boot_ns() + (uint64_t)timeout_ms * 1000000;
}

bool queue_wait_position(struct queue *queue, uint64_t position, int timeout_ms)
{
	uint64_t until = wait_end(timeout_ms);
	bool reached;

	pthread_mutex_lock(&queue->lock);
	queue->position_waiters++;
	while (queue->position < position && !queue->ended)
		if (!wait_until(queue, &queue->positioned, until))
			break;
	queue->position_waiters--;
	reached = queue->position >= position || queue->ended;
	pthread_mutex_unlock(&queue->lock);
	return reached;
}

void queue_end(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->ended = true;
	pthread_cond_broadcast(&queue->positioned);
	unlock_and_wake(queue);
}

void queue_wake(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->woken = true;
	unlock_and_wake(queue);
}

/* What was lent is done with. Taker, with the lock. */
static void return_loan(struct queue *queue)
{
	struct segment *segment = queue->lent;

	queue->lent = NULL;
	if (!segment || segment == queue->tail || segment->taken < segment->count)
		return;
	if (segment == queue->front) {
		queue->front = segment->next;
		if (!queue->front)
			queue->front_end = &queue->front;
	}
	segment_recycle(queue, segment);
}

/* Taker, with the lock. */
static void lend(struct queue *queue, struct segment *segment, size_t most,
		 struct queue_batch *batch)
{
	const struct source_record *entries = segment_entries(segment);
	size_t left = segment->count - segment->taken;

	batch->stream = segment->stream;
	batch->records = entries + segment->taken;
	batch->count = left < most ? left : most;
	segment->taken += batch->count;
	batch->resume =
	    segment->taken < segment->count ? entries[segment->taken].position : segment->resume;
	queue->lent = segment;
}

/* A gap that nothing has come after yet. Taker, with the lock. */
static void lend_gap(struct queue *queue, struct queue_batch *batch)
{
	struct gap *gap = &queue->gap;

	gap_to_record(gap, &queue->lent_gap);
	queue->lent_gap_entry = (struct source_record){
	    .data = &queue->lent_gap,
	    .size = sizeof(queue->lent_gap),
	    .position = gap->position,
	};
	batch->stream = gap->stream;
	batch->records = &queue->lent_gap_entry;
	batch->count = 1;
	batch->resume = gap->resume;
	gap_clear(gap);
}

/* Lends what comes next, if it is there. Taker, with the lock. */
static bool take_next(struct queue *queue, size_t most, struct queue_batch *batch)
{
	if (queue->front)
		lend(queue, queue->front, most, batch);
	else if (queue->tail->count > queue->tail->taken)
		lend(queue, queue->tail, most, batch);
	else if (queue->gap.events > 0)
		lend_gap(queue, batch);
	else
		return false;
	return true;
}

int queue_take(struct queue *queue, int timeout_ms, size_t most, struct queue_batch *batch)
{
	uint64_t until = 0;
	int code = 0;

	if (most == 0)
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "cannot take zero records");
	pthread_mutex_lock(&queue->lock);
	return_loan(queue);
	while (!take_next(queue, most, batch)) {
		bool waited = false;

		if (queue->ended) {
			code = PROCOBSRV_ERROR_ENDED;
			break;
		}
		if (!queue->woken && timeout_ms != 0) {
			if (timeout_ms > 0 && until == 0)
				until = wait_end(timeout_ms);
			queue->taker_waits = true;
			waited = wait_until(queue, &queue->taker, until);
			queue->taker_waits = false;
		}
		if (!waited) {
			queue->woken = false;
			code = PROCOBSRV_ERROR_TIMEOUT;
			break;
		}
	}
	update_readable(queue);
	pthread_mutex_unlock(&queue->lock);
	if (code == 0) /* without the lock: this touches each record */
		atomic_fetch_add_explicit(&queue->taken, count_events(batch->records, batch->count),
					  memory_order_relaxed);
	return code;
}

void queue_statistics(struct queue *queue, struct queue_statistics *statistics)
{
	uint64_t taken = atomic_load_explicit(&queue->taken, memory_order_relaxed);
	uint64_t appended = atomic_load_explicit(&queue->appended, memory_order_relaxed);

	memset(statistics, 0, sizeof(*statistics));
	pthread_mutex_lock(&queue->lock);
	statistics->memory_used = queue->allocated - queue->unused_count * segment_bytes(queue);
	statistics->memory_peak = queue->memory_peak;
	statistics->lost = queue->lost;
	pthread_mutex_unlock(&queue->lock);
	statistics->records = appended > taken ? appended - taken : 0;
}

/* The most segments that fit, in the size that makes the fewest changes of segment. */
static void choose_sizes(struct queue *queue, uint64_t memory_size)
{
	uint64_t size = memory_size / 8;

	if (size > SEGMENT_SIZE_MAX)
		size = SEGMENT_SIZE_MAX;
	if (size < SEGMENT_SIZE_MIN)
		size = SEGMENT_SIZE_MIN;
	queue->segment_size = (size - sizeof(struct segment)) / 8 * 8;
	queue->memory_size = memory_size;
	if (queue->memory_size < SEGMENTS_MIN * segment_bytes(queue))
		queue->memory_size = SEGMENTS_MIN * segment_bytes(queue);
}

static int init_lock(struct queue *queue)
{
	int error = pthread_mutex_init(&queue->lock, NULL);

	if (error)
		return error;
	error = os_condition_init(&queue->taker);
	if (!error) {
		error = os_condition_init(&queue->positioned);
		if (!error)
			return 0;
		pthread_cond_destroy(&queue->taker);
	}
	pthread_mutex_destroy(&queue->lock);
	return error;
}

int queue_create(const struct queue_options *options, struct queue **queue)
{
	struct queue *new_queue = calloc(1, sizeof(*new_queue));
	int error;

	if (!new_queue)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the queue");
	error = init_lock(new_queue);
	if (error) {
		free(new_queue);
		return error_set_errno(error, "cannot make the lock of the queue");
	}
	choose_sizes(new_queue, options->memory_size);
	new_queue->front_end = &new_queue->front;
	new_queue->process = os_process_id();
	new_queue->spill = options->spill;
	new_queue->readable = options->readable;
	new_queue->broken = calloc(BROKEN_SLOTS, sizeof(*new_queue->broken));
	new_queue->tail = new_queue->broken ? segment_obtain(new_queue) : NULL;
	if (!new_queue->tail) {
		queue_destroy(new_queue);
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the queue (%zu bytes)",
				 segment_bytes(new_queue));
	}
	*queue = new_queue;
	return 0;
}

static void free_list(struct segment *segment)
{
	while (segment) {
		struct segment *next = segment->next;

		free(segment);
		segment = next;
	}
}

/*
 * Takes no lock: all threads are gone, and in a forked child it may be held by one that is not
 * there. For the same reason the child leaves conditions alone: their destruction waits for
 * waiters.
 */
void queue_destroy(struct queue *queue)
{
	struct segment *lent;

	if (!queue)
		return;
	lent = queue->lent;
	if (lent && lent != queue->tail && lent != queue->front)
		free(lent);
	free_list(queue->front);
	free_list(queue->unused);
	free(queue->tail);
	free(queue->broken);
	if (queue->process == os_process_id()) {
		pthread_cond_destroy(&queue->positioned);
		pthread_cond_destroy(&queue->taker);
		pthread_mutex_destroy(&queue->lock);
	}
	free(queue);
}
