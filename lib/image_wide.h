/* SPDX-License-Identifier: MIT */
/*
 * Records whose strings are UTF-16 (RECORD_UTF16), made into what a record of bytes would be: the
 * strings as WTF-8, argv from the command line, exe as programs write it.
 */
#ifndef PROCOBSRV_LIB_IMAGE_WIDE_H
#define PROCOBSRV_LIB_IMAGE_WIDE_H

#include "record.h"

#include <stdbool.h>

struct image_wide {
	struct record_view view; /* to be read like any other */
	struct record_image image;
	struct record_bytes exe_nt; /* the kernel's form; size 0: the record has another or none */
	void *memory;		    /* that all of it lies in */
};

/* Fills `wide` from a view that has an image; false: out of memory. */
bool image_wide_make(struct image_wide *wide, const struct record_view *view);
void image_wide_free(struct image_wide *wide);

#endif
