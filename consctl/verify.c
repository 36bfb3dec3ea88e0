/* SPDX-License-Identifier: MIT */
/* consctl verify: says whether JSON lines are complete, and names each hole. */
#include "consctl.h"
#include "ledger.h"
#include "lines.h"
#include "output.h"

#include <stdio.h>
#include <stdlib.h>

/* A last line without its end was cut off in writing, whatever it looks like. */
static void on_line(const char *line, size_t size, bool torn, void *param)
{
	ledger_add(param, torn ? "" : line, torn ? 0 : size);
}

static int read_file(struct ledger *ledger, const char *path)
{
	ledger_file(ledger, path);
	return lines_read(path, on_line, ledger);
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
