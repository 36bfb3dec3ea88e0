/* SPDX-License-Identifier: MIT */
/*
 * The source "service": events from procobsrvd, through its socket or pipe (service_protocol.h).
 * When the connection ends it is made again, and the stream goes on where it was: with a gap only
 * if the service did not keep what came meanwhile.
 */
#include "service_source.h"

#include "arena.h"
#include "cgroup_hierarchy.h"
#include "error.h"
#include "os.h"
#include "service_connection.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WELCOME_NS  10000000000u
#define SNAPSHOT_NS 30000000000u

/* A service that is started again is back by then. */
#define PATIENCE_NS 10000000000u
#define RETRY_NS    200000000u

/* Turns of a drain: so that the caller sees its wake-ups in a storm, too. */
#define TURNS 16

struct snapshot {
	bool wanted; /* asked for, not answered */
	bool done;
	bool failed; /* the connection broke */
	uint32_t id;
	uint32_t count;
	uint64_t position;
	struct buffer records;
};

struct source {
	struct os_event *wake;
	struct service_hello hello;
	char limits[SERVICE_LIMITS_SIZE + 400];

	/* The listener's. */
	bool detached;
	uint64_t gone_ns; /* when the connection broke; 0: it stands */
	uint64_t next_ns; /* when it is tried again */
	uint64_t gaps;	  /* events that gaps told which have no numbers */
	struct arena index;

	_Atomic uint64_t wakeups;

	pthread_mutex_t lock; /* guards what follows, and writing to the connection */
	pthread_cond_t changed;
	struct service_connection connection; /* read by the listener */
	uint64_t observed;		      /* events and what gaps told */
	uint64_t position;		      /* records before it have been lent */
	uint64_t stream;
	bool settling; /* the service has been asked how far to go */
	bool settled;
	uint64_t settled_position;
	struct snapshot snapshot;
};

/* ---- what comes ---- */

static uint64_t sum_gap(const struct record_gap *gap)
{
	uint64_t sum = gap->unknown;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		sum += gap->lost[kind];
	return sum;
}

/* The counts of those of a queue are in the numbers: lib/gaps.h. */
static void count_gap(struct source *source, const struct source_record *record)
{
	const struct record_header *header = record->data;
	const struct record_gap *gap = (const struct record_gap *)(header + 1);

	if (header->kind != RECORD_GAP || record->size < sizeof *header + sizeof *gap ||
	    gap->stage == RECORD_GAP_QUEUE || gap->stage == RECORD_GAP_SPILL)
		return;
	source->gaps += sum_gap(gap);
}

static int collect(struct source *source, const struct service_answer *answer)
{
	struct source_record record, *kept;
	size_t offset = 0;
	int result;

	arena_clear(&source->index, 1u << 20);
	while ((result = service_next_record(answer->data, answer->size, true, &offset, &record)) >
	       0) {
		if (!(kept = arena_add(&source->index, sizeof *kept)))
			return error_set(PROCOBSRV_ERROR_MEMORY,
					 "out of memory for what the service sends");
		*kept = record;
		count_gap(source, &record);
	}
	return result;
}

static int take_records(struct source *source, const struct service_answer *answer,
			source_on_batch on_batch, void *param)
{
	const struct service_cursor *after = &answer->body.records.after;
	int error = collect(source, answer);

	if (error)
		return error;
	size_t count = source->index.size / sizeof(struct source_record);
	pthread_mutex_lock(&source->lock);
	bool other = count && source->stream && after->stream != source->stream;
	if (count)
		source->stream = after->stream;
	if (after->position > source->position)
		source->position = after->position;
	source->observed = after->number + source->gaps;
	struct source_batch batch = {
	    .stream = source->stream,
	    .records = (const struct source_record *)(const void *)source->index.data,
	    .count = count,
	    .resume = source->position,
	};
	pthread_mutex_unlock(&source->lock);
	if (other)
		return error_set(PROCOBSRV_ERROR_STATE,
				 "the service has another observer now, whose events have other "
				 "numbers: begin anew");
	source->hello.cursor = *after;
	on_batch(&batch, param);
	return 0;
}

static void take_part(struct source *source, const struct service_answer *answer)
{
	pthread_mutex_lock(&source->lock);
	if (source->snapshot.wanted)
		buffer_append(&source->snapshot.records, answer->data, answer->size);
	pthread_mutex_unlock(&source->lock);
}

/* The stream may be there already: who waits for the position must hear of it. */
static void take_end(struct source *source, const struct service_snapshot_end *end,
		     source_on_batch on_batch, void *param)
{
	struct snapshot *snapshot = &source->snapshot;
	struct source_batch none = {0};

	pthread_mutex_lock(&source->lock);
	if (snapshot->wanted && snapshot->id == end->id) {
		snapshot->wanted = false;
		snapshot->done = true;
		snapshot->count = end->count;
		snapshot->position = end->position;
		pthread_cond_broadcast(&source->changed);
	}
	bool reached = source->position >= end->position;
	none.stream = source->stream;
	none.resume = source->position;
	pthread_mutex_unlock(&source->lock);
	if (reached)
		on_batch(&none, param);
}

static int take_answer(struct source *source, const struct service_answer *answer,
		       source_on_batch on_batch, void *param)
{
	switch (answer->kind) {
	case SERVICE_RECORDS:
		return take_records(source, answer, on_batch, param);
	case SERVICE_SNAPSHOT_PART:
		take_part(source, answer);
		return 0;
	case SERVICE_SNAPSHOT_END:
		take_end(source, &answer->body.snapshot_end, on_batch, param);
		return 0;
	case SERVICE_FIGURES:
		pthread_mutex_lock(&source->lock);
		source->settled = source->settling;
		source->settled_position = answer->body.figures.position;
		pthread_mutex_unlock(&source->lock);
		return 0;
	case SERVICE_ERROR:
		return service_connection_refusal(&answer->body.error);
	default:
		return error_set(PROCOBSRV_ERROR_CORRUPT, "the service sent a second welcome");
	}
}

/* ---- the connection ---- */

static void describe_limits(struct source *source, const struct service_welcome *welcome)
{
	uint32_t missing = source->hello.kinds & ~welcome->kinds;
	const char *own =
	    welcome->rights == SERVICE_RIGHTS_OWN ? "tells of your own processes only" : "";
	const char *parts[] = {
	    own,
	    missing & 1u << RECORD_EXEC_FAILED ? "the service does not observe failed execs" : "",
	    missing & ~(1u << RECORD_EXEC_FAILED)
		? "the service is configured not to observe all kinds of events"
		: "",
	    welcome->limits,
	};
	size_t used = 0;

	source->limits[0] = '\0';
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		if (!*parts[i])
			continue;
		int length = snprintf(source->limits + used, sizeof source->limits - used, "%s%s",
				      used ? "; " : "", parts[i]);
		if (length > 0 && used + (size_t)length < sizeof source->limits)
			used += (size_t)length;
	}
}

/* Nobody answers any more. */
static void break_off(struct source *source)
{
	pthread_mutex_lock(&source->lock);
	service_connection_close(&source->connection);
	if (source->snapshot.wanted) {
		source->snapshot.wanted = false;
		source->snapshot.failed = true;
		pthread_cond_broadcast(&source->changed);
	}
	source->settling = false;
	pthread_mutex_unlock(&source->lock);
}

static void lose_connection(struct source *source)
{
	break_off(source);
	source->gone_ns = os_monotonic_ns();
	source->next_ns = source->gone_ns;
}

/* What the service will say at once when it is there; other errors pass with time. */
static bool is_final(int error)
{
	return error == PROCOBSRV_ERROR_PERMISSION || error == PROCOBSRV_ERROR_VERSION ||
	       error == PROCOBSRV_ERROR_ARGUMENT;
}

/* Tries to go on. 0: it may be tried again, or it goes on; else there is no more hope. */
static int reconnect(struct source *source)
{
	struct service_connection connection;
	struct service_welcome welcome;
	uint64_t now = os_monotonic_ns();

	if (source->detached)
		return PROCOBSRV_ERROR_ENDED;
	source->next_ns = now + RETRY_NS;
	source->hello.flags |= SERVICE_RESUME;
	int error = service_connection_open(&source->hello, WELCOME_NS, &connection, &welcome);
	if (!error) {
		pthread_mutex_lock(&source->lock);
		source->connection = connection;
		pthread_mutex_unlock(&source->lock);
		source->gone_ns = 0;
		return 0;
	}
	if (is_final(error))
		return error;
	if (now - source->gone_ns < PATIENCE_NS)
		return 0;
	return error_set(
	    error, "the service has ended and is not back after %u s: look with %s (%s)",
	    (unsigned)(PATIENCE_NS / 1000000000u), service_channel_look, procobsrv_explain());
}

/* ---- the operations ---- */

static void service_close(struct source *source, bool forked)
{
	service_connection_close(&source->connection);
	arena_free(&source->index);
	buffer_free(&source->snapshot.records);
	os_event_destroy(source->wake);
	if (!forked) {
		pthread_cond_destroy(&source->changed);
		pthread_mutex_destroy(&source->lock);
	}
	free(source);
}

static int service_open(const struct source_options *options, struct source **opened)
{
	struct service_welcome welcome;
	struct source *source;

	if (options->resident)
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "the service reads the resident observer itself; ask without "
				 "resuming, or end the service");
	source = calloc(1, sizeof *source);
	if (!source || !(source->wake = os_event_create())) {
		free(source);
		return error_set(PROCOBSRV_ERROR_MEMORY,
				 "no memory or descriptor is left for the service backend");
	}
	pthread_mutex_init(&source->lock, NULL);
	os_condition_init(&source->changed);
	source->hello = (struct service_hello){
	    .record_version = RECORD_VERSION,
	    .kinds = options->record_kinds,
	    .flags = options->kernel_threads ? SERVICE_KERNEL_THREADS : 0,
	    .root_pid = options->root_pid,
	};
	int error =
	    service_connection_open(&source->hello, WELCOME_NS, &source->connection, &welcome);
	if (error) {
		service_close(source, false);
		return error;
	}
	source->hello.cursor = welcome.cursor;
	source->position = welcome.cursor.position;
	source->stream = welcome.cursor.stream;
	describe_limits(source, &welcome);
	*opened = source;
	return 0;
}

static int timeout_until(uint64_t time_ns, int timeout_ms)
{
	uint64_t now = os_monotonic_ns();
	uint64_t left = time_ns > now ? (time_ns - now + 999999) / 1000000 : 0;

	return timeout_ms < 0 || left < (uint64_t)timeout_ms ? (int)left : timeout_ms;
}

/* 0: go on reading; TIMEOUT: nothing came. */
static int wait_for_more(struct source *source, int timeout_ms)
{
	int result = service_connection_wait(&source->connection, source->wake, timeout_ms);

	if (!result)
		source->wakeups++;
	return result;
}

/* Lends all whole frames that have been read. */
static int take_answers(struct source *source, source_on_batch on_batch, void *param)
{
	struct service_answer answer;
	int result;

	while ((result = service_connection_next(&source->connection, &answer)) > 0) {
		int error = take_answer(source, &answer, on_batch, param);
		if (error)
			return error;
	}
	return result;
}

static int drain_connected(struct source *source, int timeout_ms, source_on_batch on_batch,
			   void *param)
{
	/* What came together with the welcome is here already. */
	int here = take_answers(source, on_batch, param);

	if (here || wait_for_more(source, timeout_ms))
		return here;
	for (int turn = 0; turn < TURNS; turn++) {
		int result = service_connection_read(&source->connection);
		int error = take_answers(source, on_batch, param);
		if (error)
			return error;
		if (result == PROCOBSRV_ERROR_ENDED) {
			lose_connection(source);
			return 0;
		}
		if (result)
			return 0;
	}
	return 0;
}

static int service_drain(struct source *source, int timeout_ms, source_on_batch on_batch,
			 void *param)
{
	if (!source->gone_ns) {
		int error = drain_connected(source, timeout_ms, on_batch, param);
		/* What comes after it is not looked at, nor waited for when the monitor ends. */
		if (error)
			break_off(source);
		return error;
	}
	if (os_monotonic_ns() < source->next_ns)
		wait_for_more(source, timeout_until(source->next_ns, timeout_ms));
	return os_monotonic_ns() < source->next_ns ? 0 : reconnect(source);
}

static void service_release(struct source *source, uint64_t position)
{
	(void)source, (void)position; /* what is lent is copied by who takes it */
}

static void service_wake(struct source *source)
{
	os_event_set(source->wake);
}

/* Asks how far to go: what has happened until now is on its way through the service. */
static void service_detach(struct source *source)
{
	const struct service_inquiry inquiry = {.id = 1, .flags = SERVICE_SETTLED};

	pthread_mutex_lock(&source->lock);
	source->detached = true;
	pthread_cond_broadcast(&source->changed);
	source->settling = !service_connection_ask(&source->connection, SERVICE_STATISTICS,
						   &inquiry, sizeof inquiry);
	pthread_mutex_unlock(&source->lock);
}

static int service_statistics(struct source *source, struct source_statistics *statistics)
{
	memset(statistics, 0, offsetof(struct source_statistics, sequences));
	pthread_mutex_lock(&source->lock);
	statistics->stream = source->stream;
	statistics->produced = statistics->released = source->position;
	if (source->settled && source->settled_position > source->position)
		statistics->produced = source->settled_position;
	else if (source->settling && !source->settled)
		statistics->produced = source->position + 1; /* there may be more to come */
	statistics->wakeups = source->wakeups;
	statistics->sequence_count = 1;
	memset(&statistics->sequences[0], 0, sizeof statistics->sequences[0]);
	statistics->sequences[0].number = source->observed;
	pthread_mutex_unlock(&source->lock);
	return 0;
}

/* The lock. Until the listener has the whole answer; once detached it soon looks no more. */
static int wait_for_snapshot(struct source *source)
{
	struct snapshot *snapshot = &source->snapshot;
	uint64_t end = os_monotonic_ns() + SNAPSHOT_NS, now;

	while (snapshot->wanted && !source->detached && (now = os_monotonic_ns()) < end)
		os_condition_wait(&source->changed, &source->lock, end - now);
	if (snapshot->wanted && source->detached)
		return error_set(PROCOBSRV_ERROR_ENDED, "the service is followed no more");
	if (snapshot->failed)
		return error_set(
		    PROCOBSRV_ERROR_SYSTEM,
		    "the service ended while it told the running processes: try again");
	if (!snapshot->done)
		return error_set(
		    PROCOBSRV_ERROR_TIMEOUT,
		    "the service has not told the running processes within %u s: it or "
		    "the machine is overloaded, try again",
		    (unsigned)(SNAPSHOT_NS / 1000000000u));
	if (snapshot->records.failed)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a snapshot");
	return 0;
}

static int lend_snapshot(const struct snapshot *snapshot, source_on_record on_record, void *param)
{
	const struct buffer *records = &snapshot->records;
	struct source_record record;
	size_t offset = 0;
	int result;

	while ((result =
		    service_next_record(records->data, records->size, false, &offset, &record)) > 0)
		on_record(record.data, record.size, param);
	return result;
}

static int service_snapshot(struct source *source, source_on_record on_record, void *param,
			    uint64_t *position)
{
	struct snapshot *snapshot = &source->snapshot;
	struct service_snapshot request = {0};

	pthread_mutex_lock(&source->lock);
	request.id = ++snapshot->id;
	snapshot->done = snapshot->failed = false;
	snapshot->records.size = 0;
	snapshot->records.failed = false;
	int error =
	    service_connection_ask(&source->connection, SERVICE_SNAPSHOT, &request, sizeof request);
	if (!error) {
		snapshot->wanted = true;
		error = wait_for_snapshot(source);
	}
	snapshot->wanted = false;
	if (!error)
		error = lend_snapshot(snapshot, on_record, param);
	if (!error)
		*position = snapshot->position;
	buffer_free(&snapshot->records);
	pthread_mutex_unlock(&source->lock);
	return error;
}

static const char *service_limits(struct source *source)
{
	return source->limits[0] ? source->limits : NULL;
}

const struct source_operations service_source_operations = {
    .name = "service",
    .open = service_open,
    .drain = service_drain,
    .release = service_release,
    .wake = service_wake,
    .detach = service_detach,
    .statistics = service_statistics,
    .snapshot = service_snapshot,
    /* The service tells ids; whoever may read its socket may look at the hierarchy. */
    .read_cgroup = cgroup_hierarchy_path,
    .list_cgroups = cgroup_hierarchy_list,
    .limits = service_limits,
    .close = service_close,
};
