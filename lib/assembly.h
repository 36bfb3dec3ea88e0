/* SPDX-License-Identifier: MIT */
/* Puts the chunks of long strings together until the record comes that they belong to. */
#ifndef PROCOBSRV_LIB_ASSEMBLY_H
#define PROCOBSRV_LIB_ASSEMBLY_H

#include "buffer.h"
#include "image.h"

struct assembly_slot {
	uint32_t cpu;
	uint64_t number;
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
void assembly_add(struct assembly *assembly, const struct record_view *view);

/* What was kept for this record: valid until the next call. False: it is broken (a piece is lost).
 */
bool assembly_take(struct assembly *assembly, const struct record_header *header,
		   struct image_chunks *chunks);

#endif
