/* SPDX-License-Identifier: MIT */
/* What the tests of sinks share: settings as a configuration gives them, and events. */
#ifndef PROCOBSRV_TESTS_SINK_GROUND_H
#define PROCOBSRV_TESTS_SINK_GROUND_H

#include "sink.h"

/*
 * The values of a sink's settings, to be freed: initial ones, and those of `assignments`
 * ("name=value", ended by NULL; values are lent to the result). Fails the test if one is wrong.
 */
struct setting_value *sink_values(const struct sink_operations *operations,
				  const char *const *assignments);
/* Sets a list, which is lent. */
void sink_values_list(const struct sink_operations *operations, struct setting_value *values,
		      const char *name, const char *const *list);

/* Opens it, or fails the test; what was made for `values` is freed at sink_close(). */
struct open_sink {
	const struct sink_operations *operations;
	struct setting_value *values;
	struct sink *sink;
};
struct open_sink sink_open(const struct sink_operations *operations,
			   const char *const *assignments);
void sink_close(struct open_sink *opened);
struct sink_statistics sink_statistics_of(const struct open_sink *opened);

/* A made event with room for what it points to. */
struct made_event {
	struct procobsrv_event event;
	struct procobsrv_lost lost;
	char cursor[48];
};

/* Like `sample`, with a number and a cursor of its own in the stream; for each number the same. */
void made_event_fill(struct made_event *made, const struct procobsrv_event *sample, uint64_t stream,
		     uint64_t seq);

#endif
