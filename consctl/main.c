/* SPDX-License-Identifier: MIT */
/* consctl: the console control program. Finds the verb in the table, reads its options, runs it. */
#include "buffer.h"
#include "consctl.h"
#include "output.h"
#include "platform.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#define OBSERVING                                                                                  \
	&option_event_format, &option_json, &option_output, &option_kinds, &option_match,          \
	    &option_kernel_threads, &option_max_args, &option_env, &option_redact,                 \
	    &option_backend, &option_buffer_size, &option_queue_size, &option_spill_directory,     \
	    &option_spill_size, &option_color

static const struct option *const watch_options[] = {OBSERVING, &option_duration, &option_count,
						     &option_resume, NULL};
static const struct option *const install_options[] = {
    &option_kinds, &option_kernel_threads, &option_max_args,
    &option_env,   &option_buffer_size,	   &option_replace,
    NULL};
static const struct option *const uninstall_options[] = {NULL};
static const struct option *const status_options[] = {&option_format, &option_json, NULL};
static const struct option *const run_options[] = {
    OBSERVING, &option_wait, &option_run_as, &option_fail_on_loss, &option_summary, NULL};
static const struct option *const top_options[] = {
    &option_match,   &option_kernel_threads, &option_redact, &option_record,
    &option_backend, &option_buffer_size,    &option_color,  NULL};
static const struct option *const timeline_options[] = {
    &option_picture_output, &option_picture, &option_from,	   &option_since,
    &option_until,	    &option_record,  &option_match,	   &option_kernel_threads,
    &option_max_args,	    &option_redact,  &option_backend,	   &option_buffer_size,
    &option_wait,	    &option_run_as,  &option_fail_on_loss, NULL};
static const struct option *const demo_options[] = {&option_number, &option_backend,
						    &option_buffer_size, NULL};
static const struct option *const list_options[] = {
    &option_format, &option_json,    &option_match, &option_kernel_threads,
    &option_redact, &option_backend, NULL};
static const struct option *const tree_options[] = {
    &option_from,    &option_at,    &option_record,	    &option_format,
    &option_json,    &option_match, &option_kernel_threads, &option_redact,
    &option_backend, NULL};
static const struct option *const history_options[] = {&option_record,
						       &option_since,
						       &option_until,
						       &option_name,
						       &option_exe,
						       &option_user,
						       &option_pid,
						       &option_tree,
						       &option_ancestors,
						       &option_match,
						       &option_failed,
						       &option_forks,
						       &option_running,
						       &option_limit,
						       &option_reverse,
						       &option_event_format,
						       &option_json,
						       &option_output,
						       NULL};
static const struct option *const doctor_options[] = {&option_format, &option_json, NULL};
static const struct option *const verify_options[] = {&option_format, &option_json, NULL};

static const struct verb verbs[] = {
    {"watch", "[options]", "report events until Ctrl-C", platform_watch_help, watch_options,
     OPERANDS_NONE, STATUS_USAGE, watch_run},
    {"run", "[options] [--] COMMAND [ARGUMENT...]", "run a command, report its whole tree",
     platform_run_help, run_options, OPERANDS_COMMAND, STATUS_RUN_FAILED, run_run},
    {"timeline", "-o FILE [options] [--from FILE | --since TIME | [--] COMMAND [ARGUMENT...]]",
     "draw who started whom and how long it ran",
     "Runs COMMAND and draws its tree, or with --from what was observed earlier, or with\n"
     "--since what began since then, from the record that procobsrvd keeps: as one page of\n"
     "HTML that needs no network, or as a trace. The status is that of COMMAND; 125 if\n"
     "timeline itself failed.\n",
     timeline_options, OPERANDS_PROGRAM, STATUS_RUN_FAILED, timeline_run},
    {"top", "[options]", "a live view",
     "Shows the processes as a tree or a list, ten times a second; new ones and those that\n"
     "ended stand out. Keys: ? tells them, q ends.\n",
     top_options, OPERANDS_NONE, STATUS_USAGE, top_run},
    {"demo", "[-n N] [-- PROGRAM [ARGUMENT...]]", "start programs, see each of them start and end",
     "Starts N programs, reports the start of each as it was observed, closes them, reports\n"
     "each end. Fails if one start or end was not seen.\n",
     demo_options, OPERANDS_PROGRAM, STATUS_USAGE, demo_run},
    {"list", "[options]", "the processes that run now",
     "Lists the processes that run now, as the observer knows them, in the order of their\n"
     "start.\n",
     list_options, OPERANDS_NONE, STATUS_USAGE, list_run},
    {"tree", "[options]", "the same as a tree",
     "Draws who started whom. With --match: the processes that match, and their ancestors.\n"
     "With --from: what watch or run observed earlier, all of it or --at a moment. With --at\n"
     "alone: those that ran then, from the record that procobsrvd keeps.\n",
     tree_options, OPERANDS_NONE, STATUS_USAGE, tree_run},
    {"doctor", "[options]", "what this machine allows, and which backend works",
     "Looks at what the backends need, tries each of them, and tells which one would be\n"
     "taken and why. The status is 0 if one observes the whole machine and misses nothing.\n",
     doctor_options, OPERANDS_NONE, STATUS_USAGE, doctor_run},
    {"install", "[options]", "make the observer resident", platform_install_help, install_options,
     OPERANDS_NONE, STATUS_USAGE, install_run},
    {"uninstall", "", "remove the resident observer",
     "Removes the resident observer with all that belongs to it, events included that nobody\n"
     "has read.\n",
     uninstall_options, OPERANDS_NONE, STATUS_USAGE, uninstall_run},
    {"status", "[options]", "what is resident, and whether its counters add up",
     "Tells the resident observer's version, ring, reader and counters. The status is 3 if they\n"
     "do not add up.\n",
     status_options, OPERANDS_NONE, STATUS_USAGE, status_run},
    {"history", "[options]", "ask the record of what ran",
     "Asks the record that procobsrvd keeps. A line for each program that a process ran: when\n"
     "it began, whose it was, how long it took, how it ended; \"exec\": the process went on as\n"
     "another program. All that is asked for must be so. With --format json: all events of\n"
     "the processes that would be listed, for consctl verify, tree --from, timeline --from.\n"
     "The status is 3 if events of that time were lost.\n",
     history_options, OPERANDS_NONE, STATUS_USAGE, history_run},
    {"verify", "[options] FILE...", "say whether a JSON-lines file is complete",
     "Says whether what watch or run wrote as JSON lines is complete, and names each hole.\n"
     "Several files are read as one, in their order: the parts of a file that was rotated.\n"
     "\"-\" is standard input. The status is 3 if something is missing or does not add up.\n",
     verify_options, OPERANDS_FILES, STATUS_USAGE, verify_run},
};
#define VERB_COUNT (sizeof(verbs) / sizeof(*verbs))

static int print_help(void)
{
	struct buffer buffer = BUFFER_EMPTY;
	int error;

	buffer_append_text(&buffer, "Usage: consctl VERB [options]\n"
				    "       consctl VERB --help\n"
				    "       consctl --help | --version\n\n"
				    "Tells every process that starts or ends on this machine.\n\n"
				    "Verbs:\n");
	for (size_t index = 0; index < VERB_COUNT; index++) {
		char line[160];

		snprintf(line, sizeof(line), "  %-10s %s\n", verbs[index].name,
			 verbs[index].summary);
		buffer_append_text(&buffer, line);
	}
	buffer_append_text(&buffer, "\nExit status: 0 fine, 1 failed, 2 wrong usage, 3 events were "
				    "lost or something is missing.\n"
				    "More: ");
	buffer_append_text(&buffer, platform_manual);
	buffer_append_character(&buffer, '\n');
	error = output_print(&buffer);
	buffer_free(&buffer);
	return output_status(NULL, error);
}

static int print_version(void)
{
	struct buffer buffer = BUFFER_EMPTY;
	char versions[160];
	int error;

	buffer_append_text(&buffer, "consctl ");
	buffer_append_text(&buffer, procobsrv_version());
	buffer_append_text(&buffer, "\nbackends:");
	for (const char *const *backend = procobsrv_backends(); *backend; backend++) {
		buffer_append_character(&buffer, ' ');
		buffer_append_text(&buffer, *backend);
	}
	buffer_append_character(&buffer, '\n');
	if (platform_versions(versions, sizeof(versions))) {
		buffer_append_text(&buffer, versions);
		buffer_append_character(&buffer, '\n');
	}
	error = output_print(&buffer);
	buffer_free(&buffer);
	return output_status(NULL, error);
}

static const struct verb *find_verb(const char *name)
{
	const char *names[VERB_COUNT + 1] = {NULL};
	const char *nearest;

	for (size_t index = 0; index < VERB_COUNT; index++) {
		if (!strcmp(verbs[index].name, name))
			return &verbs[index];
		names[index] = verbs[index].name;
	}
	nearest = nearest_name(name, names);
	if (!strcmp(name, "help") || !strcmp(name, "version"))
		complain("there is no verb '%s'; did you mean '--%s'?", name, name);
	else if (nearest)
		complain("there is no verb '%s'; did you mean '%s'?", name, nearest);
	else
		complain("there is no verb '%s'; see 'consctl --help'", name);
	return NULL;
}

static int run_verb(const struct verb *verb, char **arguments)
{
	struct settings settings = {0};
	int status = verb->usage_status;

	switch (arguments_read(verb, arguments, &settings)) {
	case ARGUMENTS_FINE:
		status = verb->run(&settings);
		break;
	case ARGUMENTS_HELP:
		status = output_status(NULL, arguments_help(verb));
		break;
	case ARGUMENTS_WRONG:
		break;
	}
	settings_free(&settings);
	return status;
}

int main(int count, char **arguments)
{
	const struct verb *verb;

	platform_begin(&count, &arguments);
	setlocale(LC_CTYPE, "");
	if (count < 2) {
		complain("needs a verb; see 'consctl --help'");
		return STATUS_USAGE;
	}
	if (!strcmp(arguments[1], "--help") || !strcmp(arguments[1], "-h"))
		return print_help();
	if (!strcmp(arguments[1], "--version") || !strcmp(arguments[1], "-V"))
		return print_version();
	if (arguments[1][0] == '-') {
		static const char *const names[] = {"--help", "--version", NULL};
		const char *nearest = nearest_name(arguments[1], names);

		if (nearest)
			complain("there is no option '%s' before the verb; did you mean '%s'?",
				 arguments[1], nearest);
		else
			complain("there is no option '%s' before the verb; see 'consctl --help'",
				 arguments[1]);
		return STATUS_USAGE;
	}
	verb = find_verb(arguments[1]);
	return verb ? run_verb(verb, arguments + 2) : STATUS_USAGE;
}
