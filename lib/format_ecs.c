/* SPDX-License-Identifier: MIT */
/*
 * Events as documents of the Elastic Common Schema, a JSON object a line. Fields and their types:
 * https://www.elastic.co/guide/en/ecs/current/ecs-process.html, ecs-event.html, ecs-error.html,
 * ecs-host.html; which values event.kind, category and type may have:
 * ecs-allowed-values-event-kind.html and its neighbors. What ECS has no field for stands under
 * procobsrv, as its guidelines for custom fields want it.
 */
#include "format.h"
#include "json.h"

#include <string.h>

#define ECS_VERSION "8.17.0"

/* A document in the making: objects in objects, commas where they belong. */
struct document {
	struct buffer *buffer;
	bool comma;
};

static void write_key(struct document *document, const char *key)
{
	if (document->comma)
		buffer_append_character(document->buffer, ',');
	buffer_append_character(document->buffer, '"');
	buffer_append_text(document->buffer, key);
	buffer_append_text(document->buffer, "\":");
	document->comma = true;
}

static void begin(struct document *document, const char *key)
{
	if (key != NULL)
		write_key(document, key);
	buffer_append_character(document->buffer, '{');
	document->comma = false;
}

static void end(struct document *document)
{
	buffer_append_character(document->buffer, '}');
	document->comma = true;
}

static void write_text(struct document *document, const char *key, const char *text)
{
	if (text == NULL)
		return;
	write_key(document, key);
	json_append_string(document->buffer, text);
}

static void write_number(struct document *document, const char *key, uint64_t value)
{
	write_key(document, key);
	buffer_append_unsigned(document->buffer, value);
}

/* A number where ECS has a keyword. */
static void write_keyword(struct document *document, const char *key, uint64_t value)
{
	write_key(document, key);
	buffer_append_character(document->buffer, '"');
	buffer_append_unsigned(document->buffer, value);
	buffer_append_character(document->buffer, '"');
}

static void write_time(struct document *document, const char *key, int64_t wall_ns)
{
	write_key(document, key);
	buffer_append_character(document->buffer, '"');
	buffer_append_time(document->buffer, wall_ns);
	buffer_append_character(document->buffer, '"');
}

static void write_texts(struct document *document, const char *key, const char *const *texts,
			size_t count)
{
	if (texts == NULL)
		return;
	write_key(document, key);
	json_append_strings(document->buffer, texts, count);
}

/* {"id":"1000"} */
static void write_id(struct document *document, const char *key, uint64_t id)
{
	begin(document, key);
	write_keyword(document, "id", id);
	end(document);
}

static void begin_document(struct document *document, struct buffer *buffer, int64_t time_ns)
{
	*document = (struct document){buffer, false};
	begin(document, NULL);
	write_time(document, "@timestamp", time_ns);
	begin(document, "ecs");
	write_text(document, "version", ECS_VERSION);
	end(document);
}

static void end_document(struct document *document)
{
	end(document);
	buffer_append_character(document->buffer, '\n');
}

/* What ECS calls the kinds. */
struct classification {
	const char *action;
	const char *type;
};

static struct classification classify(enum procobsrv_kind kind)
{
	switch (kind) {
	case PROCOBSRV_EXISTING:
		return (struct classification){"existing", "info"};
	case PROCOBSRV_START:
		return (struct classification){"fork", "start"};
	case PROCOBSRV_EXEC:
		return (struct classification){"exec", "start"};
	case PROCOBSRV_EXEC_FAILED:
		return (struct classification){"exec", "error"};
	case PROCOBSRV_EXIT:
		return (struct classification){"end", "end"};
	case PROCOBSRV_LOST:
		return (struct classification){"lost", "error"};
	}
	return (struct classification){"unknown", "info"};
}

static void write_event(struct document *document, const struct procobsrv_event *event)
{
	struct classification classification = classify(event->kind);

	begin(document, "event");
	write_text(document, "kind", event->kind == PROCOBSRV_LOST ? "pipeline_error" : "event");
	write_key(document, "category");
	buffer_append_text(document->buffer, "[\"process\"]");
	write_key(document, "type");
	buffer_append_text(document->buffer, "[\"");
	buffer_append_text(document->buffer, classification.type);
	buffer_append_text(document->buffer, "\"]");
	write_text(document, "action", classification.action);
	if (event->kind == PROCOBSRV_EXEC || event->kind == PROCOBSRV_EXEC_FAILED)
		write_text(document, "outcome",
			   event->kind == PROCOBSRV_EXEC ? "success" : "failure");
	write_text(document, "module", "procobsrv");
	write_text(document, "dataset", "procobsrv.process");
	write_number(document, "sequence", event->seq);
	write_text(document, "id", event->cursor);
	if (event->exit != NULL && event->exit->duration_ns)
		write_number(document, "duration", event->exit->duration_ns);
	end(document);
}

static void write_identity(struct document *document, const struct procobsrv_process *process)
{
	write_number(document, "pid", process->pid);
	write_text(document, "entity_id", process->id);
	write_text(document, "name", process->name[0] ? process->name : NULL);
	write_text(document, "executable", process->exe);
	if (process->present & PROCOBSRV_HAS_START)
		write_time(document, "start", process->start_time_ns);
}

static void write_command_line(struct document *document, const struct procobsrv_process *process)
{
	struct buffer joined = BUFFER_EMPTY;

	if (process->command_line != NULL) {
		write_text(document, "command_line", process->command_line);
	} else if (process->argc) {
		format_text_argv(&joined, process->argv, process->argc);
		buffer_append_character(&joined, '\0');
		if (joined.failed)
			document->buffer->failed = true;
		else
			write_text(document, "command_line", joined.data);
		buffer_free(&joined);
	}
}

/* user is who it acts as, real_user who it is. */
static void write_users(struct document *document, const struct procobsrv_process *process)
{
	if (process->sid != NULL) {
		begin(document, "user");
		write_text(document, "id", process->sid);
		end(document);
	}
	if (!(process->present & PROCOBSRV_HAS_CREDENTIALS))
		return;
	write_id(document, "user", process->euid);
	write_id(document, "group", process->egid);
	write_id(document, "real_user", process->uid);
	write_id(document, "real_group", process->gid);
}

static void write_process(struct document *document, const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;
	const struct procobsrv_exit *exit = event->exit;

	if (process == NULL)
		return;
	begin(document, "process");
	write_identity(document, process);
	if (process->argv != NULL) {
		write_texts(document, "args", process->argv, process->argc);
		write_number(document, "args_count", process->argc);
		write_command_line(document, process);
	}
	write_texts(document, "env_vars", process->env, process->env_count);
	write_text(document, "working_directory", process->cwd);
	write_users(document, process);
	if (process->present & PROCOBSRV_HAS_SESSION_LEADER) {
		begin(document, "session_leader");
		write_number(document, "pid", process->session_leader);
		end(document);
	}
	if (exit != NULL) {
		write_time(document, "end", event->time_ns);
		if (exit->has_status && !exit->signal)
			write_number(document, "exit_code", exit->code);
	}
	if (event->parent != NULL) {
		begin(document, "parent");
		write_identity(document, event->parent);
		end(document);
	}
	end(document);
}

static void write_lost(struct document *document, const struct procobsrv_lost *lost)
{
	begin(document, "lost");
	write_number(document, "first", lost->first);
	write_number(document, "count", lost->count);
	write_number(document, "start", lost->start);
	write_number(document, "exec", lost->exec);
	write_number(document, "exec_failed", lost->exec_failed);
	write_number(document, "exit", lost->exit);
	write_number(document, "unknown", lost->unknown);
	write_text(document, "stage", lost->stage);
	end(document);
}

static void write_exit(struct document *document, const struct procobsrv_exit *exit)
{
	if (exit->has_status) {
		write_number(document, "signal", exit->signal);
		write_key(document, "core_dumped");
		buffer_append_text(document->buffer, exit->core_dumped ? "true" : "false");
	}
	if (exit->has_usage) {
		write_number(document, "cpu_ns", exit->cpu_ns);
		write_number(document, "max_rss_bytes", exit->max_rss_bytes);
		if (exit->threads_unread)
			write_number(document, "threads_unread", exit->threads_unread);
	}
}

/* Why what is not told is not. */
static void write_missing(struct document *document, const struct procobsrv_process *process)
{
	if (!process->missing_count)
		return;
	begin(document, "missing");
	for (size_t index = 0; index < process->missing_count; index++)
		write_text(document, process->missing[index].field, process->missing[index].reason);
	end(document);
}

static void write_custom(struct document *document, const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;

	begin(document, "procobsrv");
	if (event->flags & PROCOBSRV_EVENT_SYNTHETIC) {
		write_key(document, "synthetic");
		buffer_append_text(document->buffer, "true");
	}
	if (process != NULL) {
		if (process->present & PROCOBSRV_HAS_LOGINUID)
			write_keyword(document, "loginuid", process->loginuid);
		if (process->present & PROCOBSRV_HAS_CGROUP)
			write_keyword(document, "cgroup_id", process->cgroup_id);
		write_text(document, "cgroup", process->cgroup);
		write_text(document, "unit", process->unit);
		write_text(document, "tty", process->tty);
		write_text(document, "script", process->script);
		write_missing(document, process);
	}
	if (event->exit != NULL)
		write_exit(document, event->exit);
	if (event->attempt != NULL) {
		begin(document, "attempt");
		write_text(document, "path", event->attempt->path);
		write_texts(document, "args", event->attempt->argv, event->attempt->argc);
		end(document);
	}
	if (event->lost != NULL)
		write_lost(document, event->lost);
	end(document);
}

static void write_container(struct document *document, const struct procobsrv_process *process)
{
	if (process == NULL || process->container_id == NULL)
		return;
	begin(document, "container");
	write_text(document, "id", process->container_id);
	write_text(document, "runtime", process->runtime);
	end(document);
}

static void write_error(struct document *document, const struct procobsrv_event *event)
{
	if (event->attempt == NULL && event->lost == NULL)
		return;
	begin(document, "error");
	if (event->attempt != NULL)
		write_text(document, "code", event->attempt->error_name);
	else
		write_text(document, "message", event->lost->reason);
	end(document);
}

void format_ecs_event(struct buffer *buffer, const struct procobsrv_event *event)
{
	struct document document;

	begin_document(&document, buffer, event->time_ns);
	write_event(&document, event);
	write_process(&document, event);
	write_container(&document, event->process);
	write_error(&document, event);
	write_custom(&document, event);
	end_document(&document);
}

static void write_own_event(struct document *document, const char *kind, const char *type,
			    const char *action)
{
	begin(document, "event");
	write_text(document, "kind", kind);
	write_key(document, "category");
	buffer_append_text(document->buffer, "[\"process\"]");
	write_key(document, "type");
	buffer_append_text(document->buffer, "[\"");
	buffer_append_text(document->buffer, type);
	buffer_append_text(document->buffer, "\"]");
	write_text(document, "action", action);
	write_text(document, "module", "procobsrv");
	write_text(document, "dataset", "procobsrv.observer");
	end(document);
}

void format_ecs_begin(struct buffer *buffer, const struct format_begin *values)
{
	struct document document;

	begin_document(&document, buffer, values->time_ns);
	write_own_event(&document, "event", "info", "observer-begin");
	begin(&document, "host");
	write_text(&document, "hostname", values->host);
	if (values->boot != NULL) {
		begin(&document, "boot");
		write_text(&document, "id", values->boot);
		end(&document);
	}
	end(&document);
	begin(&document, "procobsrv");
	write_text(&document, "backend", values->backend);
	write_text(&document, "version", values->version);
	write_text(&document, "limits", values->limits);
	end(&document);
	end_document(&document);
}

void format_ecs_end(struct buffer *buffer, const struct format_end *values)
{
	struct document document;

	begin_document(&document, buffer, values->time_ns);
	write_own_event(&document, "metric", "info", "observer-end");
	begin(&document, "procobsrv");
	write_number(&document, "sequence", values->seq);
	write_number(&document, "observed", values->statistics->observed);
	write_number(&document, "delivered", values->statistics->delivered);
	write_number(&document, "filtered", values->statistics->filtered);
	write_number(&document, "lost", values->statistics->lost);
	end(&document);
	end_document(&document);
}
