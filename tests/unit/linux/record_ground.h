/* SPDX-License-Identifier: MIT */
/* What the tests of the record share: a place for it, a day of events, and what it must hold then.
 */
#ifndef PROCOBSRV_TESTS_RECORD_GROUND_H
#define PROCOBSRV_TESTS_RECORD_GROUND_H

#include "day.h"
#include "sink_ground.h"

#include <sqlite3.h>

#define RECORD_GROUND_STREAM 0x5eed

/* A directory, and the record in it. */
struct record_place {
	char *directory;
	char path[512];
};

struct record_place record_place_make(void);
/* Removes it with all that is in it. */
void record_place_remove(struct record_place *place);
/* How many files there have this in their names. */
int record_place_count(const struct record_place *place, const char *part);

/* Opens the record with settings ("name=value", ended by NULL, or NULL); fails the test. */
struct open_sink record_open(const struct record_place *place, const char *const *assignments);
int record_write(const struct open_sink *opened, const struct procobsrv_event *const *events,
		 size_t count);
void record_write_one(const struct open_sink *opened, const struct procobsrv_event *event);

/* A day of so many events that ends about now; each time the same. */
struct day *record_day(uint64_t events);
/* Writes the next `count` of it, or fails the test. */
void record_write_day(const struct open_sink *opened, struct day *day, size_t count);

/* The single number that a query has; fails the test. */
int64_t record_number(const char *path, const char *sql);

/* PRAGMA integrity_check, and that every reference has its row. */
void record_check_whole(const char *path);
/* How many texts nothing names. */
int64_t record_unnamed_texts(const char *path);
/* That it holds the first `count` events of the day of `events`, each once, and nothing else. */
void record_check_day(const char *path, uint64_t events, uint64_t count);
/* The events of that day that are in it, by its cursor. */
uint64_t record_day_position(const char *path);

#endif
