/* SPDX-License-Identifier: MIT */
#include "laws.h"
#include "names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is known of one process. */
struct life {
	bool existing;
	bool started;
	bool exited;
	bool named_as_parent;  /* by the start of a child */
	bool concluded_parent; /* by one that was concluded */
	int64_t last_ns;
};

struct laws {
	struct names *ids;
	struct life *lives; /* by number of the id */
	size_t capacity;
	struct names *cursors;
	uint64_t seq;
	uint64_t lost;
	char breach[512];
};

struct laws *laws_create(void)
{
	struct laws *laws = must_allocate(1, sizeof(*laws));

	laws->ids = names_create();
	laws->cursors = names_create();
	return laws;
}

void laws_free(struct laws *laws)
{
	if (!laws)
		return;
	names_free(laws->ids);
	names_free(laws->cursors);
	free(laws->lives);
	free(laws);
}

const char *laws_breach(const struct laws *laws)
{
	return laws->breach[0] ? laws->breach : NULL;
}

uint64_t laws_lost(const struct laws *laws)
{
	return laws->lost;
}

__attribute__((format(printf, 3, 4))) static void breach(struct laws *laws, const struct seen *seen,
							 const char *format, ...)
{
	va_list arguments;
	int length;

	if (laws->breach[0])
		return;
	length = snprintf(
	    laws->breach, sizeof(laws->breach), "seq %" PRIu64 ", %s of pid %u (%s): ", seen->seq,
	    procobsrv_kind_name((enum procobsrv_kind)seen->kind), seen->pid, seen->name);
	va_start(arguments, format);
	vsnprintf(laws->breach + length, sizeof(laws->breach) - (size_t)length, format, arguments);
	va_end(arguments);
}

static struct life *life_of(struct laws *laws, const char *id)
{
	bool added;
	size_t number = names_add(laws->ids, id, &added);

	if (number >= laws->capacity) {
		laws->capacity = laws->capacity ? laws->capacity * 2 : 256;
		laws->lives = must_grow(laws->lives, laws->capacity, sizeof(*laws->lives));
	}
	if (added)
		laws->lives[number] = (struct life){0};
	return &laws->lives[number];
}

static void check_number(struct laws *laws, const struct seen *seen)
{
	bool added;

	if (seen->kind == PROCOBSRV_EXISTING || seen->synthetic) {
		/* No number of its own but the last one, which may have been filtered. */
		if (seen->seq < laws->seq)
			breach(laws, seen, "comes after number %" PRIu64, laws->seq);
		laws->seq = seen->seq;
		return;
	}
	if (seen->seq <= laws->seq)
		breach(laws, seen, "comes after number %" PRIu64, laws->seq);
	if (seen->kind == PROCOBSRV_LOST) {
		if (!seen->lost.count || seen->lost.first <= laws->seq ||
		    seen->lost.first + seen->lost.count - 1 != seen->seq)
			breach(laws, seen,
			       "%" PRIu64 " lost from number %" PRIu64 " after %" PRIu64,
			       seen->lost.count, seen->lost.first, laws->seq);
		laws->lost += seen->lost.count;
	}
	laws->seq = seen->seq;
	if (seen->kind == PROCOBSRV_LOST)
		return;
	names_add(laws->cursors, seen->cursor, &added);
	if (!seen->cursor[0] || !added)
		breach(laws, seen, "cursor \"%s\" is empty or came before", seen->cursor);
}

static void check_process(struct laws *laws, const struct seen *seen)
{
	struct life *life = life_of(laws, seen->id);

	if (!seen->id[0] || !seen->pid)
		breach(laws, seen, "has no identity");
	if (life->exited)
		breach(laws, seen, "comes after its exit");
	if (seen->kind == PROCOBSRV_EXISTING || seen->kind == PROCOBSRV_START) {
		if (life->existing || life->started)
			breach(laws, seen, "was told as %s before",
			       life->existing ? "existing" : "started");
		if (life->named_as_parent && seen->kind == PROCOBSRV_START && !seen->synthetic)
			breach(laws, seen, "comes after the start of a child of it");
		if (life->concluded_parent)
			breach(laws, seen, "comes after the concluded start of a child of it");
		if (life->last_ns)
			breach(laws, seen, "is not the first of its process");
		life->existing = seen->kind == PROCOBSRV_EXISTING;
		life->started = seen->kind == PROCOBSRV_START;
	}
	if (seen->time_ns < life->last_ns)
		breach(laws, seen, "is %" PRId64 " ns before what came before",
		       life->last_ns - seen->time_ns);
	/* What a snapshot tells bears the time at which it looked; a cpu that was held up between
	 * stamping its event and asking for room may tell it after that. */
	if (seen->kind != PROCOBSRV_EXISTING && !seen->synthetic)
		life->last_ns = seen->time_ns;
	life->exited = seen->kind == PROCOBSRV_EXIT;
	if (seen->kind == PROCOBSRV_START && seen->parent_id[0]) {
		struct life *parent = life_of(laws, seen->parent_id);

		parent->named_as_parent = true;
		parent->concluded_parent |= seen->synthetic;
	}
	if (seen->parent_id[0] && seen->ppid != seen->parent_pid)
		breach(laws, seen, "ppid %u, but parent %u", seen->ppid, seen->parent_pid);
	if (seen->creator_id[0] && !strcmp(seen->creator_id, seen->parent_id))
		breach(laws, seen, "names its parent as creator");
}

void laws_feed(struct laws *laws, const struct seen *seen)
{
	if (seen->kind == SEEN_BEGIN || seen->kind == SEEN_END)
		return;
	check_number(laws, seen);
	if (seen->kind != PROCOBSRV_LOST)
		check_process(laws, seen);
}
