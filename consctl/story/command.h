/* SPDX-License-Identifier: MIT */
/* What a story shows of arguments. */
#ifndef PROCOBSRV_CONSCTL_STORY_COMMAND_H
#define PROCOBSRV_CONSCTL_STORY_COMMAND_H

#include "story.h"

/*
 * Appends arguments joined by spaces, quoted as a shell would need it, escaped, and without what
 * story_redact() named. In the first they are strings that lie one after the other, each with its
 * NUL, and are redacted in place. Running out of memory sets story->failed.
 */
void story_append_command(struct story *story, struct buffer *arguments, size_t count,
			  struct buffer *command);
void story_append_arguments(struct story *story, const char *const *arguments, size_t count,
			    struct buffer *command);

#endif
