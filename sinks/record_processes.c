/* SPDX-License-Identifier: MIT */
#include "record_processes.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* 32,768 processes in 1.5 MiB; others are looked up in the file. */
#define SETS 8192u
#define WAYS 4u

/* Rows of a batch for which memory is kept from batch to batch. */
#define BATCH_LEAST 1024u
#define BATCH_KEPT  65536u

struct record_known_process {
	uint64_t key[2]; /* both 0: free */
	int64_t id;
	int64_t exec_id;
	int64_t origin;
	uint32_t used;
};

static int no_memory(void)
{
	return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the record");
}

static bool reserve_batch(struct record_processes *processes, size_t capacity)
{
	uint32_t *slots = calloc(capacity * 2, sizeof *slots);
	struct record_process *batch =
	    slots ? realloc(processes->batch, capacity * sizeof *processes->batch) : NULL;

	if (!batch) {
		free(slots);
		return false;
	}
	free(processes->slots);
	processes->batch = batch;
	processes->slots = slots;
	processes->slot_count = capacity * 2;
	processes->batch_capacity = capacity;
	return true;
}

static int find_next_id(struct record_processes *processes)
{
	sqlite3_stmt *statement = record_statement(processes->database, RECORD_LAST_PROCESS);
	int found = record_step(processes->database, statement, "read it");

	if (found < 0)
		return found;
	processes->next_id = sqlite3_column_int64(statement, 0) + 1;
	sqlite3_reset(statement);
	return 0;
}

int record_processes_create(struct record_processes *processes, struct record_database *database)
{
	*processes = (struct record_processes){.database = database};
	if (getrandom(processes->keys, sizeof processes->keys, 0) != sizeof processes->keys)
		return error_set(PROCOBSRV_ERROR_SYSTEM, "%s: the system has no random bytes",
				 database->path);
	processes->known = calloc((size_t)SETS * WAYS, sizeof *processes->known);
	int error = processes->known && reserve_batch(processes, BATCH_LEAST)
			? find_next_id(processes)
			: no_memory();
	if (error)
		record_processes_free(processes);
	return error;
}

void record_processes_free(struct record_processes *processes)
{
	free(processes->known);
	free(processes->batch);
	free(processes->slots);
	*processes = (struct record_processes){0};
}

/* ---- those that run ---- */

/* 128 bits of keyed hashes stand for the identity. */
static void make_key(const struct record_processes *processes, const char *identity,
		     uint64_t key[2])
{
	size_t length = strlen(identity);

	key[0] = (uint64_t)record_hash(processes->keys[0], identity, length);
	key[1] = (uint64_t)record_hash(processes->keys[1], identity, length);
}

static struct record_known_process *set_of(struct record_processes *processes,
					   const uint64_t key[2])
{
	return &processes->known[(key[0] & (SETS - 1)) * WAYS];
}

static struct record_known_process *find_known(struct record_processes *processes,
					       const uint64_t key[2])
{
	struct record_known_process *set = set_of(processes, key);

	for (unsigned way = 0; way < WAYS; way++) {
		if (set[way].id && set[way].key[0] == key[0] && set[way].key[1] == key[1]) {
			set[way].used = ++processes->uses;
			return &set[way];
		}
	}
	return NULL;
}

static void remember(struct record_processes *processes, const struct record_process *process)
{
	struct record_known_process *place = find_known(processes, process->key);

	if (process->columns[PROCESS_END] != RECORD_NULL) {
		if (place)
			place->id = 0;
		return;
	}
	if (!place) {
		struct record_known_process *set = set_of(processes, process->key);
		place = set;
		for (unsigned way = 0; way < WAYS && place->id; way++) {
			if (!set[way].id ||
			    processes->uses - set[way].used > processes->uses - place->used)
				place = &set[way];
		}
	}
	*place = (struct record_known_process){
	    .key = {process->key[0], process->key[1]},
	    .id = process->id,
	    .exec_id = process->columns[PROCESS_EXEC_ID],
	    .origin = process->columns[PROCESS_ORIGIN],
	    .used = ++processes->uses,
	};
}

/* ---- the batch ---- */

static size_t slot_of(const struct record_processes *processes, const uint64_t key[2])
{
	return (size_t)(key[1] & (processes->slot_count - 1));
}

static struct record_process *find_in_batch(const struct record_processes *processes,
					    const uint64_t key[2])
{
	for (size_t slot = slot_of(processes, key); processes->slots[slot];
	     slot = (slot + 1) & (processes->slot_count - 1)) {
		struct record_process *process = &processes->batch[processes->slots[slot] - 1];
		if (process->key[0] == key[0] && process->key[1] == key[1])
			return process;
	}
	return NULL;
}

static void enter(struct record_processes *processes, size_t index)
{
	size_t slot = slot_of(processes, processes->batch[index].key);

	while (processes->slots[slot])
		slot = (slot + 1) & (processes->slot_count - 1);
	processes->slots[slot] = (uint32_t)index + 1;
}

static int grow(struct record_processes *processes)
{
	if (!reserve_batch(processes, processes->batch_capacity * 2))
		return no_memory();
	for (size_t index = 0; index < processes->batch_count; index++)
		enter(processes, index);
	return 0;
}

static void empty_batch(struct record_processes *processes)
{
	processes->batch_count = 0;
	/* After a batch out of the common its memory goes back, if that can be had. */
	if (processes->batch_capacity <= BATCH_KEPT || !reserve_batch(processes, BATCH_LEAST))
		memset(processes->slots, 0, processes->slot_count * sizeof *processes->slots);
}

/* Fills in what memory or the file knows of it; 1: it does; 0: it does not; or an error. */
static int find_earlier(struct record_processes *processes, struct record_process *process)
{
	struct record_database *database = processes->database;
	const struct record_known_process *known = find_known(processes, process->key);

	if (known) {
		process->id = known->id;
		process->columns[PROCESS_ORIGIN] = known->origin;
		process->columns[PROCESS_EXEC_ID] = known->exec_id;
		return 1;
	}
	sqlite3_stmt *statement = record_statement(database, RECORD_FIND_PROCESS);
	sqlite3_bind_text(statement, 1, process->identity, -1, SQLITE_STATIC);
	int found = record_step(database, statement, "find a process");
	if (found > 0) {
		process->id = sqlite3_column_int64(statement, 0);
		process->columns[PROCESS_ORIGIN] = record_column(statement, 1);
		process->columns[PROCESS_EXEC_ID] = record_column(statement, 2);
		process->columns[PROCESS_END] = record_column(statement, 3);
		process->columns[PROCESS_CODE] = record_column(statement, 4);
	}
	sqlite3_reset(statement);
	return found;
}

int record_processes_get(struct record_processes *processes, const char *identity, bool add,
			 struct record_process **process, bool *is_new)
{
	uint64_t key[2];

	make_key(processes, identity, key);
	*is_new = false;
	if ((*process = find_in_batch(processes, key)))
		return 0;
	if (strlen(identity) >= RECORD_IDENTITY_SIZE)
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "the identity '%s' is too long",
				 identity);
	if (processes->batch_count == processes->batch_capacity) {
		int error = grow(processes);
		if (error)
			return error;
	}

	struct record_process *entry = &processes->batch[processes->batch_count];
	strcpy(entry->identity, identity);
	memcpy(entry->key, key, sizeof key);
	entry->changes = 0;
	for (int column = 0; column < PROCESS_COLUMNS; column++)
		entry->columns[column] = RECORD_NULL;
	int found = find_earlier(processes, entry);
	if (found < 0 || (!found && !add))
		return found < 0 ? found : 0;
	entry->in_file = found;
	if (!found)
		entry->id = processes->next_id++;
	enter(processes, processes->batch_count++);
	*is_new = !found;
	*process = entry;
	return 0;
}

int64_t record_processes_peek(struct record_processes *processes, const char *identity)
{
	uint64_t key[2];

	make_key(processes, identity, key);
	const struct record_process *process = find_in_batch(processes, key);
	if (process)
		return process->id;
	const struct record_known_process *known = find_known(processes, key);
	return known ? known->id : 0;
}

/* ---- writing ---- */

static void bind_columns(sqlite3_stmt *statement, int first, const struct record_process *process,
			 enum record_process_column from, enum record_process_column to)
{
	for (int column = (int)from; column <= (int)to; column++)
		record_bind(statement, first + column - (int)from, process->columns[column]);
}

static int write_whole(struct record_database *database, const struct record_process *process,
		       enum record_statement which)
{
	sqlite3_stmt *statement = record_statement(database, which);

	sqlite3_bind_int64(statement, 1, process->id);
	sqlite3_bind_text(statement, 2, process->identity, -1, SQLITE_STATIC);
	bind_columns(statement, 3, process, PROCESS_BOOT, PROCESS_EXEC_ID);
	return record_run(database, which, "write a process");
}

static int write_program(struct record_database *database, const struct record_process *process)
{
	sqlite3_stmt *statement = record_statement(database, RECORD_SET_PROGRAM);

	sqlite3_bind_int64(statement, 1, process->id);
	bind_columns(statement, 2, process, PROCESS_NAME, PROCESS_UID);
	record_bind(statement, 5, process->columns[PROCESS_EXEC_ID]);
	return record_run(database, RECORD_SET_PROGRAM, "write a program");
}

static int write_end(struct record_database *database, const struct record_process *process)
{
	sqlite3_stmt *statement = record_statement(database, RECORD_SET_END);

	sqlite3_bind_int64(statement, 1, process->id);
	record_bind(statement, 2, process->columns[PROCESS_NAME]);
	record_bind(statement, 3, process->columns[PROCESS_UID]);
	bind_columns(statement, 4, process, PROCESS_END, PROCESS_MAX_RSS);
	return record_run(database, RECORD_SET_END, "write an end");
}

static int write_one(struct record_database *database, const struct record_process *process)
{
	int error = 0;

	if (!process->in_file)
		return write_whole(database, process, RECORD_ADD_PROCESS);
	if (process->changes & PROCESS_CHANGE_ALL)
		return write_whole(database, process, RECORD_FILL_PROCESS);
	if (process->changes & PROCESS_CHANGE_PROGRAM)
		error = write_program(database, process);
	if (!error && process->changes & PROCESS_CHANGE_END)
		error = write_end(database, process);
	return error;
}

int record_processes_write(struct record_processes *processes)
{
	int error = 0;

	for (size_t i = 0; !error && i < processes->batch_count; i++)
		error = write_one(processes->database, &processes->batch[i]);
	return error;
}

void record_processes_committed(struct record_processes *processes)
{
	for (size_t i = 0; i < processes->batch_count; i++)
		remember(processes, &processes->batch[i]);
	empty_batch(processes);
}

void record_processes_forget(struct record_processes *processes)
{
	empty_batch(processes);
}

void record_processes_forget_one(struct record_processes *processes, const char *identity)
{
	uint64_t key[2];

	make_key(processes, identity, key);
	struct record_known_process *known = find_known(processes, key);
	if (known)
		known->id = 0;
}
