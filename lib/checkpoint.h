/* SPDX-License-Identifier: MIT */
/*
 * The table on disk, for a reader that takes over from one that died: the processes that ran when
 * it was written, and after them the records that were dealt with since. Replayed up to the
 * position that was acknowledged it gives the table as it was there, so that an exit that is read
 * again still bears its exe and argv.
 *
 * One file in a directory that only root can write; it is of one boot and one stream. When it has
 * grown well beyond the table, a second one is begun, which takes its place as soon as everything
 * before its beginning has been acknowledged.
 *
 * One thread at a time.
 */
#ifndef PROCOBSRV_LIB_CHECKPOINT_H
#define PROCOBSRV_LIB_CHECKPOINT_H

#include "dispatch.h"

struct checkpoint;

/* `directory` must exist. Nothing is written yet. Error MEMORY. */
int checkpoint_create(const char *directory, struct checkpoint **checkpoint);
/* Closes the files and leaves them. NULL is allowed. */
void checkpoint_destroy(struct checkpoint *checkpoint);

/*
 * Fills the table and the numbers accounted for from the file, as they were at `position` of
 * `stream`. NOT_FOUND: there is no file of this stream that reaches back so far. CORRUPT: damaged
 * (the caller goes on with a snapshot). The dispatch must be empty.
 */
int checkpoint_load(struct checkpoint *checkpoint, struct dispatch *dispatch, uint64_t stream,
		    uint64_t position);

/*
 * Lends the records that were dealt with, from `position` on and in order, to whoever only wants to
 * look, also while another process writes the file: the last may be missing then. Errors:
 * NOT_FOUND, CORRUPT, MEMORY, and those of the directory.
 */
int checkpoint_lend(const char *directory, uint64_t stream, uint64_t position,
		    source_on_batch on_batch, void *param);

/*
 * Follows what the same process goes on writing, on another thread: fills the dispatch, which must
 * be empty, with the table and the numbers at the beginning of the file that reaches back to
 * `position`; the records come one by one. No other file may take this one's place meanwhile
 * (checkpoint_keep()). NOT_FOUND, CORRUPT, MEMORY.
 */
struct checkpoint_follower;
int checkpoint_follow(const char *directory, uint64_t stream, uint64_t position,
		      struct dispatch *dispatch, struct checkpoint_follower **opened);
/*
 * The next record, at `limit` at most; ENDED: that has been reached. `limit` is at most `last`, a
 * record that has been appended. *resume is where the one after it begins; 0 for the one at `last`,
 * if that is not known. The record is valid until the next call. CORRUPT, MEMORY.
 */
int checkpoint_follow_next(struct checkpoint_follower *follower, uint64_t limit, uint64_t last,
			   struct source_record *record, uint64_t *resume);
void checkpoint_unfollow(struct checkpoint_follower *follower); /* NULL is allowed */

/* Begins anew with the table as it is, at the position up to which records were dealt with. */
int checkpoint_begin(struct checkpoint *checkpoint, const struct dispatch *dispatch,
		     uint64_t stream, uint64_t position);

/* Adds records that were dealt with, before any of them is released. */
int checkpoint_append(struct checkpoint *checkpoint, const struct source_record *records,
		      size_t count, uint64_t resume);

/* From now on, and while checkpoint_advance() is not called, one file has all: one that was begun
 * to take its place is given up. */
void checkpoint_keep(struct checkpoint *checkpoint);
/* Bytes of its files. */
uint64_t checkpoint_size(const struct checkpoint *checkpoint);
/* What its records belong to. */
uint64_t checkpoint_stream(const struct checkpoint *checkpoint);

/*
 * Everything before `acknowledged` is safe with the user: an older file may go, and if the current
 * one has become large, a new one is begun from the table, which stands at `position`.
 */
int checkpoint_advance(struct checkpoint *checkpoint, const struct dispatch *dispatch,
		       uint64_t position, uint64_t acknowledged);

#endif
