/* SPDX-License-Identifier: MIT */
/* Windows: tells of each program that starts from where downloads lie: gcc alert.c -lprocobsrv */
#include <procobsrv.h>
#include <stdio.h>

static void on_event(const struct procobsrv_event *event, void *param)
{
	char line[512];

	/* Escapes what the process chose: paths may hold control sequences. */
	procobsrv_format(event, PROCOBSRV_FORMAT_TEXT, line, sizeof(line));
	fprintf(param, "ALERT %s\n", line);
	fflush(param);
}

int main(void)
{
	struct procobsrv_options options = {
	    .size = sizeof(options),
	    .handler = {on_event, stdout},
	    .kinds = PROCOBSRV_KIND_BIT(PROCOBSRV_START),
	    .match = "process.exe =~ \"(?i)\\\\\\\\(temp|downloads)\\\\\\\\\"",
	};
	struct procobsrv *monitor = NULL;

	if (procobsrv_open(&options, &monitor) || procobsrv_start(monitor)) {
		fprintf(stderr, "%s\n", procobsrv_explain());
		procobsrv_close(monitor);
		return 1;
	}
	fputs("watching; Enter ends\n", stderr);
	getchar();
	procobsrv_close(monitor);
	return 0;
}
