/* SPDX-License-Identifier: MIT */
/*
 * The account of JSON lines: which events a run's lines hold, and which are missing.
 *
 * Every observed event has a number, seq. A run's lines run from its begin line to its end line;
 * between them each number is either there, told by a lost line, or not written because a filter
 * did not want it. How many the filters took is known from the end line alone: so holes are noted
 * as they come, and judged at the end.
 */
#ifndef PROCOBSRV_CONSCTL_LEDGER_H
#define PROCOBSRV_CONSCTL_LEDGER_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers that no line bears. */
struct hole {
	uint64_t first;
	uint64_t last;
	uint64_t line; /* before which it is */
};

#define HOLES_MAX   1000 /* that are named; all are counted */
#define REPORTS_MAX 2000 /* the same for lines of the report */

/* A line as far as it matters here; numbers that are absent are UINT64_MAX. */
struct ledger_line {
	char kind[16];
	bool synthetic;
	uint64_t schema;
	uint64_t seq;
	uint64_t cursor; /* its hash; 0: none */
	uint64_t first;	 /* lost */
	uint64_t count;
	uint64_t kinds_sum;
	uint64_t observed; /* end */
	uint64_t delivered;
	uint64_t filtered;
	uint64_t lost;
	uint64_t pending;
	char host[256];
	char boot[64];
	char backend[32];
	char time[40];
	char stage[32];
	char reason[64];
	char from[40];
	char to[40];
};

struct ledger_run {
	bool open;
	bool known;   /* there is or was a run */
	bool partial; /* its beginning is in a file that was not given */
	bool resumed; /* it goes on where another reader of the same observer was */
	uint64_t begin_line;
	uint64_t position; /* the last number that is accounted for */
	uint64_t events;   /* numbered ones, without lost lines */
	uint64_t unnumbered;
	uint64_t lost; /* told by lost lines */
	uint64_t repeats;
	uint64_t repeats_delivered; /* of them: events */
	uint64_t repeats_lost;	    /* told by lost lines that are repeats */
	uint64_t holes;		    /* numbers */
	struct hole hole[HOLES_MAX];
	size_t hole_count;
	char host[256];
	char boot[64];
	char backend[32];
	char time[40]; /* of its begin line: each part of a rotated file bears the same */
};

struct cursors; /* those of the last events, to know repeats by */

struct ledger {
	struct buffer report; /* what was found, a line each */
	uint64_t reports;
	uint64_t line;	  /* the number of the last one */
	const char *path; /* of the file that is read */
	struct ledger_run run;
	struct cursors *cursors;
	uint64_t runs;
	uint64_t events;
	uint64_t lost;
	uint64_t missing; /* numbers that nothing explains */
	uint64_t faults;  /* what else does not add up */
	uint64_t torn;	  /* how many lines just before this one, in whichever file, were cut off */
	uint64_t foreign; /* lines that are none of ours; among the faults */
	bool newer;	  /* a schema that this version does not know */
};

/* False: out of memory. */
bool ledger_open(struct ledger *ledger);
void ledger_file(struct ledger *ledger, const char *path);
/* Accounts for a line without its end. */
void ledger_add(struct ledger *ledger, const char *line, size_t size);
/* After the last line of the last file. */
void ledger_end(struct ledger *ledger);
void ledger_close(struct ledger *ledger);

/* Reads a line. False: it is not one of ours. */
bool ledger_read_line(const char *text, size_t size, struct ledger_line *line);

struct cursors *cursors_create(void); /* NULL: out of memory */
/* Whether it was added before, among the last million; adds it. */
bool cursors_seen(struct cursors *cursors, uint64_t cursor);
void cursors_destroy(struct cursors *cursors); /* NULL is allowed */

#endif
