/* SPDX-License-Identifier: MIT */
/*
 * Users have names, security identifiers, of any length. Each that comes up is given the next
 * number, which holds until the service ends; where only numbers are compared, that is all it
 * needs.
 */
#include "owner_name.h"

#include <pthread.h>
#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024u
/* Each session brings users of its own (DWM-1, UMFD-1, ...): some years' worth of them. */
#define USERS_MOST (1u << 20)

struct user {
	struct user *next; /* in its bucket */
	uint32_t number;
	char name[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct user *buckets[BUCKETS];
static uint32_t user_count;

static uint32_t bucket_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % BUCKETS;
}

/* The lock. */
static const struct user *find_or_add(const char *name)
{
	struct user **bucket = &buckets[bucket_of(name)];
	size_t size = strlen(name) + 1;

	for (struct user *user = *bucket; user; user = user->next)
		if (!strcmp(user->name, name))
			return user;
	struct user *added = user_count < USERS_MOST ? malloc(sizeof(*added) + size) : NULL;
	if (!added)
		return NULL;
	added->number = user_count++;
	added->next = *bucket;
	memcpy(added->name, name, size);
	*bucket = added;
	return added;
}

uint32_t owner_of_name(const char *name)
{
	pthread_mutex_lock(&lock);
	const struct user *user = find_or_add(name);
	uint32_t number = user ? user->number : OWNER_NOBODY;
	pthread_mutex_unlock(&lock);
	return number;
}

uint32_t owner_of_sid(PSID sid)
{
	char *name;

	if (!ConvertSidToStringSidA(sid, &name))
		return OWNER_NOBODY;
	uint32_t number = owner_of_name(name);
	LocalFree(name);
	return number;
}

uint32_t owner_of(const struct procobsrv_process *process)
{
	return process->sid ? owner_of_name(process->sid) : OWNER_NOBODY;
}

/* A process may be read by its user, whoever passed the arguments. */
uint32_t owner_of_image(const struct procobsrv_process *process)
{
	return owner_of(process);
}

uint32_t owner_of_new_image(const struct procobsrv_process *process, uint32_t creator)
{
	(void)creator;
	return owner_of(process);
}

bool owner_is_gone(uint32_t pid)
{
	HANDLE process = OpenProcess(SYNCHRONIZE, FALSE, pid);

	if (!process)
		return GetLastError() == ERROR_INVALID_PARAMETER;
	bool gone = WaitForSingleObject(process, 0) == WAIT_OBJECT_0;
	CloseHandle(process);
	return gone;
}

void owner_text(uint32_t owner, char *text, size_t size)
{
	snprintf(text, size, "nobody");
	pthread_mutex_lock(&lock);
	for (uint32_t bucket = 0; bucket < BUCKETS; bucket++)
		for (const struct user *user = buckets[bucket]; user; user = user->next)
			if (user->number == owner)
				snprintf(text, size, "%s", user->name);
	pthread_mutex_unlock(&lock);
}
