/* SPDX-License-Identifier: MIT */
/* The life of a process, from the rows that tell of it to the events that they were made of. */
#include "record_reader_private.h"

#include "cgroup_path.h"
#include "error.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE     4096
#define FORKS_FOLLOWED 64 /* a fork of a fork of a ...: whose program it runs */
#define CURSOR_SIZE    32

struct block {
	struct block *next;
	size_t used;
	size_t size;
	_Alignas(max_align_t) char bytes[];
};

/* The row of a process. */
struct base {
	const char *identity;
	uint32_t pid;
	uint32_t ppid;
	bool has_ppid;
	int64_t parent;
	int64_t creator;
	enum procobsrv_kind origin;
	int64_t start_ns;
	int64_t name;
	int64_t exe;
	bool has_uid;
	uint32_t uid;
	int64_t end_ns;
	struct procobsrv_exit exit;
};

struct life {
	struct record_life public; /* first: what callers hold is a pointer to it */
	struct record_reader *reader;
	struct block *blocks;
	const struct procobsrv_event **events;
	int64_t *execs;
	size_t capacity;
	struct base base;
	const struct procobsrv_process *parent;
	const struct procobsrv_process *creator;
	struct procobsrv_process process; /* as it was when the last event came */
	int error;
};

static void *take(struct life *life, size_t size)
{
	struct block *block = life->blocks;
	size_t wanted = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);

	if (!block || block->size - block->used < wanted) {
		size_t room = wanted > BLOCK_SIZE ? wanted : BLOCK_SIZE;

		block = malloc(sizeof(*block) + room);
		if (!block) {
			life->error = error_set(PROCOBSRV_ERROR_MEMORY,
						"out of memory for the events of a process");
			return NULL;
		}
		*block = (struct block){.next = life->blocks, .size = room};
		life->blocks = block;
	}
	block->used += wanted;
	return memset(block->bytes + block->used - wanted, 0, wanted);
}

/* The bytes of a column, with a NUL behind them. NULL: none, or no memory. */
static char *take_bytes(struct life *life, sqlite3_stmt *statement, int column, size_t *size)
{
	const void *bytes = sqlite3_column_blob(statement, column);
	char *copy;

	*size = (size_t)sqlite3_column_bytes(statement, column);
	copy = take(life, *size + 1);
	if (copy && *size)
		memcpy(copy, bytes, *size);
	return copy;
}

static const char *take_text(struct life *life, int64_t row, size_t *size)
{
	sqlite3_stmt *statement;
	const char *text = NULL;
	int result;

	*size = 0;
	if (!row || life->error)
		return NULL;
	result = reader_statement(life->reader, STATEMENT_TEXT, &statement);
	if (!result) {
		sqlite3_bind_int64(statement, 1, row);
		result = reader_step(life->reader, statement);
		if (result > 0)
			text = take_bytes(life, statement, 0, size);
		sqlite3_reset(statement);
	}
	if (result < 0)
		life->error = result;
	return text;
}

static const char *text_of(struct life *life, sqlite3_stmt *statement, int column)
{
	size_t size;

	return take_text(life, sqlite3_column_int64(statement, column), &size);
}

/* Strings that are each ended by NUL. NULL: not known. */
static const char *const *vector_of(struct life *life, sqlite3_stmt *statement, int column,
				    size_t *count)
{
	size_t size;
	const char *text = take_text(life, sqlite3_column_int64(statement, column), &size);
	const char **vector;
	size_t strings = 0;

	*count = 0;
	if (!text)
		return NULL;
	for (size_t at = 0; at < size; at += strlen(text + at) + 1)
		strings++;
	vector = take(life, (strings + 1) * sizeof(*vector));
	if (!vector)
		return NULL;
	for (size_t at = 0; at < size; at += strlen(text + at) + 1)
		vector[(*count)++] = text + at;
	return vector;
}

static void take_missing(struct life *life, sqlite3_stmt *statement, int column,
			 struct procobsrv_process *process)
{
	size_t count;
	const char *const *pairs = vector_of(life, statement, column, &count);
	struct procobsrv_missing *missing;

	missing = count ? take(life, count * sizeof(*missing)) : NULL;
	if (!missing)
		return;
	for (size_t index = 0; index < count; index++) {
		char *pair = (char *)(uintptr_t)pairs[index];
		char *reason = strchr(pair, '=');

		if (!reason)
			continue;
		*reason++ = '\0';
		missing[process->missing_count++] = (struct procobsrv_missing){pair, reason};
	}
	process->missing = missing;
}

static bool take_number(sqlite3_stmt *statement, int column, uint32_t *number)
{
	if (sqlite3_column_type(statement, column) == SQLITE_NULL)
		return false;
	*number = (uint32_t)sqlite3_column_int64(statement, column);
	return true;
}

/* All or none: it is one bit that tells of them. */
static void take_credentials(sqlite3_stmt *statement, struct procobsrv_process *process)
{
	if (take_number(statement, 14, &process->uid) &&
	    take_number(statement, 15, &process->gid) &&
	    take_number(statement, 16, &process->euid) &&
	    take_number(statement, 17, &process->egid))
		process->present |= PROCOBSRV_HAS_CREDENTIALS;
	if (take_number(statement, 18, &process->loginuid))
		process->present |= PROCOBSRV_HAS_LOGINUID;
	if (take_number(statement, 19, &process->session))
		process->present |= PROCOBSRV_HAS_SESSION;
}

/* As the library reads them out of the path when it tells of the process. */
static void take_group(struct life *life, sqlite3_stmt *statement, int column,
		       struct procobsrv_process *process)
{
	const char *path = text_of(life, statement, column);
	size_t length = path ? strlen(path) : 0;
	char *room = path ? take(life, CGROUP_PATH_ROOM(length)) : NULL;
	struct cgroup_names names;

	if (!room)
		return;
	cgroup_path_names(path, length, room, &names);
	process->cgroup = path;
	process->container_id = names.container_id;
	process->runtime = names.runtime;
	process->unit = names.unit;
}

/* What an exec gave the process; the columns are those of EXEC_COLUMNS. */
static void take_exec(struct life *life, sqlite3_stmt *statement, struct procobsrv_process *process)
{
	const char *name = text_of(life, statement, 3);

	process->name = name ? name : "";
	process->exe = text_of(life, statement, 4);
	process->argv = vector_of(life, statement, 5, &process->argc);
	process->cwd = text_of(life, statement, 6);
	process->filename = text_of(life, statement, 7);
	process->script = text_of(life, statement, 8);
	process->interpreter = text_of(life, statement, 9);
	process->env = vector_of(life, statement, 10, &process->env_count);
	process->tty = text_of(life, statement, 11);
	take_group(life, statement, 12, process);
	process->flags = (uint32_t)sqlite3_column_int64(statement, 13);
	take_credentials(statement, process);
	take_missing(life, statement, 20, process);
}

/* Who it is, whatever it runs. */
static struct procobsrv_process bare_process(const struct base *base)
{
	struct procobsrv_process process = {
	    .id = base->identity, .pid = base->pid, .ppid = base->ppid, .name = ""};

	if (base->has_ppid)
		process.present |= PROCOBSRV_HAS_PPID;
	if (base->start_ns) {
		process.present |= PROCOBSRV_HAS_START;
		process.start_time_ns = base->start_ns;
	}
	return process;
}

static bool grow(struct life *life)
{
	size_t capacity = life->capacity ? life->capacity * 2 : 8;
	const struct procobsrv_event **events =
	    realloc(life->events, capacity * sizeof(*life->events));
	int64_t *execs;

	if (events)
		life->events = events;
	execs = realloc(life->execs, capacity * sizeof(*life->execs));
	if (execs)
		life->execs = execs;
	if (events && execs) {
		life->capacity = capacity;
		return true;
	}
	life->error =
	    error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the events of a process");
	return false;
}

/* Appends an event about the process as it is now. NULL: no memory. */
static struct procobsrv_event *add_event(struct life *life, enum procobsrv_kind kind,
					 int64_t time_ns, char sort, int64_t row)
{
	struct record_life *public = &life->public;
	struct procobsrv_event *event = take(life, sizeof(*event));
	struct procobsrv_process *process = take(life, sizeof(*process));
	char *cursor = take(life, CURSOR_SIZE);

	if (!event || !process || !cursor || (public->count >= life->capacity && !grow(life)))
		return NULL;
	*process = life->process;
	/* The same each time that it is read from this record. */
	snprintf(cursor, CURSOR_SIZE, "record:%c%lld", sort, (long long)row);
	*event = (struct procobsrv_event){
	    .kind = kind,
	    .cursor = cursor,
	    .time_ns = time_ns,
	    .process = process,
	    .parent = life->parent,
	    .creator = life->creator,
	};
	life->execs[public->count] = sort == 'e' ? row : 0;
	life->events[public->count++] = event;
	public->events = life->events;
	public->execs = life->execs;
	return event;
}

/* What the process had run before a time: into *process, and true. */
static bool exec_then(struct life *life, int64_t row, int64_t time_ns,
		      struct procobsrv_process *process)
{
	sqlite3_stmt *statement;
	int result = reader_statement(life->reader, STATEMENT_EXEC_THEN, &statement);

	if (!result) {
		sqlite3_bind_int64(statement, 1, row);
		sqlite3_bind_int64(statement, 2, time_ns);
		result = reader_step(life->reader, statement);
		if (result > 0)
			take_exec(life, statement, process);
		sqlite3_reset(statement);
	}
	if (result < 0)
		life->error = result;
	return result > 0;
}

static int64_t row_of_column(sqlite3_stmt *statement, int column)
{
	return sqlite3_column_int64(statement, column); /* NULL is 0, and no row */
}

static void take_exit(sqlite3_stmt *statement, struct base *base)
{
	struct procobsrv_exit *exit = &base->exit;

	base->end_ns = sqlite3_column_int64(statement, 10);
	exit->has_status = take_number(statement, 11, &exit->code);
	take_number(statement, 12, &exit->signal);
	take_number(statement, 13, &exit->core_dumped);
	exit->duration_ns = (uint64_t)sqlite3_column_int64(statement, 14);
	exit->has_usage = sqlite3_column_type(statement, 15) != SQLITE_NULL;
	exit->cpu_ns = (uint64_t)sqlite3_column_int64(statement, 15);
	exit->user_ns = (uint64_t)sqlite3_column_int64(statement, 16);
	exit->system_ns = (uint64_t)sqlite3_column_int64(statement, 17);
	exit->max_rss_bytes = (uint64_t)sqlite3_column_int64(statement, 18);
}

/* 1: it is there; 0: it is not. */
static int load_base(struct life *life, int64_t row, struct base *base)
{
	sqlite3_stmt *statement;
	size_t size;
	int result = reader_statement(life->reader, STATEMENT_PROCESS, &statement);

	if (result)
		return result;
	sqlite3_bind_int64(statement, 1, row);
	result = reader_step(life->reader, statement);
	if (result > 0) {
		*base = (struct base){
		    .identity = take_bytes(life, statement, 0, &size),
		    .pid = (uint32_t)sqlite3_column_int64(statement, 1),
		    .parent = row_of_column(statement, 3),
		    .creator = row_of_column(statement, 4),
		    .origin = (enum procobsrv_kind)sqlite3_column_int(statement, 5),
		    .start_ns = sqlite3_column_int64(statement, 6),
		    .name = row_of_column(statement, 7),
		    .exe = row_of_column(statement, 8),
		};
		base->has_ppid = take_number(statement, 2, &base->ppid);
		base->has_uid = take_number(statement, 9, &base->uid);
		take_exit(statement, base);
	}
	sqlite3_reset(statement);
	return life->error ? life->error : result;
}

/* One that events refer to: pid, id and the name it had then. */
static const struct procobsrv_process *reference(struct life *life, int64_t row, int64_t time_ns)
{
	struct procobsrv_process *process;
	struct base base = {0};
	size_t size;
	int result;

	if (!row || life->error)
		return NULL;
	result = load_base(life, row, &base);
	if (result < 0)
		life->error = result;
	process = result > 0 ? take(life, sizeof(*process)) : NULL;
	if (!process)
		return NULL;
	*process = bare_process(&base);
	if (!exec_then(life, row, time_ns, process)) {
		const char *name = take_text(life, base.name, &size);

		process->name = name ? name : "";
	}
	return process;
}

/* What its own row tells, for want of an exec. */
static void take_known(struct life *life)
{
	size_t size;
	const char *name = take_text(life, life->base.name, &size);

	life->process.name = name ? name : "";
	life->process.exe = take_text(life, life->base.exe, &size);
}

/* A fork runs what its creator ran, who may be a fork itself. */
static void take_forked(struct life *life)
{
	struct base base = life->base;
	bool found = false;

	for (int depth = 0; depth < FORKS_FOLLOWED && !found && !life->error; depth++) {
		int64_t creator = base.creator ? base.creator : base.parent;

		if (!creator)
			break;
		found = exec_then(life, creator, life->base.start_ns, &life->process);
		if (!found && load_base(life, creator, &base) <= 0)
			break;
	}
	if (!found)
		take_known(life);
	life->process.flags |= PROCOBSRV_PROCESS_FORKED;
}

static void add_exec(struct life *life, sqlite3_stmt *statement)
{
	bool existing = sqlite3_column_int(statement, 1) == PROCOBSRV_EXISTING;

	life->process = bare_process(&life->base);
	take_exec(life, statement, &life->process);
	add_event(life, existing ? PROCOBSRV_EXISTING : PROCOBSRV_EXEC,
		  sqlite3_column_int64(statement, 2), 'e', sqlite3_column_int64(statement, 0));
}

static void add_attempt(struct life *life, sqlite3_stmt *statement)
{
	struct procobsrv_attempt *attempt = take(life, sizeof(*attempt));
	struct procobsrv_event *event;

	if (!attempt)
		return;
	attempt->path = text_of(life, statement, 2);
	attempt->argv = vector_of(life, statement, 3, &attempt->argc);
	attempt->error = sqlite3_column_int(statement, 4);
	attempt->error_name = os_error_name(attempt->error);
	event = add_event(life, PROCOBSRV_EXEC_FAILED, sqlite3_column_int64(statement, 1), 'a',
			  sqlite3_column_int64(statement, 0));
	if (event)
		event->attempt = attempt;
}

/* Both in the order of their rows, which is that of the events; the earlier one goes first. */
static int add_middle(struct life *life)
{
	sqlite3_stmt *execs;
	sqlite3_stmt *attempts;
	int exec = reader_statement(life->reader, STATEMENT_EXECS, &execs);
	int attempt = reader_statement(life->reader, STATEMENT_ATTEMPTS, &attempts);

	if (exec || attempt)
		return exec ? exec : attempt;
	sqlite3_bind_int64(execs, 1, life->public.process);
	sqlite3_bind_int64(attempts, 1, life->public.process);
	exec = reader_step(life->reader, execs);
	attempt = reader_step(life->reader, attempts);
	while ((exec > 0 || attempt > 0) && exec >= 0 && attempt >= 0 && !life->error) {
		if (exec > 0 && (attempt == 0 || sqlite3_column_int64(execs, 2) <=
						     sqlite3_column_int64(attempts, 1))) {
			add_exec(life, execs);
			exec = reader_step(life->reader, execs);
		} else {
			add_attempt(life, attempts);
			attempt = reader_step(life->reader, attempts);
		}
	}
	sqlite3_reset(execs);
	sqlite3_reset(attempts);
	return exec < 0 ? exec : attempt < 0 ? attempt : life->error;
}

/* Of its credentials at the end no more than the uid is kept: the others are told if that is the
 * one that they belonged to. */
static void add_end(struct life *life)
{
	struct procobsrv_event *event;

	if (!life->base.end_ns)
		return;
	if (life->base.has_uid && life->process.uid != life->base.uid)
		life->process.present &= ~(uint32_t)PROCOBSRV_HAS_CREDENTIALS;
	event = add_event(life, PROCOBSRV_EXIT, life->base.end_ns, 'x', life->public.process);
	if (event)
		event->exit = &life->base.exit;
}

static int load(struct life *life)
{
	int result = load_base(life, life->public.process, &life->base);

	if (result < 0)
		return result;
	if (!result)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND,
				 "the record does not hold this process any more");
	life->public.parent = life->base.parent;
	life->public.start_ns = life->base.start_ns;
	life->parent = reference(life, life->base.parent, life->base.start_ns);
	life->creator = reference(life, life->base.creator, life->base.start_ns);
	life->process = bare_process(&life->base);
	if (life->base.origin == PROCOBSRV_START) {
		take_forked(life);
		add_event(life, PROCOBSRV_START, life->base.start_ns, 's', life->public.process);
	} else {
		take_known(life);
	}
	if (!life->error)
		life->error = add_middle(life);
	/* One that ran already, and of whose program nothing is kept. */
	if (!life->error && !life->public.count && life->base.origin == PROCOBSRV_EXISTING)
		add_event(life, PROCOBSRV_EXISTING, life->base.start_ns, 's', life->public.process);
	if (!life->error)
		add_end(life);
	life->public.last = &life->process;
	return life->error;
}

int record_life_load(struct record_reader *reader, int64_t process, struct record_life **loaded)
{
	struct life *life = calloc(1, sizeof(*life));
	int error;

	if (!life)
		return error_set(PROCOBSRV_ERROR_MEMORY,
				 "out of memory for the events of a process");
	life->reader = reader;
	life->public.process = process;
	error = load(life);
	if (error) {
		record_life_free(&life->public);
		return error;
	}
	*loaded = &life->public;
	return 0;
}

void record_life_free(struct record_life *life)
{
	struct life *whole = (struct life *)life;

	if (!whole)
		return;
	while (whole->blocks) {
		struct block *block = whole->blocks;

		whole->blocks = block->next;
		free(block);
	}
	free(whole->events);
	free(whole->execs);
	free(whole);
}
