/* SPDX-License-Identifier: MIT */
/*
 * Makes the table agree with the running system: at the start, where what runs already is reported
 * as existing, and after a gap, where what was missed is concluded and reported as synthetic.
 *
 * Both take a snapshot of the system and then wait until the stream has been drained to the
 * position where the kernel stood after it: only then can the two be compared.
 */
#ifndef PROCOBSRV_LIB_RESYNC_H
#define PROCOBSRV_LIB_RESYNC_H

#include "buffer.h"
#include "dispatch.h"

struct resync {
	struct buffer records; /* RECORD_EXISTING, each preceded by nothing: header.size tells */
	uint64_t began_ns;
	uint64_t ended_ns; /* when the list was complete */
	uint64_t position;
	bool waiting;	  /* for the stream to reach position */
	uint64_t last_ns; /* when it was last begun, os_monotonic_ns() */
};

void resync_free(struct resync *resync);

/* Takes the snapshot. 0 or an error with error_set(). */
int resync_begin(struct resync *resync, const struct source_operations *operations,
		 struct source *source);

/*
 * At the start: fills the table with the processes of the snapshot, parents first, except those in
 * `started` (sorted by pid), whose start the stream is going to tell. Appends a reference to each
 * to existing[], whose memory the caller frees. 0 or MEMORY.
 */
int resync_fill(struct resync *resync, struct dispatch *dispatch,
		const struct dispatch_identity *started, size_t started_count,
		const struct procobsrv_process ***existing, size_t *existing_count);

/* After a gap, once the stream has reached position: reports the differences, parents first. */
void resync_conclude(struct resync *resync, struct dispatch *dispatch);

/* Orders by pid, then start; for qsort and bsearch. */
int resync_compare_identities(const void *left, const void *right);

#endif
