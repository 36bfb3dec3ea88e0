/* SPDX-License-Identifier: MIT */
#include "ledger.h"
#include "format.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KNOWN_SCHEMA 1

static void report(struct ledger *ledger, const char *format, ...)
    __attribute__((format(PRINTF_FORMAT, 2, 3)));

/* A line of what was found, begun with the file's name. */
static void report(struct ledger *ledger, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	if (ledger->reports++ >= REPORTS_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	format_text_escape(&ledger->report, ledger->path);
	buffer_append_text(&ledger->report, ": ");
	/* Host names and the like may come from anywhere. */
	format_text_escape(&ledger->report, text);
	buffer_append_character(&ledger->report, '\n');
}

#define NUMBER(value) ((unsigned long long)(value))

static void begin_run(struct ledger *ledger, const struct ledger_line *line)
{
	struct ledger_run *run = &ledger->run;

	memset(run, 0, sizeof(*run));
	run->open = true;
	run->known = true;
	run->begin_line = ledger->line;
	ledger->runs++;
	if (!line)
		return;
	memcpy(run->host, line->host, sizeof(run->host));
	memcpy(run->boot, line->boot, sizeof(run->boot));
	memcpy(run->backend, line->backend, sizeof(run->backend));
	memcpy(run->time, line->time, sizeof(run->time));
}

static void note_hole(struct ledger *ledger, uint64_t first, uint64_t last)
{
	struct ledger_run *run = &ledger->run;

	run->holes += last - first + 1;
	if (run->hole_count < HOLES_MAX)
		run->hole[run->hole_count++] = (struct hole){first, last, ledger->line};
}

/* Says what the missing numbers are, as far as that can be told. `filtered` of them, not more, are
 * known to be a filter's. */
static void judge_holes(struct ledger *ledger, uint64_t filtered)
{
	struct ledger_run *run = &ledger->run;
	uint64_t missing = run->holes > filtered ? run->holes - filtered : 0;

	if (!missing)
		return;
	ledger->missing += missing;
	if (filtered)
		report(ledger,
		       "missing: %llu events; %llu numbers have no line, and only %llu of them are "
		       "those that a filter took: the missing ones are among these:",
		       NUMBER(missing), NUMBER(run->holes), NUMBER(filtered));
	for (size_t index = 0; index < run->hole_count; index++) {
		const struct hole *hole = &run->hole[index];

		report(ledger, "missing%s: seq %llu to %llu (%llu events) before line %llu",
		       filtered ? " or filtered" : "", NUMBER(hole->first), NUMBER(hole->last),
		       NUMBER(hole->last - hole->first + 1), NUMBER(hole->line));
	}
	if (run->hole_count == HOLES_MAX)
		report(ledger, "and further holes, of which only the first %d are named",
		       HOLES_MAX);
}

/* The run that is open has no end line. */
static void cut_off(struct ledger *ledger)
{
	struct ledger_run *run = &ledger->run;

	ledger->faults++;
	report(ledger,
	       "cut off: the run that began in line %llu has no end line; what came after seq %llu "
	       "is not known",
	       NUMBER(run->begin_line), NUMBER(run->position));
	if (run->holes)
		report(ledger,
		       "not known: %llu numbers up to there have no line; without an end line "
		       "nothing tells whether a filter took them",
		       NUMBER(run->holes));
	run->open = false;
}

/* The run that is open has no end line, but another reader went on where it had been. */
static void taken_over(struct ledger *ledger)
{
	struct ledger_run *run = &ledger->run;

	report(ledger,
	       "line %llu: another reader went on after the one that began in line %llu and has no "
	       "end line",
	       NUMBER(ledger->line), NUMBER(run->begin_line));
	/* What it was writing when it was cut off is not missing: the other wrote it again. */
	ledger->faults -= ledger->torn;
	if (!run->holes)
		return;
	ledger->faults++;
	report(ledger,
	       "not known: %llu numbers of the reader before have no line; without its end line "
	       "nothing tells whether a filter took them",
	       NUMBER(run->holes));
}

/* The first line of a reader whose numbers go on after `from`. */
static void begin_after(struct ledger *ledger, const struct ledger_line *line, uint64_t from)
{
	struct ledger_run *run = &ledger->run;
	bool follows = run->known && !strcmp(run->boot, line->boot);
	uint64_t position = follows ? run->position : 0;

	if (run->open && follows && from <= position)
		taken_over(ledger);
	else if (run->open)
		cut_off(ledger);
	begin_run(ledger, line);
	if (from <= position) {
		run->resumed = true;
		run->position = position;
		return;
	}
	run->partial = true;
	run->position = from;
	ledger->missing += from - position;
	report(ledger, "missing: seq %llu to %llu are in an earlier part, which was not given",
	       NUMBER(position + 1), NUMBER(from));
}

static void on_begin(struct ledger *ledger, const struct ledger_line *line)
{
	struct ledger_run *run = &ledger->run;
	uint64_t from = line->seq == UINT64_MAX ? 0 : line->seq;
	bool same_reader = run->open && line->time[0] && !strcmp(run->time, line->time) &&
			   !strcmp(run->boot, line->boot) && from >= run->position;

	/* The next part of a file that was rotated, maybe before the first event. */
	if (same_reader) {
		if (from > run->position)
			note_hole(ledger, run->position + 1, from);
		run->position = from;
		return;
	}
	/* Readers of the resident observer tell where they go on, also from the very beginning. */
	if (from || (line->seq == 0 && run->open)) {
		begin_after(ledger, line, from);
		return;
	}
	if (run->open)
		cut_off(ledger);
	begin_run(ledger, line);
}

static void on_lost(struct ledger *ledger, const struct ledger_line *line)
{
	struct ledger_run *run = &ledger->run;

	if (line->first == UINT64_MAX || line->count == UINT64_MAX || line->first > line->seq ||
	    line->count != line->seq - line->first + 1 || line->kinds_sum != line->count) {
		ledger->faults++;
		report(ledger, "line %llu: a lost line whose numbers do not agree",
		       NUMBER(ledger->line));
	}
	if (line->count == UINT64_MAX || line->count > line->seq)
		return;
	run->lost += line->count;
	ledger->lost += line->count;
	report(ledger, "lost: seq %llu to %llu (%llu events) in line %llu, at the %s: %s%s%s%s%s",
	       NUMBER(line->seq - line->count + 1), NUMBER(line->seq), NUMBER(line->count),
	       NUMBER(ledger->line), line->stage, line->reason, line->from[0] ? ", from " : "",
	       line->from, line->to[0] ? " to " : "", line->to);
}

static void on_event(struct ledger *ledger, const struct ledger_line *line)
{
	struct ledger_run *run = &ledger->run;
	bool is_lost = !strcmp(line->kind, "lost");
	uint64_t first = is_lost && line->first <= line->seq ? line->first : line->seq;

	if (line->synthetic || !strcmp(line->kind, "existing")) {
		run->unnumbered++;
		return;
	}
	if (line->seq == UINT64_MAX) {
		ledger->faults++;
		report(ledger, "line %llu: no seq", NUMBER(ledger->line));
		return;
	}
	if (line->cursor && cursors_seen(ledger->cursors, line->cursor)) {
		run->repeats++;
		if (!is_lost)
			run->repeats_delivered++;
		else if (line->count != UINT64_MAX)
			run->repeats_lost += line->count;
		return;
	}
	if (first <= run->position) {
		ledger->faults++;
		report(ledger, "line %llu: seq %llu comes after seq %llu", NUMBER(ledger->line),
		       NUMBER(first), NUMBER(run->position));
		return;
	}
	if (first > run->position + 1)
		note_hole(ledger, run->position + 1, first - 1);
	run->position = line->seq;
	if (is_lost) {
		on_lost(ledger, line);
		return;
	}
	run->events++;
	ledger->events++;
}

static void unequal(struct ledger *ledger, const char *what, uint64_t told, uint64_t found)
{
	ledger->faults++;
	report(ledger, "line %llu: the end tells %llu %s, but the lines make it %llu",
	       NUMBER(ledger->line), NUMBER(told), what, NUMBER(found));
}

/* Of what is told by lines. Returns how many of the lost are told by none. */
static uint64_t check_counts(struct ledger *ledger, const struct ledger_line *line)
{
	struct ledger_run *run = &ledger->run;
	uint64_t untold;

	/* The counters of who resumed count the repeats too. */
	if (line->delivered != run->events &&
	    line->delivered != run->events + run->repeats_delivered)
		unequal(ledger, "delivered", line->delivered, run->events);
	if (line->lost == run->lost || line->lost == run->lost + run->repeats_lost)
		return 0;
	if (line->lost < run->lost) {
		unequal(ledger, "lost", line->lost, run->lost);
		return 0;
	}
	/* Without lost lines (--kinds), the gaps are holes like the filters'. */
	untold = line->lost - run->lost;
	ledger->lost += untold;
	report(ledger, "lost: %llu events, as the end tells; no line says where", NUMBER(untold));
	return untold;
}

static void check_end(struct ledger *ledger, const struct ledger_line *line)
{
	struct ledger_run *run = &ledger->run;
	uint64_t untold = 0;

	if (line->observed != line->delivered + line->filtered + line->lost + line->pending) {
		ledger->faults++;
		report(ledger,
		       "line %llu: observed %llu is not delivered %llu + filtered %llu + lost %llu "
		       "+ pending %llu",
		       NUMBER(ledger->line), NUMBER(line->observed), NUMBER(line->delivered),
		       NUMBER(line->filtered), NUMBER(line->lost), NUMBER(line->pending));
	}
	if (!run->partial)
		untold = check_counts(ledger, line);
	judge_holes(ledger, line->filtered + untold);
	/* Who resumed counts again what the reader before had filtered behind its last line. */
	if (!line->pending && !run->partial && !run->resumed &&
	    run->holes < line->filtered + untold)
		unequal(ledger, "filtered", line->filtered, run->holes - untold);
}

static void on_end(struct ledger *ledger, const struct ledger_line *line)
{
	struct ledger_run *run = &ledger->run;

	if (line->seq == UINT64_MAX || line->observed == UINT64_MAX ||
	    line->delivered == UINT64_MAX || line->filtered == UINT64_MAX ||
	    line->lost == UINT64_MAX) {
		ledger->faults++;
		report(ledger, "line %llu: an end line that lacks its numbers",
		       NUMBER(ledger->line));
		run->open = false;
		return;
	}
	/* Who resumed may have ended before it came to where the reader before had been. */
	if (line->seq < run->position && !run->resumed) {
		unequal(ledger, "as the last seq", line->seq, run->position);
	} else if (line->seq > run->position) {
		note_hole(ledger, run->position + 1, line->seq);
		run->position = line->seq;
	}
	check_end(ledger, line);
	run->open = false;
	report(ledger,
	       "lines %llu to %llu: seq 1 to %llu, %llu events, %llu filtered, %llu lost, "
	       "%llu repeats, %llu existing or synthetic (host %s, backend %s)",
	       NUMBER(run->begin_line), NUMBER(ledger->line), NUMBER(line->seq),
	       NUMBER(run->events), NUMBER(line->filtered), NUMBER(line->lost),
	       NUMBER(run->repeats), NUMBER(run->unnumbered), run->host, run->backend);
}

static void outside_of_any_run(struct ledger *ledger, const struct ledger_line *line)
{
	ledger->faults++;
	report(ledger, "line %llu: an event outside of any run: no begin line before it",
	       NUMBER(ledger->line));
	/* Where it goes on from is not known: from here, that is. */
	begin_run(ledger, NULL);
	ledger->run.partial = true;
	if (line->seq != UINT64_MAX && line->seq)
		ledger->run.position = line->seq - 1;
}

static void on_line(struct ledger *ledger, const struct ledger_line *line)
{
	if (line->schema > KNOWN_SCHEMA) {
		ledger->newer = true;
	} else if (!strcmp(line->kind, "begin")) {
		on_begin(ledger, line);
	} else {
		if (!ledger->run.open)
			outside_of_any_run(ledger, line);
		if (!strcmp(line->kind, "end"))
			on_end(ledger, line);
		else
			on_event(ledger, line);
	}
}

void ledger_add(struct ledger *ledger, const char *line, size_t size)
{
	struct ledger_line read;

	ledger->line++;
	if (ledger_read_line(line, size, &read)) {
		on_line(ledger, &read);
		ledger->torn = 0;
		return;
	}
	ledger->faults++;
	ledger->foreign++;
	/* One without its end comes as an empty one. */
	ledger->torn = !size || *line == '{' ? ledger->torn + 1 : 0;
	report(ledger, "line %llu: is no line of ProcObsrv, or was cut off", NUMBER(ledger->line));
}

bool ledger_open(struct ledger *ledger)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->cursors = cursors_create();
	return ledger->cursors != NULL;
}

void ledger_file(struct ledger *ledger, const char *path)
{
	ledger->path = path;
	ledger->line = 0;
}

void ledger_end(struct ledger *ledger)
{
	if (ledger->run.open)
		cut_off(ledger);
	if (!ledger->runs) {
		ledger->faults++;
		report(ledger, "holds no run");
	}
	if (ledger->reports > REPORTS_MAX) {
		uint64_t left = ledger->reports - REPORTS_MAX;

		ledger->reports = 0;
		report(ledger, "and %llu things more", NUMBER(left));
	}
}

void ledger_close(struct ledger *ledger)
{
	cursors_destroy(ledger->cursors);
	buffer_free(&ledger->report);
}
