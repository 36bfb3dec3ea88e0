/* SPDX-License-Identifier: MIT */
#include "record_rows.h"

#include "error.h"
#include "os.h"

#include <stdio.h>
#include <string.h>

#define HOST_SIZE 256

int record_rows_create(struct record_rows *rows, struct record_database *database,
		       struct record_texts *texts, struct record_processes *processes)
{
	*rows = (struct record_rows){
	    .database = database,
	    .texts = texts,
	    .processes = processes,
	};
	sqlite3_stmt *statement = record_statement(database, RECORD_GET_STATE);
	sqlite3_bind_text(statement, 1, "cursor", -1, SQLITE_STATIC);
	int found = record_step(database, statement, "read its cursor");
	if (found < 0)
		return found;
	if (found)
		rows->cursor = record_cursor_parse((const char *)sqlite3_column_text(statement, 0));
	sqlite3_reset(statement);
	return 0;
}

void record_rows_free(struct record_rows *rows)
{
	buffer_free(&rows->scratch);
}

/* ---- texts ---- */

/* RECORD_NULL for NULL. */
static int text_id(struct record_rows *rows, const char *text, int64_t *id)
{
	*id = RECORD_NULL;
	return text ? record_text_id(rows->texts, text, strlen(text), id) : 0;
}

static int scratch_id(struct record_rows *rows, int64_t *id)
{
	if (rows->scratch.failed) {
		buffer_free(&rows->scratch);
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for an event's texts");
	}
	return record_text_id(rows->texts, rows->scratch.data, rows->scratch.size, id);
}

/* Each string ended by NUL; RECORD_NULL where there is no vector. */
static int vector_id(struct record_rows *rows, const char *const *vector, size_t count, int64_t *id)
{
	*id = RECORD_NULL;
	if (!vector)
		return 0;
	rows->scratch.size = 0;
	for (size_t i = 0; i < count; i++)
		buffer_append(&rows->scratch, vector[i], strlen(vector[i]) + 1);
	return scratch_id(rows, id);
}

static int missing_id(struct record_rows *rows, const struct procobsrv_process *process,
		      int64_t *id)
{
	*id = RECORD_NULL;
	if (!process->missing_count)
		return 0;
	rows->scratch.size = 0;
	for (size_t i = 0; i < process->missing_count; i++) {
		const struct procobsrv_missing *missing = &process->missing[i];
		buffer_append_text(&rows->scratch, missing->field);
		buffer_append_character(&rows->scratch, '=');
		buffer_append(&rows->scratch, missing->reason, strlen(missing->reason) + 1);
	}
	return scratch_id(rows, id);
}

/* ---- boots ---- */

static int touch_boot(struct record_rows *rows)
{
	sqlite3_stmt *statement;

	if (!rows->boot_id || !rows->boot_last_ns)
		return 0;
	statement = record_statement(rows->database, RECORD_TOUCH_BOOT);
	sqlite3_bind_int64(statement, 1, rows->boot_id);
	sqlite3_bind_int64(statement, 2, rows->boot_last_ns);
	rows->boot_last_ns = 0;
	return record_run(rows->database, RECORD_TOUCH_BOOT, "note the boot");
}

static int add_boot(struct record_rows *rows, const char *boot)
{
	char host[HOST_SIZE];
	sqlite3_stmt *statement = record_statement(rows->database, RECORD_ADD_BOOT);

	os_host_name(host, sizeof host);
	sqlite3_bind_text(statement, 1, boot, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, host, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 3, 0);
	int error = record_run(rows->database, RECORD_ADD_BOOT, "note the boot");
	if (!error)
		rows->boot_id = sqlite3_last_insert_rowid(rows->database->connection);
	return error;
}

/* Makes the boot that the identity is of the present one. */
static int enter_boot(struct record_rows *rows, const char *identity)
{
	size_t length = strcspn(identity, "-");
	char full[37];

	if (rows->boot_id && !strncmp(rows->boot, identity, length) && !rows->boot[length])
		return 0;
	int error = touch_boot(rows);
	if (error)
		return error;
	if (length >= sizeof rows->boot)
		length = sizeof rows->boot - 1;
	memcpy(rows->boot, identity, length);
	rows->boot[length] = '\0';
	rows->boot_id = 0;

	const char *boot =
	    os_boot_id(full) && length == 8 && !memcmp(full, identity, length) ? full : rows->boot;
	sqlite3_stmt *statement = record_statement(rows->database, RECORD_FIND_BOOT);
	sqlite3_bind_text(statement, 1, boot, -1, SQLITE_STATIC);
	int found = record_step(rows->database, statement, "find the boot");
	if (found > 0)
		rows->boot_id = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return found ? (found < 0 ? found : 0) : add_boot(rows, boot);
}

/* ---- processes ---- */

static bool has(const struct procobsrv_process *process, enum procobsrv_present present)
{
	return process->present & present;
}

static int64_t known(const struct procobsrv_process *process, enum procobsrv_present present,
		     uint32_t value)
{
	return has(process, present) ? (int64_t)value : RECORD_NULL;
}

static int set_program(struct record_rows *rows, struct record_process *row,
		       const struct procobsrv_process *process)
{
	int error =
	    text_id(rows, process->name[0] ? process->name : NULL, &row->columns[PROCESS_NAME]);

	if (!error)
		error = text_id(rows, process->exe, &row->columns[PROCESS_EXE]);
	row->columns[PROCESS_UID] = known(process, PROCOBSRV_HAS_CREDENTIALS, process->uid);
	row->columns[PROCESS_EXEC_ID] = process->exec_id ? (int64_t)process->exec_id : RECORD_NULL;
	row->changes |= PROCESS_CHANGE_PROGRAM;
	return error;
}

/* What a snapshot of a process tells of it. */
static int fill(struct record_rows *rows, struct record_process *row,
		const struct procobsrv_process *process, enum procobsrv_kind origin)
{
	row->columns[PROCESS_BOOT] = rows->boot_id;
	row->columns[PROCESS_PID] = process->pid;
	row->columns[PROCESS_PPID] = known(process, PROCOBSRV_HAS_PPID, process->ppid);
	row->columns[PROCESS_ORIGIN] = (int64_t)origin;
	row->columns[PROCESS_START] =
	    has(process, PROCOBSRV_HAS_START) ? process->start_time_ns : RECORD_NULL;
	row->changes |= PROCESS_CHANGE_ALL;
	return set_program(rows, row, process);
}

/* The row of who is named as a parent or creator; RECORD_NULL for one of no identity. */
static int relative_id(struct record_rows *rows, const struct procobsrv_process *relative,
		       int64_t *id)
{
	struct record_process *row;
	bool is_new;

	*id = RECORD_NULL;
	/* Where a snapshot tells the parent's pid alone, the identity is none. */
	if (!relative || !has(relative, PROCOBSRV_HAS_START))
		return 0;
	int64_t seen = record_processes_peek(rows->processes, relative->id);
	if (seen) {
		*id = seen;
		return 0;
	}
	int error = record_processes_get(rows->processes, relative->id, true, &row, &is_new);
	if (!error && is_new)
		error = fill(rows, row, relative, 0);
	if (!error)
		*id = row->id;
	return error;
}

/*
 * The row of the event's process; *first tells whether an event of its own comes for the first
 * time. Valid until the next one is asked for.
 */
static int row_of(struct record_rows *rows, const struct procobsrv_event *event,
		  struct record_process **row, bool *first)
{
	const struct procobsrv_process *process = event->process;
	int64_t parent, creator;
	bool is_new;
	int error = record_processes_get(rows->processes, process->id, true, row, &is_new);

	if (error)
		return error;
	*first = is_new || (*row)->columns[PROCESS_ORIGIN] == 0;
	if (!*first)
		return 0;
	/* The batch may move while its relatives join it. */
	size_t index = (size_t)(*row - rows->processes->batch);
	error = relative_id(rows, event->parent, &parent);
	if (!error)
		error = relative_id(rows, event->creator, &creator);
	*row = &rows->processes->batch[index];
	if (error)
		return error;
	(*row)->columns[PROCESS_PARENT] = parent;
	(*row)->columns[PROCESS_CREATOR] = creator;
	return fill(rows, *row, process, event->kind);
}

/* ---- one function for each kind ---- */

struct exec_texts {
	int64_t name, exe, argv, cwd, filename, script, interpreter, env, tty, cgroup, container,
	    missing;
};

static int find_exec_texts(struct record_rows *rows, const struct procobsrv_process *process,
			   struct exec_texts *texts)
{
	const struct {
		const char *text;
		int64_t *id;
	} plain[] = {
	    {process->name[0] ? process->name : NULL, &texts->name},
	    {process->exe, &texts->exe},
	    {process->cwd, &texts->cwd},
	    {process->filename, &texts->filename},
	    {process->script, &texts->script},
	    {process->interpreter, &texts->interpreter},
	    {process->tty, &texts->tty},
	    {process->cgroup, &texts->cgroup},
	    {process->container_id, &texts->container},
	};
	int error = 0;

	for (size_t i = 0; !error && i < sizeof plain / sizeof *plain; i++)
		error = text_id(rows, plain[i].text, plain[i].id);
	if (!error)
		error = vector_id(rows, process->argv, process->argc, &texts->argv);
	if (!error)
		error = vector_id(rows, process->env_count ? process->env : NULL,
				  process->env_count, &texts->env);
	if (!error)
		error = missing_id(rows, process, &texts->missing);
	return error;
}

static int add_exec(struct record_rows *rows, const struct procobsrv_event *event, int64_t id)
{
	const struct procobsrv_process *process = event->process;
	struct exec_texts texts;
	int error = find_exec_texts(rows, process, &texts);

	if (error)
		return error;
	const int64_t columns[] = {
	    id,
	    (int64_t)event->kind,
	    event->time_ns,
	    texts.name,
	    texts.exe,
	    texts.argv,
	    texts.cwd,
	    texts.filename,
	    texts.script,
	    texts.interpreter,
	    texts.env,
	    texts.tty,
	    texts.cgroup,
	    texts.container,
	    process->flags,
	    known(process, PROCOBSRV_HAS_CREDENTIALS, process->uid),
	    known(process, PROCOBSRV_HAS_CREDENTIALS, process->gid),
	    known(process, PROCOBSRV_HAS_CREDENTIALS, process->euid),
	    known(process, PROCOBSRV_HAS_CREDENTIALS, process->egid),
	    known(process, PROCOBSRV_HAS_LOGINUID, process->loginuid),
	    known(process, PROCOBSRV_HAS_SESSION, process->session),
	    texts.missing,
	};
	sqlite3_stmt *statement = record_statement(rows->database, RECORD_ADD_EXEC);
	for (int i = 0; i < (int)(sizeof columns / sizeof *columns); i++)
		record_bind(statement, i + 1, columns[i]);
	return record_run(rows->database, RECORD_ADD_EXEC, "write a program");
}

/* Whether this program is on record: what is concluded, and what exists, is told again and again.
 */
static bool program_is_known(const struct record_process *row, const struct procobsrv_event *event)
{
	int64_t last = row->columns[PROCESS_EXEC_ID];

	if (event->kind == PROCOBSRV_EXEC && !(event->flags & PROCOBSRV_EVENT_SYNTHETIC))
		return false;
	if (last == RECORD_NULL || !event->process->exec_id)
		return event->kind == PROCOBSRV_EXISTING;
	return (int64_t)event->process->exec_id <= last;
}

static int take_program(struct record_rows *rows, const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;
	struct record_process *row;
	bool first;
	int error = row_of(rows, event, &row, &first);

	if (error)
		return error;
	if (!first) {
		bool has_ended = row->columns[PROCESS_END] != RECORD_NULL;
		if (program_is_known(row, event) ||
		    (has_ended && event->kind == PROCOBSRV_EXISTING))
			return 0;
		error = set_program(rows, row, process);
	}
	/* A kernel thread has none, and of a process without one nothing but its name is known. */
	if (error || (event->kind == PROCOBSRV_EXISTING && !process->exe && !process->argv))
		return error;
	return add_exec(rows, event, row->id);
}

static int take_start(struct record_rows *rows, const struct procobsrv_event *event)
{
	struct record_process *row;
	bool first;

	return row_of(rows, event, &row, &first);
}

static int take_attempt(struct record_rows *rows, const struct procobsrv_event *event)
{
	const struct procobsrv_attempt *attempt = event->attempt;
	struct record_process *row;
	bool first;
	int64_t path, argv;
	int error = row_of(rows, event, &row, &first);

	if (!error)
		error = text_id(rows, attempt->path, &path);
	if (!error)
		error = vector_id(rows, attempt->argv, attempt->argc, &argv);
	if (error)
		return error;
	const int64_t columns[] = {row->id, event->time_ns, path, argv, attempt->error};
	sqlite3_stmt *statement = record_statement(rows->database, RECORD_ADD_ATTEMPT);
	for (int i = 0; i < (int)(sizeof columns / sizeof *columns); i++)
		record_bind(statement, i + 1, columns[i]);
	return record_run(rows->database, RECORD_ADD_ATTEMPT, "write a failed exec");
}

static void set_end(struct record_process *row, const struct procobsrv_event *event)
{
	static const struct procobsrv_exit unknown;
	const struct procobsrv_exit *exit = event->exit ? event->exit : &unknown;
	int64_t *columns = row->columns;

	columns[PROCESS_END] = event->time_ns;
	columns[PROCESS_CODE] = exit->has_status ? (int64_t)exit->code : RECORD_NULL;
	columns[PROCESS_SIGNAL] = exit->has_status ? (int64_t)exit->signal : RECORD_NULL;
	columns[PROCESS_CORE_DUMPED] = exit->has_status ? (int64_t)exit->core_dumped : RECORD_NULL;
	columns[PROCESS_DURATION] = exit->duration_ns ? (int64_t)exit->duration_ns : RECORD_NULL;
	columns[PROCESS_CPU] = exit->has_usage ? (int64_t)exit->cpu_ns : RECORD_NULL;
	columns[PROCESS_USER] = exit->has_usage ? (int64_t)exit->user_ns : RECORD_NULL;
	columns[PROCESS_SYSTEM] = exit->has_usage ? (int64_t)exit->system_ns : RECORD_NULL;
	columns[PROCESS_MAX_RSS] = exit->has_usage ? (int64_t)exit->max_rss_bytes : RECORD_NULL;
	row->changes |= PROCESS_CHANGE_END;
}

static int take_exit(struct record_rows *rows, const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;
	struct record_process *row;
	bool first;
	int error = row_of(rows, event, &row, &first);

	if (error)
		return error;
	/* Where it was only concluded that somebody is gone, his own word is worth more. */
	bool is_known =
	    row->columns[PROCESS_END] != RECORD_NULL &&
	    (row->columns[PROCESS_CODE] != RECORD_NULL || !event->exit || !event->exit->has_status);
	if (is_known)
		return 0;
	if (!first && process->name[0])
		error = text_id(rows, process->name, &row->columns[PROCESS_NAME]);
	if (has(process, PROCOBSRV_HAS_CREDENTIALS))
		row->columns[PROCESS_UID] = process->uid;
	set_end(row, event);
	return error;
}

static int64_t time_or_null(int64_t time_ns)
{
	return time_ns ? time_ns : RECORD_NULL;
}

static void take_off(uint64_t *kind, struct procobsrv_lost *lost, uint64_t *told)
{
	uint64_t less = *kind < *told ? *kind : *told;

	*kind -= less;
	lost->count -= less;
	*told -= less;
}

/*
 * What the kernel lost after its last record was told then; to a later reader, who begins at that
 * record, the next one tells it once more. False: nothing is left of it.
 */
static bool leave_out_told(struct record_rows *rows, const struct record_cursor *cursor,
			   struct procobsrv_lost *lost)
{
	struct record_cursor *last = &rows->cursor;
	uint64_t counted = lost->start + lost->exec + lost->exec_failed + lost->exit;

	if (!cursor->has_lost || !last->known || cursor->stream != last->stream)
		return true;
	uint64_t before = cursor->lost > counted ? cursor->lost - counted : 0;
	uint64_t told = last->has_lost && last->lost > before ? last->lost - before : 0;
	if (!last->has_lost || cursor->lost > last->lost)
		last->lost = cursor->lost;
	last->has_lost = true;
	take_off(&lost->exit, lost, &told);
	take_off(&lost->exec_failed, lost, &told);
	take_off(&lost->exec, lost, &told);
	take_off(&lost->start, lost, &told);
	return lost->count > 0;
}

static int take_loss(struct record_rows *rows, const struct procobsrv_event *event,
		     const struct procobsrv_lost *lost)
{
	sqlite3_stmt *statement = record_statement(rows->database, RECORD_ADD_LOSS);
	const int64_t columns[] = {
	    event->time_ns,
	    time_or_null(lost->from_ns),
	    time_or_null(lost->to_ns),
	    (int64_t)lost->count,
	    (int64_t)lost->start,
	    (int64_t)lost->exec,
	    (int64_t)lost->exec_failed,
	    (int64_t)lost->exit,
	    (int64_t)lost->unknown,
	};
	char name[48];

	/* What has no cursor is told apart by its number and its time. */
	snprintf(name, sizeof name, "%llu@%lld", (unsigned long long)event->seq,
		 (long long)event->time_ns);
	sqlite3_bind_text(statement, 1, event->cursor && *event->cursor ? event->cursor : name, -1,
			  SQLITE_STATIC);
	for (int i = 0; i < (int)(sizeof columns / sizeof *columns); i++)
		record_bind(statement, i + 2, columns[i]);
	sqlite3_bind_text(statement, 11, lost->stage, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 12, lost->reason, -1, SQLITE_STATIC);
	return record_run(rows->database, RECORD_ADD_LOSS, "write a gap");
}

static int take(struct record_rows *rows, const struct procobsrv_event *event)
{
	switch (event->kind) {
	case PROCOBSRV_EXISTING:
	case PROCOBSRV_EXEC:
		return take_program(rows, event);
	case PROCOBSRV_START:
		return take_start(rows, event);
	case PROCOBSRV_EXEC_FAILED:
		return take_attempt(rows, event);
	case PROCOBSRV_EXIT:
		return take_exit(rows, event);
	default:
		return 0;
	}
}

int record_rows_take(struct record_rows *rows, const struct procobsrv_event *event, bool *kept)
{
	struct record_cursor cursor = record_cursor_parse(event->cursor);

	*kept = !record_cursor_is_repeat(&cursor, &rows->cursor);
	if (!*kept)
		return 0;
	int error = 0;
	if (event->kind == PROCOBSRV_LOST) {
		struct procobsrv_lost lost = *event->lost;
		*kept = leave_out_told(rows, &cursor, &lost);
		if (*kept)
			error = take_loss(rows, event, &lost);
	} else if (event->process) {
		error = enter_boot(rows, event->process->id);
		if (!error)
			error = take(rows, event);
		if (event->time_ns > rows->boot_last_ns)
			rows->boot_last_ns = event->time_ns;
	}
	if (!error && cursor.known && !cursor.sort) {
		cursor.has_lost = rows->cursor.has_lost && rows->cursor.stream == cursor.stream;
		cursor.lost = cursor.has_lost ? rows->cursor.lost : 0;
		rows->cursor = cursor;
	}
	return error;
}

/* ---- the end of a batch ---- */

static int write_cursor(struct record_rows *rows)
{
	char text[RECORD_CURSOR_SIZE];

	if (!rows->cursor.known)
		return 0;
	record_cursor_write(&rows->cursor, text);
	sqlite3_stmt *statement = record_statement(rows->database, RECORD_SET_STATE);
	sqlite3_bind_text(statement, 1, "cursor", -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
	return record_run(rows->database, RECORD_SET_STATE, "write the cursor");
}

int record_rows_finish(struct record_rows *rows)
{
	int error = record_processes_write(rows->processes);

	if (!error)
		error = touch_boot(rows);
	if (!error)
		error = write_cursor(rows);
	return error;
}

void record_rows_forget(struct record_rows *rows, const struct record_cursor *cursor)
{
	record_processes_forget(rows->processes);
	record_texts_forget(rows->texts);
	rows->boot_id = 0;
	rows->boot_last_ns = 0;
	rows->cursor = *cursor;
}
