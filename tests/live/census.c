/* SPDX-License-Identifier: MIT */
#include "census.h"
#include "live.h"
#include "names.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct person {
	uint32_t pid;
	unsigned conclusions; /* enum census_conclusion */
	bool lives;
	char command[260]; /* the first two of its arguments */
};

struct census {
	struct names *ids;
	struct person *persons; /* by number of the id */
	size_t capacity;
	struct person *running; /* by /proc */
	size_t running_count;
};

struct census *census_create(void)
{
	struct census *census = must_allocate(1, sizeof(*census));

	census->ids = names_create();
	return census;
}

void census_free(struct census *census)
{
	names_free(census->ids);
	free(census->persons);
	free(census->running);
	free(census);
}

static struct person *person_of(struct census *census, const char *id)
{
	bool added;
	size_t number = names_add(census->ids, id, &added);

	if (number >= census->capacity) {
		census->capacity = census->capacity ? census->capacity * 2 : 4096;
		census->persons =
		    must_grow(census->persons, census->capacity, sizeof(*census->persons));
	}
	if (added)
		memset(&census->persons[number], 0, sizeof(census->persons[number]));
	return &census->persons[number];
}

void census_feed(struct census *census, const struct seen *seen)
{
	static const unsigned concluded[8] = {[PROCOBSRV_START] = CENSUS_START,
					      [PROCOBSRV_EXEC] = CENSUS_EXEC,
					      [PROCOBSRV_EXIT] = CENSUS_EXIT};
	struct person *person;

	if (!seen->id[0])
		return;
	person = person_of(census, seen->id);
	person->pid = seen->pid;
	person->lives = seen->kind != PROCOBSRV_EXIT;
	if (seen->synthetic)
		person->conclusions |= concluded[seen->kind];
	snprintf(person->command, sizeof(person->command), "%s%s%s", seen->argv[0],
		 seen->argc > 1 ? " " : "", seen->argv[1]);
}

/* The first two arguments, as above. */
static void read_command(uint32_t pid, char *command, size_t size)
{
	char path[64], text[128] = "";
	FILE *file;
	size_t length;
	const char *second;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	file = fopen(path, "re");
	length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	if (file)
		fclose(file);
	second = text + strlen(text) + 1;
	if (second < text + length)
		snprintf(command, size, "%s %s", text, second);
	else
		snprintf(command, size, "%s", text);
}

#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000

/*
 * State 'Z' has told its exit, and so may have one that is still on its way there: without much
 * priority that takes a while on a busy machine.
 */
static bool counts(uint32_t pid)
{
	char path[64], line[512], state;
	unsigned flags;
	const char *after;
	FILE *file;
	bool read;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	file = fopen(path, "re");
	read = file && fgets(line, sizeof(line), file);
	if (file)
		fclose(file);
	after = read ? strrchr(line, ')') : NULL;
	return after && sscanf(after, ") %c %*d %*d %*d %*d %*d %u", &state, &flags) == 2 &&
	       state != 'Z' && state != 'X' && !(flags & (PF_KTHREAD | PF_EXITING));
}

void census_of_proc(struct census *census)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	size_t capacity = 0;

	EXPECT(proc, "/proc: %s", strerror(errno));
	census->running_count = 0;
	while ((entry = readdir(proc))) {
		uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (!isdigit((unsigned char)entry->d_name[0]) || !counts(pid))
			continue;
		if (census->running_count == capacity) {
			capacity = capacity ? capacity * 2 : 256;
			census->running =
			    must_grow(census->running, capacity, sizeof(*census->running));
		}
		struct person *person = &census->running[census->running_count++];
		person->pid = pid;
		read_command(pid, person->command, sizeof(person->command));
	}
	closedir(proc);
}

static const struct person *running_as(const struct census *census, uint32_t pid)
{
	for (size_t i = 0; i < census->running_count; i++)
		if (census->running[i].pid == pid)
			return &census->running[i];
	return NULL;
}

static const struct person *living_as(const struct census *census, uint32_t pid)
{
	for (size_t i = 0; i < names_count(census->ids); i++)
		if (census->persons[i].pid == pid && census->persons[i].lives)
			return &census->persons[i];
	return NULL;
}

/*
 * Others begin and end processes while /proc is read and after it: who is not in both is looked at
 * again, and must have just come or gone.
 */
void census_compare(const struct census *census)
{
	size_t same = 0, restless = 0;

	for (size_t i = 0; i < names_count(census->ids); i++) {
		const struct person *person = &census->persons[i];

		if (!person->lives)
			continue;
		if (running_as(census, person->pid))
			continue;
		restless++;
		EXPECT(counts(person->pid) || !person->conclusions,
		       "pid %u (%s) lives by the stream, but not by /proc", person->pid,
		       person->command);
	}
	for (size_t i = 0; i < census->running_count; i++) {
		const struct person *running = &census->running[i];
		const struct person *living = living_as(census, running->pid);

		if (!living && !counts(running->pid)) {
			restless++;
			continue;
		}
		EXPECT(living, "pid %u (%s) lives by /proc, but not by the stream", running->pid,
		       running->command);
		/* Of long ones not all was read. */
		if (!strncmp(living->command, running->command, 60))
			same++;
		else
			restless++;
	}
	printf("# %zu processes are the same by /proc, %zu have come, gone or changed since\n",
	       same, restless);
	/* A small machine has few: those that the test itself started are always there. */
	EXPECT(same >= 3 && restless < 20 + same / 4, "%zu are the same, %zu not", same, restless);
}

void census_expect(const struct census *census, pid_t pid, unsigned conclusions,
		   const char *command)
{
	const struct person *found = NULL;

	for (size_t i = 0; i < names_count(census->ids); i++) {
		const struct person *person = &census->persons[i];

		if (person->pid != (uint32_t)pid || strcmp(person->command, command) != 0)
			continue;
		EXPECT(!found, "pid %d (%s) is told twice", (int)pid, command);
		found = person;
	}
	EXPECT(found, "nothing tells of pid %d (%s)", (int)pid, command);
	EXPECT(found->conclusions == conclusions,
	       "of pid %d (%s) was concluded %#x (1 start, 2 exec, 4 exit), not %#x", (int)pid,
	       command, found->conclusions, conclusions);
	EXPECT(found->lives == !(conclusions & CENSUS_EXIT), "pid %d (%s) %s", (int)pid, command,
	       found->lives ? "lives on" : "is gone");
}
