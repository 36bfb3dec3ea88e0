/* SPDX-License-Identifier: MIT */
#include "cgroup_table.h"

#include "cgroup_path.h"
#include "record.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS (2 * CGROUP_TABLE_HALF) /* a power of two, never more than half full */

struct cgroup *cgroup_ref(struct cgroup *group)
{
	if (group)
		atomic_fetch_add_explicit(&group->references, 1, memory_order_relaxed);
	return group;
}

void cgroup_unref(struct cgroup *group)
{
	if (group && atomic_fetch_sub_explicit(&group->references, 1, memory_order_acq_rel) == 1)
		free(group);
}

/* The path, and the room of its names behind it. `path` NULL: not known. */
static struct cgroup *create(uint64_t id, const char *path, size_t length)
{
	size_t room = path ? length + 1 + CGROUP_PATH_ROOM(length) : 0;
	struct cgroup *group = calloc(1, sizeof *group + room);

	if (!group)
		return NULL;
	atomic_init(&group->references, 1);
	group->id = id;
	if (!path)
		return group;

	char *text = (char *)(group + 1);
	struct cgroup_names names;
	memcpy(text, path, length);
	cgroup_path_names(text, length, text + length + 1, &names);
	group->path = text;
	group->container_id = names.container_id;
	group->runtime = names.runtime;
	group->unit = names.unit;
	return group;
}

/* Where it is, or where it would be; the half has groups. */
static struct cgroup **slot_of(const struct cgroup_half *half, uint64_t id)
{
	size_t slot = (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 40);

	for (;; slot++) {
		struct cgroup **group = &half->groups[slot & (SLOTS - 1)];
		if (!*group || (*group)->id == id)
			return group;
	}
}

static struct cgroup *find_in(const struct cgroup_half *half, uint64_t id)
{
	return half->groups ? *slot_of(half, id) : NULL;
}

static void clear(struct cgroup_half *half)
{
	for (size_t slot = 0; half->groups && slot < SLOTS; slot++)
		cgroup_unref(half->groups[slot]);
	free(half->groups);
	*half = (struct cgroup_half){0};
}

void cgroup_table_free(struct cgroup_table *table)
{
	clear(&table->recent);
	clear(&table->older);
	table->last = NULL;
}

/* Takes over the reference, also on failure. */
static bool add(struct cgroup_table *table, struct cgroup *group)
{
	if (table->recent.count >= CGROUP_TABLE_HALF) {
		clear(&table->older);
		table->older = table->recent;
		table->recent = (struct cgroup_half){0};
		table->last = NULL;
	}
	if (!table->recent.groups) {
		table->recent.groups = calloc(SLOTS, sizeof(struct cgroup *));
		if (!table->recent.groups) {
			cgroup_unref(group);
			return false;
		}
	}
	*slot_of(&table->recent, group->id) = group;
	table->recent.count++;
	return true;
}

/* Keeps one of the older half that is asked for still. */
static struct cgroup *keep(struct cgroup_table *table, struct cgroup *group)
{
	uint64_t id = group->id;

	cgroup_ref(group); /* the older half may go */
	return add(table, group) ? group : find_in(&table->older, id);
}

static struct cgroup *look_up(struct cgroup_table *table, uint64_t id)
{
	struct cgroup *group = find_in(&table->recent, id);

	if (group)
		return group;
	group = find_in(&table->older, id);
	return group ? keep(table, group) : NULL;
}

bool cgroup_table_put(struct cgroup_table *table, uint64_t id, const char *path, size_t length)
{
	struct cgroup *known = look_up(table, id);

	if (known && known->path)
		return true;
	struct cgroup *group = create(id, path, length);
	if (!group)
		return false;
	if (!known)
		return add(table, group);
	/* It was asked for in vain before. */
	*slot_of(&table->recent, id) = group;
	if (table->last == known)
		table->last = group;
	cgroup_unref(known);
	return true;
}

/* Asked once: who is not told then, never is, but by the group's own record. */
static struct cgroup *ask(struct cgroup_table *table, uint64_t id)
{
	struct buffer path = BUFFER_EMPTY;
	bool told = table->read_path && table->read_path(id, &path) && !path.failed;
	struct cgroup *group = create(id, told ? path.data : NULL, told ? path.size : 0);

	buffer_free(&path);
	return group && add(table, group) ? group : NULL;
}

struct cgroup *cgroup_table_find(struct cgroup_table *table, uint64_t id)
{
	if (table->last && table->last->id == id)
		return table->last;

	struct cgroup *group = look_up(table, id);
	if (!group)
		group = ask(table, id);
	table->last = group;
	return group;
}

static void visit_half(const struct cgroup_half *half, const struct cgroup_half *but,
		       void (*visit)(const struct cgroup *group, void *param), void *param)
{
	for (size_t slot = 0; half->groups && slot < SLOTS; slot++) {
		const struct cgroup *group = half->groups[slot];
		if (group && group->path && !(but && find_in(but, group->id)))
			visit(group, param);
	}
}

void cgroup_table_visit(const struct cgroup_table *table,
			void (*visit)(const struct cgroup *group, void *param), void *param)
{
	visit_half(&table->recent, NULL, visit, param);
	visit_half(&table->older, &table->recent, visit, param);
}

void cgroup_append_record(uint64_t id, const char *path, struct buffer *buffer)
{
	static const char padding[8];
	size_t length = strlen(path);
	struct record_cgroup told = {.id = id, .length = (uint32_t)length};
	struct record_header header = {
	    .size = (uint32_t)(sizeof header + sizeof told + length),
	    .version = RECORD_VERSION,
	    .kind = RECORD_CGROUP,
	};

	buffer_append(buffer, &header, sizeof header);
	buffer_append(buffer, &told, sizeof told);
	buffer_append(buffer, path, length);
	buffer_append(buffer, padding, -buffer->size & 7);
}
