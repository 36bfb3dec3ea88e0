/* SPDX-License-Identifier: MIT */
#include "consctl.h"
#include "platform.h"
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A page: what is less holds no event with its arguments. */
#define BUFFER_SIZE_LEAST 4096

/* The suffixes double as the exponent of 1024 by their place. */
static const char size_suffixes[] = "KMG";

static bool parse_number(const char *text, uint64_t *number, const char **end)
{
	char *after;

	/* strtoull() would take blanks and signs, and turn -1 into a huge number. */
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &after, 10);
	if (errno)
		return false;
	*number = value;
	*end = after;
	return true;
}

static bool take_size(const char *option, const char *value, uint64_t *size)
{
	const char *end;
	const char *suffix;
	uint64_t number;
	unsigned shift = 0;

	if (!parse_number(value, &number, &end) || !number)
		goto wrong;
	if (*end) {
		suffix = strchr(size_suffixes, *end & ~0x20);
		if (!suffix || end[1])
			goto wrong;
		shift = 10 * (unsigned)(suffix - size_suffixes + 1);
		if (number > UINT64_MAX >> shift)
			goto wrong;
	}
	*size = number << shift;
	return true;
wrong:
	complain("--%s %s: must be a number of bytes from 1, with K, M or G at its end for KiB, "
		 "MiB or GiB",
		 option, value);
	return false;
}

static bool take_count(const char *option, const char *value, uint64_t most, uint64_t *count)
{
	const char *end;
	uint64_t number;

	if (!parse_number(value, &number, &end) || *end || !number || number > most) {
		if (most == UINT64_MAX)
			complain("--%s %s: must be a number from 1", option, value);
		else
			complain("--%s %s: must be a number from 1 to %llu", option, value,
				 (unsigned long long)most);
		return false;
	}
	*count = number;
	return true;
}

/* The index of `value` in `names`; -1: not there, and complained. */
static int take_choice(const char *option, const char *value, const char *const *names)
{
	const char *nearest;
	char list[256] = "";

	for (int index = 0; names[index]; index++) {
		if (!strcmp(names[index], value))
			return index;
		strncat(list, index ? ", " : "", sizeof(list) - strlen(list) - 1);
		strncat(list, names[index], sizeof(list) - strlen(list) - 1);
	}
	nearest = nearest_name(value, names);
	if (nearest)
		complain("--%s: unknown '%s', did you mean '%s'? (known: %s)", option, value,
			 nearest, list);
	else
		complain("--%s: unknown '%s' (known: %s)", option, value, list);
	return -1;
}

static bool take_format(struct settings *settings, const char *value)
{
	static const char *const names[] = {"text", "json", NULL};
	int choice = take_choice("format", value, names);

	if (choice < 0)
		return false;
	settings->format = choice ? PROCOBSRV_FORMAT_JSON : PROCOBSRV_FORMAT_TEXT;
	return true;
}

/* The names stand in the order of enum procobsrv_format. */
static bool take_event_format(struct settings *settings, const char *value)
{
	static const char *const names[] = {"text", "json", "ecs", NULL};
	int choice = take_choice("format", value, names);

	if (choice < 0)
		return false;
	settings->format = (enum procobsrv_format)choice;
	return true;
}

static bool take_json(struct settings *settings, const char *value)
{
	(void)value;
	settings->format = PROCOBSRV_FORMAT_JSON;
	return true;
}

static bool take_output(struct settings *settings, const char *value)
{
	if (!*value) {
		complain("--output: needs the name of a file");
		return false;
	}
	settings->output = value;
	return true;
}

static bool take_kinds(struct settings *settings, const char *value)
{
	const char *names[PROCOBSRV_LOST + 1];
	uint32_t kinds = 0;
	char name[32];

	for (int kind = PROCOBSRV_EXISTING; kind <= PROCOBSRV_LOST; kind++)
		names[kind - PROCOBSRV_EXISTING] = procobsrv_kind_name((enum procobsrv_kind)kind);
	names[PROCOBSRV_LOST] = NULL;
	for (;;) {
		size_t size = strcspn(value, ",");
		int choice;

		if (size >= sizeof(name))
			size = sizeof(name) - 1;
		memcpy(name, value, size);
		name[size] = 0;
		choice = take_choice("kinds", name, names);
		if (choice < 0)
			return false;
		kinds |= PROCOBSRV_KIND_BIT(choice + PROCOBSRV_EXISTING);
		value += strcspn(value, ",");
		if (!*value)
			break;
		value++;
	}
	settings->kinds = kinds;
	return true;
}

static bool take_match(struct settings *settings, const char *value)
{
	settings->match = value;
	return true;
}

static bool take_kernel_threads(struct settings *settings, const char *value)
{
	(void)value;
	settings->kernel_threads = true;
	return true;
}

static bool take_max_args(struct settings *settings, const char *value)
{
	return take_size("max-args", value, &settings->max_args);
}

static bool take_buffer_size(struct settings *settings, const char *value)
{
	if (!take_size("buffer-size", value, &settings->buffer_size))
		return false;
	if (settings->buffer_size >= BUFFER_SIZE_LEAST)
		return true;
	complain("--buffer-size %s: must be at least %dK, and is rounded up to a power of two",
		 value, BUFFER_SIZE_LEAST / 1024);
	return false;
}

static bool take_queue_size(struct settings *settings, const char *value)
{
	return take_size("queue-size", value, &settings->queue_size);
}

static bool take_spill_size(struct settings *settings, const char *value)
{
	return take_size("spill-size", value, &settings->spill_size);
}

static bool take_spill_directory(struct settings *settings, const char *value)
{
	if (!*value) {
		complain("--spill-directory: needs the name of a directory");
		return false;
	}
	settings->spill_directory = value;
	return true;
}

static bool take_resume(struct settings *settings, const char *value)
{
	(void)value;
	settings->resume = true;
	return true;
}

static bool take_replace(struct settings *settings, const char *value)
{
	(void)value;
	settings->replace = true;
	return true;
}

/* Names with commas between them, ended by NULL; both are the caller's. False: complained. */
static bool take_names(const char *option, const char *value, const char *what, const char ***list,
		       char **list_text)
{
	size_t count = 1;
	size_t index = 0;
	char *text;
	const char **names;

	for (const char *comma = value; (comma = strchr(comma, ',')); comma++)
		count++;
	text = strdup(value);
	names = calloc(count + 1, sizeof(*names));
	if (!text || !names) {
		complain("--%s: out of memory", option);
		goto wrong;
	}
	for (char *name = text; name;) {
		char *comma = strchr(name, ',');

		if (comma)
			*comma++ = 0;
		if (!*name || strchr(name, '=')) {
			complain("--%s %s: must be names of %s with commas between them", option,
				 value, what);
			goto wrong;
		}
		names[index++] = name;
		name = comma;
	}
	free(*list);
	free(*list_text);
	*list = names;
	*list_text = text;
	return true;
wrong:
	free(text);
	free(names);
	return false;
}

static bool take_env(struct settings *settings, const char *value)
{
	return take_names("env", value, "variables", &settings->env, &settings->env_text);
}

static bool take_redact(struct settings *settings, const char *value)
{
	return take_names("redact", value, "secrets", &settings->redact, &settings->redact_text);
}

static bool take_backend(struct settings *settings, const char *value)
{
	const char *const *backends = procobsrv_backends();
	const char *names[16] = {"auto"};
	size_t count = 1;

	for (; *backends && count < sizeof(names) / sizeof(*names) - 1; backends++)
		names[count++] = *backends;
	names[count] = NULL;
	if (take_choice("backend", value, names) < 0)
		return false;
	settings->backend = value;
	return true;
}

static bool take_color(struct settings *settings, const char *value)
{
	static const char *const names[] = {"auto", "always", "never", NULL};
	int choice = take_choice("color", value, names);

	if (choice < 0)
		return false;
	settings->color = (enum color_choice)choice;
	return true;
}

static bool take_duration(struct settings *settings, const char *value)
{
	const uint64_t second = 1000000000;
	uint64_t number;
	uint64_t fraction = 0;
	uint64_t digit = second / 10;
	const char *end;

	if (!parse_number(value, &number, &end) || number > INT64_MAX / second - 1)
		goto wrong;
	if (*end == '.') {
		for (end++; *end >= '0' && *end <= '9'; end++, digit /= 10)
			fraction += digit * (uint64_t)(*end - '0');
	}
	if (*end || !(number * second + fraction))
		goto wrong;
	settings->duration_ns = number * second + fraction;
	return true;
wrong:
	complain("--duration %s: must be a number of seconds above 0, like 10 or 0.5", value);
	return false;
}

static bool take_event_count(struct settings *settings, const char *value)
{
	return take_count("count", value, UINT64_MAX, &settings->count);
}

static bool take_program_number(struct settings *settings, const char *value)
{
	return take_count("number", value, 10000, &settings->number);
}

static bool take_wait(struct settings *settings, const char *value)
{
	static const char *const names[] = {"tree", "command", NULL};
	int choice = take_choice("wait", value, names);

	if (choice < 0)
		return false;
	settings->wait_command = choice;
	return true;
}

static bool take_run_as(struct settings *settings, const char *value)
{
	if (value && !*value) {
		complain("--user= needs a name; without '=' it is who called sudo");
		return false;
	}
	settings->run_as = value ? value : "";
	return true;
}

static bool take_fail_on_loss(struct settings *settings, const char *value)
{
	(void)value;
	settings->fail_on_loss = true;
	return true;
}

const struct option option_format = {"format", 0, "text|json",
				     "lines for people, or one JSON object a line", take_format};
const struct option option_event_format = {
    "format", 0, "text|json|ecs",
    "lines for people, one JSON object a line, or the same as\n"
    "documents of the Elastic Common Schema",
    take_event_format};
const struct option option_json = {"json", 'j', NULL, "the same as --format json", take_json};
const struct option option_output = {"output", 'o', "FILE", platform_output_help, take_output};
const struct option option_picture_output = {
    "output", 'o', "FILE",
    "the picture's file: for its owner alone, in place of one that exists;\n"
    "a symbolic link is refused",
    take_output};
const struct option option_kinds = {"kinds", 0, "LIST", platform_kinds_help, take_kinds};
const struct option option_match = {"match", 0, "EXPRESSION", platform_match_help, take_match};
const struct option option_kernel_threads = {"kernel-threads", 0, NULL,
					     "also the kernel's own threads", take_kernel_threads};
const struct option option_max_args = {
    "max-args", 0, "BYTES", "take no more than so much of each argument vector (K, M, G)",
    take_max_args};
const struct option option_env = {"env", 0, "NAME,...",
				  "also take these variables of the environment", take_env};
const struct option option_redact = {
    "redact", 0, "NAME,...",
    "put *** for the values of such names in arguments and variables;\n"
    "'default' stands for *password*, *token* and their like",
    take_redact};
const struct option option_backend = {
    "backend", 0, platform_backend_argument,
    "how to observe; 'consctl doctor' tells what works here (default: auto)", take_backend};
const struct option option_buffer_size = {
    "buffer-size", 0, "BYTES", "size of the kernel's buffer (K, M, G)", take_buffer_size};
const struct option option_queue_size = {"queue-size", 0, "BYTES",
					 "memory for events that wait to be written (default: 4M)",
					 take_queue_size};
const struct option option_spill_directory = {"spill-directory", 0, "DIRECTORY",
					      platform_spill_directory_help, take_spill_directory};
const struct option option_spill_size = {
    "spill-size", 0, "BYTES", "how much of that disk may be used (default: 1G)", take_spill_size};
const struct option option_resume = {
    "resume", 0, NULL,
    "read the resident observer from where its last reader stopped;\n"
    "what an interrupted reader had not finished writing comes again,\n"
    "with the same cursors",
    take_resume};
const struct option option_replace = {
    "replace", 0, NULL,
    "in the place of the one that is installed: its buffer and its reader\n"
    "stay, and nothing is missed",
    take_replace};
const struct option option_color = {"color", 0, "auto|always|never",
				    "colour (default: on a terminal, unless NO_COLOR is set)",
				    take_color};
const struct option option_duration = {"duration", 0, "SECONDS", "end after so long, like 0.5",
				       take_duration};
const struct option option_count = {"count", 0, "N", "end after N events", take_event_count};
const struct option option_number = {"number", 'n', "N", "how many programs (default: 10)",
				     take_program_number};
const struct option option_wait = {
    "wait", 0, "tree|command",
    "return when the whole tree has ended (default), or when COMMAND has", take_wait};
const struct option option_run_as = {
    "user", 0, "[=NAME]",
    "run COMMAND with the rights of who called sudo, or of user NAME;\n"
    "consctl itself keeps its own",
    take_run_as};
const struct option option_fail_on_loss = {"fail-on-loss", 0, NULL,
					   "exit with 3 if events were lost", take_fail_on_loss};

void settings_free(struct settings *settings)
{
	free(settings->env);
	free(settings->env_text);
	settings->env = NULL;
	settings->env_text = NULL;
	free(settings->redact);
	free(settings->redact_text);
	settings->redact = NULL;
	settings->redact_text = NULL;
}

/* A summary tells failed execs, unless somebody wants to have it otherwise. */
static uint32_t wanted_kinds(const struct settings *settings)
{
	if (settings->kinds || !settings->summary)
		return settings->kinds;
	return PROCOBSRV_KINDS_DEFAULT | PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC_FAILED);
}

bool settings_suit(const struct settings *settings, uint32_t root_pid)
{
	for (size_t i = 0; settings->backend && !root_pid && source_backends[i]; i++) {
		if (strcmp(source_backends[i]->name, settings->backend) != 0 ||
		    !source_backends[i]->tree_only)
			continue;
		complain("--backend %s follows one command and what it starts, not the machine: "
			 "consctl run --backend %s -- COMMAND",
			 settings->backend, settings->backend);
		return false;
	}
	return true;
}

bool settings_look_back(const struct settings *settings)
{
	const char *option = settings->backend		? "backend"
			     : settings->kernel_threads ? "kernel-threads"
			     : settings->buffer_size	? "buffer-size"
			     : settings->max_args	? "max-args"
			     : settings->run_as		? "user"
			     : settings->wait_command	? "wait"
							: NULL;

	if (!option)
		return true;
	complain("--%s is about observing: what has been observed is drawn as it is", option);
	return false;
}

void settings_observe(const struct settings *settings, struct procobsrv_options *options)
{
	*options = (struct procobsrv_options){
	    .size = sizeof(*options),
	    .kinds = wanted_kinds(settings),
	    .flags = (settings->kernel_threads ? PROCOBSRV_KERNEL_THREADS : 0) |
		     (settings->resume ? PROCOBSRV_RESIDENT | PROCOBSRV_ACKNOWLEDGE : 0),
	    .backend = settings->backend,
	    .match = settings->match,
	    .buffer_size = settings->buffer_size,
	    .queue_size = settings->queue_size,
	    .spill_directory = settings->spill_directory,
	    .spill_size = settings->spill_size,
	    .max_args = settings->max_args,
	    .env = settings->env,
	    .redact = settings->redact,
	};
}
