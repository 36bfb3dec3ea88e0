/* SPDX-License-Identifier: MIT */
#include "screen.h"
#include "../consctl.h"
#include "../platform.h"
#include "../processes.h"
#include "../story/story.h"
#include "format.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_LINES 3
#define FOOT_LINES 1
#define FRESH_NS   INT64_C(2000000000)

enum pair {
	PAIR_NEW = 1,
	PAIR_ENDED,
	PAIR_FAILED,
	PAIR_HEAD,
};

/* newterm() and not initscr(), which would exit if the terminal is not known. */
static SCREEN *screen;
static bool colored;

static bool has_capability(const char *name)
{
	const char *text = tigetstr(name);

	return text && text != (const char *)-1; /* none; not a text */
}

bool screen_open(bool color)
{
	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		complain("cannot draw on this terminal: TERM='%s' is not known; try TERM=xterm",
			 getenv("TERM") ? getenv("TERM") : "");
		return false;
	}
	/* Without it curses puts all into one line. */
	if (!has_capability("cup")) {
		screen_close();
		complain("cannot draw on this terminal: TERM='%s' cannot move its cursor; try "
			 "TERM=xterm, or 'consctl watch'",
			 getenv("TERM"));
		return false;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	colored = color && has_colors() && start_color() == OK;
	if (colored) {
		short back = use_default_colors() == OK ? -1 : COLOR_BLACK;

		init_pair(PAIR_NEW, COLOR_GREEN, back);
		init_pair(PAIR_ENDED, COLOR_YELLOW, back);
		init_pair(PAIR_FAILED, COLOR_RED, back);
		init_pair(PAIR_HEAD, COLOR_CYAN, back);
	}
	return true;
}

void screen_close(void)
{
	endwin();
	delscreen(screen);
	screen = NULL;
}

size_t screen_rows(void)
{
	return LINES > HEAD_LINES + FOOT_LINES ? (size_t)(LINES - HEAD_LINES - FOOT_LINES) : 0;
}

int screen_key(void)
{
	return getch();
}

static attr_t color_of(enum pair pair)
{
	return colored ? COLOR_PAIR(pair) : 0;
}

/* Escaped text, cut to the rest of the line. */
static void put_rest(struct buffer *line, size_t begin)
{
	int x = getcurx(stdscr);

	if (x >= COLS)
		return;
	cut_line(line, begin, (unsigned)(COLS - x));
	if (!line->failed)
		addnstr(line->data + begin, (int)(line->size - begin));
}

static void put_message(const char *message)
{
	struct buffer line = BUFFER_EMPTY;

	move(LINES - 1, 0);
	clrtoeol();
	format_text_escape(&line, message);
	put_rest(&line, 0);
	buffer_free(&line);
}

static void draw_head(const struct order *order, const struct screen_head *head)
{
	attron(color_of(PAIR_HEAD) | A_BOLD);
	mvprintw(0, 0, "%zu processes  %.0f starts/s  %.0f ends/s", head->processes, head->starts,
		 head->ends);
	if (head->lost)
		printw("  %llu LOST", (unsigned long long)head->lost);
	if (head->paused)
		printw("  PAUSED");
	attroff(color_of(PAIR_HEAD) | A_BOLD);
	mvprintw(1, 0,
		 "%s, %s%s, by %s   t tree  s sort  / filter  space pause  Enter details  ? help",
		 head->backend, order->tree ? "tree" : "list", order->filter ? ", filtered" : "",
		 order_name(order->key));
	attron(A_REVERSE);
	mvprintw(2, 0, "%7s %7s %-9s %12s  %s", "PID", "PPID", "USER", "AGE", "COMMAND");
	for (int x = getcurx(stdscr); getcury(stdscr) == 2 && x < COLS; x++)
		addch(' ');
	attroff(A_REVERSE);
}

static void append_ending(struct buffer *line, const struct model_row *row)
{
	buffer_append_text(line, "  (");
	story_append_ending(line, row->has_status, row->signal, row->code);
	buffer_append_character(line, ')');
}

static attr_t style_of(const struct model_row *row, int64_t now_ns)
{
	if (row->ended_ns && row->has_status && (row->code || row->signal))
		return color_of(PAIR_FAILED) | A_DIM;
	if (row->ended_ns)
		return color_of(PAIR_ENDED) | A_DIM;
	if (row->process->present & PROCOBSRV_HAS_START &&
	    now_ns - row->process->start_time_ns < FRESH_NS)
		return color_of(PAIR_NEW) | A_BOLD;
	return 0;
}

static void draw_row(const struct model_row *row, int y, bool selected, int64_t now_ns)
{
	const struct procobsrv_process *process = row->process;
	attr_t style = style_of(row, now_ns) | (selected ? A_REVERSE : 0);
	int64_t until_ns = row->ended_ns ? row->ended_ns : now_ns;
	struct buffer line = BUFFER_EMPTY;
	struct buffer age = BUFFER_EMPTY;
	char user[10];
	char cells[80];

	platform_user_name(process, user, sizeof(user));
	if (process->present & PROCOBSRV_HAS_START && until_ns > process->start_time_ns)
		story_append_duration(&age, (uint64_t)(until_ns - process->start_time_ns));
	snprintf(cells, sizeof(cells), "%7lu %7lu %-9s %12.*s  ", (unsigned long)process->pid,
		 (unsigned long)process->ppid, user, (int)age.size, age.data ? age.data : "");
	buffer_append_text(&line, cells);
	for (unsigned level = 0; level < row->depth && level < 40; level++)
		buffer_append_text(&line, level + 1 == row->depth ? "`- " : "   ");
	append_command(&line, process);
	if (row->ended_ns)
		append_ending(&line, row);
	move(y, 0);
	attron(style);
	put_rest(&line, 0);
	for (int x = getcurx(stdscr); selected && getcury(stdscr) == y && x < COLS; x++)
		addch(' ');
	attroff(style);
	buffer_free(&age);
	buffer_free(&line);
}

void screen_draw(const struct model *model, const struct order *order,
		 const struct screen_head *head, size_t first, size_t selected, const char *message,
		 int64_t now_ns)
{
	erase();
	draw_head(order, head);
	for (size_t place = 0; place < screen_rows() && first + place < model->row_count; place++)
		draw_row(&model->rows[first + place], (int)place + HEAD_LINES,
			 first + place == selected, now_ns);
	if (message)
		put_message(message);
	refresh();
}

size_t screen_draw_text(const char *text, size_t size, size_t first, const char *message)
{
	const char *end = text + size;
	size_t lines = 0;

	erase();
	for (const char *at = text; at < end; lines++) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((line_end ? line_end : end) - at);

		if (lines >= first && lines - first < (size_t)LINES - 1)
			mvaddnstr((int)(lines - first), 0, at, (int)length);
		at += length + 1;
	}
	put_message(message);
	refresh();
	return lines;
}

static void draw_line(const struct screen_line *line)
{
	struct buffer shown = BUFFER_EMPTY;
	size_t room = COLS > 12 ? (size_t)COLS - strlen(line->prompt) - 2 : 1;

	move(LINES - 1, 0);
	clrtoeol();
	addstr(line->prompt);
	/* The end of what is typed is what matters. */
	format_text_escape(&shown, line->text);
	if (!shown.failed && shown.size)
		addnstr(shown.data + (shown.size > room ? shown.size - room : 0), (int)room);
	addch('_');
	buffer_free(&shown);
	refresh();
}

enum screen_typed screen_type(struct screen_line *line, int key)
{
	if (key == '\n' || key == '\r' || key == KEY_ENTER)
		return SCREEN_ENTERED;
	if (key == 27)
		return SCREEN_GAVE_UP;
	if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && line->length) {
		/* A whole character of UTF-8. */
		do
			line->length--;
		while (line->length && (line->text[line->length] & 0xc0) == 0x80);
		line->text[line->length] = '\0';
	} else if (key == 21) {
		line->length = 0;
		line->text[0] = '\0';
	} else if (key >= ' ' && key < 256 && key != 127 && line->length + 1 < sizeof(line->text)) {
		line->text[line->length++] = (char)key;
		line->text[line->length] = '\0';
	}
	draw_line(line);
	return SCREEN_TYPES;
}
