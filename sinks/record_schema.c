/* SPDX-License-Identifier: MIT */
#include "record_schema.h"

#include "record_schema_text.h"

#include <stdio.h>

const struct record_step record_steps[] = {
    {record_schema_text}, /* 1: record.sql */
};

static int version_of(sqlite3 *connection, int *version)
{
	sqlite3_stmt *statement;
	int status = sqlite3_prepare_v2(connection, "PRAGMA user_version", -1, &statement, NULL);

	if (status)
		return status;
	status = sqlite3_step(statement);
	*version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return status == SQLITE_ROW ? SQLITE_OK : status;
}

static int take_step(sqlite3 *connection, const char *sql, int version)
{
	char pragma[64];
	int status = sqlite3_exec(connection, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (status)
		return status;
	snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", version);
	status = sqlite3_exec(connection, sql, NULL, NULL, NULL);
	if (!status)
		status = sqlite3_exec(connection, pragma, NULL, NULL, NULL);
	if (!status)
		status = sqlite3_exec(connection, "COMMIT", NULL, NULL, NULL);
	if (status && !sqlite3_get_autocommit(connection))
		sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

int record_migrate(sqlite3 *connection, const struct record_step *steps, int version)
{
	int at;
	int status = version_of(connection, &at);

	while (!status && at < version) {
		status = take_step(connection, steps[at].sql, at + 1);
		at++;
	}
	return status;
}
