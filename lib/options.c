/* SPDX-License-Identifier: MIT */
#include "monitor.h"
#include "redact.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_SIZE_DEFAULT (4u << 20)
#define QUEUE_SIZE_LEAST   (1u << 16)
#define SPILL_SIZE_DEFAULT (1u << 30)
#define FLAGS_KNOWN                                                                                \
	(PROCOBSRV_KERNEL_THREADS | PROCOBSRV_RESIDENT | PROCOBSRV_NO_SNAPSHOT |                   \
	 PROCOBSRV_NO_SPILL | PROCOBSRV_ACKNOWLEDGE)
#define BACKENDS_MAX 8

const struct source_operations *options_backend(const char *name)
{
	for (size_t i = 0; source_backends[i]; i++)
		if (!strcmp(source_backends[i]->name, name))
			return source_backends[i];
	return NULL;
}

const char *const *procobsrv_backends(void)
{
	/* Filled with the same pointers by whoever comes first or again. */
	static const char *_Atomic names[BACKENDS_MAX + 1];

	for (size_t i = 0; i < BACKENDS_MAX && source_backends[i]; i++)
		atomic_store(&names[i], source_backends[i]->name);
	return (const char *const *)names;
}

static char **copy_list(const char *const *list)
{
	size_t count = 0;

	while (list[count])
		count++;
	char **copy = calloc(count + 1, sizeof *copy);
	if (!copy)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if ((copy[i] = strdup(list[i])))
			continue;
		while (i)
			free(copy[--i]);
		free(copy);
		return NULL;
	}
	return copy;
}

void options_free(struct monitor_options *copy)
{
	for (char **name = copy->env; name && *name; name++)
		free(*name);
	free(copy->env);
	redaction_free(copy->redaction);
	free(copy->backend);
	free(copy->match);
	free(copy->spill_directory);
}

/* What a newer header has beyond ours must be unset: it may keep secrets out of events. */
static bool asks_for_more(const struct procobsrv_options *options)
{
	const unsigned char *bytes = (const unsigned char *)options;

	for (size_t at = sizeof *options; at < options->size; at++)
		if (bytes[at])
			return true;
	return false;
}

static int check(const struct procobsrv_options *options)
{
	if (options->size < sizeof(struct procobsrv_handler) + sizeof(size_t) ||
	    options->size > 4096)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "options.size is %zu: set it to sizeof(struct procobsrv_options)",
				 options->size);
	if (asks_for_more(options))
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "options has a value that version %s does not know: the program "
				 "was built for a newer one",
				 procobsrv_version());
	return 0;
}

static int check_values(const struct procobsrv_options *options)
{
	if (options->kinds & ~PROCOBSRV_KINDS_ALL)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "options.kinds has bits that are no kind: 0x%x",
				 options->kinds & ~PROCOBSRV_KINDS_ALL);
	if (options->flags & ~(uint32_t)FLAGS_KNOWN)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "options.flags has bits that this version does not know: 0x%x",
				 options->flags & ~(uint32_t)FLAGS_KNOWN);
	if (options->flags & PROCOBSRV_ACKNOWLEDGE && !(options->flags & PROCOBSRV_RESIDENT))
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "PROCOBSRV_ACKNOWLEDGE is for who reads the resident observer: "
				 "with PROCOBSRV_RESIDENT");
	if (options->reserved)
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "options.reserved is not 0");
	if (options->backend && strcmp(options->backend, "auto") &&
	    !options_backend(options->backend))
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "there is no backend \"%s\" in this build; consctl --version "
				 "lists those there are",
				 options->backend);
	return 0;
}

static void set_numbers(const struct procobsrv_options *options, struct monitor_options *copy)
{
	copy->handler = options->handler;
	copy->kinds = options->kinds ? options->kinds : PROCOBSRV_KINDS_DEFAULT;
	copy->flags = options->flags;
	copy->queue_size = options->queue_size ? options->queue_size : QUEUE_SIZE_DEFAULT;
	if (copy->queue_size < QUEUE_SIZE_LEAST)
		copy->queue_size = QUEUE_SIZE_LEAST;
	copy->spill_size = options->spill_size ? options->spill_size : SPILL_SIZE_DEFAULT;

	/* The table needs starts, execs and exits, whichever of them are reported. */
	copy->source.record_kinds = 1u << RECORD_START | 1u << RECORD_EXEC | 1u << RECORD_EXIT;
	if (copy->kinds & PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC_FAILED))
		copy->source.record_kinds |= 1u << RECORD_EXEC_FAILED;
	copy->source.kernel_threads = options->flags & PROCOBSRV_KERNEL_THREADS;
	copy->source.resident = options->flags & PROCOBSRV_RESIDENT;
	copy->source.buffer_size = options->buffer_size;
	copy->source.max_args = options->max_args ? options->max_args : UINT64_MAX;
	copy->source.root_pid = options->root_pid;
	copy->source.capture_env = options->env && options->env[0];
}

int options_copy(const struct procobsrv_options *options, struct monitor_options *copy)
{
	struct procobsrv_options known = {.size = sizeof known};
	int error;

	/* A caller that was built with an older header has a shorter struct. */
	if (options) {
		if ((error = check(options)))
			return error;
		memcpy(&known, options,
		       options->size < sizeof known ? options->size : sizeof known);
	}
	if ((error = check_values(&known)))
		return error;

	memset(copy, 0, sizeof *copy);
	set_numbers(&known, copy);
	bool copied = true;
	if (known.backend && strcmp(known.backend, "auto"))
		copied &= (copy->backend = strdup(known.backend)) != NULL;
	if (known.match)
		copied &= (copy->match = strdup(known.match)) != NULL;
	if (known.spill_directory)
		copied &= (copy->spill_directory = strdup(known.spill_directory)) != NULL;
	if (copy->source.capture_env)
		copied &= (copy->env = copy_list(known.env)) != NULL;
	if (known.redact && known.redact[0])
		copied &= !redaction_create(known.redact, &copy->redaction);
	if (copied)
		return 0;
	options_free(copy);
	return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a monitor");
}
