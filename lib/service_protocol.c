/* SPDX-License-Identifier: MIT */
#include "service_protocol.h"

#include "error.h"

#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

struct shape {
	size_t least; /* bytes of the body */
	uint16_t kind;
	bool more; /* anything may follow it */
};

static const struct shape requests[] = {
    {sizeof(struct service_hello), SERVICE_HELLO, false},
    {sizeof(struct service_snapshot), SERVICE_SNAPSHOT, false},
    {sizeof(struct service_inquiry), SERVICE_STATISTICS, false},
    {0, SERVICE_BYE, false},
    {0, 0, false},
};

static const struct shape answers[] = {
    {sizeof(struct service_welcome), SERVICE_WELCOME, false},
    {sizeof(struct service_records), SERVICE_RECORDS, true},
    {0, SERVICE_SNAPSHOT_PART, true},
    {sizeof(struct service_snapshot_end), SERVICE_SNAPSHOT_END, false},
    {sizeof(struct service_figures), SERVICE_FIGURES, false},
    {sizeof(struct service_error), SERVICE_ERROR, false},
    {0, 0, false},
};

static int check_frame(const struct service_frame *frame, size_t most)
{
	if (frame->magic != SERVICE_MAGIC)
		return error_set(PROCOBSRV_ERROR_CORRUPT,
				 "what came is not ProcObsrv's protocol (it begins with %#x)",
				 (unsigned)frame->magic);
	if (frame->version != SERVICE_VERSION)
		return error_set(PROCOBSRV_ERROR_VERSION,
				 "version %u of the protocol is not known here, only %u: reader "
				 "and service must be of one release",
				 frame->version, SERVICE_VERSION);
	/* Multiples of 8: so what is in the frames that follow is aligned, too. */
	if (frame->size > most || frame->size % 8)
		return error_set(PROCOBSRV_ERROR_CORRUPT,
				 "a frame of kind %u has %u bytes; a multiple of 8 up to %zu is "
				 "allowed",
				 frame->kind, (unsigned)frame->size, most);
	return 0;
}

/* Reads header and body of the first frame. Returns as service_read_request() does. */
static int read_frame(const char *data, size_t size, const struct shape *shapes, size_t most,
		      struct service_frame *frame, void *body, size_t *body_size)
{
	const struct shape *shape = shapes;

	if (size < sizeof *frame)
		return 0;
	memcpy(frame, data, sizeof *frame);
	int error = check_frame(frame, most);
	if (error)
		return error;
	while (shape->kind && shape->kind != frame->kind)
		shape++;
	if (!shape->kind)
		return error_set(PROCOBSRV_ERROR_CORRUPT, "a frame of kind %u is not known here",
				 frame->kind);
	if (frame->size < shape->least || (!shape->more && frame->size > shape->least))
		return error_set(PROCOBSRV_ERROR_CORRUPT,
				 "a frame of kind %u has %u bytes, not %zu", frame->kind,
				 (unsigned)frame->size, shape->least);
	if (size - sizeof *frame < frame->size)
		return 0;
	memcpy(body, data + sizeof *frame, shape->least);
	*body_size = shape->least;
	return (int)(sizeof *frame + frame->size);
}

int service_read_request(const void *data, size_t size, struct service_request *request)
{
	struct service_request read = {0};
	struct service_frame frame;
	size_t body_size;
	int used =
	    read_frame(data, size, requests, SERVICE_REQUEST_MOST, &frame, &read.body, &body_size);

	if (used <= 0)
		return used;
	read.kind = frame.kind;
	*request = read;
	return used;
}

/* Texts are ended, whoever sent them. */
static bool has_texts(const struct service_answer *answer)
{
	const struct service_welcome *welcome = &answer->body.welcome;

	if (answer->kind == SERVICE_ERROR)
		return memchr(answer->body.error.text, 0, sizeof answer->body.error.text);
	if (answer->kind == SERVICE_WELCOME)
		return memchr(welcome->boot, 0, sizeof welcome->boot) &&
		       memchr(welcome->backend, 0, sizeof welcome->backend) &&
		       memchr(welcome->limits, 0, sizeof welcome->limits);
	return true;
}

int service_read_answer(const void *data, size_t size, struct service_answer *answer)
{
	struct service_answer read = {0};
	struct service_frame frame;
	size_t body_size = 0;
	int used =
	    read_frame(data, size, answers, SERVICE_ANSWER_MOST, &frame, &read.body, &body_size);

	if (used <= 0)
		return used;
	read.kind = frame.kind;
	read.data = (const char *)data + sizeof frame + body_size;
	read.size = frame.size - body_size;
	if (!has_texts(&read))
		return error_set(PROCOBSRV_ERROR_CORRUPT, "a text in a frame of kind %u has no end",
				 frame.kind);
	*answer = read;
	return used;
}

static size_t padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

int service_next_record(const char *data, size_t size, bool with_positions, size_t *offset,
			struct source_record *record)
{
	size_t most = with_positions ? RECORD_SIZE_MAX : RECORD_EXISTING_SIZE_MAX;
	size_t at = *offset, before = with_positions ? sizeof record->position : 0;
	struct record_header header;

	if (at == size)
		return 0;
	if (size - at < before + sizeof header)
		return error_set(PROCOBSRV_ERROR_CORRUPT, "a record is cut off");
	record->position = 0;
	if (with_positions)
		memcpy(&record->position, data + at, sizeof record->position);
	at += before;
	memcpy(&header, data + at, sizeof header);
	if (header.size < sizeof header || header.size > most || padded(header.size) > size - at)
		return error_set(PROCOBSRV_ERROR_CORRUPT, "a record cannot have %u bytes",
				 (unsigned)header.size);
	record->data = data + at;
	record->size = header.size;
	*offset = at + padded(header.size);
	return 1;
}

/* ---- writing ---- */

size_t service_write(struct buffer *buffer, enum service_kind kind, const void *body, size_t size)
{
	struct service_frame frame = {
	    .magic = SERVICE_MAGIC,
	    .version = SERVICE_VERSION,
	    .kind = (uint16_t)kind,
	    .size = (uint32_t)size,
	};
	size_t begin = buffer->size;

	buffer_append(buffer, &frame, sizeof frame);
	buffer_append(buffer, body, size);
	return begin;
}

static void set_size(struct buffer *buffer, size_t frame)
{
	uint32_t size = (uint32_t)(buffer->size - frame - sizeof(struct service_frame));

	if (!buffer->failed)
		memcpy(buffer->data + frame + offsetof(struct service_frame, size), &size,
		       sizeof size);
}

void service_write_more(struct buffer *buffer, size_t frame, const void *data, size_t size)
{
	buffer_append(buffer, data, size);
	set_size(buffer, frame);
}

void service_write_record(struct buffer *buffer, size_t frame, const uint64_t *position,
			  const struct record_header *header, const void *record)
{
	size_t before = position ? sizeof *position : 0, size = before + padded(header->size);
	char *at;

	/* Once for each event and reader: room is made for all of it at a time. */
	if (!buffer_reserve(buffer, size))
		return;
	at = buffer->data + buffer->size;
	if (position)
		memcpy(at, position, sizeof *position);
	memcpy(at + before, header, sizeof *header);
	memcpy(at + before + sizeof *header, (const char *)record + sizeof *header,
	       header->size - sizeof *header);
	memset(at + before + header->size, 0, padded(header->size) - header->size);
	buffer->size += size;
	set_size(buffer, frame);
}

void service_write_error(struct buffer *buffer, int code, const char *text)
{
	struct service_error error = {.code = code};

	snprintf(error.text, sizeof error.text, "%s", text);
	service_write(buffer, SERVICE_ERROR, &error, sizeof error);
}
