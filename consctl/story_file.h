/* SPDX-License-Identifier: MIT */
/* A story from a file of JSON lines. */
#ifndef PROCOBSRV_CONSCTL_STORY_FILE_H
#define PROCOBSRV_CONSCTL_STORY_FILE_H

#include "story/story.h"

/*
 * Tells the story of a file ("-": standard input), or of the events in it that match the expression
 * (NULL: all); losses are told in any case. Lines that are none of ours are told on standard error
 * and left out. An exit status; other than STATUS_FINE: complained already.
 */
int story_file_read(struct story *story, const char *path, const char *match);

#endif
