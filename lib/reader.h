/* SPDX-License-Identifier: MIT */
/*
 * Reading the resident observer: taking over where the last reader stopped, keeping the checkpoint
 * for the next one, and giving room back only for what is safe.
 */
#ifndef PROCOBSRV_LIB_READER_H
#define PROCOBSRV_LIB_READER_H

#include "monitor.h"

/* Fills table and numbers from the checkpoint. NOT_FOUND or CORRUPT: take a snapshot instead. */
int reader_take_over(struct procobsrv *monitor);
/* The table stands at `position`: writes the checkpoint for whoever comes next. */
int reader_begin(struct procobsrv *monitor, uint64_t position);
/* Before a batch is dealt with, and after it. */
void reader_before_batch(struct procobsrv *monitor, const struct queue_batch *batch);
void reader_after_batch(struct procobsrv *monitor, const struct queue_batch *batch);
/* Listener thread, before it drains: queues what the last reader left on disk. */
void reader_replay_leftovers(struct procobsrv *monitor, const char *directory);
/* Listener thread: when the ring is half full, what is undelivered goes to disk. */
void reader_make_room(struct procobsrv *monitor);
/* Whether the queue's files hold what the next reader needs. After the source was closed. */
bool reader_leaves_files(const struct procobsrv *monitor);
void reader_end(struct procobsrv *monitor);

#endif
