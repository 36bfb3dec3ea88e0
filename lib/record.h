/* SPDX-License-Identifier: MIT */
/* Reads records of observer/record.h: everything is checked, nothing is copied. */
#ifndef PROCOBSRV_LIB_RECORD_H
#define PROCOBSRV_LIB_RECORD_H

#include "../observer/record.h"

#include <stddef.h>

struct record_bytes {
	const char *data;
	size_t size;
};

/* Pointers into the record; NULL where its kind has no such part. A note of a kind that is not
 * known has nothing but its header. */
struct record_view {
	const struct record_header *header;
	const struct record_body *body;
	const struct record_start *start;
	const struct record_exit *exit;
	const struct record_attempt *attempt;
	const struct record_image *image;
	struct record_bytes strings[RECORD_STRING_COUNT];
	const struct record_chunk *chunk;
	struct record_bytes chunk_data;
	const struct record_gap *gap;
	const struct record_cgroup *cgroup;
	struct record_bytes cgroup_path;
};

/*
 * `data` is aligned to 8 and has `size` bytes, any content. 0, or PROCOBSRV_ERROR_VERSION or
 * _CORRUPT (without error_set(): this is called for each record).
 */
int record_decode(const void *data, size_t size, struct record_view *view);

static inline enum record_missing record_missing(const struct record_image *image,
						 enum record_string string)
{
	return (enum record_missing)(image->missing >> RECORD_MISSING_SHIFT(string) & 0xf);
}

#endif
