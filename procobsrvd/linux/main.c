/* SPDX-License-Identifier: MIT */
/* procobsrvd: the command line. */
#include "configuration_yaml.h"
#include "run.h"
#include "service.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum status { STATUS_FINE, STATUS_FAILED, STATUS_USAGE };

static const char usage[] = "usage: procobsrvd [--config FILE] [--check-config]\n"
			    "       procobsrvd --help | --version\n";

static const char help[] =
    "\n"
    "Keeps a record of every process of this machine, and lets others read along.\n"
    "\n"
    "  -c, --config FILE   read FILE instead of " CONFIGURATION_FILE "\n"
    "      --check-config  say what is wrong in it, start nothing: 0 nothing, 1 something, 2 "
    "wrong\n"
    "                      usage\n"
    "  -h, --help          this\n"
    "  -V, --version       the version\n"
    "\n"
    "SIGHUP reads the configuration again, SIGTERM and SIGINT end it.\n"
    "See procobsrvd(8) and procobsrvd.conf(5).\n";

static void print_complaint(unsigned line, unsigned column, const char *text, void *param)
{
	const char *file = param;

	printf("%s:%u:%u: %s\n", file, line, column, text);
}

static enum status check_configuration(const char *file)
{
	const struct configuration *configuration;
	int error =
	    configuration_read(file, service_sinks, print_complaint, (void *)file, &configuration);

	if (!error) {
		configuration_unref(configuration);
		return STATUS_FINE;
	}
	fprintf(stderr, "procobsrvd: %s\n", procobsrv_explain());
	return STATUS_FAILED;
}

int main(int argc, char **argv)
{
	enum { CHECK = 256 };
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"check-config", no_argument, NULL, CHECK},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	const char *file = CONFIGURATION_FILE;
	bool check = false;

	for (int option; (option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case CHECK:
			check = true;
			break;
		case 'h':
			printf("%s%s", usage, help);
			return STATUS_FINE;
		case 'V':
			printf("procobsrvd %s\n", procobsrv_version());
			return STATUS_FINE;
		default:
			fputs(usage, stderr);
			return STATUS_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "procobsrvd: '%s' is one word too many\n%s", argv[optind], usage);
		return STATUS_USAGE;
	}
	if (check)
		return check_configuration(file);
	return run_service(file) ? STATUS_FAILED : STATUS_FINE;
}
