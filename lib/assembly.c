/* SPDX-License-Identifier: MIT */
#include "assembly.h"

#include <stdlib.h>

/* Buffers larger than this are given back after use: long command lines are rare. */
#define KEEP_CAPACITY (256u << 10)

void assembly_free(struct assembly *assembly)
{
	for (size_t i = 0; i < assembly->count; i++) {
		buffer_free(&assembly->slots[i].argv);
		buffer_free(&assembly->slots[i].env);
	}
	free(assembly->slots);
	*assembly = (struct assembly){0};
}

static struct assembly_slot *find_slot(const struct assembly *assembly, uint32_t cpu)
{
	for (size_t i = 0; i < assembly->count; i++)
		if (assembly->slots[i].cpu == cpu)
			return &assembly->slots[i];
	return NULL;
}

static struct assembly_slot *add_slot(struct assembly *assembly, uint32_t cpu)
{
	struct assembly_slot *grown =
	    realloc(assembly->slots, (assembly->count + 1) * sizeof *grown);
	if (!grown)
		return NULL;
	assembly->slots = grown;
	grown += assembly->count++;
	*grown = (struct assembly_slot){.cpu = cpu};
	return grown;
}

static void reset(struct buffer *buffer)
{
	if (buffer->capacity > KEEP_CAPACITY)
		buffer_free(buffer);
	buffer->size = 0;
	buffer->failed = false;
}

static struct buffer *buffer_of(struct assembly_slot *slot, uint32_t string)
{
	switch (string) {
	case RECORD_STRING_ARGV:
		return &slot->argv;
	case RECORD_STRING_ENV:
		return &slot->env;
	default:
		return NULL;
	}
}

void assembly_add(struct assembly *assembly, const struct record_view *view, uint64_t position)
{
	struct assembly_slot *slot = find_slot(assembly, view->header->cpu);

	if (!slot && !(slot = add_slot(assembly, view->header->cpu)))
		return; /* the record's argv_size will tell that something is missing */
	if (slot->number != view->header->number) {
		reset(&slot->argv);
		reset(&slot->env);
		slot->broken = false;
		slot->number = view->header->number;
		slot->position = position;
		slot->open = true;
	}

	struct buffer *buffer = buffer_of(slot, view->chunk->string);
	if (!buffer || buffer->size != view->chunk->offset) {
		slot->broken = true;
		return;
	}
	buffer_append(buffer, view->chunk_data.data, view->chunk_data.size);
	slot->broken |= buffer->failed;
}

bool assembly_take(struct assembly *assembly, const struct record_header *header,
		   struct image_chunks *chunks)
{
	struct assembly_slot *slot = find_slot(assembly, header->cpu);

	*chunks = (struct image_chunks){0};
	if (!slot || slot->number != header->number)
		return true;
	slot->open = false;
	if (slot->broken)
		return false;
	chunks->argv = (struct record_bytes){slot->argv.data, slot->argv.size};
	chunks->env = (struct record_bytes){slot->env.data, slot->env.size};
	return true;
}

uint64_t assembly_oldest(const struct assembly *assembly, uint64_t position)
{
	uint64_t oldest = position;

	for (size_t i = 0; i < assembly->count; i++) {
		const struct assembly_slot *slot = &assembly->slots[i];
		if (slot->open && slot->position < oldest &&
		    position - slot->position < ASSEMBLY_PATIENCE)
			oldest = slot->position;
	}
	return oldest;
}
