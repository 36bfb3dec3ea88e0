/* SPDX-License-Identifier: MIT */
/* What the record's file must look like, and how one of an earlier version gets there. */
#ifndef PROCOBSRV_SINKS_RECORD_SCHEMA_H
#define PROCOBSRV_SINKS_RECORD_SCHEMA_H

#include <sqlite3.h>

/* The step from version `number - 1`, in the order of a table of them: the first makes version 1.
 */
struct record_step {
	const char *sql;
};

/* The steps of this version, RECORD_VERSION_NOW of them. */
extern const struct record_step record_steps[];

/*
 * Takes the database from its user_version to `version`, each step in a transaction of its own
 * together with its number. SQLITE_OK, or SQLite's code: it is then whole, at the version that it
 * had before the step that failed.
 */
int record_migrate(sqlite3 *connection, const struct record_step *steps, int version);

#endif
