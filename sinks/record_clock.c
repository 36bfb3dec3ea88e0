/* SPDX-License-Identifier: MIT */
#include "record_clock.h"

#define NAME	 "believed-time"
#define STORE_NS INT64_C(60000000000)

/* So near it is right; so far ahead nothing is by chance. */
#define NEAR_NS	 INT64_C(3600000000000)
#define LATER_NS INT64_C(86400000000000)

/* A number that a statement without rows, or with NULL, leaves as it is. */
static int read_number(struct record_database *database, sqlite3_stmt *statement, int64_t *number)
{
	int found = record_step(database, statement, "read what time it was");

	if (found > 0 && record_column(statement, 0) != RECORD_NULL)
		*number = record_column(statement, 0);
	sqlite3_reset(statement);
	return found < 0 ? found : 0;
}

int record_clock_begin(struct record_clock *clock, struct record_database *database,
		       int64_t wall_ns, uint64_t boot_ns)
{
	struct record_clock begun = {.believed_ns = wall_ns, .boot_ns = boot_ns};
	sqlite3_stmt *statement = record_statement(database, RECORD_GET_STATE);

	sqlite3_bind_text(statement, 1, NAME, -1, SQLITE_STATIC);
	int error = read_number(database, statement, &begun.stored_ns);
	if (!error && begun.stored_ns)
		begun.believed_ns = begun.stored_ns;
	else if (!error)
		error = read_number(database, record_statement(database, RECORD_LATEST_EVENT),
				    &begun.believed_ns);
	if (!error)
		*clock = begun;
	return error;
}

void record_clock_follow(struct record_clock *clock, int64_t wall_ns, uint64_t boot_ns)
{
	int64_t most = (int64_t)(boot_ns - clock->boot_ns) * RECORD_CLOCK_SPEED;
	int64_t away = wall_ns - clock->believed_ns;

	clock->boot_ns = boot_ns;
	if (away > most)
		away = most;
	else if (away < -most)
		away = -most;
	clock->believed_ns += away;
}

int64_t record_clock_later(const struct record_clock *clock, int64_t wall_ns)
{
	int64_t away = wall_ns - clock->believed_ns;

	return away > NEAR_NS || away < -NEAR_NS ? INT64_MAX : wall_ns + LATER_NS;
}

int record_clock_store(struct record_clock *clock, struct record_database *database)
{
	int64_t moved = clock->believed_ns - clock->stored_ns;

	if (moved < STORE_NS && moved > -STORE_NS)
		return 0;
	sqlite3_stmt *statement = record_statement(database, RECORD_SET_STATE);
	sqlite3_bind_text(statement, 1, NAME, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, clock->believed_ns);
	int error = record_run(database, RECORD_SET_STATE, "write what time it is");
	if (!error)
		clock->stored_ns = clock->believed_ns;
	return error;
}
