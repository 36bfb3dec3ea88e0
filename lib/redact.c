/* SPDX-License-Identifier: MIT */
#include "redact.h"

#include "pattern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE_MAX 128

const char *const redact_default_names[] = {
    "*password*",    "*passwd*",      "*passphrase*",	  "pwd",       "*-pwd",	     "pass",
    "*-pass",	     "*secret*",      "*token*",	  "*api-key*", "*apikey*",   "*access-key*",
    "*private-key*", "*credential*",  "authorization",	  "*-auth",    "*auth-key*", "cookie",
    "*session-key*", "*signing-key*", "*encryption-key*", NULL};

struct redaction {
	size_t count;
	bool urls;
	const char *names[];
};

static size_t list_length(const char *const *list)
{
	size_t count = 0;

	while (list[count])
		count++;
	return count;
}

/* As names are compared: lower case, '-' for '_'. */
static char folded(char character)
{
	if (character >= 'A' && character <= 'Z')
		return (char)(character | 0x20);
	return character == '_' ? '-' : character;
}

static void add_name(struct redaction *redaction, char **text, const char *name)
{
	redaction->names[redaction->count++] = *text;
	for (; *name; name++)
		*(*text)++ = folded(*name);
	*(*text)++ = '\0';
}

int redaction_create(const char *const *names, struct redaction **redaction)
{
	size_t defaults = list_length(redact_default_names);
	size_t count = 0;
	size_t bytes = 0;
	struct redaction *made;
	char *text;

	for (size_t index = 0; names[index]; index++) {
		count += 1 + defaults;
		bytes += strlen(names[index]) + 1;
	}
	made = malloc(sizeof(*made) + count * sizeof(char *) + bytes);
	if (!made)
		return PROCOBSRV_ERROR_MEMORY;
	*made = (struct redaction){0};
	text = (char *)(made->names + count);
	for (size_t index = 0; names[index]; index++) {
		if (strcmp(names[index], "default") != 0) {
			add_name(made, &text, names[index]);
			continue;
		}
		made->urls = true;
		for (size_t place = 0; place < defaults; place++)
			made->names[made->count++] = redact_default_names[place];
	}
	*redaction = made;
	return 0;
}

void redaction_free(struct redaction *redaction)
{
	free(redaction);
}

static bool is_secret(const struct redaction *redaction, const char *name, size_t size)
{
	char plain[NAME_SIZE_MAX];

	if (!size || size > sizeof(plain))
		return false;
	for (size_t index = 0; index < size; index++)
		plain[index] = folded(name[index]);
	for (size_t index = 0; index < redaction->count; index++)
		if (pattern_glob_match(redaction->names[index], strlen(redaction->names[index]),
				       plain, size))
			return true;
	return false;
}

/* What ends a word within an argument, as in a script of a shell. */
static bool ends_word(char character)
{
	return !character || strchr(" \t\r\n'\"`;&|()<>", character);
}

static bool is_of_name(char character)
{
	return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
	       (character >= '0' && character <= '9') || character == '_' || character == '-' ||
	       character == '.';
}

/* Copies a text onto itself, with parts left out. */
struct copy {
	const char *from;
	char *to;
};

static void copy_until(struct copy *copy, const char *end)
{
	size_t size = (size_t)(end - copy->from);

	memmove(copy->to, copy->from, size);
	copy->from += size;
	copy->to += size;
}

static void leave_out(struct copy *copy, const char *end)
{
	size_t size = (size_t)(end - copy->from);

	/* Never longer than what it stands for, which is room that there is. */
	if (size > strlen(REDACTED))
		size = strlen(REDACTED);
	memcpy(copy->to, REDACTED, size);
	copy->to += size;
	copy->from = end;
}

static const char *word_end(const char *word)
{
	while (!ends_word(*word))
		word++;
	return word;
}

/* A value goes to the end of its word, or of its quotes. */
static const char *value_end(const char *value)
{
	const char *end;

	if (*value != '\'' && *value != '"')
		return word_end(value);
	end = strchr(value + 1, *value);
	return end ? end + 1 : value + strlen(value);
}

/* user:secret@ within a word with "://"; the last '@' is meant, as most clients have it. */
static void redact_url(struct copy *copy, const char *end)
{
	const char *colon = strstr(copy->from, "://");
	const char *at = NULL;

	if (!colon || colon >= end)
		return;
	colon += 3;
	for (const char *next = colon; next < end && *next != '/' && *next != '?'; next++)
		if (*next == '@')
			at = next;
	while (colon < end && *colon != ':')
		colon++;
	if (!at || colon >= at)
		return;
	copy_until(copy, colon + 1);
	leave_out(copy, at);
}

static const char *skip_blanks(const char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	return text;
}

/*
 * One word at copy->from. True: it is the name of a secret that is still to come, the word after
 * it.
 */
static bool redact_word(const struct redaction *redaction, struct copy *copy)
{
	const char *end = word_end(copy->from);
	const char *name = copy->from;
	bool option = *name == '-';
	const char *name_end;

	while (*name == '-' || *name == '/')
		name++;
	name_end = name;
	while (is_of_name(*name_end))
		name_end++;
	if (is_secret(redaction, name, (size_t)(name_end - name))) {
		if (name_end == end && option) {
			copy_until(copy, end);
			return true;
		}
		if (*name_end == '=' || *name_end == ':') {
			copy_until(copy, name_end + 1);
			/* "Authorization: Bearer x": all of the header is the secret. */
			if (*name_end == ':' && (*copy->from == ' ' || *copy->from == '\t')) {
				copy_until(copy, skip_blanks(copy->from));
				leave_out(copy, copy->from + strcspn(copy->from, "'\"\r\n"));
			} else {
				leave_out(copy, value_end(copy->from));
			}
			return false;
		}
	}
	if (redaction->urls)
		redact_url(copy, end);
	copy_until(copy, end);
	return false;
}

/* `pending`: the name of a secret came before, and so for the next text. */
static void redact_text(const struct redaction *redaction, char *text, bool *pending)
{
	struct copy copy = {text, text};

	/* An option follows: the name was a switch without a value. */
	if (*pending && *text != '-') {
		leave_out(&copy, text + strlen(text));
		*pending = false;
	}
	while (*copy.from) {
		const char *blanks_end = copy.from;

		while (*blanks_end && ends_word(*blanks_end))
			blanks_end++;
		copy_until(&copy, blanks_end);
		if (!*copy.from)
			break;
		*pending = redact_word(redaction, &copy);
		if (*pending && *copy.from == ' ') {
			copy_until(&copy, skip_blanks(copy.from));
			if (*copy.from != '-')
				leave_out(&copy, value_end(copy.from));
			*pending = false;
		} else if (*copy.from) {
			*pending = false;
		}
	}
	*copy.to = '\0';
}

void redact_arguments(const struct redaction *redaction, char *const *arguments, size_t count)
{
	bool pending = false;

	/* The first is the program's name. */
	for (size_t index = 1; index < count; index++)
		redact_text(redaction, arguments[index], &pending);
}

/* The strings lie in the image's own memory; they are constant to those who get to see it. */
static char *const *own(const char *const *texts)
{
	union {
		const char *const *seen;
		char *const *own;
	} same = {texts};

	return same.own;
}

void redact_image(const struct redaction *redaction, struct image *image)
{
	bool pending = false;

	if (!redaction || !image)
		return;
	if (image->argv)
		redact_arguments(redaction, own(image->argv), image->argc);
	for (size_t index = 0; index < image->env_count; index++)
		redact_text(redaction, own(image->env)[index], &pending);
	pending = false;
	if (image->command_line)
		redact_text(redaction, *own(&image->command_line), &pending);
}
