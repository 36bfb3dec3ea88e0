/* SPDX-License-Identifier: MIT */
/* The form of a checkpoint's file, for checkpoint.c that writes it and checkpoint_read.c. */
#ifndef PROCOBSRV_LIB_CHECKPOINT_PRIVATE_H
#define PROCOBSRV_LIB_CHECKPOINT_PRIVATE_H

#include "checkpoint.h"

#include "os.h"

#define FILE_PREFIX  "procobsrv-table-"
#define FILE_MAGIC   "POTABLE"
#define FILE_VERSION 3
#define BLOCK_MAGIC  0x4b4c4254u /* "TBLK" */
#define BLOCK_MAX    (64u << 20)

struct file_header {
	char magic[8]; /* FILE_MAGIC and NUL */
	uint32_t version;
	uint32_t checksum; /* of this header, taken with 0 here */
	uint64_t stream;
	uint64_t position; /* of the table at the beginning */
	char boot[40];
};

enum block_kind {
	BLOCK_TABLE = 1,   /* RECORD_CGROUP and RECORD_EXISTING, back to back */
	BLOCK_NUMBERS = 2, /* struct numbers, and struct gaps_sequence by cpu */
	BLOCK_RECORDS = 3, /* struct entry and record, back to back */
	BLOCK_LAST = 4,	   /* struct repeats_last by cpu, before the numbers */
};

struct block_header {
	uint32_t magic;
	uint32_t kind;
	uint32_t size;	   /* of the payload, a multiple of 8 */
	uint32_t checksum; /* of the payload */
};

struct numbers {
	uint64_t skipped[RECORD_LOST_KINDS];
	uint64_t read;
	uint64_t told;
	uint64_t adopt;
	uint64_t repeats;
};

struct entry {
	uint64_t position;
	uint32_t size;
	uint32_t reserved; /* 0 */
};

_Static_assert(sizeof(struct file_header) == 72, "the version must be updated");
_Static_assert(sizeof(struct block_header) == 16, "the version must be updated");
_Static_assert(sizeof(struct entry) == 16, "the version must be updated");

struct table_file {
	struct os_file *file;
	uint64_t size;
	uint64_t table_size; /* what the table took at the beginning */
	uint64_t position;
};

struct checkpoint {
	char *directory;
	struct table_file current;
	struct table_file next; /* begun, not needed before everything up to it is acknowledged */
	uint64_t stream;
	struct buffer block;
};

#endif
