/* SPDX-License-Identifier: MIT */
#include "record_texts.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

/* 131,072 texts in 3 MiB: names, programs and directories of a busy machine, and its repeated
 * command lines. */
#define SETS 32768u
#define WAYS 4u

struct record_text_entry {
	int64_t hash;
	int64_t id; /* 0: free */
	uint32_t size;
	uint32_t used;
};

int record_texts_create(struct record_texts *texts, struct record_database *database)
{
	*texts = (struct record_texts){.database = database};
	texts->entries = calloc((size_t)SETS * WAYS, sizeof *texts->entries);
	if (!texts->entries)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the record");
	return 0;
}

void record_texts_free(struct record_texts *texts)
{
	free(texts->entries);
	free(texts->marks);
	*texts = (struct record_texts){0};
}

void record_texts_forget(struct record_texts *texts)
{
	memset(texts->entries, 0, (size_t)SETS * WAYS * sizeof *texts->entries);
}

static struct record_text_entry *set_of(const struct record_texts *texts, int64_t hash)
{
	return &texts->entries[((uint64_t)hash & (SETS - 1)) * WAYS];
}

/*
 * The hash is taken for the text here: it has 64 bits and a key that nobody knows who could choose
 * texts, and the table is small. In the file, which is large, the bytes are compared.
 */
static struct record_text_entry *find(const struct record_texts *texts, int64_t hash, size_t size)
{
	struct record_text_entry *set = set_of(texts, hash);

	for (unsigned way = 0; way < WAYS; way++) {
		if (set[way].id && set[way].hash == hash && set[way].size == size)
			return &set[way];
	}
	return NULL;
}

static void keep(struct record_texts *texts, int64_t hash, size_t size, int64_t id)
{
	struct record_text_entry *set = set_of(texts, hash), *oldest = set;

	for (unsigned way = 0; way < WAYS && oldest->id; way++) {
		if (!set[way].id || texts->uses - set[way].used > texts->uses - oldest->used)
			oldest = &set[way];
	}
	*oldest = (struct record_text_entry){hash, id, (uint32_t)size, texts->uses};
}

/* In the file: found there, or put there. */
static int store(struct record_texts *texts, int64_t hash, const void *bytes, size_t size,
		 int64_t *id)
{
	struct record_database *database = texts->database;
	sqlite3_stmt *statement = record_statement(database, RECORD_FIND_TEXT);

	sqlite3_bind_int64(statement, 1, hash);
	sqlite3_bind_blob64(statement, 2, bytes, size, SQLITE_STATIC);
	int found = record_step(database, statement, "find a text");
	if (found > 0)
		*id = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	if (found)
		return found < 0 ? found : 0;

	statement = record_statement(database, RECORD_ADD_TEXT);
	sqlite3_bind_int64(statement, 1, hash);
	sqlite3_bind_blob64(statement, 2, bytes, size, SQLITE_STATIC);
	int error = record_run(database, RECORD_ADD_TEXT, "write");
	sqlite3_clear_bindings(statement);
	if (!error)
		*id = sqlite3_last_insert_rowid(database->connection);
	return error;
}

int record_text_id(struct record_texts *texts, const void *bytes, size_t size, int64_t *id)
{
	/* A blob without bytes is not NULL. */
	const void *start = size ? bytes : "";
	int64_t hash = record_hash(texts->database->hash_key, start, size);
	struct record_text_entry *entry = find(texts, hash, size);
	int error = 0;

	texts->uses++;
	if (entry) {
		entry->used = texts->uses;
		*id = entry->id;
	} else if (!(error = store(texts, hash, start, size, id))) {
		keep(texts, hash, size, *id);
	}
	if (!error && texts->marks)
		record_texts_mark(texts, *id);
	return error;
}

void record_texts_forget_one(struct record_texts *texts, int64_t hash, int64_t id)
{
	struct record_text_entry *set = set_of(texts, hash);

	for (unsigned way = 0; way < WAYS; way++) {
		if (set[way].id == id)
			set[way].id = 0;
	}
}

static bool in_range(const struct record_texts *texts, int64_t id)
{
	return id >= texts->mark_base && id - texts->mark_base < texts->mark_count;
}

void record_texts_mark(struct record_texts *texts, int64_t id)
{
	if (!in_range(texts, id))
		return;
	uint64_t bit = (uint64_t)(id - texts->mark_base);
	texts->marks[bit >> 3] |= (uint8_t)(1u << (bit & 7));
}

bool record_texts_is_marked(const struct record_texts *texts, int64_t id)
{
	if (!in_range(texts, id))
		return true;
	uint64_t bit = (uint64_t)(id - texts->mark_base);
	return texts->marks[bit >> 3] >> (bit & 7) & 1;
}
