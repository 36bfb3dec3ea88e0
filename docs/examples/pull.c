/* SPDX-License-Identifier: MIT */
/* Waits for events and for Enter in a loop of its own: cc pull.c -lprocobsrv */
#include <poll.h>
#include <procobsrv.h>
#include <stdio.h>

int main(void)
{
	const struct procobsrv_event *event;
	struct procobsrv *monitor = NULL;

	if (procobsrv_open(NULL, &monitor) || procobsrv_start(monitor)) {
		fprintf(stderr, "%s\n", procobsrv_explain());
		procobsrv_close(monitor);
		return 1;
	}
	struct pollfd sources[] = {{0, POLLIN, 0}, {(int)procobsrv_descriptor(monitor), POLLIN, 0}};

	fputs("watching; Enter ends\n", stderr);
	while (poll(sources, 2, -1) > 0 && !sources[0].revents)
		while (!procobsrv_next(monitor, 0, &event))
			if (event->kind == PROCOBSRV_EXIT && event->exit->has_status)
				printf("%u ended with %u\n", event->process->pid,
				       event->exit->code);
	procobsrv_close(monitor);
	return 0;
}
