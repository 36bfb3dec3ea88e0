/* SPDX-License-Identifier: MIT */
#include "configuration_sections.h"

#include "filter.h"
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KINDS_INITIAL PROCOBSRV_KINDS_DEFAULT | PROCOBSRV_KIND_BIT(PROCOBSRV_EXISTING)

enum observer_setting {
	OBSERVER_KINDS,
	OBSERVER_KERNEL_THREADS,
	OBSERVER_BUFFER_SIZE,
	OBSERVER_MAX_ARGS,
	OBSERVER_ENV,
	OBSERVER_REDACT,
	OBSERVER_MATCH,
	OBSERVER_SPILL_DIRECTORY,
	OBSERVER_SPILL_SIZE,
	OBSERVER_QUEUE_SIZE,
	OBSERVER_BEHIND_SIZE,
};

static const struct setting observer_settings[] = {
    [OBSERVER_KINDS] = {.name = "kinds", .type = SETTING_LIST},
    [OBSERVER_KERNEL_THREADS] = {.name = "kernel-threads",
				 .type = SETTING_FLAG,
				 .initial = "false"},
    [OBSERVER_BUFFER_SIZE] = {.name = "buffer-size",
			      .type = SETTING_SIZE,
			      .least = 64 << 10,
			      .most = 1ull << 31},
    [OBSERVER_MAX_ARGS] = {.name = "max-args", .type = SETTING_SIZE, .least = 1},
    [OBSERVER_ENV] = {.name = "env", .type = SETTING_LIST},
    [OBSERVER_REDACT] = {.name = "redact", .type = SETTING_LIST},
    [OBSERVER_MATCH] = {.name = "match", .type = SETTING_TEXT},
    [OBSERVER_SPILL_DIRECTORY] = {.name = "spill-directory", .type = SETTING_PATH},
    [OBSERVER_SPILL_SIZE] = {.name = "spill-size",
			     .type = SETTING_SIZE,
			     .initial = "1G",
			     .least = 1 << 20},
    [OBSERVER_QUEUE_SIZE] = {.name = "queue-size",
			     .type = SETTING_SIZE,
			     .initial = "4M",
			     .least = 64 << 10,
			     .most = 4ull << 30},
    [OBSERVER_BEHIND_SIZE] = {.name = "behind-size", .type = SETTING_SIZE, .initial = "1G"},
    {NULL},
};

/* What each sink has besides its own. */
enum shared_setting { SHARED_NAME, SHARED_MATCH, SHARED_KINDS, SHARED_QUEUE };

static const struct setting shared_settings[] = {
    [SHARED_NAME] = {.name = "name", .type = SETTING_TEXT},
    [SHARED_MATCH] = {.name = "match", .type = SETTING_TEXT},
    [SHARED_KINDS] = {.name = "kinds", .type = SETTING_LIST},
    [SHARED_QUEUE] =
	{.name = "queue", .type = SETTING_COUNT, .initial = "16384", .least = 1, .most = 1 << 24},
    {NULL},
};

enum readers_setting {
	READERS_SOCKET,
	READERS_GROUP,
	READERS_OWN_PROCESSES,
	READERS_MEMORY_SIZE,
	READERS_COUNT,
};

static const struct setting readers_settings[] = {
    [READERS_SOCKET] = {.name = "socket", .type = SETTING_PATH, .initial = transport_place},
    [READERS_GROUP] = {.name = "group", .type = SETTING_TEXT, .initial = "procobsrv"},
    [READERS_OWN_PROCESSES] = {.name = "own-processes", .type = SETTING_FLAG, .initial = "false"},
    [READERS_MEMORY_SIZE] = {.name = "memory-size",
			     .type = SETTING_SIZE,
			     .initial = "64M",
			     .least = 1 << 20,
			     .most = 16ull << 30},
    [READERS_COUNT] =
	{.name = "count", .type = SETTING_COUNT, .initial = "64", .least = 1, .most = 4096},
    {NULL},
};

static const struct setting metrics_settings[] = {
    {.name = "listen", .type = SETTING_TEXT, .initial = "unix:/run/procobsrvd/metrics"},
    {NULL},
};

/* ---- what several have ---- */

static uint32_t kind_bit(const char *name)
{
	for (int kind = PROCOBSRV_EXISTING; kind <= PROCOBSRV_LOST; kind++)
		if (!strcmp(name, procobsrv_kind_name((enum procobsrv_kind)kind)))
			return PROCOBSRV_KIND_BIT(kind);
	return 0;
}

static uint32_t read_kinds(struct reading *reading, const struct setting_value *value,
			   uint32_t initial)
{
	const char *names[PROCOBSRV_LOST + 1] = {NULL};
	uint32_t kinds = 0;

	if (!value->set)
		return initial;
	for (int kind = PROCOBSRV_EXISTING; kind <= PROCOBSRV_LOST; kind++)
		names[kind - PROCOBSRV_EXISTING] = procobsrv_kind_name((enum procobsrv_kind)kind);
	for (size_t index = 0; index < value->count; index++) {
		const char *name = value->list[index];
		uint32_t bit = kind_bit(name);
		const char *nearest = reading_nearest(name, names);

		kinds |= bit;
		if (!bit && nearest)
			reading_complain_value(reading, value,
					       "kinds: '%s' is no kind of event; did you mean "
					       "'%s'?",
					       name, nearest);
		else if (!bit)
			reading_complain_value(reading, value,
					       "kinds: '%s' is no kind of event; there are "
					       "existing, start, exec, exec_failed, exit, lost",
					       name);
	}
	return kinds;
}

static const char *read_match(struct reading *reading, const struct setting_value *value)
{
	struct filter *filter;

	if (!value->set)
		return NULL;
	if (filter_compile(value->text, &filter)) {
		/* The expression and a caret under it follow in lines of their own. */
		const char *text = procobsrv_explain();
		reading_complain_value(reading, value, "match: %.*s", (int)strcspn(text, "\n"),
				       text);
		return NULL;
	}
	filter_free(filter);
	return value->text;
}

/* ---- observer ---- */

static void take_observer(struct reading *reading, const struct setting_value *values,
			  struct configuration_observer *observer)
{
	*observer = (struct configuration_observer){
	    .kinds = read_kinds(reading, &values[OBSERVER_KINDS], KINDS_INITIAL),
	    .kernel_threads = values[OBSERVER_KERNEL_THREADS].number,
	    .buffer_size = values[OBSERVER_BUFFER_SIZE].number,
	    .max_args = values[OBSERVER_MAX_ARGS].number,
	    .env = values[OBSERVER_ENV].list,
	    .redact = values[OBSERVER_REDACT].list,
	    .match = read_match(reading, &values[OBSERVER_MATCH]),
	    .spill_directory = values[OBSERVER_SPILL_DIRECTORY].text,
	    .spill_size = values[OBSERVER_SPILL_SIZE].number,
	    .queue_size = values[OBSERVER_QUEUE_SIZE].number,
	    .behind_size = values[OBSERVER_BEHIND_SIZE].number,
	};
}

void section_observer(struct reading *reading, const struct configuration_node *node,
		      struct configuration *configuration)
{
	struct settings_table table = {.settings = observer_settings};

	reading_mapping(reading, "observer", node, &table, 1);
	if (table.values)
		take_observer(reading, table.values, &configuration->observer);
}

void section_observer_initial(struct reading *reading, struct configuration *configuration)
{
	const struct configuration_node node = {
	    .type = CONFIGURATION_TEXT, .text = "", .plain = true};

	section_observer(reading, &node, configuration);
}

/* ---- sinks ---- */

static const char *sink_name(struct reading *reading, const struct setting_value *value,
			     const char *section, size_t number)
{
	char name[64];

	if (value->set)
		return value->text;
	if (number == 1)
		return section;
	snprintf(name, sizeof(name), "%s-%zu", section, number);
	return reading_copy(reading, name);
}

static void check_sink(struct reading *reading, const struct sink_operations *operations,
		       const struct setting_value *values)
{
	size_t wrong;

	if (!operations->check || !values)
		return;
	int error = operations->check(values, &wrong);
	if (error == PROCOBSRV_ERROR_MEMORY)
		reading->no_memory = true;
	else if (error)
		reading_complain_value(reading, &values[wrong], "%s", procobsrv_explain());
}

void section_sink(struct reading *reading, const struct configuration_node *node,
		  const struct sink_operations *operations, size_t number,
		  struct configuration_sink *sink)
{
	struct settings_table tables[] = {{.settings = operations->settings},
					  {.settings = shared_settings}};

	reading_mapping(reading, operations->name, node, tables, 2);
	const struct setting_value *shared = tables[1].values;
	if (!shared)
		return;
	check_sink(reading, operations, tables[0].values);
	*sink = (struct configuration_sink){
	    .operations = operations,
	    .name = sink_name(reading, &shared[SHARED_NAME], operations->name, number),
	    .match = read_match(reading, &shared[SHARED_MATCH]),
	    .kinds = read_kinds(reading, &shared[SHARED_KINDS],
				operations->kinds ? operations->kinds : PROCOBSRV_KINDS_ALL),
	    .queue_count = shared[SHARED_QUEUE].number,
	    .values = tables[0].values,
	};
}

/* ---- readers and metrics ---- */

void section_readers(struct reading *reading, const struct configuration_node *node,
		     struct configuration *configuration)
{
	struct settings_table table = {.settings = readers_settings};

	reading_mapping(reading, "readers", node, &table, 1);
	if (!table.values)
		return;
	configuration->readers = (struct configuration_readers){
	    .enabled = true,
	    .socket = table.values[READERS_SOCKET].text,
	    .group = table.values[READERS_GROUP].text,
	    .own_processes = table.values[READERS_OWN_PROCESSES].number,
	    .memory_size = table.values[READERS_MEMORY_SIZE].number,
	    .count = (uint32_t)table.values[READERS_COUNT].number,
	};
}

/* ADDRESS:PORT of this machine alone: whoever reads metrics learns what runs here. */
static bool read_loopback(struct reading *reading, const char *text,
			  struct configuration_metrics *metrics)
{
	static const struct {
		const char *prefix;
		const char *address;
	} places[] = {{"127.0.0.1:", "127.0.0.1"}, {"[::1]:", "::1"}};

	for (size_t index = 0; index < sizeof(places) / sizeof(places[0]); index++) {
		size_t size = strlen(places[index].prefix);
		if (strncmp(text, places[index].prefix, size) != 0)
			continue;
		const char *port = text + size;
		char *end;
		unsigned long number = strtoul(port, &end, 10);
		if (*port < '0' || *port > '9' || *end || !number || number > UINT16_MAX)
			return false;
		metrics->address = reading_copy(reading, places[index].address);
		metrics->port = (uint16_t)number;
		return true;
	}
	return false;
}

void section_metrics(struct reading *reading, const struct configuration_node *node,
		     struct configuration *configuration)
{
	struct settings_table table = {.settings = metrics_settings};
	struct configuration_metrics *metrics = &configuration->metrics;

	reading_mapping(reading, "metrics", node, &table, 1);
	const struct setting_value *listen = table.values;
	if (!listen || !listen->set)
		return;
	metrics->enabled = true;
	if (!strncmp(listen->text, "unix:/", 6))
		metrics->socket = listen->text + 5;
	else if (!read_loopback(reading, listen->text, metrics))
		reading_complain_value(reading, listen,
				       "listen: '%s' is no place of this machine; it must be "
				       "unix:/PATH, 127.0.0.1:PORT or [::1]:PORT",
				       listen->text);
}
