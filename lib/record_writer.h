/* SPDX-License-Identifier: MIT */
/*
 * Writes records in user mode, for sources whose kernel side writes none. One sequence: cpu 0,
 * numbered from 1. Calls no malloc (see arena.h).
 */
#ifndef PROCOBSRV_LIB_RECORD_WRITER_H
#define PROCOBSRV_LIB_RECORD_WRITER_H

#include "arena.h"
#include "record.h"
#include "source.h"

/* What a record is made of; NULL where its kind has no such part. */
struct record_parts {
	uint16_t kind;
	uint64_t time_ns;
	const struct record_body *body;
	const struct record_start *start;
	const struct record_exit *exit;
	const struct record_attempt *attempt;
	uint32_t flags;			    /* of enum record_flag: RECORD_UTF16, with image */
	const struct record_image *image;   /* string_length is the writer's to fill */
	const struct record_bytes *strings; /* RECORD_STRING_COUNT of them, with image */
};

struct record_writer {
	struct arena bytes; /* records, each aligned to 8 */
	struct arena index; /* struct source_record; data is an offset until it is lent */
	uint32_t kinds;	    /* mask of 1u << enum record_kind to write; 0: all */
	uint64_t stream;    /* names this run of positions */
	uint64_t position;  /* after the last record: bytes since the beginning */
	uint64_t number;    /* of the last event */
	uint32_t lost[RECORD_LOST_KINDS];
};

/* Begins an empty stream with a name that no other has. */
void record_writer_init(struct record_writer *writer, uint32_t kinds);
void record_writer_free(struct record_writer *writer);

/*
 * Appends an event: chunks of what is too long for one record, then the record. When there is no
 * memory the event is counted as lost, which the next record's header tells.
 */
void record_writer_add(struct record_writer *writer, const struct record_parts *parts);

/* Bytes that the record itself holds of a string of so many; the rest goes into chunks. */
size_t record_writer_inline_size(enum record_string string, size_t size);

/* Appends a RECORD_GAP. */
void record_writer_gap(struct record_writer *writer, uint64_t time_ns,
		       const struct record_gap *gap);

/* What a source that has nothing but this writer can tell; the rest is 0. */
void record_writer_statistics(const struct record_writer *writer,
			      struct source_statistics *statistics);

/* Lends all that is there as one batch, then empties it; does nothing when it is empty. */
void record_writer_lend(struct record_writer *writer, source_on_batch on_batch, void *param);

/* Lends each record alone, then empties it: for snapshots. */
void record_writer_lend_each(struct record_writer *writer, source_on_record on_record, void *param);

#endif
