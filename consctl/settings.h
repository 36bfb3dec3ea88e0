/* SPDX-License-Identifier: MIT */
/* The options of all verbs, each defined once, and what they were set to. */
#ifndef PROCOBSRV_CONSCTL_SETTINGS_H
#define PROCOBSRV_CONSCTL_SETTINGS_H

#include "procobsrv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum color_choice {
	COLOR_AUTO,
	COLOR_ALWAYS,
	COLOR_NEVER,
};

enum picture_format {
	PICTURE_HTML,
	PICTURE_PERFETTO,
};

/* Of history; as they were typed, NULL: not at all. */
struct history_settings {
	const char *record;
	const char *since;
	const char *until;
	const char *name;
	const char *exe;
	const char *user;
	const char *tree;
	const char *ancestors;
	uint32_t pid; /* 0: any */
	bool failed;
	bool forks;
	bool running;
	bool reverse;
	uint64_t limit; /* 0: none */
};

struct settings {
	enum procobsrv_format format;
	enum color_choice color;
	const char *output; /* NULL: standard output */
	const char *match;
	const char *backend;
	uint32_t kinds; /* 0: the default */
	bool kernel_threads;
	bool wait_command;
	const char *run_as; /* whose rights the command gets; empty: of who called sudo */
	bool fail_on_loss;
	bool summary;
	enum picture_format picture;
	const char *from; /* JSON lines to read instead of observing; "-": standard input */
	const char *at;	  /* a moment as it was typed; NULL: the end */
	uint64_t max_args;
	uint64_t buffer_size;
	uint64_t queue_size;
	uint64_t spill_size;
	const char *spill_directory;
	bool resume;
	bool replace;
	uint64_t duration_ns; /* 0: no end */
	uint64_t count;	      /* 0: no end */
	uint64_t number;      /* of demo's programs */
	struct history_settings history;
	const char **env;      /* owned, ended by NULL; NULL: none. Names point into env_text */
	char *env_text;	       /* owned */
	const char **redact;   /* the same for names of secrets */
	char *redact_text;     /* owned */
	char *const *operands; /* ended by NULL */
	size_t operand_count;
};

struct option {
	const char *name;     /* without the dashes */
	char letter;	      /* 0: none */
	const char *argument; /* what --help calls it; NULL: takes none; of the form "[=NAME]":
				 may be left out, and follows a '=' only */
	const char *help;     /* lines are broken by '\n' */
	/* Sets it; false: complained already. `value` is NULL if there is no argument. */
	bool (*take)(struct settings *settings, const char *value);
};

extern const struct option option_format;
extern const struct option option_event_format;
extern const struct option option_json;
extern const struct option option_output;
extern const struct option option_picture_output;
extern const struct option option_kinds;
extern const struct option option_match;
extern const struct option option_kernel_threads;
extern const struct option option_max_args;
extern const struct option option_env;
extern const struct option option_redact;
extern const struct option option_backend;
extern const struct option option_buffer_size;
extern const struct option option_queue_size;
extern const struct option option_spill_directory;
extern const struct option option_spill_size;
extern const struct option option_resume;
extern const struct option option_replace;
extern const struct option option_color;
extern const struct option option_duration;
extern const struct option option_count;
extern const struct option option_number;
extern const struct option option_wait;
extern const struct option option_run_as;
extern const struct option option_fail_on_loss;
extern const struct option option_summary;
extern const struct option option_picture;
extern const struct option option_from;
extern const struct option option_at;
extern const struct option option_record;
extern const struct option option_since;
extern const struct option option_until;
extern const struct option option_name;
extern const struct option option_exe;
extern const struct option option_user;
extern const struct option option_pid;
extern const struct option option_tree;
extern const struct option option_ancestors;
extern const struct option option_failed;
extern const struct option option_forks;
extern const struct option option_running;
extern const struct option option_limit;
extern const struct option option_reverse;

/* Frees what the options allocated. */
void settings_free(struct settings *settings);

/* Makes options for procobsrv_open() of what was set; they borrow from settings. */
void settings_observe(const struct settings *settings, struct procobsrv_options *options);

/* Whether the backend that is asked for can observe the tree of root_pid (0: the machine). False:
 * complained already. */
bool settings_suit(const struct settings *settings, uint32_t root_pid);

/* Whether nothing is asked for that only observing could give: for who draws what has been
 * observed. False: complained already. */
bool settings_look_back(const struct settings *settings);

struct verb;

enum arguments_result {
	ARGUMENTS_FINE,
	ARGUMENTS_HELP,
	ARGUMENTS_WRONG, /* complained already */
};

/* Reads what follows the verb. `arguments` is ended by NULL; the operands are moved to its front.
 */
enum arguments_result arguments_read(const struct verb *verb, char **arguments,
				     struct settings *settings);

/* Writes the usage, the text and the options of a verb to standard output; 0 or an errno. */
int arguments_help(const struct verb *verb);

#endif
