/* SPDX-License-Identifier: MIT */
/* consctl top: a live view of the processes, drawn ten times a second whatever happens between. */
#include "../consctl.h"
#include "../history_children.h"
#include "../platform.h"
#include "../reporter.h"
#include "buffer.h"
#include "details.h"
#include "model.h"
#include "order.h"
#include "os.h"
#include "screen.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MS 100

enum view {
	VIEW_LIST,
	VIEW_DETAILS,
	VIEW_HELP,
};

struct top {
	const struct settings *settings;
	struct procobsrv *monitor;
	struct control *control;
	struct model model;
	struct order order;
	struct screen_head head;
	enum view view;
	bool typing; /* a filter */
	struct screen_line line;
	char message[256];
	size_t first;				   /* row at the top */
	size_t cursor;				   /* row that is selected */
	const struct procobsrv_process *selected;  /* what it is; owned; NULL: follow the place */
	const struct procobsrv_process *looked_at; /* in details; owned */
	struct buffer recorded;			   /* what the record tells of it */
	int64_t began_ns;
	size_t scrolled; /* lines, in details and help */
	bool end;
};

static const char help_text[] =
    "consctl top\n"
    "\n"
    "  Up, Down, j, k, PgUp, PgDn, Home, End   move\n"
    "  Enter     details of a process: its arguments, ancestors and children, ended ones too\n"
    "  t         a tree, or a list\n"
    "  s         sort by the next of: newest, pid, name, user\n"
    "  r         reverse the order\n"
    "  /         show what matches: an expression as of watch --match, or a word to find in\n"
    "            names and arguments; nothing shows all\n"
    "  K         show kernel threads, or hide them\n"
    "  space     pause: the picture stays, observing goes on\n"
    "  ?, h      this\n"
    "  q         end; in details and here: back\n"
    "\n"
    "Green: started in the last two seconds. Yellow: ended in the last three; red: and failed.\n"
    "What lives shorter than a tenth of a second is seen ended. The figures count all of them.\n";

/* Appends text within a string of an expression, as a regular expression that means just it. */
static void append_literally(struct buffer *expression, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			buffer_append_text(expression, "\\\\\\");
		else if (*text == '"')
			buffer_append_character(expression, '\\');
		else if (strchr(".[]*^$+?(){}|", *text))
			buffer_append_text(expression, "\\\\");
		buffer_append_character(expression, *text);
	}
}

/* What is no expression is a word to find in names and arguments: that is what people type first.
 */
static bool compile_word(const char *text, struct filter **filter)
{
	struct buffer expression = BUFFER_EMPTY;
	bool fine;

	buffer_append_text(&expression, "process.name =~ \"");
	append_literally(&expression, text);
	buffer_append_text(&expression, "\" || process.argv =~ \"");
	append_literally(&expression, text);
	buffer_append(&expression, "\"", 2);
	fine = !expression.failed && !filter_compile(expression.data, filter);
	buffer_free(&expression);
	return fine;
}

static bool compile_filter(struct top *top, const char *text, struct filter **filter)
{
	*filter = NULL;
	if (!*text || !filter_compile(text, filter))
		return true;
	/* The first line of the mistake: the screen has one for it. */
	snprintf(top->message, sizeof(top->message), "%s", procobsrv_explain());
	top->message[strcspn(top->message, "\n")] = '\0';
	return !strpbrk(text, "=<>~!&|()") && compile_word(text, filter);
}

static void set_filter(struct top *top, const char *text)
{
	struct filter *filter;

	if (!compile_filter(top, text, &filter))
		return;
	filter_free(top->order.filter);
	top->order.filter = filter;
	top->message[0] = '\0';
	top->first = 0;
}

static void select_row(struct top *top, size_t row)
{
	procobsrv_process_unref(top->selected);
	top->selected = NULL;
	if (!top->model.row_count)
		return;
	top->cursor = row < top->model.row_count ? row : top->model.row_count - 1;
	top->selected = procobsrv_process_ref(top->model.rows[top->cursor].process);
}

/* The selected process stays selected, wherever it has gone; and in sight. */
static void follow_selection(struct top *top)
{
	size_t rows = screen_rows();

	for (size_t index = 0; top->selected && index < top->model.row_count; index++)
		if (!strcmp(top->model.rows[index].process->id, top->selected->id)) {
			top->cursor = index;
			break;
		}
	if (top->cursor >= top->model.row_count)
		top->cursor = top->model.row_count ? top->model.row_count - 1 : 0;
	if (top->cursor < top->first)
		top->first = top->cursor;
	else if (rows && top->cursor >= top->first + rows)
		top->first = top->cursor - rows + 1;
}

static void move_by(struct top *top, long by)
{
	long to = (long)top->cursor + by;

	if (top->view != VIEW_LIST)
		top->scrolled =
		    (long)top->scrolled + by > 0 ? (size_t)((long)top->scrolled + by) : 0;
	else
		select_row(top, to > 0 ? (size_t)to : 0);
}

static void look_closer(struct top *top)
{
	if (top->view != VIEW_LIST || top->cursor >= top->model.row_count)
		return;
	procobsrv_process_unref(top->looked_at);
	top->looked_at = procobsrv_process_ref(top->model.rows[top->cursor].process);
	top->recorded.size = 0;
	history_append_children(top->settings, top->looked_at->id, top->began_ns, (unsigned)COLS,
				&top->recorded);
	top->view = VIEW_DETAILS;
	top->scrolled = 0;
}

static void go_back(struct top *top)
{
	if (top->view == VIEW_LIST)
		top->end = true;
	top->view = VIEW_LIST;
}

static void begin_filter(struct top *top)
{
	top->view = VIEW_LIST;
	top->typing = true;
	top->message[0] = '\0';
	top->line = (struct screen_line){.prompt = "show what matches: "};
	screen_type(&top->line, 0);
}

static void type(struct top *top, int key)
{
	switch (screen_type(&top->line, key)) {
	case SCREEN_ENTERED:
		top->typing = false;
		set_filter(top, top->line.text);
		break;
	case SCREEN_GAVE_UP:
		top->typing = false;
		break;
	case SCREEN_TYPES:
		break;
	}
}

static void change_view(struct top *top, int key)
{
	switch (key) {
	case 't':
		top->order.tree = !top->order.tree;
		break;
	case 's':
		top->order.key = (enum order_key)((top->order.key + 1) % ORDER_KEY_COUNT);
		break;
	case 'r':
		top->order.reverse = !top->order.reverse;
		break;
	case 'K':
		top->order.kernel_threads = !top->order.kernel_threads;
		break;
	case ' ':
		top->head.paused = !top->head.paused;
		break;
	case '/':
		begin_filter(top);
		break;
	case '?':
	case 'h':
		top->view = VIEW_HELP;
		top->scrolled = 0;
		break;
	default:
		break;
	}
}

static void take_key(struct top *top, int key)
{
	long page = (long)screen_rows();

	switch (key) {
	case KEY_UP:
	case 'k':
		move_by(top, -1);
		break;
	case KEY_DOWN:
	case 'j':
		move_by(top, 1);
		break;
	case KEY_PPAGE:
		move_by(top, -page);
		break;
	case KEY_NPAGE:
		move_by(top, page);
		break;
	case KEY_HOME:
		move_by(top, -(long)(top->cursor + top->scrolled));
		break;
	case KEY_END:
		move_by(top, (long)top->model.row_count);
		break;
	case '\n':
	case '\r':
	case KEY_ENTER:
		look_closer(top);
		break;
	case 'q':
	case 27:
		go_back(top);
		break;
	default:
		change_view(top, key);
	}
}

static void draw_details(struct top *top)
{
	struct buffer buffer = BUFFER_EMPTY;
	size_t lines;

	details_append(&top->model, top->monitor, top->looked_at, (unsigned)COLS, &buffer);
	buffer_append(&buffer, top->recorded.data, top->recorded.size);
	if (!buffer.failed) {
		lines = screen_draw_text(buffer.data, buffer.size, top->scrolled, "q: back");
		if (top->scrolled >= lines)
			top->scrolled = lines ? lines - 1 : 0;
	}
	buffer_free(&buffer);
}

static void draw(struct top *top)
{
	int64_t now_ns = os_wall_ns();

	model_rates(&top->model, os_monotonic_ns(), &top->head.starts, &top->head.ends);
	if (!top->head.paused) {
		struct procobsrv_statistics statistics;

		model_look(&top->model, top->monitor, now_ns);
		if (!procobsrv_statistics(top->monitor, &statistics, sizeof(statistics))) {
			top->head.processes = statistics.processes;
			top->head.lost = statistics.lost;
		}
		if (!order_rows(&top->order, &top->model))
			top->model.failed = true;
		follow_selection(top);
	}
	if (top->typing)
		return;
	if (top->view == VIEW_DETAILS)
		draw_details(top);
	else if (top->view == VIEW_HELP)
		screen_draw_text(help_text, sizeof(help_text) - 1, top->scrolled, "q: back");
	else
		screen_draw(&top->model, &top->order, &top->head, top->first, top->cursor,
			    top->message[0] ? top->message : NULL, now_ns);
}

/* Keys at once, the picture at most ten times a second. */
static void look(struct top *top)
{
	uint64_t drawn_ns = 0;

	while (!top->end && !top->model.failed) {
		uint64_t now_ns = os_monotonic_ns();
		uint64_t passed_ms = (now_ns - drawn_ns) / 1000000;
		int key;

		if (passed_ms >= INTERVAL_MS) {
			draw(top);
			drawn_ns = now_ns;
			passed_ms = 0;
		}
		switch (control_wait(top->control, 0, INTERVAL_MS - (int)passed_ms)) {
		case CONTROL_END:
		case CONTROL_UNREAD:
			return;
		default:
			break;
		}
		while (!top->end && (key = screen_key()) != ERR) {
			if (top->typing)
				type(top, key);
			else
				take_key(top, key);
			drawn_ns = 0;
		}
	}
}

static int observe(struct top *top)
{
	struct procobsrv_options options;
	int error;

	settings_observe(top->settings, &options);
	options.handler.on_event = model_on_event;
	options.handler.param = &top->model;
	options.flags |= PROCOBSRV_KERNEL_THREADS;
	options.match = NULL;
	error = procobsrv_open(&options, &top->monitor);
	if (!error)
		error = procobsrv_start(top->monitor);
	if (error) {
		complain_library(error);
		procobsrv_close(top->monitor);
		return STATUS_FAILED;
	}
	reporter_announce(top->monitor);
	top->head.backend = procobsrv_backend(top->monitor);
	if (screen_open(reporter_wants_color(top->settings, true))) {
		look(top);
		screen_close();
	} else {
		top->model.failed = true;
	}
	procobsrv_stop(top->monitor, PROCOBSRV_STOP_DISCARD);
	procobsrv_close(top->monitor);
	return top->model.failed ? STATUS_FAILED : STATUS_FINE;
}

static int open_view(struct top *top)
{
	int status = STATUS_FAILED;
	int error = control_open(0, &top->control);

	if (error) {
		complain("cannot take signals: %s", platform_error_text(error));
		return status;
	}
	if (model_open(&top->model)) {
		status = observe(top);
		model_close(&top->model);
	} else {
		complain("out of memory");
	}
	control_close(top->control);
	return status;
}

int top_run(const struct settings *settings)
{
	struct top top = {.settings = settings, .order.key = ORDER_START};
	int status;

	top.order.kernel_threads = settings->kernel_threads;
	top.began_ns = os_wall_ns();
	if (!os_is_terminal(stdout) || !os_is_terminal(stdin)) {
		complain("top draws on a terminal; 'consctl watch' writes lines");
		return STATUS_FAILED;
	}
	if (settings->match && filter_compile(settings->match, &top.order.filter)) {
		complain("%s", procobsrv_explain());
		return STATUS_USAGE;
	}
	status = open_view(&top);
	procobsrv_process_unref(top.selected);
	procobsrv_process_unref(top.looked_at);
	buffer_free(&top.recorded);
	filter_free(top.order.filter);
	return status;
}
