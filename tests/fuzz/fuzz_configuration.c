/* SPDX-License-Identifier: MIT */
/*
 * Any text as the service's configuration. What is taken keeps what the header promises, and is
 * equal to itself; what is not is complained of in clean lines, in the order of the file.
 */
#include "configuration_yaml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sink_operations *const sinks[] = {&sink_record, &sink_json_lines, &sink_journal,
						      &sink_command, NULL};

struct place {
	unsigned line;
	unsigned column;
	size_t count;
};

static void complain(unsigned line, unsigned column, const char *text, void *param)
{
	struct place *last = param;

	if (!line || !column || !*text)
		abort();
	if (line < last->line || (line == last->line && column < last->column))
		abort();
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			abort();
	*last = (struct place){line, column, last->count + 1};
}

static void check_sinks(const struct configuration *configuration)
{
	for (size_t index = 0; index < configuration->sink_count; index++) {
		const struct configuration_sink *sink = &configuration->sinks[index];
		if (!sink->kinds || !sink->queue_count || !*sink->name ||
		    !configuration_sink_equal(sink, sink))
			abort();
		for (size_t other = 0; other < index; other++)
			if (!strcmp(sink->name, configuration->sinks[other].name))
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct configuration *configuration;
	struct place last = {0};
	int error = configuration_parse("fuzz", (const char *)data, size, sinks, complain, &last,
					&configuration);

	if (error) {
		if (error != PROCOBSRV_ERROR_ARGUMENT || !last.count)
			abort();
		return 0;
	}
	if (last.count || !configuration->observer.kinds)
		abort();
	if (configuration->readers.enabled && *configuration->readers.socket != '/')
		abort();
	check_sinks(configuration);
	configuration_unref(configuration);
	return 0;
}
