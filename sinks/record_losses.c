/* SPDX-License-Identifier: MIT */
/* What the record knows to be missing. */
#include "record_reader_private.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE   96
#define IN_INTERVAL " FROM losses WHERE time_ns >= ?1 AND time_ns < ?2"

struct loss {
	struct procobsrv_lost lost;
	char stage[TEXT_SIZE];
	char reason[TEXT_SIZE];
	char cursor[TEXT_SIZE];
};

static int prepare(struct record_reader *reader, const char *sql,
		   const struct record_interval *interval, sqlite3_stmt **statement)
{
	int error = reader_prepare(reader, sql, statement);

	if (error)
		return error;
	sqlite3_bind_int64(*statement, 1, interval->since_ns);
	sqlite3_bind_int64(*statement, 2, interval->until_ns);
	return 0;
}

int record_lost_count(struct record_reader *reader, const struct record_interval *interval,
		      uint64_t *count)
{
	sqlite3_stmt *statement = NULL;
	int result =
	    prepare(reader, "SELECT coalesce(sum(count), 0)" IN_INTERVAL, interval, &statement);

	if (result)
		return result;
	result = reader_step(reader, statement);
	if (result > 0)
		*count = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return result < 0 ? result : 0;
}

static uint64_t number(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

static void copy_text(char text[TEXT_SIZE], sqlite3_stmt *statement, int column)
{
	const char *found = (const char *)sqlite3_column_text(statement, column);

	sqlite3_snprintf(TEXT_SIZE, text, "%s", found ? found : "");
}

static void take_loss(sqlite3_stmt *statement, struct loss *loss)
{
	loss->lost = (struct procobsrv_lost){
	    .from_ns = sqlite3_column_int64(statement, 1),
	    .to_ns = sqlite3_column_int64(statement, 2),
	    .count = number(statement, 3),
	    .start = number(statement, 4),
	    .exec = number(statement, 5),
	    .exec_failed = number(statement, 6),
	    .exit = number(statement, 7),
	    .unknown = number(statement, 8),
	};
	copy_text(loss->stage, statement, 9);
	copy_text(loss->reason, statement, 10);
	copy_text(loss->cursor, statement, 11);
}

/* Room for one more. The events point to their details once these do not move any more. */
static bool grow(struct record_losses *losses, size_t *capacity)
{
	size_t wanted = *capacity ? *capacity * 2 : 16;
	struct procobsrv_event *events;
	struct loss *details;

	if (losses->count < *capacity)
		return true;
	events = realloc(losses->events, wanted * sizeof(*events));
	if (events)
		losses->events = events;
	details = events ? realloc(losses->details, wanted * sizeof(*details)) : NULL;
	if (!details)
		return false;
	losses->details = details;
	*capacity = wanted;
	return true;
}

static void point(struct record_losses *losses)
{
	struct loss *details = losses->details;

	for (size_t index = 0; index < losses->count; index++) {
		details[index].lost.stage = details[index].stage;
		details[index].lost.reason = details[index].reason;
		losses->events[index].lost = &details[index].lost;
		losses->events[index].cursor = details[index].cursor;
	}
}

int record_losses_load(struct record_reader *reader, const struct record_interval *interval,
		       struct record_losses *loaded)
{
	struct record_losses losses = {0};
	sqlite3_stmt *statement = NULL;
	size_t capacity = 0;
	int result =
	    prepare(reader,
		    "SELECT time_ns, from_ns, to_ns, count, starts, execs, execs_failed, exits, "
		    "unknown, stage, reason, cursor" IN_INTERVAL " ORDER BY time_ns, id",
		    interval, &statement);

	if (result)
		return result;
	while ((result = reader_step(reader, statement)) > 0) {
		if (!grow(&losses, &capacity)) {
			result = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for %zu gaps",
					   losses.count);
			break;
		}
		losses.events[losses.count] = (struct procobsrv_event){
		    .kind = PROCOBSRV_LOST, .time_ns = sqlite3_column_int64(statement, 0)};
		take_loss(statement, (struct loss *)losses.details + losses.count++);
	}
	sqlite3_finalize(statement);
	if (result < 0) {
		record_losses_free(&losses);
		return result;
	}
	point(&losses);
	*loaded = losses;
	return 0;
}

void record_losses_free(struct record_losses *losses)
{
	free(losses->events);
	free(losses->details);
	*losses = (struct record_losses){0};
}
