/* SPDX-License-Identifier: MIT */
/* In place of the other history files, where consctl was built without SQLite. */
#include "consctl.h"
#include "history_children.h"
#include "history_story.h"

static int complain_absent(void)
{
	complain("this consctl was built without the service and its record (meson option "
		 "'service', which needs SQLite, on Linux); 'consctl watch --format json' keeps "
		 "events in a file, and 'consctl tree --from' and 'timeline --from' read it");
	return STATUS_FAILED;
}

int history_run(const struct settings *settings)
{
	(void)settings;
	return complain_absent();
}

int history_story_read(struct story *story, const struct settings *settings, const int64_t *at_ns)
{
	(void)story;
	(void)settings;
	(void)at_ns;
	return complain_absent();
}

void history_append_children(const struct settings *settings, const char *identity,
			     int64_t before_ns, unsigned columns, struct buffer *buffer)
{
	(void)settings;
	(void)identity;
	(void)before_ns;
	(void)columns;
	(void)buffer;
}
