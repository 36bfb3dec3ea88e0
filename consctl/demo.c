/* SPDX-License-Identifier: MIT */
/*
 * consctl demo: starts programs, reports the start of each as it was observed, closes them, reports
 * each end. A program is known by the pid that it got from the launcher until its start has been
 * observed, and by its identity from then on.
 */
#include "consctl.h"
#include "format.h"
#include "os.h"
#include "output.h"
#include "platform.h"
#include "reporter.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_NUMBER 10
/* How long to wait for events that should be there at once; a loaded machine gets its time. */
#define PATIENCE_NS 10000000000ull
/* How long a program may take to end when asked. */
#define GRACE_NS 2000000000ull

struct program {
	uint32_t pid;				 /* as the launcher told it */
	const struct procobsrv_process *process; /* reference, once its start was observed */
	int64_t start_ns;
	int64_t end_ns;
	struct procobsrv_exit exit;
	bool named; /* process is what it became by exec */
	bool shown;
	bool ended;
};

struct demo {
	struct control *control;
	struct launcher *launcher;
	struct procobsrv *monitor;
	struct program *programs;
	size_t count;
	size_t started; /* by the launcher */
	size_t starts;	/* seen, with the program's name */
	size_t ends;
	struct buffer buffer;
	const char *hint; /* why programs may have ended unasked; NULL: no reason is known */
	int64_t asked_ns; /* when they were told to end */
	int error;	  /* of writing */
	bool interrupted;
};

/* Of a process that is ours by its parent, or of which we saw the start already. */
static struct program *find_program(struct demo *demo, const struct procobsrv_event *event)
{
	for (size_t index = 0; index < demo->started; index++) {
		struct program *program = &demo->programs[index];

		if (program->process) {
			if (!strcmp(program->process->id, event->process->id))
				return program;
		} else if (platform_process_is(event->process, program->pid) && event->parent &&
			   platform_process_is(event->parent, launcher_pid(demo->launcher))) {
			return program;
		}
	}
	return NULL;
}

static void print(struct demo *demo)
{
	if (!demo->error)
		demo->error = output_print(&demo->buffer);
	demo->buffer.size = 0;
}

static void append_time(struct buffer *buffer, int64_t time_ns)
{
	char text[32];

	platform_short_time(time_ns, text, sizeof(text));
	buffer_append_text(buffer, text);
	snprintf(text, sizeof(text), ".%03u", (unsigned)(time_ns / 1000000 % 1000));
	buffer_append_text(buffer, text);
}

static void show_start(struct demo *demo, struct program *program)
{
	char cells[64];

	append_time(&demo->buffer, program->start_ns);
	snprintf(cells, sizeof(cells), "  start  %7u  ", program->process->pid);
	buffer_append_text(&demo->buffer, cells);
	format_text_escape(&demo->buffer, program->process->name);
	if (!program->named)
		buffer_append_text(&demo->buffer, "  (the program that it runs was not seen)");
	buffer_append_character(&demo->buffer, '\n');
	program->shown = true;
	print(demo);
}

static void show_end(struct demo *demo, const struct program *program)
{
	char cells[96];

	append_time(&demo->buffer, program->end_ns);
	snprintf(cells, sizeof(cells), "  end    %7u  ", program->process->pid);
	buffer_append_text(&demo->buffer, cells);
	format_text_escape(&demo->buffer, program->process->name);
	if (program->exit.signal)
		snprintf(cells, sizeof(cells), "  signal %u", program->exit.signal);
	else
		snprintf(cells, sizeof(cells), "  status %u", program->exit.code);
	buffer_append_text(&demo->buffer, cells);
	if (program->exit.duration_ns) {
		snprintf(cells, sizeof(cells), "  after %.3f s",
			 (double)program->exit.duration_ns / 1e9);
		buffer_append_text(&demo->buffer, cells);
	}
	buffer_append_character(&demo->buffer, '\n');
	print(demo);
}

static void become(struct program *program, const struct procobsrv_process *process)
{
	procobsrv_process_unref(program->process);
	program->process = procobsrv_process_ref(process);
}

static void on_start(struct demo *demo, struct program *program,
		     const struct procobsrv_event *event)
{
	if (!program->process)
		program->start_ns = event->time_ns;
	become(program, event->process);
	/* Windows, and a backend that finds processes later, tell start and program in one. */
	if (program->named ||
	    (event->kind == PROCOBSRV_START && event->process->flags & PROCOBSRV_PROCESS_FORKED))
		return;
	program->named = true;
	demo->starts++;
	show_start(demo, program);
}

static void on_end(struct demo *demo, struct program *program, const struct procobsrv_event *event)
{
	if (!program->process || program->ended)
		return;
	if (!program->shown)
		show_start(demo, program);
	program->ended = true;
	program->end_ns = event->time_ns;
	/* By value, but only the members that this knows. */
	program->exit.code = event->exit->code;
	program->exit.signal = event->exit->signal;
	program->exit.duration_ns = event->exit->duration_ns;
	demo->ends++;
	show_end(demo, program);
}

static void take_event(struct demo *demo, const struct procobsrv_event *event)
{
	struct program *program;

	if (!event->process)
		return;
	program = find_program(demo, event);
	if (!program)
		return;
	if (event->kind == PROCOBSRV_START || event->kind == PROCOBSRV_EXEC)
		on_start(demo, program, event);
	else if (event->kind == PROCOBSRV_EXIT)
		on_end(demo, program, event);
}

/* Takes events until *seen has reached `wanted`. False: not in time, or interrupted. */
static bool take_events(struct demo *demo, const size_t *seen, size_t wanted, uint64_t patience_ns)
{
	intptr_t readable = procobsrv_descriptor(demo->monitor);
	uint64_t end_ns = os_monotonic_ns() + patience_ns;
	const struct procobsrv_event *event;

	while (*seen < wanted && !demo->interrupted) {
		uint64_t now_ns = os_monotonic_ns();

		if (now_ns >= end_ns)
			return false;
		while (!procobsrv_next(demo->monitor, 0, &event))
			take_event(demo, event);
		if (*seen >= wanted)
			break;
		switch (
		    control_wait(demo->control, readable, (int)((end_ns - now_ns) / 1000000 + 1))) {
		case CONTROL_TIMEOUT:
		case CONTROL_READY:
			break;
		default:
			demo->interrupted = true;
		}
	}
	return *seen >= wanted;
}

static int start_programs(struct demo *demo, char *const *arguments)
{
	while (demo->started < demo->count) {
		struct program *program = &demo->programs[demo->started];
		int error = launcher_start(demo->launcher, &program->pid);

		if (error) {
			complain("cannot start '%s': %s", arguments[0], platform_error_text(error));
			return STATUS_FAILED;
		}
		demo->started++;
	}
	return STATUS_FINE;
}

static void end_programs(struct demo *demo, bool force)
{
	for (size_t index = 0; index < demo->started; index++)
		if (!demo->programs[index].ended)
			launcher_end(demo->launcher, demo->programs[index].pid, force);
}

/* The start of a program whose exec was missed is shown all the same. */
static void show_unnamed(struct demo *demo)
{
	for (size_t index = 0; index < demo->started; index++)
		if (demo->programs[index].process && !demo->programs[index].shown)
			show_start(demo, &demo->programs[index]);
}

/* These were started and have ended, as they should, but not because they were told to. */
static void show_early(const struct demo *demo)
{
	size_t early = 0;

	for (size_t index = 0; index < demo->started; index++)
		if (demo->programs[index].ended && demo->programs[index].end_ns < demo->asked_ns)
			early++;
	if (early && demo->hint)
		complain("%zu of %zu ended before they were told to: %s", early, demo->count,
			 demo->hint);
}

static void show_missing(struct demo *demo)
{
	for (size_t index = 0; index < demo->started; index++) {
		const struct program *program = &demo->programs[index];
		const char *what = NULL;

		if (!program->process)
			what = "its start was not seen";
		else if (!program->ended)
			what = "its end was not seen";
		else if (!program->named)
			what = "the program that it ran was not seen";
		if (what)
			complain("pid %u: %s", program->pid, what);
	}
}

static int conclude(struct demo *demo)
{
	struct procobsrv_statistics statistics = {0};
	char line[160];
	int status = STATUS_FINE;

	procobsrv_statistics(demo->monitor, &statistics, sizeof(statistics));
	snprintf(line, sizeof(line), "%zu of %zu starts and %zu of %zu ends seen, %llu lost\n",
		 demo->starts, demo->count, demo->ends, demo->count,
		 (unsigned long long)statistics.lost);
	buffer_append_text(&demo->buffer, line);
	print(demo);
	if (statistics.lost)
		status = STATUS_LOST;
	if (demo->interrupted) {
		complain("interrupted");
		return STATUS_FAILED;
	}
	if (demo->starts < demo->count || demo->ends < demo->count) {
		show_missing(demo);
		return STATUS_FAILED;
	}
	if (output_status(NULL, demo->error))
		return STATUS_FAILED;
	return status;
}

static int demonstrate(struct demo *demo, char *const *arguments)
{
	int error = procobsrv_start(demo->monitor);

	if (error) {
		complain_library(error);
		return STATUS_FAILED;
	}
	reporter_announce(demo->monitor);
	if (start_programs(demo, arguments))
		return STATUS_FAILED;
	take_events(demo, &demo->starts, demo->count, PATIENCE_NS);
	show_unnamed(demo);
	demo->asked_ns = os_wall_ns();
	end_programs(demo, false);
	if (!take_events(demo, &demo->ends, demo->count, GRACE_NS)) {
		end_programs(demo, true);
		take_events(demo, &demo->ends, demo->count, PATIENCE_NS);
	}
	show_early(demo);
	return conclude(demo);
}

static int open_monitor(struct demo *demo, const struct settings *settings)
{
	struct procobsrv_options options;
	int error;

	settings_observe(settings, &options);
	options.root_pid = launcher_pid(demo->launcher);
	error = procobsrv_open(&options, &demo->monitor);
	if (error)
		complain_library(error);
	return error ? STATUS_FAILED : STATUS_FINE;
}

int demo_run(const struct settings *settings)
{
	char *const *arguments =
	    settings->operand_count ? settings->operands : platform_demo_program();
	struct demo demo = {
	    .count = settings->number ? settings->number : DEFAULT_NUMBER,
	    .hint = settings->operand_count ? NULL : platform_demo_hint,
	    .buffer = BUFFER_EMPTY,
	};
	int status = STATUS_FAILED;
	int error;

	demo.programs = calloc(demo.count, sizeof(*demo.programs));
	if (!demo.programs) {
		complain("out of memory for %zu programs", demo.count);
		return STATUS_FAILED;
	}
	error = launcher_open(arguments, LAUNCHER_KILLS, NULL, &demo.launcher);
	if (error) {
		complain("cannot make a process to start programs from: %s",
			 platform_error_text(error));
		goto free;
	}
	error = control_open(0, &demo.control);
	if (error) {
		complain("cannot take signals: %s", platform_error_text(error));
		goto close_launcher;
	}
	if (open_monitor(&demo, settings) == STATUS_FINE)
		status = demonstrate(&demo, arguments);
	/* First nobody traces the programs any more, then the launcher ends what is left. */
	procobsrv_close(demo.monitor);
	control_close(demo.control);
close_launcher:
	launcher_close(demo.launcher);
	for (size_t index = 0; index < demo.started; index++)
		procobsrv_process_unref(demo.programs[index].process);
free:
	buffer_free(&demo.buffer);
	free(demo.programs);
	return status;
}
