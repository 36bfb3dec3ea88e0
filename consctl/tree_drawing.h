/* SPDX-License-Identifier: MIT */
/* Draws processes below their parents. */
#ifndef PROCOBSRV_CONSCTL_TREE_DRAWING_H
#define PROCOBSRV_CONSCTL_TREE_DRAWING_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>

#define TREE_NONE SIZE_MAX

struct tree_drawing {
	size_t count;
	const size_t *parents; /* by process: TREE_NONE for none; no circle */
	bool *keep;	       /* who is drawn; the ancestors of these are added */
	const char *header;    /* above the columns, with its line end; NULL: none */
	/* What stands before the branch of a process: columns of one width. NULL: nothing. */
	void (*append_columns)(struct buffer *buffer, size_t process, void *param);
	/* What stands behind it. */
	void (*append_command)(struct buffer *buffer, size_t process, void *param);
	/* Instead of all this: a line for it, in the order of the tree. NULL: draw. */
	void (*append_line)(struct buffer *buffer, size_t process, void *param);
	void *param;
};

/* Prints to standard output, cut to the terminal's width. An exit status. */
int tree_draw(const struct tree_drawing *drawing);

#endif
