/* SPDX-License-Identifier: MIT */
/*
 * consctl doctor: what this machine allows, and what works. The backends are not judged by what was
 * found, but tried.
 */
#include "consctl.h"
#include "json.h"
#include "output.h"
#include "platform.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#define BACKENDS_MAX 8

enum reach {
	REACH_NOTHING,
	REACH_TREE,	/* what consctl started only: run and demo */
	REACH_MACHINE,	/* all processes, but something is missed or costs */
	REACH_COMPLETE, /* all processes, and nothing is missed */
};

struct trial {
	const char *name;
	enum reach reach;
	bool taken_for_machine; /* what auto takes for watch */
	char text[512];		/* limits, or the error */
};

struct diagnosis {
	struct check checks[CHECKS_MAX];
	size_t check_count;
	struct trial trials[BACKENDS_MAX];
	size_t trial_count;
};

static void ignore_event(const struct procobsrv_event *event, void *param)
{
	(void)event;
	(void)param;
}

/* Observes for a moment. Copies what it misses, or why it failed; returns the error. */
static int try_backend(const char *name, uint32_t root_pid, char *text, size_t size, char *taken,
		       size_t taken_size, bool *limited)
{
	const struct procobsrv_options options = {
	    .size = sizeof(options),
	    .handler = {.on_event = ignore_event},
	    .backend = name,
	    .root_pid = root_pid,
	};
	struct procobsrv *monitor = NULL;
	const char *limits;
	int error;

	error = procobsrv_open(&options, &monitor);
	if (!error)
		error = procobsrv_start(monitor);
	if (error) {
		const char *explanation = procobsrv_explain();

		snprintf(text, size, "%s", *explanation ? explanation : procobsrv_strerror(error));
		procobsrv_close(monitor);
		return error;
	}
	limits = procobsrv_backend_limits(monitor);
	*limited = limits != NULL;
	snprintf(text, size, "%s", limits ? limits : "");
	if (taken)
		snprintf(taken, taken_size, "%s", procobsrv_backend(monitor));
	procobsrv_stop(monitor, PROCOBSRV_STOP_DISCARD);
	procobsrv_close(monitor);
	return 0;
}

static void try_one(struct trial *trial, const struct launcher *launcher)
{
	char tree_text[sizeof(trial->text)];
	bool limited;

	if (!try_backend(trial->name, 0, trial->text, sizeof(trial->text), NULL, 0, &limited)) {
		trial->reach = limited ? REACH_MACHINE : REACH_COMPLETE;
		return;
	}
	if (launcher && !try_backend(trial->name, launcher_pid(launcher), tree_text,
				     sizeof(tree_text), NULL, 0, &limited)) {
		trial->reach = REACH_TREE;
		memcpy(trial->text, tree_text, sizeof(trial->text));
	}
}

static void try_all(struct diagnosis *diagnosis, const struct launcher *launcher)
{
	char ignored[512];
	char taken[32] = "";
	bool limited;

	for (const char *const *name = procobsrv_backends();
	     *name && diagnosis->trial_count < BACKENDS_MAX; name++) {
		struct trial *trial = &diagnosis->trials[diagnosis->trial_count++];

		trial->name = *name;
		try_one(trial, launcher);
	}
	if (try_backend("auto", 0, ignored, sizeof(ignored), taken, sizeof(taken), &limited))
		return;
	for (size_t index = 0; index < diagnosis->trial_count; index++)
		diagnosis->trials[index].taken_for_machine =
		    !strcmp(diagnosis->trials[index].name, taken);
}

static const char *const reach_names[] = {
    [REACH_NOTHING] = "does not work",
    [REACH_TREE] = "works for run and demo",
    [REACH_MACHINE] = "works, with limits",
    [REACH_COMPLETE] = "works, complete",
};

static bool is_complete(const struct diagnosis *diagnosis)
{
	for (size_t index = 0; index < diagnosis->trial_count; index++)
		if (diagnosis->trials[index].reach == REACH_COMPLETE)
			return true;
	return false;
}

static void append_text(struct buffer *buffer, const struct diagnosis *diagnosis)
{
	static const char *const marks[] = {
	    [CHECK_GOOD] = "ok", [CHECK_NEUTRAL] = "-", [CHECK_BAD] = "no"};
	const struct trial *taken = NULL;
	char line[1024];

	for (size_t index = 0; index < diagnosis->check_count; index++) {
		const struct check *check = &diagnosis->checks[index];

		snprintf(line, sizeof(line), "%-2s  %-18s %s%s%s\n", marks[check->verdict],
			 check->name, check->value, check->note[0] ? ": " : "", check->note);
		buffer_append_text(buffer, line);
	}
	buffer_append_text(buffer, "\nBackends, in the order of preference:\n");
	for (size_t index = 0; index < diagnosis->trial_count; index++) {
		const struct trial *trial = &diagnosis->trials[index];

		snprintf(line, sizeof(line), "%-2s  %-18s %s%s%s\n",
			 trial->reach == REACH_NOTHING	  ? "no"
			 : trial->reach == REACH_COMPLETE ? "ok"
							  : "-",
			 trial->name, reach_names[trial->reach], trial->text[0] ? ": " : "",
			 trial->text);
		buffer_append_text(buffer, line);
		if (trial->taken_for_machine)
			taken = trial;
	}
	if (!taken)
		snprintf(line, sizeof(line), "\nNo backend can observe the whole machine here.\n");
	else if (taken == diagnosis->trials)
		snprintf(line, sizeof(line), "\n'watch' would take %s: the first choice works.\n",
			 taken->name);
	else
		snprintf(
		    line, sizeof(line),
		    "\n'watch' would take %s: of those that can observe the whole machine here, "
		    "it is the first.\n",
		    taken->name);
	buffer_append_text(buffer, line);
}

static void append_member(struct buffer *buffer, const char *name, const char *text)
{
	json_append_string(buffer, name);
	buffer_append_character(buffer, ':');
	json_append_string(buffer, text);
}

static void append_json(struct buffer *buffer, const struct diagnosis *diagnosis)
{
	static const char *const verdicts[] = {
	    [CHECK_GOOD] = "good", [CHECK_NEUTRAL] = "neutral", [CHECK_BAD] = "bad"};
	static const char *const reaches[] = {[REACH_NOTHING] = "none",
					      [REACH_TREE] = "tree",
					      [REACH_MACHINE] = "limited",
					      [REACH_COMPLETE] = "complete"};

	buffer_append_text(buffer, "{\"schema\":1,\"kind\":\"doctor\",\"complete\":");
	buffer_append_text(buffer, is_complete(diagnosis) ? "true" : "false");
	buffer_append_text(buffer, ",\"checks\":[");
	for (size_t index = 0; index < diagnosis->check_count; index++) {
		const struct check *check = &diagnosis->checks[index];

		buffer_append_text(buffer, index ? ",{" : "{");
		append_member(buffer, "name", check->name);
		buffer_append_character(buffer, ',');
		append_member(buffer, "verdict", verdicts[check->verdict]);
		buffer_append_character(buffer, ',');
		append_member(buffer, "value", check->value);
		if (check->note[0]) {
			buffer_append_character(buffer, ',');
			append_member(buffer, "note", check->note);
		}
		buffer_append_character(buffer, '}');
	}
	buffer_append_text(buffer, "],\"backends\":[");
	for (size_t index = 0; index < diagnosis->trial_count; index++) {
		const struct trial *trial = &diagnosis->trials[index];

		buffer_append_text(buffer, index ? ",{" : "{");
		append_member(buffer, "name", trial->name);
		buffer_append_character(buffer, ',');
		append_member(buffer, "works", reaches[trial->reach]);
		buffer_append_text(buffer, ",\"taken\":");
		buffer_append_text(buffer, trial->taken_for_machine ? "true" : "false");
		if (trial->text[0]) {
			buffer_append_character(buffer, ',');
			append_member(buffer, trial->reach == REACH_NOTHING ? "error" : "limits",
				      trial->text);
		}
		buffer_append_character(buffer, '}');
	}
	buffer_append_text(buffer, "]}\n");
}

int doctor_run(const struct settings *settings)
{
	static char name[] = "";
	static char *const nothing[] = {name, NULL};
	struct diagnosis *diagnosis = calloc(1, sizeof(*diagnosis));
	struct launcher *launcher = NULL;
	struct buffer buffer = BUFFER_EMPTY;
	int status;
	int error;

	if (!diagnosis) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	/* Never started: it only serves as a tree to observe. */
	error = launcher_open(nothing, LAUNCHER_KILLS, NULL, &launcher);
	if (error)
		complain("cannot make a process to observe: %s", platform_error_text(error));
	diagnosis->check_count = platform_check(diagnosis->checks);
	try_all(diagnosis, launcher);
	launcher_close(launcher);
	if (settings->format == PROCOBSRV_FORMAT_JSON)
		append_json(&buffer, diagnosis);
	else
		append_text(&buffer, diagnosis);
	error = output_print(&buffer);
	buffer_free(&buffer);
	status = output_status(NULL, error);
	if (status == STATUS_FINE && !is_complete(diagnosis))
		status = STATUS_FAILED;
	free(diagnosis);
	return status;
}
