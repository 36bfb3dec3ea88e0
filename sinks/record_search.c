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
	int error =
	    reader_find_running(search->reader, search->query->interval.since_ns, &processes);

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
