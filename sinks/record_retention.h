/* SPDX-License-Identifier: MIT */
/*
 * What the record forgets, by age and by size, a little at a time:
 *
 *	processes that ended longest ago, with their programs and failed execs; those of earlier
 *	boots; older programs of who still runs; gaps. Who still runs stays, whatever his age;
 *
 *	then, when much has gone, texts that nothing names any more. Rows do not count who names a
 *	text: that would cost a change of it with each event. Instead all rows are looked through
 *	now and then, a bit is set for each text that they name, and what has none goes;
 *
 *	then pages that are free, from the file's end.
 *
 * One thread at a time. Functions return 0 or a PROCOBSRV_ERROR_ code with error_set() called.
 */
#ifndef PROCOBSRV_SINKS_RECORD_RETENTION_H
#define PROCOBSRV_SINKS_RECORD_RETENTION_H

#include "record_processes.h"
#include "record_texts.h"

enum record_retention_phase {
	RETENTION_ROWS,
	RETENTION_MARK_EXECS,
	RETENTION_MARK_PROCESSES,
	RETENTION_MARK_ATTEMPTS,
	RETENTION_SWEEP,
};

struct record_retention {
	struct record_database *database; /* borrowed, as are the next two */
	struct record_texts *texts;
	struct record_processes *processes;
	uint64_t keep_ns;  /* 0: for ever */
	uint64_t max_size; /* bytes; 0: no bound */
	uint64_t log_size; /* bytes of them that are the -wal's */

	int64_t believed_ns; /* what time it is, by which age is told: record_clock.h */
	int64_t later_ns;    /* what ended after it has the time of a clock that was wrong */
	unsigned pressure;   /* 0: there is room; 1: too little; more: it must not get less */
	enum record_retention_phase phase;
	int64_t position; /* id up to which this phase has come */
	int64_t last_text;
	int64_t removed; /* rows, since texts were last looked through */

	/* Of the rows that go last in a slice. */
	int64_t horizon_ns; /* everything that ended before has gone */
	int64_t execs_ns;   /* up to where the programs of who still runs have been looked at */
	unsigned slices;
};

/* Reads how far it had come. */
int record_retention_begin(struct record_retention *retention);
/* Gives memory back; may be called without begin. */
void record_retention_end(struct record_retention *retention);

/*
 * Works for about budget_ns at most, until nothing is left to do now; *busy tells whether something
 * is, and retention->pressure how much that matters. now_ns: wall clock; retention->believed_ns and
 * later_ns are set before.
 */
int record_retention_step(struct record_retention *retention, int64_t now_ns, uint64_t budget_ns,
			  bool *busy);

#endif
