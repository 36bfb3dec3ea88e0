/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include "record_build.h"

#include <string.h>

/* What is put together at a time: a frame has so many bytes, and a record more. */
#define OUTPUT_SIZE 65536u
/* So often at once; then others have their turn. */
#define TURNS 8
/* Memory that stays with a reader. */
#define KEEP_SIZE (2 * OUTPUT_SIZE)

#define PADDED(size) (((size_t)(size) + 7) & ~(size_t)7)

/* ---- what it misses ---- */

enum sight {
	SIGHT_NONE,
	SIGHT_GONE, /* that the process is gone, no more */
	SIGHT_ALL,
};

static bool is_among(const struct census_users *users, uint32_t uid)
{
	for (int i = 0; i < CENSUS_USERS_MAX; i++)
		if (users->uids[i] == uid)
			return true;
	return false;
}

static enum sight sees(const struct reader *reader, const struct backlog_entry *entry)
{
	if (entry->kind == BACKLOG_FILLER)
		return SIGHT_NONE;
	if (entry->kind == BACKLOG_GAP)
		return entry->after < reader->skip_before ? SIGHT_NONE : SIGHT_ALL;
	if (!(reader->hello.kinds & 1u << entry->record_kind) ||
	    entry->after <= reader->skip_before) /* it has had it */
		return SIGHT_NONE;
	if (reader->rights == SERVICE_RIGHTS_ALL || entry->uid == reader->uid)
		return SIGHT_ALL;
	return is_among(&entry->others, reader->uid) ? SIGHT_GONE : SIGHT_NONE;
}

static const struct record_header *records_of(const struct backlog_entry *entry)
{
	return (const struct record_header *)(const void *)(entry + 1);
}

static void note_time(struct record_gap *missed, uint64_t time_ns)
{
	if (!missed->from_ns)
		missed->from_ns = time_ns;
	missed->to_ns = time_ns;
}

static void miss_gap(struct reader *reader, const struct record_gap *gap)
{
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		reader->missed.lost[kind] += gap->lost[kind];
	reader->missed.unknown += gap->unknown;
	if (gap->from_ns)
		note_time(&reader->missed, gap->from_ns);
	if (gap->to_ns)
		note_time(&reader->missed, gap->to_ns);
}

void reader_overtake(struct reader *reader, const struct backlog_entry *entry, uint64_t offset)
{
	reader->offset = offset + entry->size;
	reader->within = 0;
	if (entry->kind == BACKLOG_FILLER)
		return;
	reader->position = entry->after;
	reader->seq = entry->seq;
	if (sees(reader, entry) == SIGHT_NONE)
		return;
	if (!reader->has_missed)
		reader->missed = (struct record_gap){.stage = RECORD_GAP_QUEUE};
	reader->has_missed = true;
	if (entry->kind == BACKLOG_GAP) {
		miss_gap(reader, (const struct record_gap *)(records_of(entry) + 1));
		return;
	}
	reader->missed.lost[RECORD_LOST_INDEX(entry->record_kind)]++;
	reader->lost++;
	note_time(&reader->missed, entry->time_ns);
}

void reader_miss(struct reader *reader, uint64_t unknown, uint32_t stage)
{
	if (!reader->has_missed)
		reader->missed = (struct record_gap){.stage = stage};
	reader->has_missed = true;
	reader->missed.unknown += unknown;
	reader->lost += unknown;
}

/* ---- records ---- */

/* The frame of records that is being put together. */
struct batch {
	size_t frame;
	uint32_t count;
	uint64_t stream;
};

static void begin_batch(struct reader *reader, struct batch *batch, uint64_t stream)
{
	const struct service_records none = {0};

	batch->stream = stream;
	batch->count = 0;
	batch->frame = service_write(&reader->output, SERVICE_RECORDS, &none, sizeof none);
}

static void end_batch(struct server *server, struct reader *reader, const struct batch *batch)
{
	struct service_records records = {
	    .after =
		{
		    .epoch = server->epoch,
		    .offset = reader->offset,
		    .stream = batch->stream,
		    .position = reader->position,
		    .seq = reader->seq,
		    .number = reader->number,
		},
	    .count = batch->count,
	};

	/* What others do does not wake it; now and then it learns how far it has come. */
	if (!batch->count && reader->told >= reader->wanted &&
	    reader->offset - reader->told_offset < server->backlog.size / 8) {
		reader->output.size = batch->frame;
		return;
	}
	server->busy |= batch->count > 0;
	reader->told = reader->position;
	reader->told_offset = reader->offset;
	if (!reader->output.failed)
		memcpy(reader->output.data + batch->frame + sizeof(struct service_frame), &records,
		       sizeof records);
}

/* A gap takes the numbers of what is missing, where the library takes it for a queue's: lib/gaps.h.
 */
static void count_gap(struct reader *reader, const struct record_gap *gap)
{
	if (gap->stage != RECORD_GAP_QUEUE && gap->stage != RECORD_GAP_SPILL)
		return;
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		reader->number += gap->lost[kind];
	reader->number += gap->unknown;
}

static void send_missed(struct reader *reader, struct batch *batch)
{
	struct {
		struct record_header header;
		struct record_gap gap;
	} record = {
	    .header = {.size = sizeof record, .version = RECORD_VERSION, .kind = RECORD_GAP},
	    .gap = reader->missed,
	};

	record.header.number = reader->number;
	record.header.time_ns = reader->missed.to_ns;
	service_write_record(&reader->output, batch->frame, &reader->position, &record.header,
			     &record);
	batch->count++;
	count_gap(reader, &reader->missed);
	reader->has_missed = false;
}

/* Of a process that has become another user's no more is told than that it is gone. */
static void blank(struct reader *reader, size_t begin)
{
	char *record = reader->output.data + begin;
	struct record_body body, shown = {0};
	struct record_exit exit = {.flags = RECORD_EXIT_STATUS_UNKNOWN | RECORD_EXIT_USAGE_UNKNOWN};

	if (reader->output.failed)
		return;
	memcpy(&body, record + sizeof(struct record_header), sizeof body);
	shown.process = body.process;
	shown.parent = body.parent;
	shown.credentials.session = RECORD_ID_UNKNOWN;
	shown.process_flags = RECORD_PROCESS_NO_CREDENTIALS;
	memcpy(record + sizeof(struct record_header), &shown, sizeof shown);
	memcpy(record + sizeof(struct record_header) + sizeof shown, &exit, sizeof exit);
}

/* Tells the path of the control group before the first event that names its id. */
static void send_group(struct server *server, struct reader *reader, struct batch *batch,
		       const struct backlog_entry *entry)
{
	struct buffer note = BUFFER_EMPTY;
	struct record_header header;

	if (!entry->cgroup || told_groups_has(&reader->told_groups, entry->cgroup))
		return;
	const struct cgroup *group = cgroup_table_find(&server->groups, entry->cgroup);
	if (!group || !group->path)
		return;
	cgroup_append_record(group->id, group->path, &note);
	if (!note.failed) {
		memcpy(&header, note.data, sizeof header);
		service_write_record(&reader->output, batch->frame, &entry->position, &header,
				     note.data);
		batch->count++;
		told_groups_add(&reader->told_groups, group->id);
	}
	buffer_free(&note);
}

/* Sends the records of an entry from where it stands; false: no more fits for now. */
static bool send_entry(struct server *server, struct reader *reader, struct batch *batch,
		       const struct backlog_entry *entry, enum sight sight)
{
	const char *records = (const char *)(entry + 1);
	size_t end = entry->size - sizeof *entry;

	while (reader->within < end) {
		const void *record = records + reader->within;
		struct record_header header;

		if (reader->output.size - batch->frame > OUTPUT_SIZE)
			return false;
		if (!reader->within && sight == SIGHT_ALL)
			send_group(server, reader, batch, entry);
		memcpy(&header, record, sizeof header);
		/* The numbers are the reader's own. */
		header.number = reader->number + (entry->kind == BACKLOG_EVENT);
		header.cpu = 0;
		memset(header.lost, 0, sizeof header.lost);
		size_t begin = reader->output.size + sizeof entry->position;
		service_write_record(&reader->output, batch->frame, &entry->position, &header,
				     record);
		if (sight == SIGHT_GONE)
			blank(reader, begin);
		reader->within += PADDED(header.size);
		batch->count++;
	}
	return true;
}

/* It has all of the entry, or is not to have it. */
static void pass(struct reader *reader, const struct backlog_entry *entry, enum sight sight)
{
	reader->offset += entry->size;
	reader->within = 0;
	if (entry->kind == BACKLOG_FILLER)
		return;
	if (entry->after > reader->position)
		reader->position = entry->after;
	reader->seq = entry->seq;
	if (sight == SIGHT_NONE)
		return;
	if (entry->kind == BACKLOG_EVENT) {
		reader->number++;
		reader->sent++;
	} else {
		count_gap(reader, (const struct record_gap *)(records_of(entry) + 1));
	}
}

/* The lock. Puts a frame of records together, if there is anything to tell. */
static void fill_records(struct server *server, struct reader *reader)
{
	const struct backlog *backlog = &server->backlog;
	struct batch batch;
	uint64_t sent = reader->sent;
	bool room = true;

	if (!reader->has_missed && reader->offset == backlog->head &&
	    reader->told >= reader->wanted)
		return;
	begin_batch(reader, &batch, server->stream);
	if (reader->has_missed)
		send_missed(reader, &batch);
	while (room && reader->offset != backlog->head) {
		const struct backlog_entry *entry = backlog_at(backlog, reader->offset);
		enum sight sight = sees(reader, entry);

		/* The records of a frame are of one stream. */
		if (sight != SIGHT_NONE && entry->stream != batch.stream) {
			if (batch.count)
				break;
			batch.stream = entry->stream;
		}
		room = sight == SIGHT_NONE || send_entry(server, reader, &batch, entry, sight);
		if (room)
			pass(reader, entry, sight);
	}
	if (reader->offset == backlog->head && server->position > reader->position)
		reader->position = server->position;
	end_batch(server, reader, &batch);
	server->figures.sent += reader->sent - sent;
}

/* ---- snapshots ---- */

bool reader_begin_snapshot(struct server *server, struct reader *reader, uint32_t id)
{
	uint32_t uid = reader->rights == SERVICE_RIGHTS_ALL ? OWNER_NOBODY : reader->uid;

	/* At once: what has been told until this position, and nothing else. */
	pthread_mutex_lock(&server->lock);
	if (server->partial)
		census_prune(&server->census);
	bool copied = census_copy(&server->census, uid, &reader->list);
	reader->snapshot = (struct service_snapshot_end){.id = id, .position = server->position};
	pthread_mutex_unlock(&server->lock);
	if (!copied)
		return false;
	reader->in_snapshot = true;
	reader->list_next = 0;
	reader->listed_groups = (struct told_groups){0};
	reader->part.size = reader->part_sent = 0;
	if (reader->snapshot.position > reader->wanted)
		reader->wanted = reader->snapshot.position;
	return true;
}

static void hide_image(struct buffer *part, size_t begin)
{
	struct record_header header;

	if (part->failed)
		return;
	memcpy(&header, part->data + begin, sizeof header);
	header.flags &= ~(uint32_t)(RECORD_HAS_IMAGE | RECORD_UTF16);
	header.size = sizeof header + sizeof(struct record_body);
	memcpy(part->data + begin, &header, sizeof header);
	part->size = begin + PADDED(header.size);
}

/* Makes the next record of the list, and that of its control group if it is the first one of it. */
static void make_part(struct reader *reader)
{
	const struct census_item *item = &reader->list.items[reader->list_next++];
	const struct procobsrv_process *process = item->process;
	struct buffer *part = &reader->part;

	part->size = reader->part_sent = 0;
	if (process->cgroup && !told_groups_has(&reader->listed_groups, process->cgroup_id)) {
		cgroup_append_record(process->cgroup_id, process->cgroup, part);
		told_groups_add(&reader->listed_groups, process->cgroup_id);
		reader->snapshot.count++;
	}
	size_t begin = part->size;
	record_build_existing_of(process, part);
	reader->snapshot.count++;
	if (item->hide_image)
		hide_image(part, begin);
}

static void fill_snapshot(struct reader *reader)
{
	size_t frame = service_write(&reader->output, SERVICE_SNAPSHOT_PART, NULL, 0);

	while (reader->output.size - frame < OUTPUT_SIZE) {
		size_t rest = reader->part.size - reader->part_sent;

		if (!rest && reader->list_next == reader->list.count)
			break;
		if (!rest) {
			make_part(reader);
			continue;
		}
		size_t size = rest < OUTPUT_SIZE ? rest : OUTPUT_SIZE;
		service_write_more(&reader->output, frame, reader->part.data + reader->part_sent,
				   size);
		reader->part_sent += size;
	}
	if (reader->part_sent < reader->part.size || reader->list_next < reader->list.count)
		return;
	service_write(&reader->output, SERVICE_SNAPSHOT_END, &reader->snapshot,
		      sizeof reader->snapshot);
	census_release(&reader->list);
	buffer_free(&reader->part);
	reader->in_snapshot = false;
}

/* ---- sending ---- */

static void fill(struct server *server, struct reader *reader)
{
	if (reader->state != READER_READS)
		return;
	pthread_mutex_lock(&server->lock);
	fill_records(server, reader);
	pthread_mutex_unlock(&server->lock);
	if (reader->in_snapshot)
		fill_snapshot(reader);
}

/* 1: all is out; 0: the socket is full; -1: the connection is gone. */
static int flush(struct reader *reader)
{
	struct buffer *output = &reader->output;

	while (reader->output_sent < output->size) {
		int64_t size =
		    connection_write(reader->connection, output->data + reader->output_sent,
				     output->size - reader->output_sent);
		if (size <= 0)
			return (int)size;
		reader->output_sent += (size_t)size;
	}
	reader->output_sent = output->size = 0;
	if (output->capacity > 2 * KEEP_SIZE)
		buffer_free(output);
	return 1;
}

bool reader_send(struct server *server, struct reader *reader)
{
	int sent = flush(reader), turn;

	for (turn = 0; sent > 0 && turn < TURNS; turn++) {
		fill(server, reader);
		/* Half an answer is none. */
		if (reader->output.failed)
			return false;
		if (!reader->output.size)
			break;
		sent = flush(reader);
	}
	if (sent < 0 || (sent > 0 && reader->state == READER_ENDS))
		return false;
	reader->waits_for_room = !sent;
	server->has_more |= sent && turn == TURNS;
	connection_watch(reader->connection,
			 (reader->state == READER_ENDS ? 0u : CONNECTION_INPUT) |
			     (sent ? 0u : CONNECTION_ROOM),
			 reader);
	return true;
}
