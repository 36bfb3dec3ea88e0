/* SPDX-License-Identifier: MIT */
/*
 * The part of a queue that lies on disk, and what a crash leaves of it.
 *
 * Files are named SPILL_PREFIX and 16 random hexadecimal digits, mode 0600, and are held under a
 * lock (os_file_create_private()) by the process that made them: what nobody holds is a left-over.
 * Where nothing shall be left over, they have a name for a moment only. A file is
 *
 *	struct spill_file_header
 *	blocks, back to back:
 *		struct spill_block_header
 *		struct spill_entry[count]
 *		record bytes, each record aligned to 8 and padded with zero
 *
 * in the byte order of the machine, which is little-endian. Checksums are lib/checksum.h's. A block
 * may be cut short at the end of the last file, if its writer was killed: such a block was never
 * reported as kept.
 */
#ifndef PROCOBSRV_LIB_SPILL_H
#define PROCOBSRV_LIB_SPILL_H

#include "drops.h"
#include "os.h"
#include "segment.h"

#include <stdbool.h>

#define SPILL_PREFIX "procobsrv-spill-"

#define SPILL_FILE_MAGIC  "POSPILL"
#define SPILL_VERSION	  1
#define SPILL_BLOCK_MAGIC 0x4b4c4250u /* "PBLK" */
/* Most bytes of one block that a reader accepts. */
#define SPILL_BLOCK_MAX (1024u * 1024)

struct spill_file_header {
	char magic[8]; /* SPILL_FILE_MAGIC and NUL */
	uint32_t version;
	uint32_t process;    /* pid of the writer, to be named in messages */
	uint64_t generation; /* wall clock when the queue was made: orders queues */
	uint32_t order;	     /* of this file among those of its queue, from 1 */
	uint32_t checksum;   /* of this header, taken with 0 here */
	char boot[40];	     /* os_boot_id(): positions mean nothing in another boot */
};

struct spill_block_header {
	uint32_t magic; /* SPILL_BLOCK_MAGIC */
	uint32_t size;	/* bytes of the whole block; a multiple of 8 */
	uint64_t stream;
	uint64_t resume;   /* position after the last record */
	uint32_t count;	   /* records */
	uint32_t checksum; /* of the whole block, taken with 0 here */
};

struct spill_entry {
	uint64_t position;
	uint32_t offset; /* of the record from the end of the entries; a multiple of 8 */
	uint32_t size;	 /* bytes of the record */
};

_Static_assert(sizeof(struct spill_file_header) == 72, "the version must be updated");
_Static_assert(sizeof(struct spill_block_header) == 32, "the version must be updated");
_Static_assert(sizeof(struct spill_entry) == 16, "the version must be updated");

/*
 * For the queue. One thread writes blocks, one reads them back, in order. Functions marked [lock]
 * are called under the queue's lock and do no input or output; the others without it.
 */

struct spill_file;

struct spill_block {
	struct spill_block *next;
	struct spill_file *file;
	uint64_t offset;
	uint32_t size;
	uint64_t position; /* of its first record */
	uint64_t stream;
	uint64_t resume;
	uint64_t events;
	struct drops drops; /* what must be told if it cannot be read back */
};

struct spill;

/*
 * `keep`: the files have names, that a crash leaves them. `size`: most bytes on disk. `block_size`:
 * most bytes of a block. Error: MEMORY.
 */
int spill_create(const char *directory, bool keep, uint64_t size, size_t block_size,
		 struct spill **spill);
/* Closes all files and, if `remove`, deletes them. NULL is allowed. */
void spill_destroy(struct spill *spill, bool remove);

/* Whether blocks wait to be read back. [lock] */
bool spill_holds(const struct spill *spill);

/*
 * Writing a block, in three steps: begin, then write, then end with what write gave (NULL on
 * failure). A `copy` of what stays in memory is not to be read back: the caller frees the block and
 * owes a spill_release(). begin, end: [lock]
 */
void spill_begin(struct spill *spill);
void spill_end(struct spill *spill, struct spill_block *block, bool copy,
	       struct spill_file **finished);
/*
 * Writes the entries [first, end) of a segment. 0 or an errno (ENOSPC: the disk or the
 * bound is full). A failure other than the bound is not tried again for SPILL_RETRY_NS.
 */
int spill_write(struct spill *spill, struct segment *segment, size_t first, size_t end,
		uint64_t resume, struct spill_block **block);
#define SPILL_RETRY_NS 100000000u

/* The block to be read next; it stays. NULL: none. [lock] */
struct spill_block *spill_first(struct spill *spill);
/*
 * Reads it into an empty segment, all published. 0, ENOMEM, or an errno: it cannot be had (EBADMSG:
 * it is damaged).
 */
int spill_read(const struct spill_block *block, struct segment *segment);
/* Takes the first block off; the caller frees it, and owes a spill_release() of its file. [lock] */
struct spill_block *spill_pop(struct spill *spill);
/* A block of the file is not needed any more. [lock] */
void spill_release(struct spill *spill, struct spill_file *file, struct spill_file **finished);
/* Files of which nothing is needed are put into the list `finished`; this closes and deletes them.
 */
void spill_remove(struct spill *spill, struct spill_file *finished);

uint64_t spill_used(const struct spill *spill);	 /* bytes on disk. Any thread */
uint64_t spill_total(const struct spill *spill); /* bytes ever written. Any thread */

/*
 * Left-overs: files of queues whose process was killed.
 */

struct spill_leftover {
	char *path;
	uint32_t process; /* that wrote it; 0: it was killed before it wrote the header */
	uint32_t order;
	uint64_t generation;
	char boot[37];
};

/*
 * Lists the left-overs of this user in a directory (NULL: the one that queues take by default), in
 * the order in which they were written. Files that a living process holds are passed over.
 * *leftovers is freed with spill_leftovers_free(). Errors: MEMORY, and those of the directory.
 */
int spill_leftovers(const char *directory, struct spill_leftover **leftovers, size_t *count);
void spill_leftovers_free(struct spill_leftover *leftovers, size_t count);

struct spill_reader;

/*
 * Takes a left-over over, so that nobody else does. Errors: as os_file_adopt(); VERSION; CORRUPT
 * (the header is damaged; an incomplete one is a file without blocks). MEMORY.
 */
int spill_reader_open(const char *path, struct spill_reader **reader);
/* The same for a file that one only wants to look at, whoever holds it. */
int spill_reader_open_file(struct os_file *file, struct spill_reader **reader);
const struct spill_file_header *spill_reader_header(const struct spill_reader *reader);
/*
 * Lends the next block's records until the next call. Errors: ENDED; CORRUPT, with error_set()
 * naming file and offset: from there on nothing can be read, what was lent before is right. MEMORY.
 */
int spill_reader_next(struct spill_reader *reader, struct source_batch *batch);
/* Where the next block is read from: an offset that this gave may be gone back to. */
uint64_t spill_reader_offset(const struct spill_reader *reader);
void spill_reader_seek(struct spill_reader *reader, uint64_t offset);
/* After CORRUPT: the file ends within a block (or its header), as when the writer was killed. */
bool spill_reader_cut_short(const struct spill_reader *reader);
/* Closes the file and, if `remove`, deletes it. NULL is allowed. */
void spill_reader_close(struct spill_reader *reader, bool remove);

/*
 * Left-overs that belong to one stream, as one run of records: in the order of their positions,
 * each record once, however many blocks hold it. (queue_persist() writes what is in memory after
 * what came later and went to disk, and a reader that was killed while it replayed leaves what it
 * had not come to.)
 */
struct spill_replay;

/*
 * Takes over the left-overs in a directory that hold records of this boot and stream from
 * `position` on; the others are let alone. Damage does not fail it: what is intact is replayed, see
 * spill_replay_damage(). Errors: MEMORY, and those of the directory.
 */
int spill_replay_open(const char *directory, const char *boot, uint64_t stream, uint64_t position,
		      struct spill_replay **replay);
/* Lends the next records until the next call. Errors: ENDED, MEMORY, and those of the disk. */
int spill_replay_next(struct spill_replay *replay, struct source_batch *batch);
/* What was wrong with one of the files, as procobsrv_explain() has it; NULL: nothing. */
const char *spill_replay_damage(const struct spill_replay *replay);
/* Closes and, if `remove` (all was delivered), deletes the files. NULL is allowed. */
void spill_replay_close(struct spill_replay *replay, bool remove);

/*
 * Checks the payload of a block (all that follows its header) and makes its entries the array that
 * is lent. `memory` has room for SPILL_MEMORY() and holds the payload from SPILL_MEMORY_OFFSET()
 * on. 0, or the offset in the payload of what is wrong, plus one.
 */
size_t spill_block_open(const struct spill_block_header *header, void *memory);
#define SPILL_MEMORY_OFFSET(header)                                                                \
	((size_t)(header)->count * (sizeof(struct source_record) - sizeof(struct spill_entry)))
#define SPILL_MEMORY(header)                                                                       \
	(SPILL_MEMORY_OFFSET(header) + (header)->size - sizeof(struct spill_block_header))
/* Whether the header can be one: sizes within bounds. To be asked before SPILL_MEMORY(). */
bool spill_block_header_valid(const struct spill_block_header *header);

#endif
