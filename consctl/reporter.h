/* SPDX-License-Identifier: MIT */
/* From a monitor's events to lines of output: what watch and run have in common. */
#ifndef PROCOBSRV_CONSCTL_REPORTER_H
#define PROCOBSRV_CONSCTL_REPORTER_H

#include "consctl.h"
#include "format.h"
#include "output.h"
#include "platform.h"

struct os_event;
struct story;

struct reporter {
	struct output output;
	enum procobsrv_format format;
	struct format_text_options text;
	struct procobsrv *monitor;
	struct os_event *done; /* set when nothing more shall be reported */
	int64_t begin_ns;
	_Atomic bool begun;
	bool full;     /* takes no more events */
	bool resident; /* reads the resident observer */
	uint64_t seq;
	uint64_t written;
	const struct procobsrv_event *unwritten; /* resume: the last one appended; owned */
	uint64_t count;				 /* the most to write; 0: no end */
	struct story *story; /* is told what is written, if not NULL; set before the start */
};

/*
 * Opens a monitor as settings say, observing the tree of root_pid (0: the machine), and the output.
 * An exit status; other than STATUS_FINE: complained already, and nothing is left open.
 */
int reporter_open(struct reporter *reporter, const struct settings *settings, uint32_t root_pid);

/* Starts to observe, and says so on standard error. An exit status. */
int reporter_start(struct reporter *reporter);

/* The output's file was moved away. */
void reporter_reopen(struct reporter *reporter);

/* Whether the monitor has ended by itself. */
bool reporter_ended(struct reporter *reporter);

/*
 * Delivers what was observed, writes the end, closes all, says the last line. An exit status:
 * STATUS_LOST if events were lost.
 */
int reporter_finish(struct reporter *reporter);

/* Closes without a word; for who never started. */
void reporter_close(struct reporter *reporter);

/* Whether to write in color, as the settings and the environment have it. */
bool reporter_wants_color(const struct settings *settings, bool terminal);

/* Says "watching (BACKEND)..." on standard error, with what this backend misses. */
void reporter_announce(const struct procobsrv *monitor);

#endif
