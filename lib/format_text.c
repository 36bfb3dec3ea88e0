/* SPDX-License-Identifier: MIT */
/* Events for people: one aligned line each, safe for a terminal. */
#include "format.h"

#include "hex.h"
#include "os.h"
#include "text_line.h"
#include "text_number.h"
#include "utf8.h"

#include <string.h>

#define NS_PER_SECOND	   INT64_C(1000000000)
#define NS_PER_MILLISECOND 1000000
#define SECONDS_PER_DAY	   86400

/* Where the columns end or begin. */
#define COLUMN_KIND    13
#define COLUMN_PID_END 29
#define PID_WIDTH      7 /* pid_max is 4194304 at most */
#define PPID_WIDTH     8
#define USER_WIDTH     7
#define USER_NAME_SIZE 64
#define COLUMN_DETAILS 46

struct kind_style {
	const char *label;
	const char *style;
};

/* Labels are the kinds' names, but for the one that is longer than its column. */
static struct kind_style style_of(const struct procobsrv_event *event)
{
	switch (event->kind) {
	case PROCOBSRV_EXISTING:
		return (struct kind_style){"existing", "\033[2m"};
	case PROCOBSRV_START:
		return (struct kind_style){"start", "\033[32m"};
	case PROCOBSRV_EXEC:
		return (struct kind_style){"exec", "\033[36m"};
	case PROCOBSRV_EXEC_FAILED:
		return (struct kind_style){"failed", "\033[33m"};
	case PROCOBSRV_EXIT:
		if (event->exit != NULL && (event->exit->code != 0 || event->exit->signal != 0))
			return (struct kind_style){"exit", "\033[31m"};
		return (struct kind_style){"exit", "\033[34m"};
	case PROCOBSRV_LOST:
		return (struct kind_style){"LOST", "\033[1;37;41m"};
	}
	return (struct kind_style){"unknown", "\033[35m"};
}

/*
 * Seconds since local midnight. Zones change their offset at quarters of an hour only, so that the
 * system is asked once for each of these.
 */
static uint32_t local_second_of_day(int64_t seconds)
{
	static _Thread_local int64_t known_quarter = INT64_MIN;
	static _Thread_local uint32_t second_at_quarter;
	const int64_t quarter_seconds = 900;
	int64_t quarter = seconds / quarter_seconds - (seconds % quarter_seconds < 0);

	if (quarter != known_quarter) {
		second_at_quarter = os_local_second_of_day(quarter * quarter_seconds);
		known_quarter = quarter;
	}
	return (second_at_quarter + (uint32_t)(seconds - quarter * quarter_seconds)) %
	       SECONDS_PER_DAY;
}

/* HH:MM:SS.mmm */
static void append_local_time(struct text_line *line, int64_t wall_ns)
{
	char text[16];
	char *out = text;
	bool before = wall_ns % NS_PER_SECOND < 0; /* 1970 */
	int64_t seconds = wall_ns / NS_PER_SECOND - before;
	int64_t fraction = wall_ns % NS_PER_SECOND + before * NS_PER_SECOND;
	uint32_t millisecond = (uint32_t)(fraction / NS_PER_MILLISECOND);
	uint32_t second = local_second_of_day(seconds);

	out = text_write_padded(out, second / 3600, 2);
	*out++ = ':';
	out = text_write_padded(out, second / 60 % 60, 2);
	*out++ = ':';
	out = text_write_padded(out, second % 60, 2);
	*out++ = '.';
	out = text_write_padded(out, millisecond, 3);
	*out = 0;
	text_line_append(line, text);
}

/* What is too wide for its column still keeps its distance. */
static void append_spaces(struct text_line *line, size_t length, size_t width)
{
	char spaces[] = "            ";

	spaces[length < width ? width - length : 1] = 0;
	text_line_append(line, spaces);
}

static void append_right(struct text_line *line, bool known, uint32_t value, size_t width)
{
	char text[TEXT_NUMBER_SIZE + 1] = "-";
	size_t length = 1;

	if (known) {
		char *end = text_write_unsigned(text, value);

		*end = 0;
		length = (size_t)(end - text);
	}
	append_spaces(line, length, width);
	text_line_append(line, text);
}

/* A name that is too wide ends with a plus, as ps has it. */
static void append_user(struct text_line *line, const struct procobsrv_process *process,
			const struct format_text_options *options)
{
	const size_t most = USER_WIDTH - 1;
	bool known = process->present & PROCOBSRV_HAS_CREDENTIALS || process->sid != NULL;
	char name[USER_NAME_SIZE];
	size_t size = 0;

	if (options->user_name == NULL || !known) {
		append_right(line, (process->present & PROCOBSRV_HAS_CREDENTIALS) != 0,
			     process->uid, USER_WIDTH);
		return;
	}
	options->user_name(process, name, sizeof name);
	if (format_text_width(name, strlen(name)) > most) {
		for (size_t next = 0; format_text_width(name, next) < most;) {
			uint32_t character;

			size = next;
			next += utf8_decode(name + next, strlen(name + next), &character);
		}
		memcpy(name + size, "+", 2);
	}
	append_spaces(line, format_text_width(name, strlen(name)), USER_WIDTH);
	text_line_append_escaped(line, name);
}

struct unit {
	uint64_t ns;
	const char *name;
};

/* Two units: 2m03s, 3h04m, 5d06h */
static void append_long_duration(struct text_line *line, uint64_t seconds)
{
	static const struct unit units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
	size_t at = 0;
	char rest[4];

	while (seconds < units[at].ns)
		at++;
	text_line_append_unsigned(line, seconds / units[at].ns);
	text_line_append(line, units[at].name);
	*text_write_padded(rest, (uint32_t)(seconds % units[at].ns / units[at + 1].ns), 2) = 0;
	text_line_append(line, rest);
	text_line_append(line, units[at + 1].name);
}

/* Three digits: 830ns, 12.3ms, 1.23s */
static void append_duration(struct text_line *line, uint64_t ns)
{
	static const struct unit units[] = {
	    {NS_PER_SECOND, "s"}, {NS_PER_MILLISECOND, "ms"}, {1000, "us"}};
	char fraction[4];

	if (ns >= 60 * (uint64_t)NS_PER_SECOND) {
		append_long_duration(line, ns / (uint64_t)NS_PER_SECOND);
		return;
	}
	for (size_t at = 0; at < sizeof units / sizeof units[0]; at++) {
		uint64_t whole = ns / units[at].ns;
		uint32_t thousandths = (uint32_t)(ns % units[at].ns * 1000 / units[at].ns);

		if (whole == 0)
			continue;
		text_line_append_unsigned(line, whole);
		if (whole < 100) {
			unsigned digits = whole < 10 ? 2 : 1;

			*text_write_padded(fraction, thousandths / (digits == 2 ? 10 : 100),
					   digits) = 0;
			text_line_append(line, ".");
			text_line_append(line, fraction);
		}
		text_line_append(line, units[at].name);
		return;
	}
	text_line_append_unsigned(line, ns);
	text_line_append(line, "ns");
}

static const char *last_component(const char *path, const char *separators)
{
	for (const char *next; (next = strpbrk(path, separators)) != NULL;)
		path = next + 1;
	return path;
}

static bool is_named(const char *path, const char *name)
{
	return path != NULL && strcmp(last_component(path, "/"), name) == 0;
}

/* Whether argv[0] tells what runs: a program may call itself anything. */
static bool is_telling(const struct procobsrv_process *process)
{
	const char *called = process->argv[0];

	if (called[0] == '-') /* a login shell */
		called++;
	called = last_component(called, "/");
	return process->exe == NULL || is_named(process->exe, called) ||
	       is_named(process->filename, called) || is_named(process->script, called) ||
	       is_named(process->interpreter, called);
}

static char lower(char character)
{
	return character >= 'A' && character <= 'Z' ? (char)(character - 'A' + 'a') : character;
}

/* The same on Windows, which looks neither at case nor at whether ".exe" is written. */
static bool is_telling_wide(const struct procobsrv_process *process)
{
	const char *called = last_component(process->argv[0], "\\/");
	const char *name = process->name;

	if (*name == 0)
		return true;
	while (*called != 0 && lower(*called) == lower(*name)) {
		called++;
		name++;
	}
	if (*called != 0)
		return false;
	return *name == 0 || (name[0] == '.' && lower(name[1]) == 'e' && lower(name[2]) == 'x' &&
			      lower(name[3]) == 'e' && name[4] == 0);
}

static void append_argv(struct text_line *line, const char *const *argv, size_t argc)
{
	for (size_t at = 0; at < argc && !line->full; at++) {
		if (at > 0)
			text_line_append(line, " ");
		text_line_append_quoted(line, argv[at]);
	}
}

/* What is worth a warning comes first: the end of a long line is cut. */
static void append_tags(struct text_line *line, const struct procobsrv_process *process)
{
	if (process->flags & PROCOBSRV_PROCESS_SETUID)
		text_line_append(line, "[setuid] ");
	if (process->flags & PROCOBSRV_PROCESS_SETGID)
		text_line_append(line, "[setgid] ");
	if (process->flags & PROCOBSRV_PROCESS_MEMFD)
		text_line_append(line, "[memfd] ");
	else if (process->flags & PROCOBSRV_PROCESS_DELETED)
		text_line_append(line, "[deleted] ");
	for (size_t at = 0; at < process->missing_count; at++) {
		if (strcmp(process->missing[at].field, "argv") == 0 ||
		    strcmp(process->missing[at].field, "exe") == 0) {
			text_line_append(line, "[");
			text_line_append_escaped(line, process->missing[at].field);
			text_line_append(line, " ");
			text_line_append_escaped(line, process->missing[at].reason);
			text_line_append(line, "] ");
		}
	}
}

/* One string is passed on Windows: it is shown as it is. */
static void append_wide_command(struct text_line *line, const struct procobsrv_process *process)
{
	const char *path = process->exe != NULL ? process->exe : process->exe_nt;

	if (path == NULL)
		path = process->name;
	if (process->command_line == NULL) {
		text_line_append_wide(line, path);
		return;
	}
	if (process->argc > 0 && !is_telling_wide(process)) {
		text_line_append_wide(line, path);
		text_line_append(line, " as ");
	}
	text_line_append_wide(line, process->command_line);
}

static void append_command(struct text_line *line, const struct procobsrv_process *process)
{
	append_tags(line, process);
	if (process->flags & PROCOBSRV_PROCESS_WTF8) {
		append_wide_command(line, process);
		return;
	}
	if (process->argv == NULL || process->argc == 0) {
		text_line_append_quoted(line, process->exe != NULL ? process->exe : process->name);
		return;
	}
	if (!is_telling(process)) {
		text_line_append_quoted(line, process->exe);
		text_line_append(line, " as ");
	}
	append_argv(line, process->argv, process->argc);
}

static void append_name(struct text_line *line, const struct procobsrv_process *process)
{
	if (process->flags & PROCOBSRV_PROCESS_WTF8)
		text_line_append_wide(line, process->name);
	else
		text_line_append_quoted(line, process->name);
}

static void append_start(struct text_line *line, const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;
	bool has_program = process->argv != NULL || process->flags & PROCOBSRV_PROCESS_WTF8;

	/* Linux: not yet another program than its parent. Windows: a program with its start. */
	if ((process->flags & PROCOBSRV_PROCESS_FORKED) != 0 || !has_program)
		append_name(line, process);
	else
		append_command(line, process);
	if (event->parent != NULL) {
		text_line_append(line, " by ");
		append_name(line, event->parent);
	}
	if (event->creator != NULL) {
		text_line_append(line, ", created by ");
		append_name(line, event->creator);
		text_line_append(line, " (");
		text_line_append_unsigned(line, event->creator->pid);
		text_line_append(line, ")");
	}
}

/* Signals as Linux numbers them on x86 and ARM; other systems have none. */
static const char *signal_name(uint32_t signal)
{
	static const char *const names[] = {
	    NULL,     "HUP",  "INT",	"QUIT", "ILL",	 "TRAP", "ABRT", "BUS",
	    "FPE",    "KILL", "USR1",	"SEGV", "USR2",	 "PIPE", "ALRM", "TERM",
	    "STKFLT", "CHLD", "CONT",	"STOP", "TSTP",	 "TTIN", "TTOU", "URG",
	    "XCPU",   "XFSZ", "VTALRM", "PROF", "WINCH", "IO",	 "PWR",	 "SYS",
	};

	return signal < sizeof names / sizeof names[0] ? names[signal] : NULL;
}

/* Statuses of Windows' kernel are known by their hexadecimal form: 0xc0000005. */
static void append_code(struct text_line *line, uint32_t code)
{
	char text[sizeof "0x12345678"] = "0x";

	if (code <= INT32_MAX) {
		text_line_append_unsigned(line, code);
		return;
	}
	*hex_append(text + 2, code) = 0;
	text_line_append(line, text);
}

static void append_status(struct text_line *line, const struct procobsrv_exit *status)
{
	const char *name = signal_name(status->signal);

	if (!status->has_status) {
		text_line_append(line, "  status not known");
		return;
	}
	if (status->signal == 0) {
		text_line_append(line, "  exit ");
		append_code(line, status->code);
	} else {
		text_line_append(line, "  signal ");
		text_line_append_unsigned(line, status->signal);
		if (name != NULL) {
			text_line_append(line, " (");
			text_line_append(line, name);
			text_line_append(line, ")");
		}
	}
	if (status->core_dumped)
		text_line_append(line, " core");
}

static void append_exit(struct text_line *line, const struct procobsrv_event *event)
{
	const struct procobsrv_exit *status = event->exit;

	append_name(line, event->process);
	if (status == NULL)
		return;
	append_status(line, status);
	if (status->duration_ns != 0) {
		text_line_append(line, "  ");
		append_duration(line, status->duration_ns);
	}
	if (status->has_usage) {
		text_line_append(line, status->threads_unread ? "  cpu over " : "  cpu ");
		append_duration(line, status->cpu_ns);
	}
}

static void append_failed(struct text_line *line, const struct procobsrv_event *event)
{
	const struct procobsrv_attempt *attempt = event->attempt;

	if (attempt == NULL) {
		text_line_append_quoted(line, event->process->name);
		return;
	}
	if (attempt->path != NULL)
		text_line_append_quoted(line, attempt->path);
	else
		text_line_append(line, "[path unreadable]");
	text_line_append(line, ": ");
	if (attempt->error_name != NULL) {
		text_line_append_escaped(line, attempt->error_name);
	} else {
		text_line_append(line, "error ");
		text_line_append_unsigned(line, (uint32_t)attempt->error);
	}
	text_line_append(line, " by ");
	text_line_append_quoted(line, event->process->name);
}

static void append_count(struct text_line *line, bool *first, uint64_t count, const char *one,
			 const char *many)
{
	if (count == 0)
		return;
	text_line_append(line, *first ? " (" : ", ");
	text_line_append_unsigned(line, count);
	text_line_append(line, " ");
	text_line_append(line, count == 1 ? one : many);
	*first = false;
}

static void append_lost(struct text_line *line, const struct procobsrv_lost *lost)
{
	bool first = true;

	text_line_append(line, "LOST ");
	text_line_append_unsigned(line, lost->count);
	text_line_append(line, lost->count == 1 ? " event" : " events");
	append_count(line, &first, lost->start, "start", "starts");
	append_count(line, &first, lost->exec, "exec", "execs");
	append_count(line, &first, lost->exec_failed, "failed exec", "failed execs");
	append_count(line, &first, lost->exit, "exit", "exits");
	append_count(line, &first, lost->unknown, "unknown", "unknown");
	if (!first)
		text_line_append(line, ")");
	if (lost->reason != NULL) {
		text_line_append(line, ": ");
		text_line_append_escaped(line, lost->reason);
	}
}

static void append_columns(struct text_line *line, const struct procobsrv_process *process,
			   const struct format_text_options *options)
{
	append_right(line, true, process->pid, PID_WIDTH);
	append_right(line, (process->present & PROCOBSRV_HAS_PPID) != 0, process->ppid, PPID_WIDTH);
	append_user(line, process, options);
	text_line_pad(line, COLUMN_DETAILS);
}

static void append_details(struct text_line *line, const struct procobsrv_event *event,
			   const struct format_text_options *options)
{
	append_columns(line, event->process, options);
	if (event->flags & PROCOBSRV_EVENT_SYNTHETIC)
		text_line_append(line, "[synthetic] ");
	switch (event->kind) {
	case PROCOBSRV_START:
		append_start(line, event);
		break;
	case PROCOBSRV_EXIT:
		append_exit(line, event);
		break;
	case PROCOBSRV_EXEC_FAILED:
		append_failed(line, event);
		break;
	case PROCOBSRV_EXISTING:
	case PROCOBSRV_EXEC:
	case PROCOBSRV_LOST:
		append_command(line, event->process);
		break;
	}
}

void format_text_header(struct buffer *buffer, const struct format_text_options *options)
{
	struct text_line line = TEXT_LINE_INTO(buffer, options->columns);

	if (options->color)
		text_line_begin_style(&line, "\033[1m");
	text_line_append(&line, "TIME         KIND         PID    PPID   USER  COMMAND");
	text_line_end_style(&line);
	buffer_append_character(buffer, '\n');
}

void format_text_event(struct buffer *buffer, const struct procobsrv_event *event,
		       const struct format_text_options *options)
{
	struct text_line line = TEXT_LINE_INTO(buffer, options->columns);
	struct kind_style style = style_of(event);

	if (event->time_ns != 0)
		append_local_time(&line, event->time_ns);
	text_line_pad(&line, COLUMN_KIND);
	if (options->color)
		text_line_begin_style(&line, style.style);
	if (event->lost != NULL) {
		append_lost(&line, event->lost);
		text_line_end_style(&line);
	} else {
		text_line_append(&line, style.label);
		text_line_end_style(&line);
		text_line_pad(&line, COLUMN_PID_END - PID_WIDTH);
		if (event->process != NULL)
			append_details(&line, event, options);
	}
	buffer_append_character(buffer, '\n');
}

void format_text_escape(struct buffer *buffer, const char *text)
{
	struct text_line line = TEXT_LINE_INTO(buffer, 0);

	text_line_append_escaped(&line, text);
}

void format_text_argv(struct buffer *buffer, const char *const *argv, size_t argc)
{
	struct text_line line = TEXT_LINE_INTO(buffer, 0);

	append_argv(&line, argv, argc);
}

bool format_text_command(struct buffer *buffer, const struct procobsrv_process *process)
{
	struct text_line line = TEXT_LINE_INTO(buffer, 0);

	if (process->flags & PROCOBSRV_PROCESS_WTF8) {
		append_wide_command(&line, process);
		return true;
	}
	append_argv(&line, process->argv, process->argc);
	return process->argc > 0;
}

/* How many bytes a control sequence of ours takes (ESC [ ... m), 0: there is none. */
static size_t style_size(const char *text, size_t size)
{
	size_t at = 2;

	if (size < 3 || text[0] != '\033' || text[1] != '[')
		return 0;
	while (at < size && text[at] != 'm')
		at++;
	return at < size ? at + 1 : 0;
}

size_t format_text_width(const char *text, size_t size)
{
	size_t width = 0;

	while (size > 0) {
		size_t taken = style_size(text, size);

		if (taken == 0) {
			uint32_t character;

			taken = utf8_decode(text, size, &character);
			width += character == UTF8_INVALID ? 1 : unicode_width(character);
		}
		text += taken;
		size -= taken;
	}
	return width;
}
