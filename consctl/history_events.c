/* SPDX-License-Identifier: MIT */
/* history as events: the lives of the processes that the table would list. */
#include "consctl.h"
#include "filter.h"
#include "format.h"
#include "history.h"
#include "os.h"
#include "output.h"

#include <stdlib.h>

struct printer {
	struct history *history;
	struct output *output;
	struct buffer buffer;
	struct record_list processes;
	struct procobsrv_statistics statistics;
};

static int add_process(const struct record_run *run, const struct record_life *life, void *param)
{
	struct printer *printer = param;
	uint64_t limit = printer->history->settings->history.limit;
	int error = record_list_add(&printer->processes, run->process);

	(void)life;
	if (error)
		return history_failed(error);
	return limit && printer->processes.count == limit ? HISTORY_ENOUGH : STATUS_FINE;
}

static int flush(void *param)
{
	struct printer *printer = param;

	return history_write(printer->output, &printer->buffer);
}

static void append(struct printer *printer, const struct procobsrv_event *event)
{
	if (printer->history->settings->format == PROCOBSRV_FORMAT_ECS)
		format_ecs_event(&printer->buffer, event);
	else
		format_json_event(&printer->buffer, event);
}

/* Numbered as if they were observed now, so that the lines can be accounted for. */
static int print_event(const struct procobsrv_event *event, void *param)
{
	struct printer *printer = param;
	struct procobsrv_statistics *statistics = &printer->statistics;
	struct procobsrv_event numbered = *event;
	struct procobsrv_lost lost;

	if (event->lost) {
		lost = *event->lost;
		lost.first = statistics->observed + 1;
		statistics->observed += lost.count;
		statistics->lost += lost.count;
		numbered.lost = &lost;
	} else if (printer->history->filter && !filter_match(printer->history->filter, event)) {
		return STATUS_FINE;
	} else if (event->kind == PROCOBSRV_EXISTING) {
		statistics->synthetic++;
	} else {
		statistics->observed++;
		statistics->delivered++;
	}
	numbered.seq = statistics->observed;
	append(printer, &numbered);
	return STATUS_FINE;
}

/* Who draws the answer lets live until then what has not ended. */
static int64_t until(const struct printer *printer)
{
	int64_t until_ns = printer->history->query.interval.until_ns;
	int64_t now_ns = os_wall_ns();

	return until_ns < now_ns ? until_ns : now_ns;
}

static int append_begin(struct printer *printer)
{
	int64_t since_ns = printer->history->query.interval.since_ns;
	char host[256];
	char boot[64];
	int error = record_origin(printer->history->reader, host, sizeof(host), boot, sizeof(boot));
	const struct format_begin begin = {
	    .time_ns = since_ns != INT64_MIN ? since_ns : until(printer),
	    .host = host,
	    .boot = *boot ? boot : NULL,
	    .backend = "record",
	    .version = procobsrv_version(),
	};

	if (error)
		return history_failed(error);
	if (printer->history->settings->format == PROCOBSRV_FORMAT_ECS)
		format_ecs_begin(&printer->buffer, &begin);
	else
		format_json_begin(&printer->buffer, &begin);
	return STATUS_FINE;
}

static void append_end(struct printer *printer)
{
	const struct format_end end = {
	    .time_ns = until(printer),
	    .seq = printer->statistics.observed,
	    .statistics = &printer->statistics,
	};

	if (printer->history->settings->format == PROCOBSRV_FORMAT_ECS)
		format_ecs_end(&printer->buffer, &end);
	else
		format_json_end(&printer->buffer, &end);
}

static int find(struct printer *printer)
{
	const struct history_visitor visitor = {add_process, history_no_pause, printer};
	struct history *history = printer->history;
	int status = STATUS_FINE;

	for (size_t index = 0;
	     history->settings->history.ancestors && index < history->processes.count; index++)
		if (record_list_add(&printer->processes, history->processes.rows[index]))
			return history_failed(PROCOBSRV_ERROR_MEMORY);
	if (!history->settings->history.ancestors)
		status = history_visit(history, &visitor);
	return status == HISTORY_ENOUGH ? STATUS_FINE : status;
}

static int print(struct printer *printer)
{
	const struct history_sweep sweep = {
	    .processes = printer->processes.rows,
	    .process_count = printer->processes.count,
	    .losses = &printer->history->query.interval,
	    .on_event = print_event,
	    .pause = flush,
	    .param = printer,
	};
	int status = append_begin(printer);

	if (status == STATUS_FINE)
		status = history_sweep(printer->history, &sweep);
	if (status != STATUS_FINE)
		return status;
	append_end(printer);
	return flush(printer);
}

int history_print_events(struct history *history, struct output *output)
{
	struct printer printer = {.history = history, .output = output};
	int status;

	status = find(&printer);
	if (status == STATUS_FINE)
		status = print(&printer);
	record_list_free(&printer.processes);
	buffer_free(&printer.buffer);
	return status;
}
