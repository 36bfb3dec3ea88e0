/* SPDX-License-Identifier: MIT */
/* Reads a verb's command line, and writes its help, both from the verb's table of options. */
#include "buffer.h"
#include "consctl.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 64

static const struct option *find_name(const struct verb *verb, const char *name, size_t size)
{
	for (const struct option *const *option = verb->options; *option; option++)
		if (strlen((*option)->name) == size && !memcmp((*option)->name, name, size))
			return *option;
	return NULL;
}

static const struct option *find_letter(const struct verb *verb, char letter)
{
	for (const struct option *const *option = verb->options; *option; option++)
		if ((*option)->letter == letter)
			return *option;
	return NULL;
}

static void complain_unknown(const struct verb *verb, const char *text)
{
	const char *names[NAMES_MAX] = {"help"};
	const char *nearest;
	size_t count = 1;
	char name[64] = "";

	for (const struct option *const *option = verb->options; *option && count < NAMES_MAX - 1;
	     option++)
		names[count++] = (*option)->name;
	names[count] = NULL;
	snprintf(name, sizeof(name), "%s", text + strspn(text, "-"));
	name[strcspn(name, "=")] = 0;
	nearest = nearest_name(name, names);
	if (nearest)
		complain("%s has no option '%.*s'; did you mean '--%s'?", verb->name,
			 (int)strcspn(text, "="), text, nearest);
	else
		complain("%s has no option '%.*s'; see 'consctl %s --help'", verb->name,
			 (int)strcspn(text, "="), text, verb->name);
}

static bool needs_value(const struct option *option)
{
	return option->argument && option->argument[0] != '[';
}

/* Takes "--name", "--name=value", or "--name value"; moves *arguments to the last one used. */
static enum arguments_result read_long(const struct verb *verb, char ***arguments,
				       struct settings *settings)
{
	const char *text = **arguments;
	const char *name = text + 2;
	size_t size = strcspn(name, "=");
	const char *value = name[size] ? name + size + 1 : NULL;
	const struct option *option = find_name(verb, name, size);

	if (!option && size == 4 && !memcmp(name, "help", 4) && !value)
		return ARGUMENTS_HELP;
	if (!option) {
		complain_unknown(verb, text);
		return ARGUMENTS_WRONG;
	}
	if (!option->argument && value) {
		complain("--%s takes no argument", option->name);
		return ARGUMENTS_WRONG;
	}
	if (needs_value(option) && !value) {
		value = (*arguments)[1];
		if (!value) {
			complain("--%s needs %s; see 'consctl %s --help'", option->name,
				 option->argument, verb->name);
			return ARGUMENTS_WRONG;
		}
		++*arguments;
	}
	return option->take(settings, value) ? ARGUMENTS_FINE : ARGUMENTS_WRONG;
}

/* Takes "-a", "-ab", "-avalue" or "-a value"; moves *arguments to the last one used. */
static enum arguments_result read_short(const struct verb *verb, char ***arguments,
					struct settings *settings)
{
	const char *text = **arguments;

	for (const char *letter = text + 1; *letter; letter++) {
		const struct option *option = find_letter(verb, *letter);

		if (!option && *letter == 'h')
			return ARGUMENTS_HELP;
		if (!option) {
			complain_unknown(verb, text);
			return ARGUMENTS_WRONG;
		}
		if (!needs_value(option)) {
			if (!option->take(settings, NULL))
				return ARGUMENTS_WRONG;
			continue;
		}
		const char *value = letter[1] ? letter + 1 : *++*arguments;
		if (!value) {
			complain("-%c needs %s; see 'consctl %s --help'", option->letter,
				 option->argument, verb->name);
			return ARGUMENTS_WRONG;
		}
		return option->take(settings, value) ? ARGUMENTS_FINE : ARGUMENTS_WRONG;
	}
	return ARGUMENTS_FINE;
}

static enum arguments_result check_operands(const struct verb *verb,
					    const struct settings *settings)
{
	switch (verb->operands) {
	case OPERANDS_NONE:
		if (!settings->operand_count)
			return ARGUMENTS_FINE;
		complain("%s takes no operand, but was given '%s'; see 'consctl %s --help'",
			 verb->name, settings->operands[0], verb->name);
		return ARGUMENTS_WRONG;
	case OPERANDS_COMMAND:
		if (settings->operand_count)
			return ARGUMENTS_FINE;
		complain("%s needs a command: consctl %s %s", verb->name, verb->name,
			 verb->synopsis);
		return ARGUMENTS_WRONG;
	case OPERANDS_FILES:
		if (settings->operand_count)
			return ARGUMENTS_FINE;
		complain("%s needs a file: consctl %s %s", verb->name, verb->name, verb->synopsis);
		return ARGUMENTS_WRONG;
	case OPERANDS_PROGRAM:
		break;
	}
	return ARGUMENTS_FINE;
}

enum arguments_result arguments_read(const struct verb *verb, char **arguments,
				     struct settings *settings)
{
	/* What may be a command ends the options: those after it are its own. */
	bool permute = verb->operands == OPERANDS_NONE || verb->operands == OPERANDS_FILES;
	char **kept = arguments;
	bool ended = false;
	enum arguments_result result;

	settings->operands = arguments;
	for (; *arguments; arguments++) {
		const char *text = *arguments;

		if (ended || text[0] != '-' || !text[1]) {
			kept[settings->operand_count++] = *arguments;
			ended = ended || !permute;
			continue;
		}
		if (!strcmp(text, "--")) {
			ended = true;
			continue;
		}
		if (text[1] == '-')
			result = read_long(verb, &arguments, settings);
		else
			result = read_short(verb, &arguments, settings);
		if (result != ARGUMENTS_FINE)
			return result;
	}
	kept[settings->operand_count] = NULL;
	return check_operands(verb, settings);
}

static void append_option(struct buffer *buffer, const struct option *option)
{
	const size_t column = 28;
	size_t begin = buffer->size;
	const char *line = option->help;

	buffer_append_text(buffer, "  ");
	if (option->letter) {
		buffer_append_character(buffer, '-');
		buffer_append_character(buffer, option->letter);
		buffer_append_text(buffer, ", ");
	} else {
		buffer_append_text(buffer, "    ");
	}
	buffer_append_text(buffer, "--");
	buffer_append_text(buffer, option->name);
	if (option->argument) {
		if (needs_value(option))
			buffer_append_character(buffer, ' ');
		buffer_append_text(buffer, option->argument);
	}
	if (buffer->size - begin > column - 2) {
		buffer_append_character(buffer, '\n');
		begin = buffer->size;
	}
	while (*line) {
		size_t size = strcspn(line, "\n");

		while (buffer->size - begin < column && !buffer->failed)
			buffer_append_character(buffer, ' ');
		buffer_append(buffer, line, size);
		buffer_append_character(buffer, '\n');
		begin = buffer->size;
		line += size + (line[size] == '\n');
	}
}

int arguments_help(const struct verb *verb)
{
	static const struct option help = {"help", 'h', NULL, "this text", NULL};
	struct buffer buffer = BUFFER_EMPTY;
	int error;

	buffer_append_text(&buffer, "Usage: consctl ");
	buffer_append_text(&buffer, verb->name);
	if (*verb->synopsis)
		buffer_append_character(&buffer, ' ');
	buffer_append_text(&buffer, verb->synopsis);
	buffer_append_text(&buffer, "\n\n");
	buffer_append_text(&buffer, verb->text);
	buffer_append_text(&buffer, "\nOptions:\n");
	for (const struct option *const *option = verb->options; *option; option++)
		append_option(&buffer, *option);
	append_option(&buffer, &help);
	error = output_print(&buffer);
	buffer_free(&buffer);
	return error;
}
