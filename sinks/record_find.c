/* SPDX-License-Identifier: MIT */
/* Processes of the record: by pid, by id, by descent, by the time at which they ran. */
#include "record_reader_private.h"

#include "error.h"

#include <stdlib.h>

/* As record.sql's index processes_long has it. */
#define LONG_NS	    INT64_C(10000000000)
#define LONG_TEXT   "10000000000"
#define LONG_DIGITS 11 /* of it */
#define MOST_DIGITS 19 /* of any number of 63 bits */

void record_list_free(struct record_list *processes)
{
	free(processes->rows);
	*processes = (struct record_list){0};
}

int record_list_add(struct record_list *processes, int64_t row)
{
	if (processes->count == processes->capacity) {
		size_t capacity = processes->capacity ? processes->capacity * 2 : 256;
		int64_t *rows = realloc(processes->rows, capacity * sizeof(*rows));

		if (!rows)
			return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for %zu processes",
					 processes->count);
		processes->rows = rows;
		processes->capacity = capacity;
	}
	processes->rows[processes->count++] = row;
	return 0;
}

static int read_processes(struct record_reader *reader, sqlite3_stmt *statement,
			  struct record_list *processes)
{
	int result;

	while ((result = reader_step(reader, statement)) > 0) {
		int error = record_list_add(processes, sqlite3_column_int64(statement, 0));

		if (error)
			return error;
	}
	return result;
}

/* Up to four integers are bound. */
static int find_processes(struct record_reader *reader, const char *sql, const int64_t *values,
			  int value_count, struct record_list *processes)
{
	sqlite3_stmt *statement = NULL;
	int result = reader_prepare(reader, sql, &statement);

	if (result)
		return result;
	for (int index = 0; index < value_count; index++)
		sqlite3_bind_int64(statement, index + 1, values[index]);
	result = read_processes(reader, statement, processes);
	sqlite3_finalize(statement);
	return result;
}

int record_find_pid(struct record_reader *reader, uint32_t pid, int64_t until_ns,
		    struct record_list *processes)
{
	const int64_t values[] = {pid, until_ns};

	return find_processes(reader,
			      "SELECT id FROM processes WHERE pid = ?1 AND start_ns < ?2 "
			      "ORDER BY start_ns",
			      values, 2, processes);
}

int record_find_identity(struct record_reader *reader, const char *identity, int64_t *process)
{
	sqlite3_stmt *statement = NULL;
	int result =
	    reader_prepare(reader, "SELECT id FROM processes WHERE identity = ?1", &statement);

	if (result)
		return result;
	sqlite3_bind_text(statement, 1, identity, -1, SQLITE_STATIC);
	result = reader_step(reader, statement);
	if (result > 0)
		*process = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	if (result == 0)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND,
				 "the record tells of no process with the id '%s'", identity);
	return result < 0 ? result : 0;
}

int record_find_tree(struct record_reader *reader, int64_t process, struct record_list *processes)
{
	return find_processes(reader,
			      "WITH RECURSIVE tree (id) AS (SELECT ?1 UNION SELECT processes.id "
			      "FROM tree CROSS JOIN processes ON processes.parent = tree.id) "
			      "SELECT id FROM tree",
			      &process, 1, processes);
}

int record_find_children(struct record_reader *reader, int64_t process, int64_t before_ns,
			 size_t most, struct record_list *processes)
{
	const int64_t values[] = {process, before_ns, (int64_t)most};

	return find_processes(reader,
			      "SELECT id FROM processes WHERE parent = ?1 AND +end_ns < ?2 "
			      "ORDER BY id DESC LIMIT ?3",
			      values, 3, processes);
}

int record_find_ancestors(struct record_reader *reader, int64_t process,
			  struct record_list *processes)
{
	/* UNION: a record that somebody else has written may go round in circles. */
	return find_processes(
	    reader,
	    "WITH RECURSIVE line (id, depth) AS (SELECT ?1, 0 UNION SELECT processes.parent, "
	    "line.depth + 1 FROM line CROSS JOIN processes ON processes.id = line.id "
	    "WHERE processes.parent IS NOT NULL AND line.depth < 10000) "
	    "SELECT id FROM line ORDER BY depth DESC",
	    &process, 1, processes);
}

int record_parent(struct record_reader *reader, int64_t process, int64_t *parent)
{
	sqlite3_stmt *statement;
	int result = reader_statement(reader, STATEMENT_PARENT, &statement);

	if (result)
		return result;
	sqlite3_bind_int64(statement, 1, process);
	result = reader_step(reader, statement);
	if (result >= 0)
		*parent = result ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_reset(statement);
	return result < 0 ? result : 0;
}

static int compare_starts(const void *one, const void *other)
{
	const struct record_start *left = one;
	const struct record_start *right = other;

	if (left->start_ns != right->start_ns)
		return left->start_ns < right->start_ns ? -1 : 1;
	return (left->process > right->process) - (left->process < right->process);
}

/* Those that retention has removed are left out. */
static int read_starts(struct record_reader *reader, const int64_t *rows, size_t row_count,
		       struct record_start *starts, size_t *count)
{
	sqlite3_stmt *statement = NULL;
	int result = reader_prepare(
	    reader, "SELECT coalesce(start_ns, 0) FROM processes WHERE id = ?1", &statement);

	for (size_t index = 0; index < row_count && result >= 0; index++) {
		sqlite3_bind_int64(statement, 1, rows[index]);
		result = reader_step(reader, statement);
		if (result > 0)
			starts[(*count)++] =
			    (struct record_start){sqlite3_column_int64(statement, 0), rows[index]};
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
	return result < 0 ? result : 0;
}

int record_starts_load(struct record_reader *reader, const int64_t *rows, size_t row_count,
		       struct record_start **loaded, size_t *loaded_count)
{
	struct record_start *starts = calloc(row_count + 1, sizeof(*starts));
	size_t count = 0;
	size_t kept = 0;
	int error;

	if (!starts)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for %zu processes",
				 row_count);
	error = read_starts(reader, rows, row_count, starts, &count);
	if (error) {
		free(starts);
		return error;
	}
	qsort(starts, count, sizeof(*starts), compare_starts);
	for (size_t index = 0; index < count; index++)
		if (!kept || starts[kept - 1].process != starts[index].process)
			starts[kept++] = starts[index];
	*loaded = starts;
	*loaded_count = kept;
	return 0;
}

/* Who has no end in an earlier boot, did not run any more when that was over. */
#define BOOT_THEN "(SELECT boot FROM processes WHERE start_ns < ?1 ORDER BY start_ns DESC LIMIT 1)"

/* Of those that took as many digits of nanoseconds. */
static int find_long(struct record_reader *reader, int64_t at_ns, int digits,
		     struct record_list *processes)
{
	int64_t longest_ns = LONG_NS;

	for (int digit = LONG_DIGITS; digit <= digits; digit++)
		longest_ns = longest_ns > INT64_MAX / 10 ? INT64_MAX : longest_ns * 10;
	const int64_t values[] = {at_ns, digits, LONG_NS,
				  at_ns < INT64_MIN + longest_ns ? INT64_MIN : at_ns - longest_ns};

	return find_processes(reader,
			      "SELECT id FROM processes WHERE end_ns - start_ns > " LONG_TEXT
			      " AND length(end_ns - start_ns) = ?2 AND start_ns >= ?4 "
			      "AND start_ns < ?1 - ?3 AND end_ns >= ?1",
			      values, 4, processes);
}

/*
 * Who ran at a moment and had begun before: those that began lately, those that took longer, those
 * that have not ended.
 */
int reader_find_running(struct record_reader *reader, int64_t at_ns, struct record_list *processes)
{
	const int64_t values[] = {at_ns, LONG_NS};
	int error =
	    find_processes(reader,
			   "SELECT id FROM processes WHERE start_ns < ?1 AND start_ns >= ?1 - ?2 "
			   "AND (end_ns >= ?1 OR (end_ns IS NULL AND boot = " BOOT_THEN "))",
			   values, 2, processes);

	for (int digits = LONG_DIGITS; digits <= MOST_DIGITS && !error; digits++)
		error = find_long(reader, at_ns, digits, processes);
	if (error)
		return error;
	return find_processes(reader,
			      "SELECT id FROM processes INDEXED BY processes_end WHERE "
			      "end_ns IS NULL AND start_ns < ?1 - ?2 AND boot = " BOOT_THEN,
			      values, 2, processes);
}
