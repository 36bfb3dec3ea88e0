/* SPDX-License-Identifier: MIT */
#include "day.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAMS    120
#define DIRECTORIES 400
#define COMMANDS    2000
#define ARGUMENTS   6
#define TEXT_SIZE   512

enum stage {
	STAGE_FREE,
	STAGE_STARTED,
	STAGE_RUNNING,
};

/* One that runs, or nobody. */
struct slot {
	enum stage stage;
	uint32_t pid;
	uint32_t parent; /* slot; its own: the machine's first process */
	uint64_t start_ns;
	uint64_t execs;
	uint32_t program;
	uint32_t uid;
	uint64_t command; /* which of the command lines */
};

/* An event with all that it points to. */
struct told {
	struct procobsrv_event event;
	struct procobsrv_process process, parent;
	struct procobsrv_exit exit;
	struct procobsrv_attempt attempt;
	const char *argv[ARGUMENTS + 1];
	size_t used;
	char text[TEXT_SIZE];
};

struct day {
	struct day_options options;
	uint64_t random;
	uint64_t serial; /* events so far */
	uint64_t commands;
	uint32_t pid;
	struct slot *slots;
	struct told *told;
	const struct procobsrv_event **events;
	size_t capacity;
};

struct day *day_create(const struct day_options *options)
{
	struct day *day = calloc(1, sizeof *day);

	if (!day)
		return NULL;
	day->options = *options;
	day->random = options->seed * 2 + 1;
	day->pid = 1;
	day->slots = calloc(options->processes, sizeof *day->slots);
	if (!day->slots) {
		free(day);
		return NULL;
	}
	day->slots[0] = (struct slot){.stage = STAGE_RUNNING, .pid = 1, .start_ns = 1};
	return day;
}

void day_free(struct day *day)
{
	if (!day)
		return;
	free(day->slots);
	free(day->told);
	free(day->events);
	free(day);
}

/* xorshift64*: quick, and the same everywhere. */
static uint32_t random_below(struct day *day, uint32_t bound)
{
	day->random ^= day->random >> 12;
	day->random ^= day->random << 25;
	day->random ^= day->random >> 27;
	return (uint32_t)((day->random * UINT64_C(2685821657736338717) >> 32) % bound);
}

/* A text that lives as long as the event. */
static const char *say(struct told *told, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const char *say(struct told *told, const char *format, ...)
{
	char *text = told->text + told->used;
	size_t room = sizeof told->text - told->used;
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(text, room, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= room)
		abort(); /* TEXT_SIZE is too small */
	told->used += (size_t)length + 1;
	return text;
}

static void set_program(struct told *told, struct procobsrv_process *process,
			const struct slot *slot)
{
	uint64_t command = slot->command;

	process->name = say(told, "tool-%" PRIu32, slot->program);
	process->exe = say(told, "/usr/bin/tool-%" PRIu32, slot->program);
	process->cwd = say(told, "/home/builder/project/part-%" PRIu64, command % DIRECTORIES);
	process->exec_id = slot->execs;
}

static void set_identity(struct day *day, struct told *told, struct procobsrv_process *process,
			 const struct slot *slot)
{
	process->id =
	    say(told, "%s-%" PRIx32 "-%" PRIx64, day->options.boot, slot->pid, slot->start_ns);
	process->present = PROCOBSRV_HAS_START | PROCOBSRV_HAS_CREDENTIALS | PROCOBSRV_HAS_PPID |
			   PROCOBSRV_HAS_LOGINUID | PROCOBSRV_HAS_SESSION;
	process->pid = slot->pid;
	process->ppid = day->slots[slot->parent].pid;
	process->start_boot_ns = slot->start_ns;
	process->start_time_ns = day->options.first_ns + (int64_t)slot->start_ns;
	process->uid = process->euid = process->loginuid = slot->uid;
	process->gid = process->egid = slot->uid;
	process->session = 3;
	set_program(told, process, slot);
	if (slot->stage == STAGE_STARTED)
		process->flags = PROCOBSRV_PROCESS_FORKED;
}

static void set_arguments(struct told *told, const struct slot *slot)
{
	uint64_t command = slot->command;

	told->argv[0] = told->process.name;
	told->argv[1] = "-O2";
	told->argv[2] = "-Wall";
	told->argv[3] = "-o";
	told->argv[4] = say(told, "part-%" PRIu64 "/object-%" PRIu64 ".o", command % 400, command);
	told->argv[5] = say(told, "part-%" PRIu64 "/source-%" PRIu64 ".c", command % 400, command);
	told->process.argv = told->argv;
	told->process.argc = ARGUMENTS;
}

static void begin_event(struct day *day, struct told *told, enum procobsrv_kind kind,
			const struct slot *slot)
{
	uint64_t boot_ns = 2 + day->serial * day->options.step_ns;

	memset(told, 0, offsetof(struct told, text));
	told->event = (struct procobsrv_event){
	    .kind = kind,
	    .seq = day->serial + 1,
	    .boot_ns = boot_ns,
	    .time_ns = day->options.first_ns + (int64_t)boot_ns,
	    .process = &told->process,
	    .cursor =
		say(told, "%" PRIx64 ":%" PRIx64, day->options.stream, (day->serial + 1) * 320),
	};
	set_identity(day, told, &told->process, slot);
	set_arguments(told, slot);
	if (slot->pid != 1) {
		set_identity(day, told, &told->parent, &day->slots[slot->parent]);
		told->event.parent = &told->parent;
	}
	day->serial++;
}

static void tell_start(struct day *day, struct told *told, struct slot *slot)
{
	uint32_t parent = random_below(day, day->options.processes);

	if (day->slots[parent].stage != STAGE_RUNNING || &day->slots[parent] == slot)
		parent = 0;
	day->pid = day->pid >= day->options.pids ? 300 : day->pid + 1;
	*slot = (struct slot){
	    .stage = STAGE_STARTED,
	    .pid = day->pid,
	    .parent = parent,
	    .start_ns = 2 + day->serial * day->options.step_ns,
	    .execs = day->slots[parent].execs,
	    .program = day->slots[parent].program,
	    .uid = day->slots[parent].uid,
	    .command = day->slots[parent].command,
	};
	begin_event(day, told, PROCOBSRV_START, slot);
}

static void tell_exec(struct day *day, struct told *told, struct slot *slot)
{
	bool again = day->options.one_in && random_below(day, (uint32_t)day->options.one_in) == 0;

	slot->stage = STAGE_RUNNING;
	slot->execs++;
	slot->program = random_below(day, PROGRAMS);
	slot->command = again ? random_below(day, COMMANDS) : COMMANDS + day->commands++;
	if (random_below(day, 20) == 0)
		slot->uid = 1000 + random_below(day, 8);
	begin_event(day, told, PROCOBSRV_EXEC, slot);
}

static void tell_attempt(struct day *day, struct told *told, struct slot *slot)
{
	begin_event(day, told, PROCOBSRV_EXEC_FAILED, slot);
	told->attempt = (struct procobsrv_attempt){
	    .path = say(told, "/usr/local/bin/tool-%" PRIu32, random_below(day, PROGRAMS)),
	    .argv = told->argv,
	    .argc = ARGUMENTS,
	    .error = 2,
	    .error_name = "ENOENT",
	};
	told->event.attempt = &told->attempt;
}

static void tell_exit(struct day *day, struct told *told, struct slot *slot)
{
	begin_event(day, told, PROCOBSRV_EXIT, slot);
	told->exit = (struct procobsrv_exit){
	    .code = random_below(day, 25) == 0,
	    .signal = random_below(day, 500) == 0 ? 11 : 0,
	    .has_status = 1,
	    .has_usage = 1,
	    .duration_ns = told->event.boot_ns - slot->start_ns,
	    .cpu_ns = random_below(day, 100000000),
	    .user_ns = 4000000,
	    .system_ns = 4000000,
	    .max_rss_bytes = (uint64_t)random_below(day, 100000) * 4096,
	};
	told->event.exit = &told->exit;
	/* Its children are the first process's now; only their own events tell so. */
	for (uint32_t i = 0; i < day->options.processes; i++) {
		if (&day->slots[day->slots[i].parent] == slot)
			day->slots[i].parent = 0;
	}
	slot->stage = STAGE_FREE;
}

static void tell(struct day *day, struct told *told)
{
	struct slot *slot = &day->slots[1 + random_below(day, day->options.processes - 1)];

	/* Of the first process once what runs; of the others what they do. */
	if (!day->serial)
		begin_event(day, told, PROCOBSRV_EXISTING, &day->slots[0]);
	else if (slot->stage == STAGE_FREE)
		tell_start(day, told, slot);
	else if (slot->stage == STAGE_STARTED && random_below(day, 100) == 0)
		tell_attempt(day, told, slot);
	else if (slot->stage == STAGE_STARTED && random_below(day, 10) != 0)
		tell_exec(day, told, slot);
	else
		tell_exit(day, told, slot);
}

const struct procobsrv_event *const *day_next(struct day *day, size_t count)
{
	if (count > day->capacity) {
		struct told *told = calloc(count, sizeof *told);
		const struct procobsrv_event **events = calloc(count, sizeof *events);
		if (!told || !events) {
			free(told);
			free(events);
			return NULL;
		}
		free(day->told);
		free(day->events);
		day->told = told;
		day->events = events;
		day->capacity = count;
	}
	for (size_t i = 0; i < count; i++) {
		tell(day, &day->told[i]);
		day->events[i] = &day->told[i].event;
	}
	return day->events;
}
