/* SPDX-License-Identifier: MIT */
/* procobsrvd.exe: the command line. */
#include "configuration_registry.h"
#include "control.h"
#include "service.h"
#include "setup.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum status { STATUS_FINE, STATUS_FAILED, STATUS_USAGE };

static const char usage[] = "usage: procobsrvd --foreground | --check-config [--config KEY]\n"
			    "       procobsrvd --install [--on-demand] | --uninstall\n"
			    "       procobsrvd --help | --version\n";

static const char help[] =
    "\n"
    "Observes every process of this machine, and lets others read along.\n"
    "\n"
    "      --install       enter it as a service that starts with Windows; \"sc start "
    "procobsrvd\"\n"
    "                      starts it now\n"
    "      --on-demand     ... that starts when it is asked to\n"
    "      --uninstall     end the service and take it out again, its configuration with it\n"
    "      --foreground    run here, until Ctrl-C\n"
    "  -c, --config KEY    take HKLM\\KEY instead of\n"
    "                      HKLM\\" CONFIGURATION_KEY "\n"
    "      --check-config  say what is wrong in it, start nothing: 0 nothing, 1 something, 2 "
    "wrong\n"
    "                      usage\n"
    "  -h, --help          this\n"
    "  -V, --version       the version\n"
    "\n"
    "\"sc control procobsrvd paramchange\" has the service read its configuration again.\n";

enum task {
	TASK_NONE,
	TASK_FOREGROUND,
	TASK_SERVICE,
	TASK_INSTALL,
	TASK_UNINSTALL,
	TASK_CHECK,
	TASK_HELP,
	TASK_VERSION,
	TASK_WRONG,
};

struct wish {
	enum task task;
	const char *key;
	bool on_demand;
};

static void print_complaint(unsigned line, unsigned column, const char *text, void *param)
{
	(void)line;
	(void)column;
	printf("HKLM\\%s\\%s\n", (const char *)param, text);
}

static enum status tell(int error)
{
	if (error)
		fprintf(stderr, "procobsrvd: %s\n", procobsrv_explain());
	return error ? STATUS_FAILED : STATUS_FINE;
}

static enum status check_configuration(const char *key)
{
	const struct configuration *configuration;
	int error = configuration_read(key, service_sinks, print_complaint, (void *)(uintptr_t)key,
				       &configuration);

	if (!error)
		configuration_unref(configuration);
	return tell(error);
}

static enum task parse(int argc, char **argv, struct wish *wish)
{
	enum { ON_DEMAND = 256 };
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"on-demand", no_argument, NULL, ON_DEMAND},
	    {"foreground", no_argument, NULL, TASK_FOREGROUND},
	    {"service", no_argument, NULL, TASK_SERVICE},
	    {"install", no_argument, NULL, TASK_INSTALL},
	    {"uninstall", no_argument, NULL, TASK_UNINSTALL},
	    {"check-config", no_argument, NULL, TASK_CHECK},
	    {"help", no_argument, NULL, TASK_HELP},
	    {"version", no_argument, NULL, TASK_VERSION},
	    {NULL, 0, NULL, 0},
	};

	for (int option; (option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;) {
		enum task task = option == 'h'	 ? TASK_HELP
				 : option == 'V' ? TASK_VERSION
						 : (enum task)option;
		if (option == 'c')
			wish->key = optarg;
		else if (option == ON_DEMAND)
			wish->on_demand = true;
		else if (option == '?' || wish->task)
			return TASK_WRONG;
		else
			wish->task = task;
	}
	if (optind < argc)
		fprintf(stderr, "procobsrvd: '%s' is one word too many\n", argv[optind]);
	if (optind < argc || (wish->on_demand && wish->task != TASK_INSTALL))
		return TASK_WRONG;
	return wish->task;
}

int main(int argc, char **argv)
{
	struct wish wish = {.key = CONFIGURATION_KEY};

	switch (parse(argc, argv, &wish)) {
	case TASK_FOREGROUND:
		return control_foreground(wish.key) ? STATUS_FINE : STATUS_FAILED;
	case TASK_SERVICE:
		return control_service(wish.key) ? STATUS_FINE : STATUS_FAILED;
	case TASK_INSTALL:
		return tell(setup_install(wish.on_demand));
	case TASK_UNINSTALL:
		return tell(setup_uninstall());
	case TASK_CHECK:
		return check_configuration(wish.key);
	case TASK_HELP:
		printf("%s%s", usage, help);
		return STATUS_FINE;
	case TASK_VERSION:
		printf("procobsrvd %s\n", procobsrv_version());
		return STATUS_FINE;
	default:
		fputs(usage, stderr);
		return STATUS_USAGE;
	}
}
