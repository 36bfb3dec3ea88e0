/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include "error.h"
#include "os.h"
#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_NS      2000000000u
#define LOG_REFUSAL_NS 1000000000u
/* Of a user without rights: this part of all readers. */
#define SHARE 4

/* ---- the end ---- */

/* Nothing more is read from it; what is to be sent still is. */
static void end(struct server *server, struct reader *reader)
{
	census_release(&reader->list);
	reader->in_snapshot = reader->in_inquiry = false;
	pthread_mutex_lock(&server->lock);
	reader->state = READER_ENDS;
	pthread_mutex_unlock(&server->lock);
}

static void refuse(struct server *server, struct reader *reader, int code, const char *text)
{
	static uint64_t logged_ns;
	uint64_t now = os_monotonic_ns();
	char user[OWNER_TEXT_SIZE];

	/* Whoever may connect must not fill the log. */
	if (now - logged_ns > LOG_REFUSAL_NS) {
		logged_ns = now;
		owner_text(reader->uid, user, sizeof user);
		service_log(PRIORITY_NOTICE, "readers: process %u of user %s is refused: %s",
			    reader->pid, user, text);
	}
	service_write_error(&reader->output, code, text);
	pthread_mutex_lock(&server->lock);
	server->figures.refused++;
	pthread_mutex_unlock(&server->lock);
	end(server, reader);
}

void reader_close(struct server *server, struct reader *reader)
{
	struct reader **link = &server->readers;

	pthread_mutex_lock(&server->lock);
	while (*link != reader)
		link = &(*link)->next;
	*link = reader->next;
	server->reader_count--;
	pthread_mutex_unlock(&server->lock);
	connection_close(reader->connection);
	census_release(&reader->list);
	buffer_free(&reader->output);
	buffer_free(&reader->part);
	free(reader);
}

/* ---- the beginning ---- */

/* SERVICE_RIGHTS_..., or 0: none. */
static uint32_t decide_rights(struct server *server, const struct connection *connection)
{
	char group[256] = "";

	pthread_mutex_lock(&server->lock);
	if (server->group)
		snprintf(group, sizeof group, "%s", server->group);
	bool own = server->own_processes;
	pthread_mutex_unlock(&server->lock);
	if (connection_is_privileged(connection, *group ? group : NULL))
		return SERVICE_RIGHTS_ALL;
	return own && connection_owner(connection) != OWNER_NOBODY ? SERVICE_RIGHTS_OWN : 0;
}

static void explain_rights(struct server *server, char *text, size_t size)
{
	pthread_mutex_lock(&server->lock);
	if (server->group)
		snprintf(text, size,
			 "the service lets only %s and the group '%s' read: have yourself put "
			 "into it, or the service configured with own-processes",
			 transport_privileged, server->group);
	else
		snprintf(text, size,
			 "the service lets only %s read: have it configured with a group, or "
			 "with own-processes",
			 transport_privileged);
	pthread_mutex_unlock(&server->lock);
}

/* The lock. One user must not keep all others out. */
static bool has_its_share(const struct server *server, const struct reader *reader)
{
	uint32_t count = 0;

	if (reader->rights == SERVICE_RIGHTS_ALL)
		return false;
	for (const struct reader *other = server->readers; other; other = other->next)
		count += other->uid == reader->uid && other->rights != SERVICE_RIGHTS_ALL;
	return count > 1 && count > server->count_most / SHARE;
}

void reader_accept(struct server *server, struct connection *connection)
{
	struct reader *reader = calloc(1, sizeof *reader);
	char text[300];

	if (!reader) {
		connection_close(connection);
		return;
	}
	reader->connection = connection;
	reader->uid = connection_owner(connection);
	reader->pid = connection_process(connection);
	reader->since_ns = os_monotonic_ns();
	reader->rights = decide_rights(server, connection);
	pthread_mutex_lock(&server->lock);
	reader->next = server->readers;
	server->readers = reader;
	server->figures.accepted++;
	uint32_t most = server->count_most;
	bool full = ++server->reader_count > most || has_its_share(server, reader);
	pthread_mutex_unlock(&server->lock);
	connection_watch(connection, CONNECTION_INPUT, reader);

	if (full) {
		snprintf(text, sizeof text,
			 "no more readers are allowed than %u, and a part of them for one user "
			 "without rights: end one, or set the count of readers higher",
			 most);
		refuse(server, reader, PROCOBSRV_ERROR_BUSY, text);
	} else if (!reader->rights) {
		explain_rights(server, text, sizeof text);
		refuse(server, reader, PROCOBSRV_ERROR_PERMISSION, text);
	}
}

/* ---- where it begins ---- */

/* The lock. It has been here before, and what came since is not all there: how many it misses. */
static void begin_with_gap(struct server *server, struct reader *reader,
			   const struct service_cursor *cursor)
{
	const struct backlog *backlog = &server->backlog;
	bool any = backlog->tail != backlog->head;
	uint64_t known = any ? backlog_at(backlog, backlog->tail)->seq - 1 : server->seq;
	uint64_t missed = 1; /* of another observer nobody knows: at least one */

	if (cursor->stream == server->stream || !server->stream)
		missed = known > cursor->seq ? known - cursor->seq : 0;
	/* How much others do is not for everybody. */
	if (reader->rights == SERVICE_RIGHTS_OWN && missed)
		missed = 1;
	reader->offset = backlog->tail;
	reader_miss(reader, missed, RECORD_GAP_SOURCE);
}

/* The lock. */
static void find_place(struct server *server, struct reader *reader)
{
	const struct service_cursor *cursor = &reader->hello.cursor;
	struct backlog *backlog = &server->backlog;

	if (!server->encoding) {
		backlog_clear(backlog);
		server->covered = server->position;
		server->encoding = true;
	}
	reader->offset = backlog->head;
	reader->position = server->position;
	reader->seq = server->seq;
	if (!(reader->hello.flags & SERVICE_RESUME) || !cursor->epoch)
		return;
	reader->number = cursor->number;
	if (cursor->epoch == server->epoch && backlog_holds(backlog, cursor->offset)) {
		reader->offset = cursor->offset;
		reader->position = cursor->position;
		reader->seq = cursor->seq;
		return;
	}
	bool covered = cursor->stream == server->stream && server->covered <= cursor->position;
	/* In a stream that has told nothing yet, nothing can have been missed. */
	covered |= !server->stream;
	if (covered || cursor->stream == server->stream) {
		reader->skip_before = cursor->position;
		reader->position = cursor->position;
		reader->seq = cursor->seq;
	}
	if (covered)
		reader->offset = backlog->tail;
	else
		begin_with_gap(server, reader, cursor);
}

/* As bits of enum record_kind. */
static uint32_t observed_kinds(struct server *server)
{
	static const struct {
		enum procobsrv_kind event;
		enum record_kind record;
	} kinds[] = {
	    {PROCOBSRV_START, RECORD_START},
	    {PROCOBSRV_EXEC, RECORD_EXEC},
	    {PROCOBSRV_EXEC_FAILED, RECORD_EXEC_FAILED},
	    {PROCOBSRV_EXIT, RECORD_EXIT},
	};
	uint32_t records = 0;

	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (server->kinds & PROCOBSRV_KIND_BIT(kinds[i].event))
			records |= 1u << kinds[i].record;
	pthread_mutex_unlock(&server->lock);
	return records;
}

static void describe_service(struct server *server, struct service_welcome *welcome)
{
	struct procobsrv *monitor = server->borrow_monitor(server->param);
	const char *limits = monitor ? procobsrv_backend_limits(monitor) : NULL;
	char boot[37] = "";

	os_boot_id(boot);
	snprintf(welcome->boot, sizeof welcome->boot, "%s", boot);
	snprintf(welcome->backend, sizeof welcome->backend, "%s",
		 monitor ? procobsrv_backend(monitor) : "");
	snprintf(welcome->limits, sizeof welcome->limits, "%s", limits ? limits : "");
	if (monitor)
		server->return_monitor(server->param);
}

static void welcome(struct server *server, struct reader *reader)
{
	struct service_welcome welcome = {
	    .record_version = RECORD_VERSION,
	    .rights = reader->rights,
	    .uid = reader->uid,
	    .kinds = observed_kinds(server),
	    .memory_size = server->memory_size,
	};

	describe_service(server, &welcome);
	pthread_mutex_lock(&server->lock);
	find_place(server, reader);
	welcome.cursor = (struct service_cursor){
	    .epoch = server->epoch,
	    .offset = reader->offset,
	    .stream = server->stream,
	    .position = reader->position,
	    .seq = reader->seq,
	    .number = reader->number,
	};
	reader->state = READER_READS;
	pthread_mutex_unlock(&server->lock);
	reader->told = reader->position;
	service_write(&reader->output, SERVICE_WELCOME, &welcome, sizeof welcome);
}

void reader_seeded(struct server *server, struct reader *reader)
{
	welcome(server, reader);
	/* What it asked meanwhile. */
	reader_receive(server, reader);
}

static void greet(struct server *server, struct reader *reader, const struct service_hello *hello)
{
	char text[200];

	if (reader->state != READER_GREETED) {
		refuse(server, reader, PROCOBSRV_ERROR_CORRUPT, "a second hello");
		return;
	}
	if (hello->record_version != RECORD_VERSION) {
		snprintf(text, sizeof text,
			 "the service's records have version %u, the reader knows %u: reader and "
			 "service must be of one release",
			 (unsigned)RECORD_VERSION, hello->record_version);
		refuse(server, reader, PROCOBSRV_ERROR_VERSION, text);
		return;
	}
	reader->hello = *hello;
	pthread_mutex_lock(&server->lock);
	bool seeded = server->seeded;
	reader->state = READER_WAITS;
	pthread_mutex_unlock(&server->lock);
	if (seeded) {
		welcome(server, reader);
	} else if (!server->seed_requested) {
		server->seed_requested = true;
		server->request_seed(server->param);
	}
}

/* ---- what it asks ---- */

static void take_snapshot(struct server *server, struct reader *reader, uint32_t id)
{
	if (reader->in_snapshot)
		refuse(server, reader, PROCOBSRV_ERROR_CORRUPT,
		       "a snapshot is asked for before the last one was sent");
	else if (!reader_begin_snapshot(server, reader, id))
		refuse(server, reader, PROCOBSRV_ERROR_MEMORY,
		       "the service has no memory for a snapshot: try again");
}

static bool statistics_of(struct server *server, struct procobsrv_statistics *statistics)
{
	struct procobsrv *monitor = server->borrow_monitor(server->param);

	if (!monitor)
		return false;
	int error = procobsrv_statistics(monitor, statistics, sizeof *statistics);
	server->return_monitor(server->param);
	return !error;
}

static void inquire(struct server *server, struct reader *reader,
		    const struct service_inquiry *inquiry)
{
	struct procobsrv_statistics statistics;

	reader->inquiry = *inquiry;
	reader->in_inquiry = true;
	reader->settle_until_ns = os_monotonic_ns();
	reader->settle_at = 0;
	if (inquiry->flags & SERVICE_SETTLED && statistics_of(server, &statistics)) {
		reader->settle_at = statistics.observed;
		reader->settle_until_ns += SETTLE_NS;
	}
	reader_settle(server, reader);
}

/* Whether all that had been observed is told: dealt with by the monitor, and given to the server.
 */
static bool is_settled(struct server *server, const struct reader *reader)
{
	struct procobsrv_statistics now;

	if (!reader->settle_at || os_monotonic_ns() >= reader->settle_until_ns)
		return true;
	if (!statistics_of(server, &now))
		return true;
	if (now.observed - now.pending < reader->settle_at)
		return false;
	pthread_mutex_lock(&server->lock);
	bool told = server->delivered >= now.delivered;
	pthread_mutex_unlock(&server->lock);
	return told;
}

void reader_settle(struct server *server, struct reader *reader)
{
	if (!is_settled(server, reader))
		return;
	pthread_mutex_lock(&server->lock);
	struct service_figures figures = {
	    .id = reader->inquiry.id,
	    .readers = server->reader_count,
	    .position = server->position,
	    .seq = reader->rights == SERVICE_RIGHTS_ALL ? server->seq : 0,
	    .memory_used = server->backlog.head - server->backlog.tail,
	    .memory_size = server->memory_size,
	    .sent = reader->sent,
	    .lost = reader->lost,
	};
	pthread_mutex_unlock(&server->lock);
	reader->in_inquiry = false;
	if (figures.position > reader->wanted)
		reader->wanted = figures.position;
	service_write(&reader->output, SERVICE_FIGURES, &figures, sizeof figures);
}

static void deal_with(struct server *server, struct reader *reader,
		      const struct service_request *request)
{
	bool reads = reader->state == READER_READS;

	if (request->kind == SERVICE_HELLO)
		greet(server, reader, &request->body.hello);
	else if (request->kind == SERVICE_BYE)
		end(server, reader);
	else if (!reads)
		refuse(server, reader, PROCOBSRV_ERROR_CORRUPT, "a request before a hello");
	else if (request->kind == SERVICE_SNAPSHOT)
		take_snapshot(server, reader, request->body.snapshot.id);
	else
		inquire(server, reader, &request->body.inquiry);
}

static void read_requests(struct server *server, struct reader *reader)
{
	struct service_request request;
	size_t used = 0;
	int size = 0;

	while (reader->state != READER_ENDS && reader->state != READER_WAITS &&
	       (size = service_read_request(reader->input + used, reader->input_size - used,
					    &request)) > 0) {
		used += (size_t)size;
		deal_with(server, reader, &request);
	}
	if (size < 0)
		refuse(server, reader, size, procobsrv_explain());
	memmove(reader->input, reader->input + used, reader->input_size - used);
	reader->input_size -= used;
}

void reader_receive(struct server *server, struct reader *reader)
{
	size_t room = sizeof reader->input - reader->input_size;
	int64_t size = 0;

	if (reader->state == READER_ENDS)
		return;
	if (room)
		size =
		    connection_read(reader->connection, reader->input + reader->input_size, room);
	if (size > 0)
		reader->input_size += (size_t)size;
	read_requests(server, reader);
	/* It is gone; what it asked for before nobody takes any more. */
	if (size < 0)
		end(server, reader);
	else if (reader->input_size == sizeof reader->input && reader->state == READER_WAITS)
		refuse(server, reader, PROCOBSRV_ERROR_CORRUPT, "too many requests at once");
}
