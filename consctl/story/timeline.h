/* SPDX-License-Identifier: MIT */
/* Pictures of a story. */
#ifndef PROCOBSRV_CONSCTL_STORY_TIMELINE_H
#define PROCOBSRV_CONSCTL_STORY_TIMELINE_H

#include "story.h"

/* One page of HTML that needs no network. `title`: what it is about; any text. Running out of
 * memory sets buffer->failed. */
void timeline_append_html(const struct story *story, const char *title, struct buffer *buffer);

/*
 * Trace events, as Perfetto and chrome://tracing open them: "Trace Event Format",
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
void timeline_append_trace(const struct story *story, const char *title, struct buffer *buffer);

#endif
