/* SPDX-License-Identifier: MIT */
/* The options of the verbs that look back: run --summary, timeline, tree. */
#include "consctl.h"

#include <string.h>

static bool take_summary(struct settings *settings, const char *value)
{
	(void)value;
	settings->summary = true;
	return true;
}

static bool take_picture(struct settings *settings, const char *value)
{
	if (!strcmp(value, "html")) {
		settings->picture = PICTURE_HTML;
	} else if (!strcmp(value, "perfetto")) {
		settings->picture = PICTURE_PERFETTO;
	} else {
		complain("--format %s: must be html or perfetto", value);
		return false;
	}
	return true;
}

static bool take_from(struct settings *settings, const char *value)
{
	settings->from = value;
	return true;
}

static bool take_at(struct settings *settings, const char *value)
{
	settings->at = value;
	return true;
}

const struct option option_summary = {"summary", 0, NULL,
				      "at the end tell processes, failures, time by program, the\n"
				      "slowest; takes failed execs too",
				      take_summary};
const struct option option_picture = {
    "format", 0, "html|perfetto",
    "a page for any browser (default), or trace events for\nhttps://ui.perfetto.dev", take_picture};
const struct option option_from = {"from", 0, "FILE",
				   "take the JSON lines of an earlier watch or run, '-' for\n"
				   "standard input",
				   take_from};
const struct option option_at = {
    "at", 0, "TIME",
    "the processes that ran at TIME: 2026-11-22T06:13:00Z, '2 hours ago',\n"
    "in local time '2026-11-22 06:13', or 06:13:00: with --from on the\n"
    "day of its last event",
    take_at};
