/* SPDX-License-Identifier: MIT */
#include "configuration_registry.h"

#include "configuration_mapping.h"
#include "configuration_sections.h"
#include "failure.h"
#include "wide.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define NAME_COUNT 256 /* of a key; the system allows 255 characters */
#define SIZE_MOST  (64u << 10)
#define DEPTH_MOST 3 /* sections, sinks of one, and what must not be there */

const char *const configuration_elsewhere[] = {"record", "journal", "on", "metrics", NULL};

/* While it is read. The place of a node is kept by number, which stands where a file has lines. */
struct registry {
	struct reading *reading;
	const wchar_t *key;
	char **places;
	size_t count;
	DWORD error; /* that kept it from being read */
};

static struct configuration_node *add_node(struct registry *registry, const char *place)
{
	struct configuration_node *node = reading_allocate(registry->reading, 1, sizeof(*node));
	char **grown = realloc(registry->places, (registry->count + 1) * sizeof(*registry->places));
	char *copy = _strdup(place);

	if (grown)
		registry->places = grown;
	if (!node || !grown || !copy) {
		free(copy);
		registry->reading->no_memory = true;
		return NULL;
	}
	registry->places[registry->count++] = copy;
	node->text = "";
	node->line = (unsigned)registry->count;
	node->column = 1;
	return node;
}

/* The text of so many characters; without the NUL at their end, which may be there or not. */
static const char *copy_text(struct registry *registry, const wchar_t *wide, size_t count)
{
	while (count && !wide[count - 1])
		count--;
	char *text = wide_to_utf8(wide, count);
	const char *copy = text ? reading_copy(registry->reading, text) : NULL;

	if (!text)
		registry->reading->no_memory = true;
	free(text);
	return copy;
}

/* ---- values ---- */

static void set_text(struct configuration_node *node, const char *text)
{
	node->type = CONFIGURATION_TEXT;
	node->text = text ? text : "";
	node->length = strlen(node->text);
}

static void set_number(struct registry *registry, struct configuration_node *node, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	set_text(node, reading_copy(registry->reading, text));
}

static void set_list(struct registry *registry, struct configuration_node *node, const char *place,
		     const wchar_t *wide, size_t count)
{
	node->type = CONFIGURATION_LIST;
	node->items = reading_allocate(registry->reading, count + 1, sizeof(*node->items));
	for (size_t at = 0; node->items && at < count && wide[at];) {
		size_t length = wcsnlen(wide + at, count - at);
		struct configuration_node *item = add_node(registry, place);

		if (!item)
			return;
		set_text(item, copy_text(registry, wide + at, length));
		node->items[node->count++] = item;
		at += length + 1;
	}
}

static void set_value(struct registry *registry, struct configuration_node *node, const char *place,
		      DWORD type, const void *data, DWORD size)
{
	uint32_t word;
	uint64_t number;

	if (type == REG_DWORD && size == sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		set_number(registry, node, word);
	} else if (type == REG_QWORD && size == sizeof(number)) {
		memcpy(&number, data, sizeof(number));
		set_number(registry, node, number);
	} else if (type == REG_SZ) {
		set_text(node, copy_text(registry, data, size / sizeof(wchar_t)));
	} else if (type == REG_MULTI_SZ) {
		set_list(registry, node, place, data, size / sizeof(wchar_t));
	} else {
		set_text(node, NULL);
		reading_complain_at(registry->reading, node,
				    "this must be REG_SZ, REG_DWORD, REG_QWORD or REG_MULTI_SZ");
	}
}

/* ---- keys ---- */

static void name_place(char *place, size_t size, const char *above, const char *name)
{
	snprintf(place, size, "%s%s%s", above, *above ? "\\" : "", name);
}

static void add_pair(struct registry *registry, struct configuration_node *mapping,
		     const char *above, const char *name, struct configuration_node *node)
{
	struct configuration_node *key = add_node(registry, above);

	if (!key || !node)
		return;
	set_text(key, name);
	mapping->keys[mapping->count] = key;
	mapping->values[mapping->count++] = node;
}

static void read_values(struct registry *registry, HKEY key, DWORD count, const char *above,
			struct configuration_node *mapping)
{
	wchar_t *name = malloc((1u << 14) * sizeof(*name));
	void *data = malloc(SIZE_MOST + sizeof(wchar_t));
	char place[1024];

	if (!name || !data)
		registry->reading->no_memory = true;
	for (DWORD index = 0; index < count && !registry->reading->no_memory; index++) {
		DWORD name_count = 1u << 14, type, size = SIZE_MOST;
		LSTATUS error =
		    RegEnumValueW(key, index, name, &name_count, NULL, &type, data, &size);
		const char *text = error ? NULL : copy_text(registry, name, name_count);
		if (!text || !*text)
			continue; /* the default value of a key says nothing */
		name_place(place, sizeof(place), above, text);
		struct configuration_node *node = add_node(registry, place);
		if (node)
			set_value(registry, node, place, type, data, size);
		add_pair(registry, mapping, place, text, node);
	}
	free(name);
	free(data);
}

static struct configuration_node *read_key(struct registry *registry, HKEY key, const char *place,
					   int depth);

static void read_keys(struct registry *registry, HKEY key, DWORD count, const char *above,
		      struct configuration_node *node, int depth)
{
	wchar_t name[NAME_COUNT];
	char place[1024];

	for (DWORD index = 0; index < count && !registry->reading->no_memory; index++) {
		DWORD name_count = NAME_COUNT;
		HKEY below;

		if (RegEnumKeyExW(key, index, name, &name_count, NULL, NULL, NULL, NULL) ||
		    RegOpenKeyExW(key, name, 0, KEY_READ, &below))
			continue;
		const char *text = copy_text(registry, name, name_count);
		name_place(place, sizeof(place), above, text ? text : "");
		struct configuration_node *read = read_key(registry, below, place, depth);
		RegCloseKey(below);
		if (read && node->type == CONFIGURATION_LIST)
			node->items[node->count++] = read;
		else
			add_pair(registry, node, place, text, read);
	}
}

/* A key with keys in it is a list of mappings, but for the first, which has the sections. */
static struct configuration_node *read_key(struct registry *registry, HKEY key, const char *place,
					   int depth)
{
	struct configuration_node *node = add_node(registry, place);
	DWORD keys = 0, values = 0;
	size_t room;

	if (!node || RegQueryInfoKeyW(key, NULL, NULL, NULL, &keys, NULL, NULL, &values, NULL, NULL,
				      NULL, NULL))
		return NULL;
	if (depth == DEPTH_MOST) {
		reading_complain_at(registry->reading, node, "there must be no further key here");
		return NULL;
	}
	room = (size_t)keys + values + 1;
	node->type = depth && keys ? CONFIGURATION_LIST : CONFIGURATION_MAPPING;
	node->items = reading_allocate(registry->reading, room, sizeof(*node->items));
	node->keys = reading_allocate(registry->reading, room, sizeof(*node->keys));
	node->values = reading_allocate(registry->reading, room, sizeof(*node->values));
	if (!registry->reading->no_memory) {
		if (node->type == CONFIGURATION_MAPPING)
			read_values(registry, key, values, place, node);
		read_keys(registry, key, keys, place, node, depth + 1);
	}
	return node;
}

/* ---- whole ---- */

static bool load(struct reading *reading, void *from, const struct configuration_node **root)
{
	struct registry *registry = from;
	HKEY key;

	registry->reading = reading;
	registry->error =
	    (DWORD)RegOpenKeyExW(HKEY_LOCAL_MACHINE, registry->key, 0, KEY_READ, &key);
	if (registry->error)
		return false;
	*root = read_key(registry, key, "", 0);
	RegCloseKey(key);
	return true;
}

struct complaining {
	const struct registry *registry;
	configuration_complain complain;
	void *param;
};

/* With the place that the number stands for. */
static void complain(unsigned line, unsigned column, const char *text, void *param)
{
	const struct complaining *complaining = param;
	const struct registry *registry = complaining->registry;
	char whole[2048];

	if (!line || line > registry->count)
		return;
	snprintf(whole, sizeof(whole), "%s: %s", registry->places[line - 1], text);
	complaining->complain(line, column, whole, complaining->param);
}

int configuration_read(const char *place, const struct sink_operations *const *sinks,
		       configuration_complain tell, void *param,
		       const struct configuration **configuration)
{
	const struct configuration *read = NULL;
	wchar_t *key = wide_from_utf8(place);
	struct registry registry = {.key = key};
	struct complaining complaining = {&registry, tell, param};

	if (!key)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the configuration");
	int error =
	    configuration_make(place, load, &registry, sinks, complain, &complaining, &read);
	if (registry.error)
		configuration_unref(read);
	if (registry.error == ERROR_FILE_NOT_FOUND) {
		error = error_set(PROCOBSRV_ERROR_NOT_FOUND,
				  "there is no key HKLM\\%s: \"procobsrvd --install\" makes the "
				  "service's, --config names another",
				  place);
	} else if (registry.error) {
		error = error_set_windows(registry.error, "cannot read HKLM\\%s", place);
	} else if (!error) {
		*configuration = read;
	}
	for (size_t index = 0; index < registry.count; index++)
		free(registry.places[index]);
	free(registry.places);
	free(key);
	return error;
}
