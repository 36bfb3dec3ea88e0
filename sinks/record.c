/* SPDX-License-Identifier: MIT */
/*
 * The record: every event in an SQLite database (record.sql), exactly once. A batch of events is
 * one transaction, in which the cursor is stored too; what comes again is left out.
 *
 *	record_file.c		the file, who may touch it, where it goes when it is damaged
 *	record_database.c	opening it, and what SQLite's errors mean
 *	record_schema.c		record.sql, and steps from one version to the next
 *	record_statements.c	the statements
 *	record_rows.c		from events to rows, by way of
 *	record_texts.c		texts, each once
 *	record_processes.c	processes, each one row
 *	record_cursor.c		what is on record already
 *	record_retention.c	what goes, by age and by size
 *	record_clock.c		what age is told by
 */
#include "sink.h"

#include "error.h"
#include "notice.h"
#include "os.h"
#include "record_clock.h"
#include "record_retention.h"
#include "record_rows.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
	SETTING_FILE,
	SETTING_KEEP,
	SETTING_MAX_SIZE,
	SETTING_COMMIT_INTERVAL,
	SETTING_CACHE_SIZE,
};

static const struct setting settings[] = {
    /* The database. Its directory must exist, and nobody else may write into it. */
    [SETTING_FILE] = {.name = "path",
		      .type = SETTING_PATH,
		      .initial = "/var/lib/procobsrv/record.sqlite"},
    /* What ended longer ago is removed. 0s: nothing is, by its age. */
    [SETTING_KEEP] = {.name = "keep",
		      .type = SETTING_DURATION,
		      .initial = "30d",
		      .most = UINT64_C(100) * 365 * 86400 * 1000000000},
    /* Bytes on disk, with all that belongs to it: what ended longest ago is removed before there
     * is more. 0: no bound. */
    [SETTING_MAX_SIZE] = {.name = "max-size",
			  .type = SETTING_SIZE,
			  .initial = "2G",
			  .most = UINT64_C(1) << 46},
    /* Events are written at most this often, and wait meanwhile; when many come, at once. Each time
     * costs a flush of the disk. */
    [SETTING_COMMIT_INTERVAL] = {.name = "commit-interval",
				 .type = SETTING_DURATION,
				 .initial = "200ms",
				 .most = UINT64_C(10000000000)},
    /* Memory for pages of the database. */
    [SETTING_CACHE_SIZE] = {.name = "cache-size",
			    .type = SETTING_SIZE,
			    .initial = "32M",
			    .least = 1 << 20,
			    .most = UINT64_C(1) << 36},
    {0},
};

/* So many events are no handful that is worth waiting for more. */
#define BATCH_ENOUGH 1024

/* What retention may take of a second; while there is too much, also of each batch as its share. */
#define TEND_NS	       100000000u
#define SHARE_LEAST_NS 2000000u
#define SHARE_MOST_NS  500000000u

/* The log does not get smaller while another program has a transaction open in it: told after as
 * many looks, which are a second apart. */
#define LOG_LOOKS 30

/* The log beside the file: a sixteenth of max-size, within these. */
#define LOG_SIZE_LEAST (UINT64_C(256) << 10)
#define LOG_SIZE_MOST  (UINT64_C(32) << 20)

struct sink {
	const char *path; /* borrowed, as the settings are */
	uint64_t commit_interval_ns;
	uint64_t cache_size;

	bool is_open;
	struct record_database database;
	struct record_texts texts;
	struct record_processes processes;
	struct record_rows rows;
	struct record_retention retention;
	struct record_clock clock;
	bool busy;	       /* retention has more to do */
	uint64_t committed_ns; /* monotonic: when the last batch was */
	int64_t event_ns;      /* wall clock: of the latest event */
	unsigned log_looks;    /* in a row that found the log too large */

	_Atomic uint64_t written;
	_Atomic uint64_t bytes_used;
	_Atomic uint64_t bytes_held;
	_Atomic uint64_t failures;
	_Atomic int64_t oldest_ns;
};

/* ---- opening, closing ---- */

static void close_parts(struct sink *sink)
{
	record_retention_end(&sink->retention);
	record_rows_free(&sink->rows);
	record_processes_free(&sink->processes);
	record_texts_free(&sink->texts);
	sink->is_open = false;
}

static void close_file(struct sink *sink)
{
	if (!sink->is_open)
		return;
	close_parts(sink);
	record_database_close(&sink->database);
}

static int open_parts(struct sink *sink)
{
	struct record_database *database = &sink->database;
	int error = record_texts_create(&sink->texts, database);

	if (error)
		return error;
	error = record_processes_create(&sink->processes, database);
	if (error)
		goto free_texts;
	error = record_rows_create(&sink->rows, database, &sink->texts, &sink->processes);
	if (!error) {
		sink->retention.database = database;
		sink->retention.texts = &sink->texts;
		sink->retention.processes = &sink->processes;
		error = record_retention_begin(&sink->retention);
	}
	if (!error)
		error = record_clock_begin(&sink->clock, database, os_wall_ns(), os_boot_ns());
	if (!error)
		return 0;
	record_processes_free(&sink->processes);
free_texts:
	record_texts_free(&sink->texts);
	return error;
}

/* One that is damaged has been set aside by then. */
static int open_once(struct sink *sink)
{
	int error = record_database_open(&sink->database, sink->path, sink->cache_size,
					 sink->retention.log_size);

	if (error)
		return error;
	error = open_parts(sink);
	if (!error)
		sink->is_open = true;
	else if (sink->database.damaged)
		error = record_database_set_aside(&sink->database);
	else
		record_database_close(&sink->database);
	return error;
}

/* CORRUPT means here: it is out of the way. */
static int open_file(struct sink *sink)
{
	if (sink->is_open)
		return 0;
	int error = open_once(sink);
	if (error != PROCOBSRV_ERROR_CORRUPT)
		return error;
	notice("%s", procobsrv_explain());
	return open_once(sink);
}

/*
 * After a failure: what SQLite cannot go on with is closed, and opened anew when the next events
 * come; what is damaged is set aside.
 */
static int give_up(struct sink *sink, int error)
{
	char reason[ERROR_TEXT_SIZE];

	if (error == PROCOBSRV_ERROR_BUSY || error == PROCOBSRV_ERROR_MEMORY)
		return error;
	if (sink->database.damaged) {
		close_parts(sink);
		return record_database_set_aside(&sink->database);
	}
	error_save(reason);
	close_file(sink);
	error_restore(reason);
	return error;
}

static void look_at_size(struct sink *sink)
{
	atomic_store(&sink->bytes_used, record_database_size(sink->path));
	if (!sink->is_open)
		return;
	sqlite3_stmt *statement = record_statement(&sink->database, RECORD_OLDEST_EVENT);
	sqlite3_bind_int64(statement, 1, INT64_MAX);
	if (record_step(&sink->database, statement, "read it") > 0) {
		int64_t oldest = sqlite3_column_int64(statement, 0);
		atomic_store(&sink->oldest_ns, oldest == INT64_MAX ? 0 : oldest);
	}
	sqlite3_reset(statement);
}

/* What a reader of the database keeps in the log comes on top of max-size. */
static void look_at_log(struct sink *sink)
{
	uint64_t size = record_database_log_size(sink->path);
	bool fits = size <= 2 * sink->retention.log_size ||
		    (sink->log_looks && sink->is_open && record_database_cut_log(&sink->database));

	if (fits && sink->log_looks >= LOG_LOOKS)
		notice("the log beside %s is emptied again", sink->path);
	sink->log_looks = fits ? 0 : sink->log_looks + 1;
	if (sink->log_looks == LOG_LOOKS)
		notice("the log beside %s has %llu MiB and grows: another program has had a "
		       "transaction open on the record for long (fuser %s-wal tells which); "
		       "when that ends, its room is given back",
		       sink->path, (unsigned long long)(size >> 20), sink->path);
	atomic_store(&sink->bytes_held, sink->log_looks >= LOG_LOOKS ? size : 0);
}

static uint64_t log_size_for(uint64_t max_size)
{
	if (!max_size || max_size / 16 > LOG_SIZE_MOST)
		return LOG_SIZE_MOST;
	return max_size / 16 < LOG_SIZE_LEAST ? LOG_SIZE_LEAST : max_size / 16;
}

static int sink_open(const struct setting_value *values, struct sink **sink)
{
	struct sink *opened = calloc(1, sizeof *opened);

	if (!opened)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the record");
	opened->path = values[SETTING_FILE].text;
	opened->commit_interval_ns = values[SETTING_COMMIT_INTERVAL].number;
	opened->cache_size = values[SETTING_CACHE_SIZE].number;
	opened->retention.keep_ns = values[SETTING_KEEP].number;
	opened->retention.max_size = values[SETTING_MAX_SIZE].number;
	opened->retention.log_size = log_size_for(opened->retention.max_size);
	int error = open_file(opened);
	if (error) {
		free(opened);
		return error;
	}
	look_at_size(opened);
	*sink = opened;
	return 0;
}

static void sink_close(struct sink *sink)
{
	close_file(sink);
	free(sink);
}

/* ---- writing ---- */

static int write_batch(struct sink *sink, const struct procobsrv_event *const *events, size_t count,
		       uint64_t *kept)
{
	struct record_cursor before = sink->rows.cursor;
	int error = record_begin(&sink->database);

	*kept = 0;
	for (size_t i = 0; !error && i < count; i++) {
		bool is_kept = false;
		error = record_rows_take(&sink->rows, events[i], &is_kept);
		*kept += is_kept;
		if (events[i]->time_ns > sink->event_ns)
			sink->event_ns = events[i]->time_ns;
	}
	if (!error)
		error = record_rows_finish(&sink->rows);
	if (!error)
		error = record_clock_store(&sink->clock, &sink->database);
	if (!error)
		error = record_commit(&sink->database);
	if (!error) {
		record_processes_committed(&sink->processes);
		return 0;
	}
	record_rollback(&sink->database);
	record_rows_forget(&sink->rows, &before);
	return error;
}

/* Between two batches of a few events each some time passes, in which more of them gather. */
static void wait_for_more(const struct sink *sink, size_t count)
{
	uint64_t passed = os_monotonic_ns() - sink->committed_ns;

	if (count >= BATCH_ENOUGH || passed >= sink->commit_interval_ns)
		return;
	uint64_t rest = sink->commit_interval_ns - passed;
	struct timespec pause = {.tv_sec = (time_t)(rest / 1000000000u),
				 .tv_nsec = (long)(rest % 1000000000u)};
	nanosleep(&pause, NULL);
}

/* Not beyond the latest event: a clock that was set ahead must not make everything old at once. */
static int64_t present(const struct sink *sink)
{
	int64_t now = os_wall_ns();

	return sink->event_ns && sink->event_ns < now ? sink->event_ns : now;
}

static int forget(struct sink *sink, uint64_t budget_ns)
{
	int64_t wall_ns = os_wall_ns();

	record_clock_follow(&sink->clock, wall_ns, os_boot_ns());
	sink->retention.believed_ns = sink->clock.believed_ns;
	sink->retention.later_ns = record_clock_later(&sink->clock, wall_ns);
	return record_retention_step(&sink->retention, present(sink), budget_ns, &sink->busy);
}

/* While there is too much, what goes keeps pace with what comes. */
static int share_time(struct sink *sink, uint64_t write_ns)
{
	uint64_t share = write_ns * sink->retention.pressure;

	if (!sink->busy || !share)
		return 0;
	if (share < SHARE_LEAST_NS)
		share = SHARE_LEAST_NS;
	return forget(sink, share < SHARE_MOST_NS ? share : SHARE_MOST_NS);
}

static int sink_write(struct sink *sink, const struct procobsrv_event *const *events, size_t count)
{
	uint64_t kept = 0;

	wait_for_more(sink, count);
	uint64_t began = os_monotonic_ns();
	int error = open_file(sink);
	if (!error) {
		error = write_batch(sink, events, count, &kept);
		if (error)
			error = give_up(sink, error);
	}
	/* The events go into the new file at once. */
	if (error == PROCOBSRV_ERROR_CORRUPT && !sink->is_open) {
		notice("%s", procobsrv_explain());
		error = open_file(sink);
		if (!error)
			error = write_batch(sink, events, count, &kept);
	}
	if (error) {
		atomic_fetch_add(&sink->failures, 1);
		return error;
	}
	atomic_fetch_add(&sink->written, kept);
	sink->committed_ns = os_monotonic_ns();
	/* These events are safe; what retention fails at, tend() tells. */
	share_time(sink, sink->committed_ns - began);
	return 0;
}

/* ---- the rest ---- */

static int sink_tend(struct sink *sink)
{
	if (sink->is_open && !record_database_in_place(&sink->database)) {
		notice("%s has been moved or removed: a new one is begun", sink->path);
		close_file(sink);
	}
	int error = open_file(sink);
	if (error)
		return error;
	error = forget(sink, TEND_NS);
	if (error)
		error = give_up(sink, error);
	look_at_log(sink);
	look_at_size(sink);
	return error;
}

static int sink_reopen(struct sink *sink)
{
	close_file(sink);
	return open_file(sink);
}

static void sink_statistics_of(struct sink *sink, struct sink_statistics *statistics)
{
	*statistics = (struct sink_statistics){
	    .written = atomic_load(&sink->written),
	    .bytes_used = atomic_load(&sink->bytes_used),
	    .bytes_held = atomic_load(&sink->bytes_held),
	    .failures = atomic_load(&sink->failures),
	    .oldest_ns = atomic_load(&sink->oldest_ns),
	};
}

const struct sink_operations sink_record = {
    .name = "record",
    .settings = settings,
    .durable = true,
    .open = sink_open,
    .write = sink_write,
    .tend = sink_tend,
    .reopen = sink_reopen,
    .statistics = sink_statistics_of,
    .close = sink_close,
};
