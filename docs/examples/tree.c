/* SPDX-License-Identifier: MIT */
/* Runs a command, waits for its whole tree, tells what of it failed: cc tree.c -lprocobsrv */
#include <procobsrv.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_event(const struct procobsrv_event *event, void *param)
{
	const struct procobsrv_exit *end = event->exit;

	++*(unsigned *)param;
	if (end->has_status && (end->code || end->signal))
		printf("%s (%u) ended with code %u, signal %u\n", event->process->name,
		       event->process->pid, end->code, end->signal);
}

int main(int count, char **arguments)
{
	unsigned ended = 0;
	struct procobsrv_options options = {.size = sizeof(options),
					    .handler = {on_event, &ended},
					    .kinds = PROCOBSRV_KIND_BIT(PROCOBSRV_EXIT),
					    .root_pid = (uint32_t)getpid()};
	struct procobsrv *monitor = NULL;

	if (count < 2 || procobsrv_open(&options, &monitor) || procobsrv_start(monitor)) {
		fprintf(stderr, "usage: tree COMMAND... (as root) %s\n", procobsrv_explain());
		procobsrv_close(monitor);
		return 125;
	}
	/* Orphans of the tree become our children: when there is no child left, it has ended. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!fork()) {
		execvp(arguments[1], arguments + 1);
		_exit(127);
	}
	while (wait(NULL) > 0)
		;
	procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN);
	procobsrv_close(monitor);
	printf("%u processes ended\n", ended);
	return 0;
}
