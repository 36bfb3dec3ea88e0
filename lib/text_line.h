/* SPDX-License-Identifier: MIT */
/*
 * A line for a terminal: whatever is put into it is escaped, and it never becomes wider than it
 * may. What does not fit is cut between characters, never within an escape.
 */
#ifndef PROCOBSRV_LIB_TEXT_LINE_H
#define PROCOBSRV_LIB_TEXT_LINE_H

#include "buffer.h"

struct text_line {
	struct buffer *buffer;
	size_t columns; /* at most so wide; TEXT_LINE_UNLIMITED */
	size_t used;	/* columns so far */
	unsigned marks; /* characters without width since the last one that has some */
	bool full;	/* something did not fit: nothing more is taken */
	bool styled;	/* a style has begun */
};

#define TEXT_LINE_UNLIMITED SIZE_MAX
#define TEXT_LINE_INTO(buffer, columns)                                                            \
	((struct text_line){(buffer), (columns) > 0 ? (columns) : TEXT_LINE_UNLIMITED, 0, 0,       \
			    false, false})

/* Our own text: printable ASCII. */
void text_line_append(struct text_line *line, const char *ascii);
void text_line_append_unsigned(struct text_line *line, uint64_t value);
/* Somebody else's: escaped as format_text_escape() says. */
void text_line_append_escaped(struct text_line *line, const char *text);
/*
 * The same for text of Windows (WTF-8), where a backslash is what paths are made of and stays as it
 * is; a surrogate alone is \u{d800}.
 */
void text_line_append_wide(struct text_line *line, const char *text);
/* One argument as a shell would need it: word, 'two words', $'line\n'. */
void text_line_append_quoted(struct text_line *line, const char *text);
/* Spaces up to a column, at least one. */
void text_line_pad(struct text_line *line, size_t column);
/* Changes the color (a control sequence of ours, which takes no room), and changes it back. */
void text_line_begin_style(struct text_line *line, const char *sequence);
void text_line_end_style(struct text_line *line);

#endif
