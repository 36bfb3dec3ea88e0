/* SPDX-License-Identifier: MIT */
/* A story from the record of the service. */
#ifndef PROCOBSRV_CONSCTL_HISTORY_STORY_H
#define PROCOBSRV_CONSCTL_HISTORY_STORY_H

#include "settings.h"
#include "story/story.h"

/*
 * Tells what --since, --until and --record ask for: the processes that began in that time, and
 * those from which they descend; or, if at_ns is not NULL, those that ran at that moment. With
 * --match, only those of their events that match.
 * Losses are told on standard error. An exit status; other than STATUS_FINE: complained already,
 * but for STATUS_LOST, with which the story is there.
 */
int history_story_read(struct story *story, const struct settings *settings, const int64_t *at_ns);

#endif
