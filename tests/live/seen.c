/* SPDX-License-Identifier: MIT */
#include "seen.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct seen nothing = {
    .cursor = "",
    .id = "",
    .parent_id = "",
    .creator_id = "",
    .name = "",
    .exe = "",
    .argv = {"", "", ""},
    .lost = {.stage = "", .reason = ""},
};

static void process_from_event(struct seen *seen, const struct procobsrv_process *process)
{
	seen->id = process->id;
	seen->pid = process->pid;
	seen->ppid = process->ppid;
	seen->name = process->name;
	seen->exe = process->exe ? process->exe : "";
	seen->argc = process->argc;
	for (size_t i = 0; i < 3 && i < process->argc; i++)
		seen->argv[i] = process->argv[i];
}

void seen_from_event(struct seen *seen, const struct procobsrv_event *event)
{
	*seen = nothing;
	seen->kind = (int)event->kind;
	seen->synthetic = event->flags & PROCOBSRV_EVENT_SYNTHETIC;
	seen->seq = event->seq;
	seen->time_ns = event->time_ns;
	seen->cursor = event->cursor ? event->cursor : "";
	if (event->process)
		process_from_event(seen, event->process);
	if (event->parent) {
		seen->parent_id = event->parent->id;
		seen->parent_pid = event->parent->pid;
	}
	if (event->creator)
		seen->creator_id = event->creator->id;
	if (event->exit) {
		seen->has_status = event->exit->has_status;
		seen->code = event->exit->code;
		seen->signal = event->exit->signal;
	}
	if (event->lost) {
		seen->lost.first = event->lost->first;
		seen->lost.count = event->lost->count;
		seen->lost.start = event->lost->start;
		seen->lost.exec = event->lost->exec;
		seen->lost.exit = event->lost->exit;
		seen->lost.unknown = event->lost->unknown;
		seen->lost.stage = event->lost->stage;
		seen->lost.reason = event->lost->reason;
	}
}

static const char *text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static uint64_t number_in(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* "2026-11-22T06:13:00.123456789Z"; false: it is none. */
static bool time_of(const char *text, int64_t *time_ns)
{
	struct tm parts;
	const char *rest;
	char *end;
	long fraction;

	memset(&parts, 0, sizeof(parts));
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S.", &parts);
	if (!rest || strlen(rest) != 10)
		return false;
	fraction = strtol(rest, &end, 10);
	if (end != rest + 9 || *end != 'Z')
		return false;
	*time_ns = (int64_t)timegm(&parts) * 1000000000 + fraction;
	return true;
}

static int kind_of(const char *name)
{
	for (int kind = PROCOBSRV_EXISTING; kind <= PROCOBSRV_LOST; kind++)
		if (!strcmp(name, procobsrv_kind_name((enum procobsrv_kind)kind)))
			return kind;
	if (!strcmp(name, "begin"))
		return SEEN_BEGIN;
	return !strcmp(name, "end") ? SEEN_END : 0;
}

static void process_from_json(struct seen *seen, const json_t *process)
{
	const json_t *argv = json_object_get(process, "argv");

	seen->id = text_in(process, "id");
	seen->pid = (uint32_t)number_in(process, "pid");
	seen->ppid = (uint32_t)number_in(process, "ppid");
	seen->name = text_in(process, "name");
	seen->exe = text_in(process, "exe");
	seen->argc = json_array_size(argv);
	for (size_t i = 0; i < 3 && i < seen->argc; i++)
		seen->argv[i] = json_string_value(json_array_get(argv, i));
}

static void lost_from_json(struct seen *seen, const json_t *object)
{
	seen->lost.first = number_in(object, "first");
	seen->lost.count = number_in(object, "count");
	seen->lost.start = number_in(object, "start");
	seen->lost.exec = number_in(object, "exec");
	seen->lost.exit = number_in(object, "exit");
	seen->lost.unknown = number_in(object, "unknown");
	seen->lost.stage = text_in(object, "stage");
	seen->lost.reason = text_in(object, "reason");
}

const char *seen_from_json(struct seen *seen, const json_t *object)
{
	const json_t *process = json_object_get(object, "process");
	const json_t *parent = json_object_get(object, "parent");
	const json_t *exit = json_object_get(object, "exit");

	*seen = nothing;
	if (json_integer_value(json_object_get(object, "schema")) != 1)
		return "no schema 1";
	seen->kind = kind_of(text_in(object, "kind"));
	if (!seen->kind)
		return "unknown kind";
	seen->synthetic = json_is_true(json_object_get(object, "synthetic"));
	seen->seq = number_in(object, "seq");
	if (seen->kind != SEEN_END && seen->kind != PROCOBSRV_LOST &&
	    !time_of(text_in(object, "time"), &seen->time_ns))
		return "no time, or one that does not parse";
	seen->cursor = text_in(object, "cursor");
	process_from_json(seen, process);
	seen->parent_id = text_in(parent, "id");
	seen->parent_pid = (uint32_t)number_in(parent, "pid");
	seen->creator_id = text_in(json_object_get(object, "creator"), "id");
	seen->has_status = json_object_get(exit, "code") != NULL;
	seen->code = (uint32_t)number_in(exit, "code");
	seen->signal = (uint32_t)number_in(exit, "signal");
	if (seen->kind == PROCOBSRV_LOST)
		lost_from_json(seen, object);
	if (seen->kind == SEEN_END) {
		seen->end.observed = number_in(object, "observed");
		seen->end.delivered = number_in(object, "delivered");
		seen->end.filtered = number_in(object, "filtered");
		seen->end.lost = number_in(object, "lost");
	}
	return NULL;
}
