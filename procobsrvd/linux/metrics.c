/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include "text_number.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum metric_unit {
	UNIT_ONE,
	UNIT_SECONDS, /* from nanoseconds */
};

/* A metric that is one number in a struct, at `offset`. */
struct metric {
	const char *name;
	const char *help;
	const char *type;
	enum metric_unit unit;
	size_t offset;
};

#define COUNTER		"counter"
#define GAUGE		"gauge"
#define COUNT_OF(table) (sizeof(table) / sizeof(*(table)))
#define SERVICE(field)	offsetof(struct metrics, field)
#define SINK(field)	offsetof(struct sink_runner_statistics, field)

static const struct metric service_metrics[] = {
    {"process_start_time_seconds", "When the service started, since 1970.", GAUGE, UNIT_SECONDS,
     SERVICE(service.started_ns)},
    {"process_cpu_seconds_total", "CPU time of the service.", COUNTER, UNIT_SECONDS,
     SERVICE(cpu_ns)},
    {"process_resident_memory_bytes", "Memory of the service, the mapped ring included.", GAUGE,
     UNIT_ONE, SERVICE(resident_bytes)},
    {"procobsrv_observed_events_total",
     "Events that the kernel observed: delivered, filtered, lost and pending ones.", COUNTER,
     UNIT_ONE, SERVICE(observer.observed)},
    {"procobsrv_delivered_events_total", "Observed events that reached the service.", COUNTER,
     UNIT_ONE, SERVICE(observer.delivered)},
    {"procobsrv_filtered_events_total", "Observed events that the service does not report.",
     COUNTER, UNIT_ONE, SERVICE(observer.filtered)},
    {"procobsrv_lost_events_total", "Observed events that are gone.", COUNTER, UNIT_ONE,
     SERVICE(observer.lost)},
    {"procobsrv_pending_events", "Observed events in the ring, the queue or the spill.", GAUGE,
     UNIT_ONE, SERVICE(observer.pending)},
    {"procobsrv_synthetic_events_total", "Events that were concluded, not observed.", COUNTER,
     UNIT_ONE, SERVICE(observer.synthetic)},
    {"procobsrv_repeated_events_total", "Events told twice while an observer was replaced.",
     COUNTER, UNIT_ONE, SERVICE(observer.repeats)},
    {"procobsrv_gaps_total", "Gaps in the stream of events.", COUNTER, UNIT_ONE,
     SERVICE(observer.gaps)},
    {"procobsrv_resyncs_total", "Comparisons of the table with the running processes.", COUNTER,
     UNIT_ONE, SERVICE(observer.resyncs)},
    {"procobsrv_processes", "Live processes in the table.", GAUGE, UNIT_ONE,
     SERVICE(observer.processes)},
    {"procobsrv_ring_size_bytes", "Size of the kernel's buffer.", GAUGE, UNIT_ONE,
     SERVICE(observer.ring_size)},
    {"procobsrv_ring_used_bytes", "What waits in the kernel's buffer.", GAUGE, UNIT_ONE,
     SERVICE(observer.ring_used)},
    {"procobsrv_ring_peak_bytes", "The most that has waited in the kernel's buffer.", GAUGE,
     UNIT_ONE, SERVICE(observer.ring_peak)},
    {"procobsrv_queue_used_bytes", "What waits in memory.", GAUGE, UNIT_ONE,
     SERVICE(observer.queue_used)},
    {"procobsrv_queue_peak_bytes", "The most that has waited in memory.", GAUGE, UNIT_ONE,
     SERVICE(observer.queue_peak)},
    {"procobsrv_spill_used_bytes", "What waits on disk.", GAUGE, UNIT_ONE,
     SERVICE(observer.spill_used)},
    {"procobsrv_spill_written_bytes_total", "What was ever put on disk to wait.", COUNTER, UNIT_ONE,
     SERVICE(observer.spill_total)},
    {"procobsrv_wakeups_total", "Times that the reader of the kernel's buffer woke.", COUNTER,
     UNIT_ONE, SERVICE(observer.wakeups)},
    {"procobsrv_config_reloads_total", "Reloads of the configuration that were taken.", COUNTER,
     UNIT_ONE, SERVICE(service.reloads)},
    {"procobsrv_config_failed_reloads_total", "Reloads of the configuration that were refused.",
     COUNTER, UNIT_ONE, SERVICE(service.reload_failures)},
    {"procobsrv_config_last_reload_success_timestamp_seconds",
     "When the present configuration was taken, since 1970.", GAUGE, UNIT_SECONDS,
     SERVICE(service.reloaded_ns)},
    {"procobsrv_last_event_timestamp_seconds",
     "Time of the last event that was handed on, since 1970; 0: none yet.", GAUGE, UNIT_SECONDS,
     SERVICE(service.event_ns)},
};

static const struct metric reader_metrics[] = {
    {"procobsrv_readers", "Readers that are connected.", GAUGE, UNIT_ONE, SERVICE(readers.readers)},
    {"procobsrv_accepted_readers_total", "Readers that have connected.", COUNTER, UNIT_ONE,
     SERVICE(readers.accepted)},
    {"procobsrv_refused_readers_total", "Readers that were sent away.", COUNTER, UNIT_ONE,
     SERVICE(readers.refused)},
    {"procobsrv_reader_sent_events_total", "Events sent to readers.", COUNTER, UNIT_ONE,
     SERVICE(readers.sent)},
    {"procobsrv_reader_lost_events_total", "Events that readers were too slow for.", COUNTER,
     UNIT_ONE, SERVICE(readers.lost)},
    {"procobsrv_reader_memory_bytes", "Memory of what is kept for readers.", GAUGE, UNIT_ONE,
     SERVICE(readers.memory_used)},
    {"procobsrv_reader_memory_limit_bytes", "Memory that may be kept for readers.", GAUGE, UNIT_ONE,
     SERVICE(readers.memory_size)},
};

static const struct metric sink_metrics[] = {
    {"procobsrv_sink_taken_events_total", "Events that the sink has taken.", COUNTER, UNIT_ONE,
     SINK(taken)},
    {"procobsrv_sink_filtered_events_total", "Events that are not meant for the sink.", COUNTER,
     UNIT_ONE, SINK(filtered)},
    {"procobsrv_sink_waiting_events",
     "Events in the sink's queue, and those that passed it by and will be told to it.", GAUGE,
     UNIT_ONE, SINK(waiting)},
    {"procobsrv_sink_behind_events",
     "Events that passed the sink by while it failed, and will be told to it.", GAUGE, UNIT_ONE,
     SINK(behind)},
    {"procobsrv_sink_waiting_bytes", "Memory of the events in the sink's queue, estimated.", GAUGE,
     UNIT_ONE, SINK(waiting_bytes)},
    {"procobsrv_sink_waiting_limit_events", "Events that the sink's queue has room for.", GAUGE,
     UNIT_ONE, SINK(waiting_most)},
    {"procobsrv_sink_lag_seconds", "Age of the oldest event in the sink's queue.", GAUGE,
     UNIT_SECONDS, SINK(lag_ns)},
    {"procobsrv_sink_failures_total", "Times that the sink could not open or write.", COUNTER,
     UNIT_ONE, SINK(failures)},
    {"procobsrv_sink_written_events_total", "Events that the sink has kept or sent, once open.",
     COUNTER, UNIT_ONE, SINK(sink.written)},
    {"procobsrv_sink_suppressed_events_total", "Events that a rule of the sink left out.", COUNTER,
     UNIT_ONE, SINK(sink.suppressed)},
    {"procobsrv_sink_used_bytes", "Size of the sink's files.", GAUGE, UNIT_ONE,
     SINK(sink.bytes_used)},
    {"procobsrv_sink_held_bytes",
     "Of these what another program has kept from being given back for long.", GAUGE, UNIT_ONE,
     SINK(sink.bytes_held)},
    {"procobsrv_sink_oldest_event_timestamp_seconds",
     "Time of the oldest event that the sink keeps, since 1970; 0: not known.", GAUGE, UNIT_SECONDS,
     SINK(sink.oldest_ns)},
};

/* Puts text between quotes: a label's value is UTF-8. */
static void write_label(struct buffer *out, const char *name, const char *value)
{
	size_t size = strlen(value);

	buffer_append_text(out, name);
	buffer_append_text(out, "=\"");
	while (size > 0) {
		uint32_t character;
		size_t taken = utf8_decode(value, size, &character);

		if (character == UTF8_INVALID) {
			buffer_append_text(out, "\xef\xbf\xbd");
		} else if (character == '\n') {
			buffer_append_text(out, "\\n");
		} else {
			if (character == '"' || character == '\\')
				buffer_append_character(out, '\\');
			buffer_append(out, value, taken);
		}
		value += taken;
		size -= taken;
	}
	buffer_append_character(out, '"');
}

static void write_value(struct buffer *out, enum metric_unit unit, uint64_t value)
{
	char fraction[9];

	buffer_append_character(out, ' ');
	if (unit == UNIT_ONE) {
		buffer_append_unsigned(out, value);
	} else {
		buffer_append_unsigned(out, value / 1000000000u);
		text_write_padded(fraction, (uint32_t)(value % 1000000000u), sizeof(fraction));
		buffer_append_character(out, '.');
		buffer_append(out, fraction, sizeof(fraction));
	}
	buffer_append_character(out, '\n');
}

static void write_heading(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_append_text(out, "# HELP ");
	buffer_append_text(out, name);
	buffer_append_character(out, ' ');
	buffer_append_text(out, help);
	buffer_append_text(out, "\n# TYPE ");
	buffer_append_text(out, name);
	buffer_append_character(out, ' ');
	buffer_append_text(out, type);
	buffer_append_character(out, '\n');
}

static void write_flag(struct buffer *out, const char *name, const char *help, bool flag)
{
	write_heading(out, name, GAUGE, help);
	buffer_append_text(out, name);
	write_value(out, UNIT_ONE, flag);
}

/* One line: `name{first="value",second="other"} number`; second NULL: no such label. */
static void write_labelled(struct buffer *out, const char *name, const char *const labels[4],
			   enum metric_unit unit, uint64_t number)
{
	buffer_append_text(out, name);
	buffer_append_character(out, '{');
	write_label(out, labels[0], labels[1]);
	if (labels[2] != NULL) {
		buffer_append_character(out, ',');
		write_label(out, labels[2], labels[3]);
	}
	buffer_append_character(out, '}');
	write_value(out, unit, number);
}

#define LABELS(...) ((const char *const[4]){__VA_ARGS__})

static const char *kind_name(int kind)
{
	return procobsrv_kind_name((enum procobsrv_kind)kind);
}

/* Losses have no kind `existing` and no kind `lost`. */
static bool can_be_lost(int kind)
{
	return kind != PROCOBSRV_EXISTING && kind != PROCOBSRV_LOST;
}

static uint64_t figure(const void *figures, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)figures + offset, sizeof(value));
	return value;
}

static void write_table(const struct metric *table, size_t count, const struct metrics *metrics,
			struct buffer *out)
{
	for (const struct metric *metric = table; metric < table + count; metric++) {
		write_heading(out, metric->name, metric->type, metric->help);
		buffer_append_text(out, metric->name);
		write_value(out, metric->unit, figure(metrics, metric->offset));
	}
}

static void write_events(const struct service_statistics *service, struct buffer *out)
{
	static const char events[] = "procobsrv_events_total";
	static const char losses[] = "procobsrv_losses_total";

	write_heading(out, events, COUNTER, "Events handed on to sinks and readers, by kind.");
	for (int kind = PROCOBSRV_EXISTING; kind < SINK_RUNNER_KINDS; kind++)
		write_labelled(out, events, LABELS("kind", kind_name(kind)), UNIT_ONE,
			       service->events[kind]);
	write_heading(out, losses, COUNTER,
		      "Events that are gone, by where they were lost, as it was told.");
	for (int stage = 0; stage < SERVICE_STAGES; stage++)
		for (int kind = 0; kind < SINK_RUNNER_KINDS; kind++)
			if (can_be_lost(kind))
				write_labelled(out, losses,
					       LABELS("stage",
						      service_stage_name((enum service_stage)stage),
						      "kind", kind_name(kind)),
					       UNIT_ONE, service->lost[stage][kind]);
}

static void write_sinks(const struct metrics *metrics, struct buffer *out)
{
	static const char up[] = "procobsrv_sink_up";
	static const char losses[] = "procobsrv_sink_lost_events_total";
	static const char holding[] = "procobsrv_sink_holds_back";
	const struct sink_runner_statistics *end = metrics->sinks + metrics->sink_count;
	const struct sink_runner_statistics *sink;

	if (metrics->sink_count == 0)
		return;
	write_heading(out, up, GAUGE, "1: the sink takes events; 0: it fails, and is tried again.");
	for (sink = metrics->sinks; sink < end; sink++)
		write_labelled(out, up, LABELS("sink", sink->name), UNIT_ONE, !sink->failing);
	write_heading(out, holding, GAUGE,
		      "1: no more may pass the sink by, all others wait for it.");
	for (sink = metrics->sinks; sink < end; sink++)
		write_labelled(out, holding, LABELS("sink", sink->name), UNIT_ONE,
			       sink->holds_back);
	write_heading(out, losses, COUNTER, "Events that the sink's queue had no room for.");
	for (sink = metrics->sinks; sink < end; sink++)
		for (int kind = 0; kind < SINK_RUNNER_KINDS; kind++)
			if (kind != PROCOBSRV_LOST)
				write_labelled(out, losses,
					       LABELS("sink", sink->name, "kind", kind_name(kind)),
					       UNIT_ONE, sink->lost[kind]);
	for (size_t at = 0; at < COUNT_OF(sink_metrics); at++) {
		const struct metric *metric = &sink_metrics[at];

		write_heading(out, metric->name, metric->type, metric->help);
		for (sink = metrics->sinks; sink < end; sink++)
			write_labelled(out, metric->name, LABELS("sink", sink->name), metric->unit,
				       figure(sink, metric->offset));
	}
}

void metrics_write(const struct metrics *metrics, struct buffer *out)
{
	static const char build[] = "procobsrv_build_info";

	write_heading(out, build, GAUGE, "Always 1: version and backend are in the labels.");
	write_labelled(out, build, LABELS("version", metrics->version, "backend", metrics->backend),
		       UNIT_ONE, 1);
	write_flag(out, "procobsrv_observing",
		   "1: events are on their way; 0: the service does not observe.", metrics->alive);
	write_flag(out, "procobsrv_config_last_reload_successful",
		   "0: the file of the configuration is wrong, an earlier one is in use.",
		   !metrics->service.reload_failed);
	write_events(&metrics->service, out);
	write_table(service_metrics, COUNT_OF(service_metrics), metrics, out);
	if (metrics->has_readers)
		write_table(reader_metrics, COUNT_OF(reader_metrics), metrics, out);
	write_sinks(metrics, out);
}

static void write_trouble(struct buffer *out, const char *what, const char *name, const char *why)
{
	buffer_append_text(out, what);
	buffer_append_text(out, name);
	buffer_append_text(out, ": ");
	buffer_append_text(out, why);
	buffer_append_character(out, '\n');
}

/* One that works and is behind is no trouble, as long as nobody waits for it. */
static bool write_sink_health(const struct sink_runner_statistics *sink, struct buffer *out)
{
	if (sink->failing)
		write_trouble(out, "sink ", sink->name, sink->error);
	if (sink->holds_back)
		write_trouble(out, "sink ", sink->name,
			      "no more may pass it by, all others wait until it has caught up");
	return !sink->failing && !sink->holds_back;
}

bool metrics_write_health(const struct metrics *metrics, struct buffer *out)
{
	bool healthy = metrics->alive;

	if (!healthy)
		write_trouble(out, "observer", "", "no events come; the service's log says why");
	for (size_t index = 0; index < metrics->sink_count; index++)
		healthy &= write_sink_health(&metrics->sinks[index], out);
	if (healthy)
		buffer_append_text(out, "ok\n");
	for (size_t index = 0; index < metrics->sink_count; index++)
		if (metrics->sinks[index].is_behind && !metrics->sinks[index].holds_back)
			write_trouble(out, "sink ", metrics->sinks[index].name,
				      "events passed it by, and are told to it when it works; the "
				      "others go on");
	/* What runs goes on as it did: no reason to call somebody at night. */
	if (metrics->service.reload_failed)
		write_trouble(out, "configuration", "",
			      "the last reload failed, an earlier configuration is in use");
	return healthy;
}

static uint64_t nanoseconds(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_usec * 1000u;
}

void metrics_measure_process(struct metrics *metrics)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long resident;
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		metrics->cpu_ns = nanoseconds(&usage.ru_utime) + nanoseconds(&usage.ru_stime);
	if (file == NULL)
		return;
	if (fscanf(file, "%*u %llu", &resident) == 1)
		metrics->resident_bytes = resident * (uint64_t)sysconf(_SC_PAGESIZE);
	fclose(file);
}
