/* SPDX-License-Identifier: MIT */
/* consctl install, uninstall, status: the observer that stays when its reader is gone. */
#include "resident.h"
#include "consctl.h"
#include "error.h"
#include "os.h"
#include "output.h"
#include "reporter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A reader that looks once, so that whoever reads first finds what ran when it was installed. */
static int write_first_checkpoint(const struct settings *settings)
{
	struct procobsrv_options options;
	struct procobsrv *monitor;

	settings_observe(settings, &options);
	options.flags |= PROCOBSRV_RESIDENT | PROCOBSRV_ACKNOWLEDGE;
	options.backend = NULL;
	int error = procobsrv_open(&options, &monitor);
	if (error)
		return error;
	error = procobsrv_start(monitor);
	if (error) {
		char explanation[ERROR_TEXT_SIZE];
		error_save(explanation);
		procobsrv_close(monitor);
		error_restore(explanation);
		return error;
	}
	return procobsrv_close(monitor);
}

static int replace(const struct source_options *options)
{
	int error = resident_replace(options);

	if (error) {
		complain_library(error);
		return STATUS_FAILED;
	}
	say("replaced: this version observes in the place of the one before\n");
	return STATUS_FINE;
}

int install_run(const struct settings *settings)
{
	struct source_options options = {
	    .record_kinds = 1u << RECORD_START | 1u << RECORD_EXEC | 1u << RECORD_EXIT,
	    .kernel_threads = settings->kernel_threads,
	    .capture_env = settings->env != NULL,
	    .buffer_size = settings->buffer_size,
	    .max_args = settings->max_args ? settings->max_args : UINT64_MAX,
	};
	struct resident_status status;

	if (settings->kinds & PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC_FAILED))
		options.record_kinds |= 1u << RECORD_EXEC_FAILED;
	if (settings->replace)
		return replace(&options);
	int error = resident_install(&options);
	if (error) {
		complain_library(error);
		return STATUS_FAILED;
	}
	error = write_first_checkpoint(settings);
	if (error) {
		complain_library(error);
		if (resident_uninstall())
			complain_library(error);
		return STATUS_FAILED;
	}
	if (!resident_status(&status))
		say("installed: every process is observed from now on, also while nobody reads "
		    "(ring of %" PRIu64 " KiB); read with \"consctl watch --resume\"\n",
		    status.statistics.ring_size / 1024);
	return STATUS_FINE;
}

int uninstall_run(const struct settings *settings)
{
	(void)settings;
	int error = resident_uninstall();

	if (error) {
		complain_library(error);
		return STATUS_FAILED;
	}
	say("uninstalled: nothing of the resident observer is left\n");
	return STATUS_FINE;
}

/* ---- status ---- */

struct figures {
	uint64_t observed;
	uint64_t lost;
	uint64_t skipped;
	uint64_t used;	   /* bytes of the ring */
	uint64_t lasts_ns; /* until the ring is full, at the rate so far; 0: cannot tell */
};

static void add_up(const struct resident_status *status, struct figures *figures)
{
	const struct source_statistics *statistics = &status->statistics;
	int64_t age_ns = os_wall_ns() - (int64_t)status->installed_ns;

	memset(figures, 0, sizeof(*figures));
	for (size_t cpu = 0; cpu < statistics->sequence_count; cpu++) {
		figures->observed += statistics->sequences[cpu].number;
		for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
			figures->lost += statistics->sequences[cpu].lost[kind];
	}
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		figures->skipped += statistics->skipped[kind];
	figures->observed += figures->skipped;
	figures->lost += figures->skipped;
	figures->used = statistics->produced - statistics->released;
	if (statistics->produced && age_ns > 0)
		figures->lasts_ns = (uint64_t)((double)(statistics->ring_size - figures->used) *
					       (double)age_ns / (double)statistics->produced);
}

static void append_text(struct buffer *buffer, const struct resident_status *status,
			const struct figures *figures)
{
	const struct source_statistics *statistics = &status->statistics;
	char line[256];

#define LINE(...)                                                                                  \
	do {                                                                                       \
		snprintf(line, sizeof(line), __VA_ARGS__);                                         \
		buffer_append_text(buffer, line);                                                  \
	} while (0)

	LINE("resident observer  version %s, record layout %" PRIu32 "\n", status->version,
	     status->record_version);
	buffer_append_text(buffer, "installed          ");
	buffer_append_time(buffer, (int64_t)status->installed_ns);
	if (status->holder)
		LINE("\nreader             %s (pid %" PRIu32 ")\n",
		     *status->holder_name ? status->holder_name : "?", status->holder);
	else
		LINE("\nreader             none\n");
	LINE("ring               %" PRIu64 " of %" PRIu64 " bytes used\n", figures->used,
	     statistics->ring_size);
	if (figures->lasts_ns)
		LINE("lasts for          about %" PRIu64
		     " s without a reader, at the rate so far\n",
		     figures->lasts_ns / 1000000000);
	LINE("observed           %" PRIu64 "\n", figures->observed);
	LINE("read               %" PRIu64 " (delivered and filtered)\n", status->read);
	LINE("lost               %" PRIu64 "\n", figures->lost);
	LINE("pending            %" PRIu64 "\n", status->pending);
	if (statistics->repeats)
		LINE("told twice         %" PRIu64
		     " of what was read, while the observer was replaced\n",
		     statistics->repeats);
#undef LINE
}

static void append_number(struct buffer *buffer, const char *name, uint64_t value)
{
	char field[96];

	snprintf(field, sizeof(field), ",\"%s\":%" PRIu64, name, value);
	buffer_append_text(buffer, field);
}

static void append_json(struct buffer *buffer, const struct resident_status *status,
			const struct figures *figures)
{
	const struct source_statistics *statistics = &status->statistics;
	char head[160];

	snprintf(head, sizeof(head), "{\"installed\":true,\"version\":\"%s\"", status->version);
	buffer_append_text(buffer, head);
	append_number(buffer, "record_version", status->record_version);
	buffer_append_text(buffer, ",\"installed_at\":\"");
	buffer_append_time(buffer, (int64_t)status->installed_ns);
	buffer_append_text(buffer, "\"");
	if (status->holder)
		append_number(buffer, "reader_pid", status->holder);
	append_number(buffer, "ring_size", statistics->ring_size);
	append_number(buffer, "ring_used", figures->used);
	if (figures->lasts_ns)
		append_number(buffer, "ring_lasts_ns", figures->lasts_ns);
	append_number(buffer, "observed", figures->observed);
	append_number(buffer, "read", status->read);
	append_number(buffer, "lost", figures->lost);
	append_number(buffer, "pending", status->pending);
	append_number(buffer, "repeats", statistics->repeats);
	buffer_append_text(buffer,
			   status->adds_up ? ",\"adds_up\":true}\n" : ",\"adds_up\":false}\n");
}

int status_run(const struct settings *settings)
{
	struct resident_status status;
	struct figures figures;
	struct buffer buffer = BUFFER_EMPTY;
	bool json = settings->format == PROCOBSRV_FORMAT_JSON;
	int error = resident_status(&status);

	if (error) {
		complain_library(error);
		return STATUS_FAILED;
	}
	if (!status.installed) {
		buffer_append_text(&buffer, json ? "{\"installed\":false}\n"
						 : "no resident observer is installed\n");
	} else {
		add_up(&status, &figures);
		if (json)
			append_json(&buffer, &status, &figures);
		else
			append_text(&buffer, &status, &figures);
	}
	if (status.installed && !json)
		buffer_append_text(&buffer,
				   status.adds_up
				       ? "adds up            observed = read + lost + pending\n"
				       : "adds up            NO: observed is not read + lost + "
					 "pending\n");
	error = output_print(&buffer);
	buffer_free(&buffer);
	int code = output_status(NULL, error);
	return code ? code : status.installed && !status.adds_up ? STATUS_LOST : STATUS_FINE;
}
