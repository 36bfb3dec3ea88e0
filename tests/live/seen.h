/* SPDX-License-Identifier: MIT */
/* What an event said, whether it came from the library or from a line of JSON. */
#ifndef PROCOBSRV_TESTS_LIVE_SEEN_H
#define PROCOBSRV_TESTS_LIVE_SEEN_H

#include "procobsrv.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Beyond those of enum procobsrv_kind: the first and the last line of JSON. */
enum {
	SEEN_BEGIN = 100,
	SEEN_END = 101,
};

/* Borrows from the event or the object; "" and 0 where it says nothing. */
struct seen {
	int kind;
	bool synthetic;
	uint64_t seq;
	int64_t time_ns;
	const char *cursor;
	const char *id;
	const char *parent_id;
	const char *creator_id;
	const char *name;
	const char *exe;
	const char *argv[3]; /* the first three, "" where there are fewer */
	size_t argc;
	uint32_t pid;
	uint32_t ppid;	     /* as the process has it */
	uint32_t parent_pid; /* as the parent has it */
	bool has_status;
	uint32_t code;
	uint32_t signal;
	struct {
		uint64_t first;
		uint64_t count;
		uint64_t start;
		uint64_t exec;
		uint64_t exit;
		uint64_t unknown;
		const char *stage;
		const char *reason;
	} lost;
	struct { /* of the end line */
		uint64_t observed;
		uint64_t delivered;
		uint64_t filtered;
		uint64_t lost;
	} end;
};

void seen_from_event(struct seen *seen, const struct procobsrv_event *event);
/* NULL, or what is wrong with the object. */
const char *seen_from_json(struct seen *seen, const json_t *object);

#endif
