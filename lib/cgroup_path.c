/* SPDX-License-Identifier: MIT */
#include "cgroup_path.h"

#include <stdbool.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define ID_LENGTH     64 /* of the ids that engines give: SHA-256 or as long, in hexadecimal */
#define UNIT_LENGTH   255

/* A part of the path. */
struct span {
	const char *text;
	size_t size;
};

struct reading {
	struct span unit;
	bool units_end;	 /* what follows is no unit of the host's managers */
	bool user_units; /* below user@UID.service */
	struct span container;
	const char *runtime;
	bool container_escaped; /* as systemd writes names into units */
};

static bool equals(struct span span, const char *text)
{
	return span.size == strlen(text) && memcmp(span.text, text, span.size) == 0;
}

static bool take_prefix(struct span *span, const char *prefix)
{
	size_t size = strlen(prefix);

	if (span->size < size || memcmp(span->text, prefix, size) != 0)
		return false;
	span->text += size;
	span->size -= size;
	return true;
}

static bool take_suffix(struct span *span, const char *suffix)
{
	size_t size = strlen(suffix);

	if (span->size < size || memcmp(span->text + span->size - size, suffix, size) != 0)
		return false;
	span->size -= size;
	return true;
}

static bool is_engine_id(struct span span)
{
	for (size_t at = 0; at < span.size; at++)
		if (!((span.text[at] >= '0' && span.text[at] <= '9') ||
		      (span.text[at] >= 'a' && span.text[at] <= 'f')))
			return false;
	return span.size == ID_LENGTH;
}

/* ---- units ---- */

static bool is_unit(struct span span)
{
	static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};
	static const char punctuation[] = ":-_.\\@";
	struct span name = span;
	bool known = false;

	for (size_t i = 0; i < LENGTH(suffixes) && !known; i++)
		known = take_suffix(&name, suffixes[i]);
	if (!known || name.size == 0 || span.size > UNIT_LENGTH)
		return false;
	for (size_t at = 0; at < span.size; at++) {
		char character = span.text[at];
		bool plain = (character >= '0' && character <= '9') ||
			     (character >= 'A' && character <= 'Z') ||
			     (character >= 'a' && character <= 'z');
		if (!plain && memchr(punctuation, character, sizeof punctuation - 1) == NULL)
			return false;
	}
	return true;
}

/*
 * Slices lead to a unit, and below it is its own business; but user@UID.service has slices and
 * units of another manager.
 */
static void read_unit(struct reading *reading, struct span component)
{
	struct span name = component;

	if (reading->units_end)
		return;
	/* systemd puts it before names that the kernel would take for its own files. */
	take_prefix(&name, "_");
	if (is_unit(name)) {
		struct span rest = name;
		reading->unit = name;
		reading->units_end = reading->user_units || !take_prefix(&rest, "user@");
		reading->user_units = true;
	} else if (!take_suffix(&name, ".slice") || name.size == 0) {
		reading->units_end = true;
	}
}

/* ---- containers ---- */

static void found(struct reading *reading, struct span id, const char *runtime, bool escaped)
{
	reading->container = id;
	reading->runtime = runtime;
	reading->container_escaped = escaped;
	reading->units_end = true;
}

/* "docker-ID.scope" where systemd makes the groups, "crio-ID" where the engine does. */
static bool read_engine(struct reading *reading, struct span component)
{
	static const struct {
		const char *prefix;
		const char *runtime;
	} engines[] = {
	    {"docker-", "docker"},	{"libpod-payload-", "podman"},
	    {"libpod-", "podman"},	{"cri-containerd-", "containerd"},
	    {"nerdctl-", "containerd"}, {"crio-", "cri-o"},
	};

	for (size_t i = 0; i < LENGTH(engines); i++) {
		struct span id = component;
		if (!take_prefix(&id, engines[i].prefix))
			continue;
		take_suffix(&id, ".scope");
		if (!is_engine_id(id))
			continue;
		found(reading, id, engines[i].runtime, false);
		return true;
	}
	return false;
}

/* "SLICE:docker:ID": a path meant for systemd that the engine took as it was. */
static bool read_colons(struct reading *reading, struct span component)
{
	static const struct {
		const char *name;
		const char *runtime;
	} engines[] = {
	    {":docker", "docker"},	{":libpod", "podman"}, {":cri-containerd", "containerd"},
	    {":nerdctl", "containerd"}, {":crio", "cri-o"},
	};

	if (component.size <= ID_LENGTH || component.text[component.size - ID_LENGTH - 1] != ':')
		return false;
	struct span id = {component.text + component.size - ID_LENGTH, ID_LENGTH};
	struct span rest = {component.text, component.size - ID_LENGTH - 1};
	if (!is_engine_id(id))
		return false;
	for (size_t i = 0; i < LENGTH(engines); i++) {
		if (take_suffix(&rest, engines[i].name)) {
			found(reading, id, engines[i].runtime, false);
			return true;
		}
	}
	return false;
}

/* The id alone, below a group of the engine's or of a pod. */
static bool read_plain_id(struct reading *reading, struct span component, struct span parent)
{
	const char *runtime = NULL;

	if (!is_engine_id(component))
		return false;
	if (equals(parent, "docker"))
		runtime = "docker";
	else if (equals(parent, "libpod_parent"))
		runtime = "podman";
	else if (equals(parent, "k8s.io"))
		runtime = "containerd";
	found(reading, component, runtime, false);
	return true;
}

static bool read_lxc(struct reading *reading, struct span component, struct span parent, bool top)
{
	struct span name = component;
	bool below = equals(parent, "lxc.payload") || (top && equals(parent, "lxc"));

	if (!take_prefix(&name, "lxc.payload.") && !below)
		return false;
	if (name.size == 0)
		return false;
	found(reading, name, "lxc", false);
	return true;
}

/* What systemd-machined registers, and nspawn's own service. */
static bool read_machine(struct reading *reading, struct span component, struct span parent)
{
	struct span name = component;

	if (take_prefix(&name, "systemd-nspawn@")) {
		if (!take_suffix(&name, ".service") || name.size == 0)
			return false;
		found(reading, name, "systemd-nspawn", true);
		return true;
	}
	if (!equals(parent, "machine.slice") || !take_prefix(&name, "machine-") ||
	    !take_suffix(&name, ".scope") || name.size == 0)
		return false;
	struct span rest = name;
	if (take_prefix(&rest, "qemu\\x2d"))
		return false; /* a virtual machine: its processes are the host's */
	found(reading, name, take_prefix(&rest, "lxc\\x2d") ? "libvirt-lxc" : "systemd-nspawn",
	      true);
	return true;
}

static int hexadecimal(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	if (character >= 'a' && character <= 'f')
		return character - 'a' + 10;
	return -1;
}

/* Writes it with "\x2d" as the character that it stands for. False: it stands for no name. */
static bool unescape(struct span name, char *room)
{
	for (size_t at = 0; at < name.size; at++) {
		char character = name.text[at];
		if (character == '\\') {
			int high = at + 3 < name.size ? hexadecimal(name.text[at + 2]) : -1;
			int low = at + 3 < name.size ? hexadecimal(name.text[at + 3]) : -1;
			if (high < 0 || low < 0 || name.text[at + 1] != 'x')
				return false;
			character = (char)(high << 4 | low);
			at += 3;
		}
		if ((unsigned char)character <= ' ' || character == '/' || character == 0x7f)
			return false;
		*room++ = character;
	}
	*room = '\0';
	return true;
}

/* ---- the path ---- */

static void read_component(struct reading *reading, struct span component, struct span parent,
			   bool top)
{
	read_unit(reading, component);
	if (!read_engine(reading, component) && !read_colons(reading, component) &&
	    !read_plain_id(reading, component, parent) &&
	    !read_lxc(reading, component, parent, top))
		read_machine(reading, component, parent);
}

static const char *copy(struct span span, char **room)
{
	char *begin = *room;

	memcpy(begin, span.text, span.size);
	begin[span.size] = '\0';
	*room += span.size + 1;
	return begin;
}

void cgroup_path_names(const char *path, size_t length, char *room, struct cgroup_names *names)
{
	struct reading reading = {0};
	struct span parent = {"", 0};
	size_t depth = 0;

	for (size_t at = 0; at < length;) {
		const char *slash = memchr(path + at, '/', length - at);
		struct span component = {path + at,
					 slash ? (size_t)(slash - path) - at : length - at};
		at += component.size + 1;
		if (component.size == 0)
			continue;
		read_component(&reading, component, parent, ++depth == 2);
		parent = component;
	}

	*names = (struct cgroup_names){0};
	if (reading.unit.size)
		names->unit = copy(reading.unit, &room);
	if (!reading.container.size)
		return;
	if (!reading.container_escaped)
		names->container_id = copy(reading.container, &room);
	else if (unescape(reading.container, room))
		names->container_id = room;
	if (names->container_id)
		names->runtime = reading.runtime;
}
