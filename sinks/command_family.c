/* SPDX-License-Identifier: MIT */
#include "command_family.h"

#include "os.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#define ENDED_MOST 4096u /* that are remembered */

struct command_family {
	void *members; /* a tree of identities */
	size_t member_count;
	char *ended[ENDED_MOST]; /* members that have ended: a ring; the text is the tree's */
	size_t ended_next;
	uint64_t began_ns; /* boot clock: what was before has nothing to do with us */
	uint32_t own_pid;
};

/* What those that were closed have left: a tree of identities. */
static pthread_mutex_t legacy_lock = PTHREAD_MUTEX_INITIALIZER;
static void *legacy;

static int compare(const void *one, const void *other)
{
	return strcmp(one, other);
}

/* False: out of memory. */
static bool add(void **tree, const char *id, bool *is_new)
{
	char *copy = strdup(id);
	char *const *found = copy ? tsearch(copy, tree, compare) : NULL;

	*is_new = found && *found == copy;
	if (!*is_new)
		free(copy);
	return found != NULL;
}

struct copying {
	void **to;
	size_t count;
};

static void copy_one(const void *node, VISIT visit, void *param)
{
	const char *const *id = node;
	struct copying *copying = param;
	bool is_new;

	if (visit != postorder && visit != leaf)
		return;
	add(copying->to, *id, &is_new);
	copying->count += is_new;
}

struct command_family *command_family_create(void)
{
	struct command_family *family = calloc(1, sizeof *family);
	struct copying copying;

	if (!family)
		return NULL;
	family->own_pid = os_process_id();
	family->began_ns = os_boot_ns();
	copying = (struct copying){.to = &family->members};
	pthread_mutex_lock(&legacy_lock);
	twalk_r(legacy, copy_one, &copying);
	pthread_mutex_unlock(&legacy_lock);
	family->member_count = copying.count;
	return family;
}

/* In the pid namespace of this process, as far as is told. */
static uint32_t local_pid(const struct procobsrv_process *process)
{
	return process->present & PROCOBSRV_HAS_NS_PID ? process->ns_pid : process->pid;
}

static bool is_service(const struct command_family *family, const struct procobsrv_event *event,
		       const struct procobsrv_process *process)
{
	/* As long as this process lives, nobody else has its pid. */
	return process && local_pid(process) == family->own_pid &&
	       event->boot_ns >= family->began_ns;
}

static bool is_member(const struct command_family *family, const struct procobsrv_process *process)
{
	return process && process->id && tfind(process->id, &family->members, compare);
}

static bool descends(const struct command_family *family, const struct procobsrv_event *event)
{
	return is_service(family, event, event->parent) || is_member(family, event->parent) ||
	       is_service(family, event, event->creator) || is_member(family, event->creator);
}

/* Its place in the ring is given to it; who was there is forgotten. */
static void note_end(struct command_family *family, const char *id)
{
	char *const *member = tfind(id, &family->members, compare);
	char **place = &family->ended[family->ended_next];

	for (size_t at = 0; at < ENDED_MOST; at++) {
		if (family->ended[at] == *member)
			return; /* told again */
	}
	if (*place) {
		char *forgotten = *place;

		tdelete(forgotten, &family->members, compare);
		free(forgotten);
	}
	*place = *member;
	family->ended_next = (family->ended_next + 1) % ENDED_MOST;
	family->member_count--;
}

bool command_family_see(struct command_family *family, const struct procobsrv_event *event)
{
	bool is_new = false;
	bool fine = true;

	if (!event->process || !event->process->id)
		return true;
	if (descends(family, event)) {
		fine = add(&family->members, event->process->id, &is_new);
		family->member_count += is_new;
	}
	if (event->kind == PROCOBSRV_EXIT && is_member(family, event->process))
		note_end(family, event->process->id);
	return fine;
}

bool command_family_has(const struct command_family *family, const struct procobsrv_event *event)
{
	return is_service(family, event, event->process) || is_member(family, event->process) ||
	       descends(family, event);
}

size_t command_family_count(const struct command_family *family)
{
	return family->member_count;
}

void command_family_close(struct command_family *family)
{
	struct copying copying = {.to = &legacy};

	if (!family)
		return;
	for (size_t at = 0; at < ENDED_MOST; at++) {
		if (!family->ended[at])
			continue;
		tdelete(family->ended[at], &family->members, compare);
		free(family->ended[at]);
	}
	pthread_mutex_lock(&legacy_lock);
	twalk_r(family->members, copy_one, &copying);
	pthread_mutex_unlock(&legacy_lock);
	tdestroy(family->members, free);
	free(family);
}
