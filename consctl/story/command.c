/* SPDX-License-Identifier: MIT */
/* Commands as a shell would need them, without the secrets that nobody shall see. */
#include "command.h"
#include "format.h"
#include "redact.h"

#include <stdlib.h>
#include <string.h>

void story_redact(struct story *story, const char *const *names)
{
	if (names && redaction_create(names, &story->redaction))
		story->failed = true;
}

/* Secrets are looked for in all of them together: one may stand in the argument after its name. */
void story_append_command(struct story *story, struct buffer *arguments, size_t count,
			  struct buffer *command)
{
	char **vector = arguments->failed ? NULL : calloc(count + 1, sizeof(*vector));
	char *argument = arguments->data;

	if (!vector) {
		story->failed = true;
		return;
	}
	for (size_t index = 0; index < count; index++) {
		vector[index] = argument;
		argument += strlen(argument) + 1;
	}
	if (story->redaction)
		redact_arguments(story->redaction, vector, count);
	format_text_argv(command, (const char *const *)vector, count);
	free(vector);
}

void story_append_arguments(struct story *story, const char *const *arguments, size_t count,
			    struct buffer *command)
{
	struct buffer texts = BUFFER_EMPTY;

	for (size_t index = 0; index < count; index++)
		buffer_append(&texts, arguments[index], strlen(arguments[index]) + 1);
	story_append_command(story, &texts, count, command);
	buffer_free(&texts);
}
