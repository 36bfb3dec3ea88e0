/* SPDX-License-Identifier: MIT */
/*
 * Where lines go: collected in memory, written when 64 KiB have come together or 10 ms have passed,
 * on a terminal at once. One lock; several threads may write.
 */
#ifndef PROCOBSRV_CONSCTL_OUTPUT_H
#define PROCOBSRV_CONSCTL_OUTPUT_H

#include "buffer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct output {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* there is something to flush in time, or the end */
	pthread_t flusher;
	struct buffer buffer;
	const char *path; /* NULL: standard output */
	intptr_t file;
	bool terminal;
	bool ending;
	bool sleeping; /* the flusher waits for something to flush */
	int error;     /* the first errno; nothing is written after it */
	uint64_t flushed_ns;
	/* Called with the lock held when all that was appended has been written; NULL: nobody. */
	void (*on_written)(void *param);
	void *param;
};

/* Opens a file, or standard output if path is NULL. 0; or an errno, complained already. */
int output_open(struct output *output, const char *path);

/* Says that a file which was to be opened for writing could not be. */
void output_complain_open(const char *path, int error);

/* Locks, and lends the buffer to append whole lines to. */
struct buffer *output_begin(struct output *output);
/* The same without waiting: NULL while another thread writes. */
struct buffer *output_try_begin(struct output *output);
/* Unlocks, and leaves the writing to the thread that flushes. */
void output_end_later(struct output *output);
/* Unlocks, and writes if it is time. False: it failed or nobody reads, now or earlier. */
bool output_end(struct output *output);

/*
 * Opens the path anew, if that is a file. Nothing is lost: what was appended before goes to the old
 * file, the rest to the new one, which begins with what `on_new` appends. If that fails, it
 * complains and stays with the old one.
 */
void output_reopen(struct output *output, void (*on_new)(struct buffer *buffer, void *param),
		   void *param);

/* Writes the rest, closes. The first errno of all, EPIPE if nobody reads; 0: all was written. */
int output_close(struct output *output);

/* Complains about an errno of output_close() or output_print(), EPIPE excepted: an exit status. */
int output_status(const char *path, int error);

/* Writes a buffer to standard output, empties it. 0 or an errno. */
int output_print(struct buffer *buffer);

#endif
