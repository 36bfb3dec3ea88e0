/* SPDX-License-Identifier: MIT */
/* The verbs of live_worker, and what they share. */
#ifndef PROCOBSRV_TESTS_LIVE_WORKER_H
#define PROCOBSRV_TESTS_LIVE_WORKER_H

#include "note.h"

#include <stdint.h>

extern struct note *note;

/* This program's own path. */
extern char worker_path[4096];

/* Takes the next entry. */
struct note_entry *note_entry(void);
/* Says that `stage` is reached and waits for the permission to go beyond it. */
void note_stage(uint32_t stage);

uint64_t boot_ns(void);
void sleep_ms(unsigned milliseconds);
/* Says what failed and ends the workload with 120, which no verb uses. */
void die(const char *what) __attribute__((noreturn));
/* The status of a child as waitpid() tells it. */
int wait_status(int pid);
/* Runs this program anew, in the same process. */
void exec_self(const char *const *argv) __attribute__((noreturn));
/* Copies this program to a new file, or into an open descriptor. */
void copy_self(const char *path, unsigned mode);
void copy_self_to(int descriptor);
/* argv[index] as a number; absent: what `absent` says. */
unsigned long number_at(int argc, char **argv, int index, unsigned long absent);

/* threads.c */
int verb_thread_exec(int argc, char **argv);
int verb_leader_exit(int argc, char **argv);
int verb_exits_at_once(int argc, char **argv);
int verb_threads(int argc, char **argv);
int verb_burn(int argc, char **argv);
int verb_burn_often(int argc, char **argv);

/* creation.c */
int verb_create(int argc, char **argv);
int verb_orphan(int argc, char **argv);
int verb_storm(int argc, char **argv);
int verb_many(int argc, char **argv);

/* programs.c */
int verb_chain(int argc, char **argv);
int verb_memfd(int argc, char **argv);
int verb_deleted(int argc, char **argv);
int verb_failing(int argc, char **argv);
int verb_die(int argc, char **argv);
int verb_helper(int argc, char **argv);
int verb_touch(int argc, char **argv);

/* prepare.c */
int verb_with(int argc, char **argv);
int verb_facts(int argc, char **argv);

#endif
