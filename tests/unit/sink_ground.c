/* SPDX-License-Identifier: MIT */
#include "sink_ground.h"

#include "harness.h"
#include "setting.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assign(const struct setting *settings, struct setting_value *values,
		   const char *assignment)
{
	char name[64];
	const char *value = strchr(assignment, '=');
	int index;

	assert_non_null(value);
	snprintf(name, sizeof name, "%.*s", (int)(value - assignment), assignment);
	index = setting_find(settings, name);
	if (index < 0)
		fail_msg("no setting %s", name);
	assert_int_equal(setting_parse(&settings[index], value + 1, &values[index]), 0);
}

struct setting_value *sink_values(const struct sink_operations *operations,
				  const char *const *assignments)
{
	const struct setting *settings = operations->settings;
	struct setting_value *values;
	size_t count = 0;

	while (settings[count].name)
		count++;
	values = calloc(count + 1, sizeof *values);
	assert_non_null(values);
	for (size_t at = 0; at < count; at++) {
		if (settings[at].initial)
			assert_int_equal(
			    setting_parse(&settings[at], settings[at].initial, &values[at]), 0);
	}
	for (; *assignments; assignments++)
		assign(settings, values, *assignments);
	return values;
}

void sink_values_list(const struct sink_operations *operations, struct setting_value *values,
		      const char *name, const char *const *list)
{
	int index = setting_find(operations->settings, name);

	assert_true(index >= 0);
	values[index].set = true;
	values[index].list = list;
	for (values[index].count = 0; list[values[index].count];)
		values[index].count++;
}

struct open_sink sink_open(const struct sink_operations *operations, const char *const *assignments)
{
	struct open_sink opened = {.operations = operations,
				   .values = sink_values(operations, assignments)};

	if (operations->open(opened.values, &opened.sink))
		fail_msg("%s", procobsrv_explain());
	return opened;
}

void sink_close(struct open_sink *opened)
{
	opened->operations->close(opened->sink);
	free(opened->values);
}

struct sink_statistics sink_statistics_of(const struct open_sink *opened)
{
	struct sink_statistics statistics;

	opened->operations->statistics(opened->sink, &statistics);
	return statistics;
}

void made_event_fill(struct made_event *made, const struct procobsrv_event *sample, uint64_t stream,
		     uint64_t seq)
{
	made->event = *sample;
	made->event.seq = seq;
	snprintf(made->cursor, sizeof made->cursor, "%" PRIx64 ":%" PRIx64, stream, seq * 256);
	made->event.cursor = made->cursor;
	if (sample->lost) {
		made->lost = *sample->lost;
		made->lost.first = seq - made->lost.count + 1;
		made->event.lost = &made->lost;
		snprintf(made->cursor, sizeof made->cursor, "%" PRIx64 ":%" PRIx64 "l1", stream,
			 (seq + 1) * 256);
	}
}
