/* SPDX-License-Identifier: MIT */
#include "record_retention.h"

#include "error.h"
#include "os.h"

#include <stdlib.h>
#include <string.h>

/* Rows in one transaction, and how many slices of ended processes come before one of the rest. */
#define SLICE		1024
#define SLICES_OF_ENDED 16

#define MARK_SLICE   2048
#define SWEEP_SLICE  2048
#define VACUUM_SLICE "PRAGMA incremental_vacuum(256)"

/* Texts that are looked for in one go: 8 MiB of bits. */
#define WINDOW (INT64_C(1) << 26)

/* Texts are looked for when about a tenth of the rows has gone, at 700 bytes each with its texts.
 */
#define BYTES_PER_REMOVED 7000
#define REMOVED_LEAST	  1000

/* Where the bound is near, this is worth more of the time than what is written. */
#define PRESSURE_MOST 6

/* Fewer free pages are left for what comes; so is less than a quarter of the file. */
#define FREE_PAGES_KEPT 1024

struct space {
	int64_t page_size;
	int64_t pages;
	int64_t free_pages;
};

int record_retention_begin(struct record_retention *retention)
{
	sqlite3_stmt *statement = record_statement(retention->database, RECORD_GET_STATE);

	sqlite3_bind_text(statement, 1, "removed", -1, SQLITE_STATIC);
	int found = record_step(retention->database, statement, "read its state");
	retention->removed = found > 0 ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_reset(statement);
	return found < 0 ? found : 0;
}

void record_retention_end(struct record_retention *retention)
{
	if (retention->texts) {
		free(retention->texts->marks);
		retention->texts->marks = NULL;
	}
	retention->phase = RETENTION_ROWS;
}

static int measure(struct record_database *database, struct space *space)
{
	int error = record_pragma(database, "page_size", &space->page_size);

	if (!error)
		error = record_pragma(database, "page_count", &space->pages);
	if (!error)
		error = record_pragma(database, "freelist_count", &space->free_pages);
	return error;
}

static int64_t used_bytes(const struct space *space)
{
	return (space->pages - space->free_pages) * space->page_size;
}

/* Some room is left for what comes while this works: a fifth, then a tenth. */
static unsigned pressure_of(const struct record_retention *retention, const struct space *space)
{
	int64_t most = (int64_t)retention->max_size - 2 * (int64_t)retention->log_size;

	if (!retention->max_size || used_bytes(space) <= most - most / 5)
		return 0;
	return space->pages * space->page_size <= most - most / 10 ? 1 : PRESSURE_MOST;
}

/* ---- rows ---- */

static int run_with_id(struct record_database *database, enum record_statement which, int64_t id)
{
	sqlite3_stmt *statement = record_statement(database, which);

	sqlite3_bind_int64(statement, 1, id);
	return record_run(database, which, "remove what is old");
}

static int remove_process(struct record_retention *retention, int64_t id, const char *identity)
{
	static const enum record_statement statements[] = {
	    RECORD_REMOVE_EXECS_OF, RECORD_REMOVE_ATTEMPTS_OF, RECORD_FORGET_PARENT,
	    RECORD_FORGET_CREATOR,  RECORD_REMOVE_PROCESS,
	};
	int error = 0;

	for (size_t i = 0; !error && i < sizeof statements / sizeof *statements; i++)
		error = run_with_id(retention->database, statements[i], id);
	record_processes_forget_one(retention->processes, identity);
	retention->removed += 2;
	return error;
}

struct doomed {
	int64_t id;
	int64_t time_ns;
	char identity[RECORD_IDENTITY_SIZE];
};

/* What a query of processes (id, identity, time) finds goes; how many, or an error. */
static int remove_processes(struct record_retention *retention, enum record_statement query,
			    int64_t before_ns, int64_t *last_ns)
{
	struct doomed doomed[SLICE];
	int count = 0, found, error = 0;
	sqlite3_stmt *statement = record_statement(retention->database, query);

	sqlite3_bind_int64(statement, 1, before_ns);
	sqlite3_bind_int64(statement, 2, SLICE);
	while ((found = record_step(retention->database, statement, "look for what is old")) > 0) {
		const char *identity = (const char *)sqlite3_column_text(statement, 1);
		doomed[count].id = sqlite3_column_int64(statement, 0);
		doomed[count].time_ns = sqlite3_column_int64(statement, 2);
		strncpy(doomed[count].identity, identity ? identity : "", RECORD_IDENTITY_SIZE - 1);
		doomed[count++].identity[RECORD_IDENTITY_SIZE - 1] = '\0';
	}
	sqlite3_reset(statement);
	if (found < 0)
		return found;
	for (int i = 0; !error && i < count; i++) {
		error = remove_process(retention, doomed[i].id, doomed[i].identity);
		*last_ns = doomed[i].time_ns;
	}
	return error ? error : count;
}

/* Programs that who still runs has left behind by another exec. */
static int remove_old_execs(struct record_retention *retention, int64_t before_ns)
{
	struct record_database *database = retention->database;
	sqlite3_stmt *statement = record_statement(database, RECORD_OLD_EXECS);
	int64_t ids[SLICE];
	int count = 0, seen = 0, found, error = 0;

	sqlite3_bind_int64(statement, 1, retention->execs_ns);
	sqlite3_bind_int64(statement, 2, before_ns);
	sqlite3_bind_int64(statement, 3, SLICE);
	while ((found = record_step(database, statement, "look for what is old")) > 0) {
		retention->execs_ns = sqlite3_column_int64(statement, 1);
		if (sqlite3_column_int(statement, 2))
			ids[count++] = sqlite3_column_int64(statement, 0);
		seen++;
	}
	sqlite3_reset(statement);
	if (seen < SLICE)
		retention->execs_ns = 0; /* the next round begins at the oldest again */
	if (found < 0)
		return found;
	for (int i = 0; !error && i < count; i++)
		error = run_with_id(database, RECORD_REMOVE_EXEC, ids[i]);
	retention->removed += count;
	return error ? error : count;
}

static int remove_old_attempts(struct record_retention *retention, int64_t before_ns)
{
	struct record_database *database = retention->database;
	sqlite3_stmt *statement = record_statement(database, RECORD_OLD_ATTEMPTS);
	int64_t ids[SLICE];
	int count = 0, found, error = 0;

	sqlite3_bind_int64(statement, 1, before_ns);
	sqlite3_bind_int64(statement, 2, SLICE);
	while ((found = record_step(database, statement, "look for what is old")) > 0)
		ids[count++] = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	if (found < 0)
		return found;
	for (int i = 0; !error && i < count; i++)
		error = run_with_id(database, RECORD_REMOVE_ATTEMPT, ids[i]);
	retention->removed += count;
	return error ? error : count;
}

static int remove_old_losses(struct record_retention *retention, int64_t before_ns)
{
	sqlite3_stmt *statement = record_statement(retention->database, RECORD_REMOVE_LOSSES);

	sqlite3_bind_int64(statement, 1, before_ns);
	sqlite3_bind_int64(statement, 2, SLICE);
	int error = record_run(retention->database, RECORD_REMOVE_LOSSES, "remove what is old");
	return error ? error : sqlite3_changes(retention->database->connection);
}

static int remove_rest(struct record_retention *retention, int64_t before_ns)
{
	int64_t last_ns;
	int count = remove_processes(retention, RECORD_UNENDED_PROCESSES, before_ns, &last_ns);

	if (!count)
		count = remove_processes(retention, RECORD_BARE_PROCESSES, before_ns, &last_ns);
	if (!count)
		count = remove_old_execs(retention, before_ns);
	if (!count)
		count = remove_old_attempts(retention, before_ns);
	if (!count)
		count = remove_old_losses(retention, before_ns);
	return count;
}

/* Nothing has ended (exits may not be asked for), and yet there is too much. */
static int remove_oldest(struct record_retention *retention, int64_t before_ns)
{
	int64_t last_ns;

	return remove_processes(retention, RECORD_OLDEST_PROCESSES, before_ns, &last_ns);
}

/*
 * There is too much, and some of it has a time to come. It was written before what comes now, which
 * would go in its place for as long as that.
 */
static int remove_later(struct record_retention *retention)
{
	int64_t last_ns;

	return remove_processes(retention, RECORD_LATER_PROCESSES, retention->later_ns, &last_ns);
}

static int note_removed(struct record_retention *retention)
{
	sqlite3_stmt *statement = record_statement(retention->database, RECORD_SET_STATE);

	sqlite3_bind_text(statement, 1, "removed", -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, retention->removed);
	return record_run(retention->database, RECORD_SET_STATE, "note its state");
}

/*
 * One transaction: what ended before `before_ns`, and now and then the rest, which is not older
 * than what has ended and is still there. How many rows, or an error.
 */
static int remove_slice(struct record_retention *retention, int64_t before_ns, bool too_large)
{
	int error = record_begin(retention->database);
	if (error)
		return error;

	int count = too_large ? remove_later(retention) : 0;
	if (!count)
		count = remove_processes(retention, RECORD_ENDED_PROCESSES, before_ns,
					 &retention->horizon_ns);
	if (count >= 0 && (!count || ++retention->slices % SLICES_OF_ENDED == 0)) {
		int more = remove_rest(retention, count ? retention->horizon_ns : before_ns);
		count = more < 0 ? more : count + more;
	}
	if (!count && too_large && !retention->removed)
		count = remove_oldest(retention, before_ns);
	error = count < 0 ? count : 0;
	if (!error && count)
		error = note_removed(retention);
	if (!error)
		error = record_commit(retention->database);
	if (error)
		record_rollback(retention->database);
	return error ? error : count;
}

/* ---- texts ---- */

static int begin_window(struct record_retention *retention, int64_t first)
{
	struct record_texts *texts = retention->texts;
	int64_t count = retention->last_text - first + 1;

	record_retention_end(retention);
	texts->mark_base = first;
	texts->mark_count = count < WINDOW ? count : WINDOW;
	texts->marks = calloc((size_t)(texts->mark_count >> 3) + 1, 1);
	if (!texts->marks)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory to look for old texts");
	retention->phase = RETENTION_MARK_EXECS;
	retention->position = 0;
	return 0;
}

static int begin_texts(struct record_retention *retention)
{
	sqlite3_stmt *statement = record_statement(retention->database, RECORD_TEXT_RANGE);
	int found = record_step(retention->database, statement, "look for old texts");
	int64_t first = 0;

	if (found > 0) {
		first = record_column(statement, 0);
		retention->last_text = record_column(statement, 1);
	}
	sqlite3_reset(statement);
	if (found < 0)
		return found;
	retention->removed = 0;
	return first == RECORD_NULL ? 0 : begin_window(retention, first);
}

/* Rows of (id, text, text, ...) behind the position. */
static int mark_slice(struct record_retention *retention, enum record_statement query)
{
	sqlite3_stmt *statement = record_statement(retention->database, query);
	int columns = sqlite3_column_count(statement);
	int rows = 0, found;

	sqlite3_bind_int64(statement, 1, retention->position);
	sqlite3_bind_int64(statement, 2, MARK_SLICE);
	while ((found = record_step(retention->database, statement, "look for old texts")) > 0) {
		retention->position = sqlite3_column_int64(statement, 0);
		/* NULL reads as 0, which is no text. */
		for (int column = 1; column < columns; column++)
			record_texts_mark(retention->texts,
					  sqlite3_column_int64(statement, column));
		rows++;
	}
	sqlite3_reset(statement);
	if (!found && rows < MARK_SLICE) {
		retention->phase++;
		retention->position =
		    retention->phase == RETENTION_SWEEP ? retention->texts->mark_base - 1 : 0;
	}
	return found;
}

struct unnamed_text {
	int64_t id;
	int64_t hash;
};

/* How many texts were looked at; those that nothing names are in the list. */
static int find_unnamed(struct record_retention *retention, struct unnamed_text *texts, int *count)
{
	sqlite3_stmt *statement = record_statement(retention->database, RECORD_SOME_TEXTS);
	int seen = 0, found;

	sqlite3_bind_int64(statement, 1, retention->position);
	sqlite3_bind_int64(statement, 2,
			   retention->texts->mark_base + retention->texts->mark_count - 1);
	sqlite3_bind_int64(statement, 3, SWEEP_SLICE);
	*count = 0;
	while ((found = record_step(retention->database, statement, "look for old texts")) > 0) {
		int64_t id = sqlite3_column_int64(statement, 0);
		retention->position = id;
		if (!record_texts_is_marked(retention->texts, id))
			texts[(*count)++] =
			    (struct unnamed_text){id, sqlite3_column_int64(statement, 1)};
		seen++;
	}
	sqlite3_reset(statement);
	return found < 0 ? found : seen;
}

static int remove_texts(struct record_retention *retention, const struct unnamed_text *texts,
			int count)
{
	int error = record_begin(retention->database);

	for (int i = 0; !error && i < count; i++) {
		record_texts_forget_one(retention->texts, texts[i].hash, texts[i].id);
		error = run_with_id(retention->database, RECORD_REMOVE_TEXT, texts[i].id);
	}
	if (!error)
		error = note_removed(retention);
	if (!error)
		error = record_commit(retention->database);
	if (error)
		record_rollback(retention->database);
	return error;
}

static int sweep_slice(struct record_retention *retention)
{
	struct unnamed_text texts[SWEEP_SLICE];
	int64_t before = retention->position;
	int count;
	int seen = find_unnamed(retention, texts, &count);
	int error = seen < 0 ? seen : 0;

	if (!error && count)
		error = remove_texts(retention, texts, count);
	if (error) {
		retention->position = before;
		return error;
	}
	if (seen == SWEEP_SLICE)
		return 0;
	int64_t next = retention->texts->mark_base + retention->texts->mark_count;
	if (next <= retention->last_text)
		return begin_window(retention, next);
	record_retention_end(retention);
	return 0;
}

/* ---- what comes next ---- */

static int vacuum(struct record_database *database)
{
	int status = sqlite3_exec(database->connection, VACUUM_SLICE, NULL, NULL, NULL);

	return status ? record_database_failed(database, status, "give room back") : 0;
}

static int tidy_rows(struct record_retention *retention, const struct space *space, int64_t now_ns,
		     bool *busy)
{
	bool too_large = retention->pressure > 0;
	int64_t limit = used_bytes(space) / BYTES_PER_REMOVED;

	if (retention->removed > (limit > REMOVED_LEAST ? limit : REMOVED_LEAST)) {
		*busy = true;
		return begin_texts(retention);
	}
	if (too_large || retention->keep_ns) {
		/* What is of this moment may still be told more of. */
		int64_t age_ns = now_ns < retention->believed_ns ? now_ns : retention->believed_ns;
		int64_t before_ns = too_large ? now_ns : age_ns - (int64_t)retention->keep_ns;
		int count = remove_slice(retention, before_ns, too_large);
		if (count)
			*busy = true;
		if (count || count < 0)
			return count < 0 ? count : 0;
	}
	if (too_large && retention->removed) {
		*busy = true;
		return begin_texts(retention);
	}
	if (space->free_pages > FREE_PAGES_KEPT && space->free_pages > space->pages / 4) {
		*busy = true;
		return vacuum(retention->database);
	}
	return 0;
}

static int take_step(struct record_retention *retention, int64_t now_ns, bool *busy)
{
	struct space space;
	int error = measure(retention->database, &space);

	if (error)
		return error;
	retention->pressure = pressure_of(retention, &space);
	switch (retention->phase) {
	case RETENTION_MARK_EXECS:
		return mark_slice(retention, RECORD_TEXTS_OF_EXECS);
	case RETENTION_MARK_PROCESSES:
		return mark_slice(retention, RECORD_TEXTS_OF_PROCESSES);
	case RETENTION_MARK_ATTEMPTS:
		return mark_slice(retention, RECORD_TEXTS_OF_ATTEMPTS);
	case RETENTION_SWEEP:
		return sweep_slice(retention);
	default:
		*busy = false;
		return tidy_rows(retention, &space, now_ns, busy);
	}
}

int record_retention_step(struct record_retention *retention, int64_t now_ns, uint64_t budget_ns,
			  bool *busy)
{
	uint64_t end_ns = os_monotonic_ns() + budget_ns;
	int error = 0;

	*busy = true;
	while (!error && *busy && os_monotonic_ns() < end_ns)
		error = take_step(retention, now_ns, busy);
	return error;
}
