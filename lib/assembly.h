/* SPDX-License-Identifier: MIT */
/* Puts the chunks of long strings together until the record comes that they belong to. */
#ifndef PROCOBSRV_LIB_ASSEMBLY_H
#define PROCOBSRV_LIB_ASSEMBLY_H

#include "buffer.h"
#include "image.h"

struct assembly_slot {
	uint32_t cpu;
	uint64_t number;
	uint64_t position; /* of its first chunk */
	bool open;	   /* its record has not come yet */
	struct buffer argv;
	struct buffer env;
	bool broken; /* a piece did not fit on the one before: what follows is not the string */
};

struct assembly {
	struct assembly_slot *slots; /* one per cpu that has sent a chunk */
	size_t count;
};

void assembly_free(struct assembly *assembly);

/* Keeps a chunk. Chunks of a cpu's earlier numbers are dropped: their record was lost. */
void assembly_add(struct assembly *assembly, const struct record_view *view, uint64_t position);

/* What was kept for this record: valid until the next call. False: it is broken (a piece is lost).
 */
bool assembly_take(struct assembly *assembly, const struct record_header *header,
		   struct image_chunks *chunks);

/* Where the oldest chunk stands whose record has not come yet; else `position`. Chunks that wait
 * for longer than ASSEMBLY_PATIENCE bytes wait in vain: their record was lost. */
#define ASSEMBLY_PATIENCE (16u << 20)
uint64_t assembly_oldest(const struct assembly *assembly, uint64_t position);

#endif
