/* SPDX-License-Identifier: MIT */
/* consctl verify: says whether JSON lines are complete, and names each hole. */
#include "consctl.h"
#include "ledger.h"
#include "output.h"
#include "platform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE (256 * 1024)

/* Gives each whole line of the buffer to the ledger, keeps the rest. */
static void add_lines(struct ledger *ledger, struct buffer *buffer, size_t searched)
{
	char *line = buffer->data;
	char *end = buffer->data + buffer->size;
	char *line_end = memchr(line + searched, '\n', buffer->size - searched);

	while (line_end) {
		ledger_add(ledger, line, (size_t)(line_end - line));
		line = line_end + 1;
		line_end = memchr(line, '\n', (size_t)(end - line));
	}
	buffer->size = (size_t)(end - line);
	memmove(buffer->data, line, buffer->size);
}

static int read_lines(struct ledger *ledger, intptr_t file)
{
	struct buffer buffer = BUFFER_EMPTY;
	size_t got;
	int error;

	do {
		if (!buffer_reserve(&buffer, READ_SIZE)) {
			error = ENOMEM;
			break;
		}
		error = platform_file_read(file, buffer.data + buffer.size, READ_SIZE, &got);
		if (error)
			break;
		buffer.size += got;
		add_lines(ledger, &buffer, buffer.size - got);
	} while (got);
	/* A last line without its end was cut off in writing, whatever it looks like. */
	if (!error && buffer.size)
		ledger_add(ledger, "", 0);
	buffer_free(&buffer);
	return error;
}

static int read_file(struct ledger *ledger, const char *path)
{
	intptr_t file;
	int error;

	ledger_file(ledger, path);
	error = platform_file_open_to_read(path, &file);
	if (!error) {
		error = read_lines(ledger, file);
		platform_file_close(file);
	}
	if (error)
		complain("cannot read '%s': %s", path, platform_error_text(error));
	return error ? STATUS_FAILED : STATUS_FINE;
}

static bool is_complete(const struct ledger *ledger)
{
	return !ledger->lost && !ledger->missing && !ledger->faults;
}

static void append_verdict(struct ledger *ledger, enum procobsrv_format format)
{
	char line[256];

	if (format == PROCOBSRV_FORMAT_JSON) {
		ledger->report.size = 0;
		snprintf(line, sizeof(line),
			 "{\"schema\":1,\"kind\":\"verify\",\"complete\":%s,\"runs\":%llu,"
			 "\"events\":%llu,\"lost\":%llu,\"missing\":%llu,\"faults\":%llu}\n",
			 is_complete(ledger) ? "true" : "false", (unsigned long long)ledger->runs,
			 (unsigned long long)ledger->events, (unsigned long long)ledger->lost,
			 (unsigned long long)ledger->missing, (unsigned long long)ledger->faults);
	} else if (is_complete(ledger)) {
		snprintf(line, sizeof(line), "complete: %llu events\n",
			 (unsigned long long)ledger->events);
	} else {
		snprintf(line, sizeof(line),
			 "not complete: %llu events, %llu lost, %llu missing, %llu things that do "
			 "not add up\n",
			 (unsigned long long)ledger->events, (unsigned long long)ledger->lost,
			 (unsigned long long)ledger->missing, (unsigned long long)ledger->faults);
	}
	buffer_append_text(&ledger->report, line);
}

static int conclude(struct ledger *ledger, const struct settings *settings)
{
	int status;

	ledger_end(ledger);
	if (ledger->newer) {
		complain("'%s' was written by a newer version, in a schema that this one does not "
			 "know",
			 ledger->path);
		return STATUS_FAILED;
	}
	if (!ledger->runs && ledger->foreign) {
		complain("'%s' holds no JSON lines of watch or run", ledger->path);
		return STATUS_FAILED;
	}
	append_verdict(ledger, settings->format);
	status = output_status(NULL, output_print(&ledger->report));
	if (status == STATUS_FINE && !is_complete(ledger))
		status = STATUS_LOST;
	return status;
}

int verify_run(const struct settings *settings)
{
	struct ledger *ledger = malloc(sizeof(*ledger));
	int status = STATUS_FINE;

	if (!ledger || !ledger_open(ledger)) {
		complain("out of memory");
		free(ledger);
		return STATUS_FAILED;
	}
	for (size_t index = 0; index < settings->operand_count && status == STATUS_FINE; index++)
		status = read_file(ledger, settings->operands[index]);
	if (status == STATUS_FINE)
		status = conclude(ledger, settings);
	ledger_close(ledger);
	free(ledger);
	return status;
}
