/* SPDX-License-Identifier: MIT */
/*
 * Any text as a match expression. What compiles is matched against events of each kind and must
 * keep to filter_kinds(); what does not must be explained in three clean lines.
 */
#include "filter.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const argv[] = {"cc1", "-E", "a.c", "", "\xff two words", NULL};
static const struct procobsrv_missing missing[] = {{"argv", "truncated"}};

static const struct procobsrv_process process = {
    .id = "boot-812-200",
    .present = UINT32_MAX,
    .flags = PROCOBSRV_PROCESS_SETUID,
    .start_time_ns = INT64_C(1795328000123456789),
    .pid = 812,
    .ppid = 811,
    .uid = 1000,
    .name = "cc1",
    .exe = "/usr/bin/\xe6\x97\xa5",
    .cwd = "/",
    .argv = argv,
    .argc = sizeof argv / sizeof argv[0] - 1,
    .cgroup_id = UINT64_MAX,
    .pid_namespace = 4026531836,
    .missing = missing,
    .missing_count = 1,
};

static const struct procobsrv_exit status = {
    .code = 3, .has_status = 1, .has_usage = 1, .duration_ns = 1830211};
static const struct procobsrv_attempt attempt = {
    .path = "/nope", .argv = argv, .argc = 2, .error = -2, .error_name = "ENOENT"};
static const struct procobsrv_lost lost = {.first = 1, .count = 2, .start = 2, .stage = "kernel"};

static void match_all(const struct filter *filter)
{
	for (int kind = PROCOBSRV_EXISTING; kind <= PROCOBSRV_LOST; kind++) {
		struct procobsrv_event event = {.kind = (enum procobsrv_kind)kind, .seq = 5};

		if (kind == PROCOBSRV_LOST) {
			event.lost = &lost;
		} else {
			event.process = &process;
			event.parent = &process;
		}
		if (kind == PROCOBSRV_EXIT)
			event.exit = &status;
		if (kind == PROCOBSRV_EXEC_FAILED)
			event.attempt = &attempt;
		if (filter_match(filter, &event) &&
		    (filter_kinds(filter) & PROCOBSRV_KIND_BIT(kind)) == 0)
			abort();
	}
}

/* Three lines: what is wrong, the expression, a caret; one if there is nothing to point at. */
static void check_explanation(const char *expression, const char *text)
{
	bool empty = expression[strspn(expression, " \t\r\n")] == 0;
	int lines = 1;

	for (const char *at = text; *at != 0; at++) {
		lines += *at == '\n';
		if ((unsigned char)*at < 0x20 && *at != '\n')
			abort();
	}
	if (lines != (empty ? 1 : 3))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct filter *filter;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (filter_compile(text, &filter) == 0) {
		match_all(filter);
		filter_free(filter);
	} else if (strlen(text) <= 65536) {
		check_explanation(text, procobsrv_explain());
	}
	free(text);
	return 0;
}
