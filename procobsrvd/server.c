/* SPDX-License-Identifier: MIT */
#include "server.h"

#include "error.h"
#include "os.h"
#include "reader.h"
#include "record_encode.h"
#include "service.h"

#include <stdlib.h>
#include <string.h>

/* A reader that lost its connection may go on where it was for so long after the last one left. */
#define LINGER_NS   60000000000u
#define GREETING_NS 10000000000u /* for a hello */
#define SETTLE_MS   5
#define POLL_MS	    1000
/*
 * While events come, those of a round are sent at once: one by one each would wake each reader. To
 * wake one costs some 14 us; so that it is a tenth of a processor at the most, a round that follows
 * a silence lasts so long for each reader. Others last twice as long as the one before.
 */
#define ROUND_PER_READER_NS 140000u
#define ROUND_MOST_NS	    4000000u

/* ---- the thread of the events ---- */

static void evict(const struct backlog_entry *entry, uint64_t offset, void *param)
{
	struct server *server = param;

	if (entry->kind != BACKLOG_FILLER)
		server->covered = entry->after;
	for (struct reader *reader = server->readers; reader; reader = reader->next)
		if (reader->state == READER_READS && reader->offset == offset) {
			server->figures.lost -= reader->lost;
			reader_overtake(reader, entry, offset);
			server->figures.lost += reader->lost;
		}
}

/* The lock. What no memory could be found for is lost to all readers. */
static void append(struct server *server, struct backlog_entry *entry, const void *records,
		   size_t size)
{
	if (size && backlog_append(&server->backlog, entry, records, size, evict, server))
		return;
	for (struct reader *reader = server->readers; reader; reader = reader->next)
		if (reader->state == READER_READS)
			reader_miss(reader, 1, RECORD_GAP_MONITOR);
}

/* The lock. What a resync of the service concluded readers conclude by themselves. */
static void ask_to_compare(struct server *server)
{
	static const struct record_gap none = {.stage = RECORD_GAP_SOURCE};
	struct backlog_entry entry = {
	    .kind = BACKLOG_GAP,
	    .record_kind = RECORD_GAP,
	    .uid = OWNER_NOBODY,
	    .stream = server->stream,
	    .position = server->position,
	    .after = server->position,
	    .seq = server->seq,
	};

	record_writer_gap(&server->writer, os_boot_ns(), &none);
	append(server, &entry, server->writer.bytes.data, server->writer.bytes.size);
}

/* Makes the records of the event; they are in server->writer then. Without the lock. */
static void encode(struct server *server, const struct procobsrv_event *event)
{
	if (!record_encode(&server->writer, event, &server->scratch))
		arena_clear(&server->writer.bytes, 1u << 20);
}

static uint16_t record_kind(enum procobsrv_kind kind)
{
	switch (kind) {
	case PROCOBSRV_START:
		return RECORD_START;
	case PROCOBSRV_EXEC:
		return RECORD_EXEC;
	case PROCOBSRV_EXEC_FAILED:
		return RECORD_EXEC_FAILED;
	case PROCOBSRV_EXIT:
		return RECORD_EXIT;
	default:
		return RECORD_GAP;
	}
}

/* The lock. A monitor that takes another one's place tells again what nobody has called safe. */
static bool is_repeat(const struct server *server, const struct procobsrv_event *event)
{
	struct record_place place;

	return record_encode_place(event->cursor, &place) && place.stream == server->stream &&
	       place.position < server->position && place.sort != 'x' && place.sort != 'r';
}

/* The lock. Notes how far the stream has been told. */
static void note_place(struct server *server, const struct procobsrv_event *event,
		       struct backlog_entry *entry)
{
	struct record_place place;

	if (!record_encode_place(event->cursor, &place))
		place = (struct record_place){server->stream, server->position, 'l'};
	bool observed = place.sort == '\0';
	server->stream = place.stream;
	entry->stream = place.stream;
	entry->position = place.position;
	/* What has no record of its own stands before the record at its position, or after it. */
	entry->after = place.position + observed;
	if (entry->after < server->position)
		entry->after = server->position;
	server->position = entry->after;
	if (event->seq > server->seq)
		server->seq = event->seq;
	entry->seq = server->seq;
	server->delivered += observed;
}

/* The lock. So that the path can be told before the event, to each reader that is to have it. */
static uint64_t note_group(struct server *server, const struct procobsrv_process *process)
{
	if (!process || !process->cgroup)
		return 0;
	if (process->cgroup_id != server->last_group &&
	    cgroup_table_put(&server->groups, process->cgroup_id, process->cgroup,
			     strlen(process->cgroup)))
		server->last_group = process->cgroup_id;
	return process->cgroup_id;
}

/* The lock. Everything that changes with an event changes at once. */
static void take(struct server *server, const struct procobsrv_event *event, bool encoded)
{
	bool synthetic =
	    event->kind == PROCOBSRV_EXISTING || event->flags & PROCOBSRV_EVENT_SYNTHETIC;
	struct backlog_entry entry = {
	    .kind = event->kind == PROCOBSRV_LOST ? BACKLOG_GAP : BACKLOG_EVENT,
	    .record_kind = record_kind(event->kind),
	    .time_ns = event->boot_ns,
	};

	if (is_repeat(server, event))
		return;
	entry.uid = census_apply(&server->census, event, &entry.others);
	note_place(server, event, &entry);
	entry.cgroup = note_group(server, event->process);
	if (!encoded)
		server->covered = server->position;
	else if (!synthetic)
		append(server, &entry, server->writer.bytes.data, server->writer.bytes.size);
	else if (event->kind != PROCOBSRV_EXISTING)
		ask_to_compare(server);
}

void server_event(struct server *server, const struct procobsrv_event *event)
{
	pthread_mutex_lock(&server->lock);
	if (!server->encoding) {
		take(server, event, false);
		pthread_mutex_unlock(&server->lock);
		return;
	}
	pthread_mutex_unlock(&server->lock);

	encode(server, event);
	pthread_mutex_lock(&server->lock);
	take(server, event, true);
	bool read = server->readers != NULL;
	pthread_mutex_unlock(&server->lock);
	arena_clear(&server->writer.bytes, 1u << 20);
	arena_clear(&server->writer.index, 1u << 16);
	if (read && atomic_load_explicit(&server->idle, memory_order_relaxed) &&
	    atomic_exchange(&server->idle, false))
		transport_wake(server->transport);
}

static int seed_one(const struct procobsrv_process *process, void *param)
{
	struct server *server = param;

	census_add(&server->census, process);
	return 0;
}

void server_seed(struct server *server, struct procobsrv *monitor, uint64_t position)
{
	pthread_mutex_lock(&server->lock);
	if (!server->seeded) {
		procobsrv_visit(monitor, seed_one, server);
		if (position > server->position)
			server->position = position;
		server->covered = server->position;
		server->seeded = true;
	}
	pthread_mutex_unlock(&server->lock);
	transport_wake(server->transport);
}

/* ---- the server's thread ---- */

/* Nobody has read for a while: events need no records. */
static void stop_encoding(struct server *server)
{
	uint64_t now = os_monotonic_ns();

	if (server->readers)
		server->last_read_ns = now;
	if (now - server->last_read_ns < LINGER_NS)
		return;
	pthread_mutex_lock(&server->lock);
	if (server->encoding) {
		server->encoding = false;
		backlog_clear(&server->backlog);
		server->covered = server->position;
	}
	pthread_mutex_unlock(&server->lock);
}

static bool is_silent(const struct reader *reader)
{
	return reader->state == READER_GREETED &&
	       os_monotonic_ns() - reader->since_ns > GREETING_NS;
}

/* Sends to all that may take more; closes those that are gone. */
static void serve_all(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	bool seeded = server->seeded;
	pthread_mutex_unlock(&server->lock);
	server->unsettled = server->busy = server->has_more = false;
	for (struct reader *reader = server->readers, *next; reader; reader = next) {
		next = reader->next;
		if (reader->state == READER_WAITS && seeded)
			reader_seeded(server, reader);
		if (reader->in_inquiry)
			reader_settle(server, reader);
		if (!reader_send(server, reader) || is_silent(reader))
			reader_close(server, reader);
		else
			server->unsettled |= reader->in_inquiry;
	}
}

static void on_connected(struct connection *connection, void *param)
{
	reader_accept(param, connection);
}

static void on_readable(void *holder, void *param)
{
	reader_receive(param, holder);
}

/* How long the next round lasts. */
static uint64_t next_round(const struct server *server, bool after_silence, uint64_t round_ns)
{
	uint64_t next =
	    after_silence ? ROUND_PER_READER_NS * (uint64_t)server->reader_count : 2 * round_ns;

	return next < ROUND_MOST_NS ? next : ROUND_MOST_NS;
}

/* Until the round that began at that time has lasted so long. */
static void pause_round(struct server *server, uint64_t begin_ns, uint64_t round_ns)
{
	uint64_t passed;

	pthread_mutex_lock(&server->lock);
	while (!atomic_load(&server->ending) && (passed = os_monotonic_ns() - begin_ns) < round_ns)
		os_condition_wait(&server->paused, &server->lock, round_ns - passed);
	pthread_mutex_unlock(&server->lock);
}

static bool is_caught_up(struct server *server)
{
	bool behind = false;

	pthread_mutex_lock(&server->lock);
	for (struct reader *reader = server->readers; reader; reader = reader->next)
		behind |= reader->state == READER_READS && !reader->waits_for_room &&
			  (reader->offset != server->backlog.head || reader->has_missed ||
			   reader->in_snapshot);
	behind |= atomic_load(&server->ending);
	pthread_mutex_unlock(&server->lock);
	return !behind;
}

static void *run(void *param)
{
	struct server *server = param;
	const struct transport_calls calls = {on_connected, on_readable, server};
	uint64_t round_ns = ROUND_MOST_NS;

	while (!atomic_load(&server->ending)) {
		/* Said before looking: what comes in between wakes. */
		atomic_store(&server->idle, true);
		bool silence = is_caught_up(server);
		int timeout = silence ? server->unsettled ? SETTLE_MS : POLL_MS : 0;
		transport_wait(server->transport, timeout, &calls);
		atomic_store(&server->idle, false);
		uint64_t begin_ns = os_monotonic_ns();
		serve_all(server);
		round_ns = next_round(server, silence, round_ns);
		if (server->busy && !server->has_more)
			pause_round(server, begin_ns, round_ns);
		transport_tend(server->transport);
		stop_encoding(server);
	}
	return NULL;
}

/* ---- open and close ---- */

static bool copy_options(struct server *server, const struct server_options *options)
{
	server->memory_size = options->memory_size;
	server->request_seed = options->request_seed;
	server->borrow_monitor = options->borrow_monitor;
	server->return_monitor = options->return_monitor;
	server->param = options->param;
	server->own_processes = options->own_processes;
	server->count_most = options->count;
	server->kinds = options->kinds;
	server->partial = options->partial;
	server->seeded = !options->request_seed;
	server->place = strdup(options->socket);
	if (options->group && !(server->group = strdup(options->group)))
		return false;
	return server->place && backlog_open(&server->backlog, options->memory_size);
}

static void free_server(struct server *server)
{
	transport_close(server->transport);
	backlog_close(&server->backlog);
	census_free(&server->census);
	cgroup_table_free(&server->groups);
	record_writer_free(&server->writer);
	buffer_free(&server->scratch);
	pthread_cond_destroy(&server->paused);
	pthread_mutex_destroy(&server->lock);
	free(server->place);
	free(server->group);
	free(server);
}

int server_open(const struct server_options *options, struct server **opened)
{
	struct server *server = calloc(1, sizeof *server);
	int error;

	if (!server)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the readers' socket");
	pthread_mutex_init(&server->lock, NULL);
	os_condition_init(&server->paused);
	server->last_read_ns = os_monotonic_ns();
	/* Who read from an earlier run may come back. */
	server->encoding = true;
	record_writer_init(&server->writer, 0);
	/* No other run has it: it is known to who was given it, and gives no rights. */
	server->epoch = (uint64_t)os_wall_ns() ^ os_monotonic_ns() << 20;
	server->epoch |= 1;
	if (!copy_options(server, options))
		error = error_set(PROCOBSRV_ERROR_MEMORY,
				  "no %llu bytes of memory for readers: set memory-size lower",
				  (unsigned long long)options->memory_size);
	else
		error = transport_open(server->place, &server->transport);
	if (error) {
		free_server(server);
		return error;
	}
	*opened = server;
	return 0;
}

int server_start(struct server *server)
{
	int error = os_thread_start(&server->thread, "procobsrv-read", run, server);

	if (error)
		return error_set_errno(error, "cannot start the thread of the readers");
	server->runs = true;
	return 0;
}

bool server_change(struct server *server, const struct server_options *options)
{
	char *group = options->group ? strdup(options->group) : NULL;

	if (strcmp(options->socket, server->place) != 0 ||
	    options->memory_size != server->memory_size || (options->group && !group)) {
		free(group);
		return false;
	}
	pthread_mutex_lock(&server->lock);
	char *before = server->group;
	server->group = group;
	server->own_processes = options->own_processes;
	server->count_most = options->count;
	server->kinds = options->kinds;
	server->partial = options->partial;
	pthread_mutex_unlock(&server->lock);
	free(before);
	return true;
}

void server_figures(struct server *server, struct server_figures *figures)
{
	pthread_mutex_lock(&server->lock);
	*figures = server->figures;
	figures->readers = server->reader_count;
	figures->memory_used = server->backlog.head - server->backlog.tail;
	figures->memory_size = server->memory_size;
	pthread_mutex_unlock(&server->lock);
}

void server_close(struct server *server)
{
	if (!server)
		return;
	atomic_store(&server->ending, true);
	transport_wake(server->transport);
	pthread_mutex_lock(&server->lock);
	pthread_cond_signal(&server->paused);
	pthread_mutex_unlock(&server->lock);
	if (server->runs)
		pthread_join(server->thread, NULL);
	while (server->readers)
		reader_close(server, server->readers);
	free_server(server);
}
