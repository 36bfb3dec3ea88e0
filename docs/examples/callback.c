/* SPDX-License-Identifier: MIT */
/* Prints what starts, runs and ends on this machine until Enter: cc callback.c -lprocobsrv */
#include <procobsrv.h>
#include <stdio.h>

static void on_event(const struct procobsrv_event *event, void *param)
{
	char line[512];

	procobsrv_format(event, PROCOBSRV_FORMAT_TEXT, line, sizeof(line));
	fprintf(param, "%s\n", line);
}

int main(void)
{
	struct procobsrv_options options = {.size = sizeof(options), .handler = {on_event, stdout}};
	struct procobsrv *monitor = NULL;

	if (procobsrv_open(&options, &monitor) || procobsrv_start(monitor)) {
		fprintf(stderr, "%s\n", procobsrv_explain());
		procobsrv_close(monitor);
		return 1;
	}
	fputs("watching; Enter ends\n", stderr);
	getchar();
	procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN);
	procobsrv_close(monitor);
	return 0;
}
