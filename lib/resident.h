/* SPDX-License-Identifier: MIT */
/*
 * The resident observer: one that stays in the kernel when its reader is gone (Linux: pinned in
 * bpffs; Windows: the registered driver). One implementation per OS folder.
 */
#ifndef PROCOBSRV_LIB_RESIDENT_H
#define PROCOBSRV_LIB_RESIDENT_H

#include "source.h"

struct resident_status {
	bool installed;
	char version[32]; /* of the program that installed it */
	uint32_t record_version;
	uint32_t record_kinds;
	uint64_t stream;
	uint64_t installed_ns; /* wall clock; 0: not known */
	uint32_t holder;       /* process that reads it now; 0: none */
	char holder_name[64];
	struct source_statistics statistics;
	uint64_t read;	  /* observations that readers have acknowledged, delivered or filtered */
	uint64_t pending; /* observations that wait in the ring or on disk */
	bool adds_up;	  /* observed = read + lost + pending */
};

/*
 * Loads an observer and makes it resident: nothing is missed from its return on. BUSY: there is one
 * already. Nothing is left behind on failure.
 */
int resident_install(const struct source_options *options);

/*
 * Puts the observer of this version, with these options, in the place of the one that is installed;
 * ring, numbers and reader stay, and nothing is missed. NOT_FOUND: there is none. VERSION: it has a
 * layout that this version cannot go on with. On failure the one that was there stays.
 */
int resident_replace(const struct source_options *options);

/* Removes it with all that belongs to it. NOT_FOUND: there is none; BUSY: somebody reads it. */
int resident_uninstall(void);

/* Fills *status; 0 also when there is none (installed is false then). */
int resident_status(struct resident_status *status);

/* The directory for what is of this boot only (checkpoint, lock): private to root. */
const char *resident_directory(void);

/* The directory for records that are spilled while the resident observer is read. */
const char *resident_spill_directory(void);

#endif
