/* SPDX-License-Identifier: MIT */
/* What the portable unit tests ask of the system that they run on. One file in each OS folder. */
#ifndef PROCOBSRV_TESTS_GROUND_H
#define PROCOBSRV_TESTS_GROUND_H

#include "os.h"

/* A directory of its own in the system's temporary one, to be removed by directory_remove(). */
char *directory_make(void);
/* Fails the test if something is left in it. */
void directory_remove(char *directory);

void sleep_ms(unsigned duration_ms);

/* Whether whoever waits for the event would go on. */
bool is_set(const struct os_event *event);

/* What stands between the parts of a path. */
extern const char ground_separator;

/* A path below nothing, and one of something that is no directory. */
extern const char *const ground_missing_directory;
extern const char *const ground_no_directory;

/*
 * Sets the zone of local times, as POSIX writes it: "CET-1". False: this system does not
 * understand the zone.
 */
bool ground_set_zone(const char *zone);

/* Files that somebody puts there. Each fails the test if it cannot. */
void file_write_private(const char *path, const void *bytes, size_t size);
void file_make_public(const char *path);	     /* others may read it from now on */
void file_make_private(const char *path);	     /* takes that back */
void file_link(const char *path, const char *other); /* a second name of the same file */
/* Puts something under the name that is no plain file; false: there are only so many `way`s. */
bool file_plant(const char *path, const char *target, unsigned way);
void file_remove(const char *path); /* planted or not; if it is there */

/*
 * Runs a program with arguments, itself the first of them, ended by NULL, and takes what it says on
 * standard output and standard error, NUL-terminated and cut if need be. Its exit status.
 */
int program_run(const char *const *arguments, char *text, size_t size);

/* What a test does in a process of its own. */
struct role {
	const char *name;
	int (*play)(const char *argument); /* its result is the process's */
};

/* The first thing in main() of a test with roles (ended by a NULL name): does not return in such a
 * process. */
void role_play_if_asked(int argc, char **argv, const struct role *roles);

#define ROLE_KILLED -1
/* Starts this program in a role and waits for its end: its result, or ROLE_KILLED. */
int role_run(const char *name, const char *argument, uint32_t *process);

/* The calling process is killed now: nothing of it runs any more. */
_Noreturn void be_killed(void);

#endif
