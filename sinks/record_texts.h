/* SPDX-License-Identifier: MIT */
/*
 * The texts of the record: each is stored once. The ids of those that were used lately are kept in
 * memory, in a table of fixed size.
 *
 * One thread at a time.
 */
#ifndef PROCOBSRV_SINKS_RECORD_TEXTS_H
#define PROCOBSRV_SINKS_RECORD_TEXTS_H

#include "record_database.h"

#include <stddef.h>

struct record_text_entry;

struct record_texts {
	struct record_database *database; /* borrowed */
	struct record_text_entry *entries;
	uint32_t uses; /* counts up, for the age of entries */

	/* While retention looks for texts that nothing names: a bit for each id from mark_base on,
	 * set for those that are named. */
	uint8_t *marks; /* NULL: it does not look */
	int64_t mark_base;
	int64_t mark_count;
};

/* MEMORY with error_set(). */
int record_texts_create(struct record_texts *texts, struct record_database *database);
void record_texts_free(struct record_texts *texts);

/* The id of the text; it is stored if it is not yet. Within a transaction. */
int record_text_id(struct record_texts *texts, const void *bytes, size_t size, int64_t *id);

/* Forgets the ids: after a rollback some do not exist. */
void record_texts_forget(struct record_texts *texts);

/* Forgets one that is removed. */
void record_texts_forget_one(struct record_texts *texts, int64_t hash, int64_t id);

/* Notes that the text is named; ids outside the range, and RECORD_NULL, are no matter. */
void record_texts_mark(struct record_texts *texts, int64_t id);
bool record_texts_is_marked(const struct record_texts *texts, int64_t id);

#endif
