/* SPDX-License-Identifier: MIT */
/*
 * Which runs a query asks for. Where an index has them in order they are read from it in portions;
 * those of some processes only, or that ran at a moment, are collected and sorted first.
 */
#include "record_reader_private.h"

#include "buffer.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

/* As record.sql's index processes_long has it. */
#define LONG_NS	    INT64_C(10000000000)
#define LONG_TEXT   "10000000000"
#define LONG_DIGITS 11 /* of it */
#define MOST_DIGITS 19 /* of any number of 63 bits */

struct record_search {
	struct record_reader *reader;
	const struct record_query *query;
	int64_t name; /* rows of texts */
	int64_t exe;
	bool nothing; /* such a name or program was never seen */
	struct record_run *collected;
	size_t collected_count;
	size_t collected_capacity;
	size_t collected_at;
	struct buffer sql; /* of what is streamed; empty: nothing is */
	bool streamed;	   /* to its end */
	struct record_run last;
	bool begun;
};

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

static int collect(struct record_search *search, const struct record_run *run)
{
	if (search->collected_count == search->collected_capacity) {
		size_t capacity = search->collected_capacity ? search->collected_capacity * 2 : 256;
		struct record_run *runs =
		    realloc(search->collected, capacity * sizeof(*search->collected));

		if (!runs)
			return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for %zu runs",
					 search->collected_count);
		search->collected = runs;
		search->collected_capacity = capacity;
	}
	search->collected[search->collected_count++] = *run;
	return 0;
}

static int compare_runs(const struct record_run *one, const struct record_run *other)
{
	if (one->time_ns != other->time_ns)
		return one->time_ns < other->time_ns ? -1 : 1;
	if (one->process != other->process)
		return one->process < other->process ? -1 : 1;
	return (one->exec > other->exec) - (one->exec < other->exec);
}

static int compare(const void *one, const void *other)
{
	return compare_runs(one, other);
}

/* Statements that read rows of one column, or of a run's three. */

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
static int find_running(struct record_reader *reader, int64_t at_ns, struct record_list *processes)
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

/* Whether a run is one that is asked for, beside its time. */
static bool suits(const struct record_search *search, sqlite3_stmt *statement)
{
	const struct record_query *query = search->query;

	return (!search->name || sqlite3_column_int64(statement, 3) == search->name) &&
	       (!search->exe || sqlite3_column_int64(statement, 4) == search->exe) &&
	       (!query->has_uid || (sqlite3_column_type(statement, 5) != SQLITE_NULL &&
				    sqlite3_column_int64(statement, 5) == query->uid));
}

static bool within(const struct record_query *query, int64_t time_ns)
{
	return time_ns >= query->interval.since_ns && time_ns < query->interval.until_ns;
}

/* Two statements for one process: its execs, and itself. The first columns are the same. */
#define EXECS_OF                                                                                   \
	"SELECT time_ns, process, id, name, exe, uid FROM execs WHERE process = ?1 ORDER BY id"
#define ITSELF                                                                                     \
	"SELECT start_ns, id, 0, name, exe, uid, end_ns, code <> 0 OR signal <> 0 FROM processes " \
	"WHERE id = ?1"

struct collector {
	struct record_search *search;
	sqlite3_stmt *execs;
	sqlite3_stmt *itself;
	/* Takes those that ran at the beginning of the interval instead of those that began in it.
	 */
	bool at_beginning;
};

static struct record_run run_of(sqlite3_stmt *statement)
{
	return (struct record_run){
	    .time_ns = sqlite3_column_int64(statement, 0),
	    .process = sqlite3_column_int64(statement, 1),
	    .exec = sqlite3_column_int64(statement, 2),
	};
}

/* The run that a process ended with, if it failed as asked for. */
static int collect_failed(const struct collector *collector, const struct record_run *last,
			  bool last_suits)
{
	sqlite3_stmt *itself = collector->itself;
	struct record_run run = *last;

	run.time_ns = sqlite3_column_int64(itself, 6);
	if (!last_suits || !sqlite3_column_int(itself, 7) ||
	    !within(collector->search->query, run.time_ns))
		return 0;
	return collect(collector->search, &run);
}

/* Of one process, whose row is under collector->itself. */
static int collect_execs(const struct collector *collector)
{
	struct record_search *search = collector->search;
	const struct record_query *query = search->query;
	struct record_run last = run_of(collector->itself);
	bool last_suits = query->forks && suits(search, collector->itself);
	bool any = false;
	int result;

	while ((result = reader_step(search->reader, collector->execs)) > 0) {
		struct record_run run = run_of(collector->execs);
		int error = 0;

		/* What it ran at the beginning is the last that it had begun by then. */
		if (collector->at_beginning && any && run.time_ns >= query->interval.since_ns)
			break;
		any = true;
		last = run;
		last_suits = suits(search, collector->execs);
		if (!collector->at_beginning && !query->failed && last_suits &&
		    within(query, run.time_ns))
			error = collect(search, &run);
		if (error)
			return error;
	}
	if (result < 0)
		return result;
	if (query->failed)
		return collect_failed(collector, &last, last_suits);
	if (!last_suits || (any && !collector->at_beginning))
		return 0;
	if (!collector->at_beginning && !within(query, last.time_ns))
		return 0;
	return collect(search, &last);
}

static int collect_process(const struct collector *collector, int64_t process)
{
	int result;

	sqlite3_bind_int64(collector->itself, 1, process);
	sqlite3_bind_int64(collector->execs, 1, process);
	result = reader_step(collector->search->reader, collector->itself);
	if (result > 0)
		result = collect_execs(collector);
	sqlite3_reset(collector->itself);
	sqlite3_reset(collector->execs);
	return result;
}

static int collect_processes(struct record_search *search, const int64_t *processes, size_t count,
			     bool at_beginning)
{
	struct collector collector = {.search = search, .at_beginning = at_beginning};
	int error = reader_prepare(search->reader, EXECS_OF, &collector.execs);

	if (!error)
		error = reader_prepare(search->reader, ITSELF, &collector.itself);
	for (size_t index = 0; index < count && !error; index++)
		error = collect_process(&collector, processes[index]);
	sqlite3_finalize(collector.execs);
	sqlite3_finalize(collector.itself);
	return error;
}

static int collect_running(struct record_search *search)
{
	struct record_list processes = {0};
	int error = find_running(search->reader, search->query->interval.since_ns, &processes);

	if (!error)
		error = collect_processes(search, processes.rows, processes.count, true);
	record_list_free(&processes);
	return error;
}

/* The statement that streams. */

static void append_bounds(struct buffer *sql, const struct record_search *search,
			  const char *time_column, bool forks)
{
	const struct record_query *query = search->query;
	bool bounded = query->interval.since_ns != INT64_MIN;

	buffer_append_text(sql, time_column);
	buffer_append_text(sql, " >= ?1 AND ");
	buffer_append_text(sql, time_column);
	buffer_append_text(sql, " < ?2");
	if (search->exe)
		buffer_append_text(sql, " AND exe = ?3");
	if (search->name)
		buffer_append_text(sql, search->exe ? " AND +name = ?4" : " AND name = ?4");
	if (query->has_uid)
		buffer_append_text(sql, search->exe || search->name ? " AND +uid = ?5"
								    : " AND uid = ?5");
	if (forks)
		buffer_append_text(sql, " AND NOT EXISTS (SELECT 1 FROM execs "
					"WHERE process = processes.id)");
	/* What ran already when observation began, did not begin then. */
	else if (bounded && !query->running)
		buffer_append_text(sql, " AND +origin = 3");
}

/* Each of the two is read in the order of an index, and SQLite merges them. */
static void write_stream(struct record_search *search)
{
	struct buffer *sql = &search->sql;
	bool down = search->query->newest_first;

	buffer_append_text(sql, "SELECT time_ns, process, id FROM execs WHERE ");
	append_bounds(sql, search, "time_ns", false);
	if (search->query->forks) {
		buffer_append_text(sql, " UNION ALL SELECT start_ns, id, 0 FROM processes "
					"WHERE +origin = 2 AND ");
		append_bounds(sql, search, "start_ns", true);
	}
	buffer_append_text(sql, down ? " ORDER BY 1 DESC" : " ORDER BY 1");
	buffer_append_character(sql, '\0');
}

static void write_stream_of_failed(struct record_search *search)
{
	const struct record_query *query = search->query;
	struct buffer *sql = &search->sql;

	buffer_append_text(sql,
			   "SELECT ended.end_ns, ended.id, coalesce(execs.id, 0) "
			   "FROM processes AS ended INDEXED BY processes_failed LEFT JOIN execs "
			   "ON execs.id = (SELECT max(id) FROM execs WHERE process = ended.id) "
			   "WHERE (ended.code <> 0 OR ended.signal <> 0) "
			   "AND ended.end_ns >= ?1 AND ended.end_ns < ?2");
	if (!query->forks)
		buffer_append_text(sql, " AND execs.id IS NOT NULL");
	if (search->exe)
		buffer_append_text(sql, " AND coalesce(execs.exe, ended.exe) = ?3");
	if (search->name)
		buffer_append_text(sql, " AND coalesce(execs.name, ended.name) = ?4");
	if (query->has_uid)
		buffer_append_text(sql, " AND coalesce(execs.uid, ended.uid) = ?5");
	buffer_append_text(sql, query->newest_first ? " ORDER BY 1 DESC" : " ORDER BY 1");
	buffer_append_character(sql, '\0');
}

/* From the last time on, in whichever direction: what was given out is passed over by its rows. */
static int prepare_stream(struct record_search *search, sqlite3_stmt **statement)
{
	const struct record_query *query = search->query;
	int64_t since_ns = query->interval.since_ns;
	int64_t until_ns = query->interval.until_ns;
	int error = reader_prepare(search->reader, search->sql.data, statement);

	if (error)
		return error;
	if (search->begun && query->newest_first)
		until_ns = search->last.time_ns + 1;
	else if (search->begun)
		since_ns = search->last.time_ns;
	sqlite3_bind_int64(*statement, 1, since_ns);
	sqlite3_bind_int64(*statement, 2, until_ns);
	sqlite3_bind_int64(*statement, 3, search->exe);
	sqlite3_bind_int64(*statement, 4, search->name);
	sqlite3_bind_int64(*statement, 5, query->uid);
	return 0;
}

static bool same_run(const struct record_run *one, const struct record_run *other)
{
	return one->process == other->process && one->exec == other->exec;
}

/*
 * Those of one time come in the same order each time that they are asked for, so that what follows
 * the last one is new. If retention has taken the last one, all of its time are passed over.
 */
static int read_stream(struct record_search *search, struct record_run *runs, size_t room,
		       size_t *count)
{
	sqlite3_stmt *statement = NULL;
	struct record_run last = search->last;
	bool passing = search->begun;
	int result = prepare_stream(search, &statement);

	while (!result && *count < room) {
		struct record_run run;

		result = reader_step(search->reader, statement);
		if (result <= 0)
			break;
		result = 0;
		run = run_of(statement);
		if (passing && run.time_ns == last.time_ns) {
			passing = !same_run(&run, &last);
			continue;
		}
		passing = false;
		runs[(*count)++] = run;
		search->last = run;
		search->begun = true;
	}
	sqlite3_finalize(statement);
	if (result >= 0 && *count < room)
		search->streamed = true;
	return result < 0 ? result : 0;
}

static void give_collected(struct record_search *search, struct record_run *runs, size_t room,
			   size_t *count)
{
	while (*count < room && search->collected_at < search->collected_count) {
		size_t at = search->collected_at++;

		if (search->query->newest_first)
			at = search->collected_count - 1 - at;
		runs[(*count)++] = search->collected[at];
	}
}

/* Those that ran already come before those that began, whichever way they are read. */
int record_search_next(struct record_search *search, struct record_run *runs, size_t room,
		       size_t *count)
{
	bool down = search->query->newest_first;
	size_t got = 0;
	int error = 0;

	if (!down)
		give_collected(search, runs, room, &got);
	if (got < room && search->sql.size && !search->streamed)
		error = read_stream(search, runs, room, &got);
	if (error)
		return error;
	if (down && (search->streamed || !search->sql.size))
		give_collected(search, runs, room, &got);
	*count = got;
	return 0;
}

static int find_texts(struct record_search *search)
{
	const struct record_query *query = search->query;
	int error = 0;

	if (query->name) {
		error = reader_find_text(search->reader, query->name, &search->name);
		search->nothing |= !search->name;
	}
	if (query->exe && !error) {
		error = reader_find_text(search->reader, query->exe, &search->exe);
		search->nothing |= !search->exe;
	}
	return error;
}

static int prepare_search(struct record_search *search)
{
	const struct record_query *query = search->query;
	int error = find_texts(search);

	if (error || search->nothing)
		return error;
	if (query->processes)
		error = collect_processes(search, query->processes, query->process_count, false);
	else if (query->failed)
		write_stream_of_failed(search);
	else
		write_stream(search);
	if (!error && query->running && !query->processes && query->interval.since_ns != INT64_MIN)
		error = collect_running(search);
	if (!error && search->sql.failed)
		error = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a question");
	if (search->collected_count)
		qsort(search->collected, search->collected_count, sizeof(*search->collected),
		      compare);
	return error;
}

int record_search_open(struct record_reader *reader, const struct record_query *query,
		       struct record_search **opened)
{
	struct record_search *search = calloc(1, sizeof(*search));
	int error;

	if (!search)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a question");
	search->reader = reader;
	search->query = query;
	error = prepare_search(search);
	if (error) {
		record_search_close(search);
		return error;
	}
	*opened = search;
	return 0;
}

void record_search_close(struct record_search *search)
{
	if (!search)
		return;
	free(search->collected);
	buffer_free(&search->sql);
	free(search);
}
