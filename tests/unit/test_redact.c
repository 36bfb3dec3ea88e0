/* SPDX-License-Identifier: MIT */
/* Secrets in arguments: what is taken out, and what is left. */
#include "harness.h"
#include "redact.h"

#include <stdlib.h>
#include <string.h>

static const char *const default_names[] = {"default", NULL};

#define ARGUMENTS_MAX 8

/* Both ended by NULL; the first is the program. */
static void becomes(const char *const *names, const char *const *before, const char *const *after)
{
	struct redaction *redaction;
	char *arguments[ARGUMENTS_MAX];
	size_t count = 0;

	assert_int_equal(redaction_create(names, &redaction), 0);
	for (; before[count]; count++)
		arguments[count] = strdup(before[count]);
	redact_arguments(redaction, arguments, count);
	for (size_t index = 0; index < count; index++) {
		assert_string_equal(arguments[index], after[index]);
		free(arguments[index]);
	}
	redaction_free(redaction);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
/* One argument after the program. */
#define WORD(before, after) becomes(default_names, LIST("p", before), LIST("p", after))

static void options(void **state)
{
	(void)state;
	WORD("--password=hunter2", "--password=***");
	WORD("--PassWord=hunter2", "--PassWord=***");
	WORD("-api_key:abcdef", "-api_key:***");
	WORD("/password:abcdef", "/password:***");
	WORD("DB_PASSWORD=abcdef", "DB_PASSWORD=***");
	WORD("--password=ab", "--password=**");
	WORD("--password=", "--password=");
	WORD("--github-token=abcdef", "--github-token=***");
	becomes(default_names, LIST("p", "--password", "hunter2", "host"),
		LIST("p", "--password", "***", "host"));
	becomes(default_names, LIST("p", "--password", "--verbose", "host"),
		LIST("p", "--password", "--verbose", "host"));
	becomes(default_names, LIST("p", "--token", "--password", "hunter2"),
		LIST("p", "--token", "--password", "***"));
	becomes(default_names, LIST("p", "--password", "", "host"),
		LIST("p", "--password", "", "host"));
	becomes(default_names, LIST("p", "--password", "two words", "host"),
		LIST("p", "--password", "***", "host"));
}

static void what_is_left(void **state)
{
	(void)state;
	WORD("--passenger=7", "--passenger=7");
	WORD("/home/secret/file", "/home/secret/file");
	WORD("password", "password");
	WORD("hunter2", "hunter2");
	WORD("", "");
	WORD("==::--", "==::--");
	WORD("https://example.org/a:b@c", "https://example.org/a:b@c");
	becomes(default_names, LIST("--password=program", "x"), LIST("--password=program", "x"));
}

static void scripts(void **state)
{
	(void)state;
	WORD("mysql --password=abcdef -h host; echo done",
	     "mysql --password=*** -h host; echo done");
	WORD("mysql --password abcdef -h host", "mysql --password *** -h host");
	WORD("export TOKEN='a b c' && run", "export TOKEN=*** && run");
	WORD("curl -H \"Authorization: Bearer abc\" host", "curl -H \"Authorization: ***\" host");
	WORD("Authorization: Bearer abc", "Authorization: ***");
	WORD("a --password ", "a --password ");
	becomes(default_names, LIST("p", ": --password hunter2", "x"),
		LIST("p", ": --password ***", "x"));
	becomes(default_names, LIST("p", "a --password ", "host"),
		LIST("p", "a --password ", "host"));
}

static void urls(void **state)
{
	(void)state;
	WORD("https://user:hunter2@example.org/x", "https://user:***@example.org/x");
	WORD("postgres://u:p@h/d", "postgres://u:*@h/d");
	WORD("https://user@example.org:80/x", "https://user@example.org:80/x");
	WORD("https://user:hunter@2@example.org/x@y", "https://user:***@example.org/x@y");
	becomes(LIST("other"), LIST("p", "https://user:hunter2@example.org/x"),
		LIST("p", "https://user:hunter2@example.org/x"));
}

static void own_names(void **state)
{
	(void)state;
	becomes(LIST("pin*"), LIST("p", "--pin-code=1234", "--password=hunter2"),
		LIST("p", "--pin-code=***", "--password=hunter2"));
	becomes(LIST("PIN_CODE", "default"), LIST("p", "--pin-code=1234", "--password=hunter2"),
		LIST("p", "--pin-code=***", "--password=***"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options), cmocka_unit_test(what_is_left), cmocka_unit_test(scripts),
	    cmocka_unit_test(urls),    cmocka_unit_test(own_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
