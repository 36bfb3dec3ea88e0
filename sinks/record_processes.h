/* SPDX-License-Identifier: MIT */
/*
 * Rows of processes. What a batch of events tells of a process is put together in memory and
 * written once, at the batch's end: most processes that start in a storm end in the same batch, and
 * cost one row and one entry in each index instead of three changes of them. Beyond the batch the
 * row numbers of processes that run are kept in memory, in a table of fixed size.
 *
 * One thread at a time. Functions return 0 or a PROCOBSRV_ERROR_ code with error_set() called.
 */
#ifndef PROCOBSRV_SINKS_RECORD_PROCESSES_H
#define PROCOBSRV_SINKS_RECORD_PROCESSES_H

#include "record_database.h"

#include <stddef.h>

#define RECORD_IDENTITY_SIZE 64

/* In the order of RECORD_ADD_PROCESS, behind id and identity. */
enum record_process_column {
	PROCESS_BOOT,
	PROCESS_PID,
	PROCESS_PPID,
	PROCESS_PARENT,
	PROCESS_CREATOR,
	PROCESS_ORIGIN,
	PROCESS_START,
	PROCESS_NAME,
	PROCESS_EXE,
	PROCESS_UID,
	PROCESS_END,
	PROCESS_CODE,
	PROCESS_SIGNAL,
	PROCESS_CORE_DUMPED,
	PROCESS_DURATION,
	PROCESS_CPU,
	PROCESS_USER,
	PROCESS_SYSTEM,
	PROCESS_MAX_RSS,
	PROCESS_EXEC_ID,
	PROCESS_COLUMNS,
};

/* What a row in the file has to be given at the batch's end. */
enum record_process_change {
	PROCESS_CHANGE_PROGRAM = 1u << 0, /* name, exe, uid, exec_id */
	PROCESS_CHANGE_END = 1u << 1,	  /* name, uid and all from end to max_rss */
	PROCESS_CHANGE_ALL = 1u << 2,
};

/* A process of which the present batch tells. */
struct record_process {
	char identity[RECORD_IDENTITY_SIZE];
	uint64_t key[2]; /* hashes of it, which stand for it in memory */
	int64_t id;
	bool in_file; /* then only origin, exec_id, end and code are known, and what is changed */
	uint32_t changes; /* enum record_process_change; for one that is in the file */
	int64_t columns[PROCESS_COLUMNS];
};

struct record_known_process;

struct record_processes {
	struct record_database *database; /* borrowed */
	uint8_t keys[2][RECORD_HASH_KEY_SIZE];
	int64_t next_id;

	struct record_known_process *known; /* that run, by key */
	uint32_t uses;

	struct record_process *batch;
	size_t batch_count;
	size_t batch_capacity;
	uint32_t *slots; /* of the batch by key: index + 1 */
	size_t slot_count;
};

int record_processes_create(struct record_processes *processes, struct record_database *database);
void record_processes_free(struct record_processes *processes);

/*
 * The process's row in this batch. With `add` one that is nowhere yet gets a row (*is_new), whose
 * columns are RECORD_NULL; without, *process is NULL then. Valid until the next call.
 */
int record_processes_get(struct record_processes *processes, const char *identity, bool add,
			 struct record_process **process, bool *is_new);

/* The row number of a process, if that can be told without making it a part of the batch; 0: no. */
int64_t record_processes_peek(struct record_processes *processes, const char *identity);

/* Writes the rows of the batch. */
int record_processes_write(struct record_processes *processes);

/* The batch is committed: remembers who runs. */
void record_processes_committed(struct record_processes *processes);

/* The batch was undone. The numbers that it had given are not given again. */
void record_processes_forget(struct record_processes *processes);

/* One is removed from the file. */
void record_processes_forget_one(struct record_processes *processes, const char *identity);

#endif
