/* SPDX-License-Identifier: MIT */
/* What the verbs of consctl share: the table's row, the exit statuses, how to complain. */
#ifndef PROCOBSRV_CONSCTL_H
#define PROCOBSRV_CONSCTL_H

#include "settings.h"

#include <stddef.h>

enum status {
	STATUS_FINE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_LOST = 3,	 /* ended normally, but something is missing */
	STATUS_RUN_FAILED = 125, /* run: every failure of its own */
	STATUS_RUN_REFUSED = 126,
	STATUS_RUN_NOT_FOUND = 127,
};

/* What may follow the options. */
enum operands {
	OPERANDS_NONE,
	OPERANDS_PROGRAM, /* a program with its arguments, may be left out */
	OPERANDS_COMMAND, /* the same, must be there */
	OPERANDS_FILES,	  /* one or more */
};

struct verb {
	const char *name;
	const char *synopsis; /* what follows the name in the usage line */
	const char *summary;  /* one line for consctl --help */
	const char *text;     /* paragraphs for consctl VERB --help, each line ended */
	const struct option *const *options;
	enum operands operands;
	int usage_status; /* for wrong usage */
	int (*run)(const struct settings *settings);
};

int watch_run(const struct settings *settings);
int run_run(const struct settings *settings);
int top_run(const struct settings *settings);
int timeline_run(const struct settings *settings);
int demo_run(const struct settings *settings);
int list_run(const struct settings *settings);
int tree_run(const struct settings *settings);
int doctor_run(const struct settings *settings);
int verify_run(const struct settings *settings);
int install_run(const struct settings *settings);
int uninstall_run(const struct settings *settings);
int status_run(const struct settings *settings);
int history_run(const struct settings *settings);

/* One line on standard error, begun with "consctl: "; control characters become '?'. */
void complain(const char *format, ...) __attribute__((format(PRINTF_FORMAT, 1, 2)));

/* Writes to standard error: what is no complaint. The line ends where `format` says so. */
void say(const char *format, ...) __attribute__((format(PRINTF_FORMAT, 1, 2)));

/* Complains about the last failed call of the library: procobsrv_explain(). */
void complain_library(int error);

/* The name of the list (ended by NULL) that looks most like `text`; NULL: none is near. */
const char *nearest_name(const char *text, const char *const *names);

#endif
