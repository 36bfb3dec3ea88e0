/* SPDX-License-Identifier: MIT */
/* The screen of top, by ncurses: a head, the rows, a line for messages. */
#ifndef PROCOBSRV_CONSCTL_TOP_SCREEN_H
#define PROCOBSRV_CONSCTL_TOP_SCREEN_H

#include "model.h"
#include "order.h"

struct screen_head {
	const char *backend;
	double starts; /* a second */
	double ends;
	uint64_t lost;
	size_t processes;
	bool paused;
};

/* Takes the terminal. False: it is none that can be drawn on; complained already. */
bool screen_open(bool color);
/* Gives it back as it was. */
void screen_close(void);

/* How many rows of processes fit. */
size_t screen_rows(void);

/* Draws the list: rows from `first` on, `selected` marked. `message`: NULL, or the last line. */
void screen_draw(const struct model *model, const struct order *order,
		 const struct screen_head *head, size_t first, size_t selected, const char *message,
		 int64_t now_ns);

/* Draws text instead of the list, lines ended by '\n'; from line `first`. Returns how many there
 * are. */
size_t screen_draw_text(const char *text, size_t size, size_t first, const char *message);

/* The next key, or ERR; KEY_ and characters as ncurses has them. */
int screen_key(void);

/* Lets somebody type a line at the bottom, beginning with `text`; a key at a time, so that drawing
 * goes on. */
struct screen_line {
	char text[512];
	size_t length;
	const char *prompt;
};
enum screen_typed {
	SCREEN_TYPES,	/* goes on */
	SCREEN_ENTERED, /* Enter */
	SCREEN_GAVE_UP, /* Escape */
};
enum screen_typed screen_type(struct screen_line *line, int key);

#endif
