/* SPDX-License-Identifier: MIT */
/* The newest processes, anew each second, ten times: cc task_manager.c -lprocobsrv */
#include <procobsrv.h>
#include <stdio.h>
#include <time.h>

#define ROWS 20

struct newest {
	const struct procobsrv_process *rows[ROWS];
	unsigned count;
};

/* They come in the order of their start: the last ones stay. */
static int visit(const struct procobsrv_process *process, void *param)
{
	struct newest *newest = param;
	unsigned row = newest->count++ % ROWS;

	procobsrv_process_unref(newest->rows[row]);
	newest->rows[row] = procobsrv_process_ref(process);
	return 0;
}

/* Names are the processes' own choice: they must not steer the terminal. */
static const char *printable(const char *name)
{
	for (const char *character = name; *character; character++)
		if (*character < ' ' || *character == 0x7f)
			return "(not printable)";
	return name;
}

static void draw(struct procobsrv *monitor)
{
	struct newest newest = {{NULL}, 0};

	procobsrv_visit(monitor, visit, &newest);
	printf("\033[H\033[2J%u processes\n%8s %8s %s\n", newest.count, "PID", "PPID", "NAME");
	for (unsigned row = 0; row < ROWS && row < newest.count; row++) {
		const struct procobsrv_process *process =
		    newest.rows[(newest.count - 1 - row) % ROWS];

		printf("%8u %8u %s\n", process->pid, process->ppid, printable(process->name));
	}
	fflush(stdout);
	for (unsigned row = 0; row < ROWS; row++)
		procobsrv_process_unref(newest.rows[row]);
}

static void on_event(const struct procobsrv_event *event, void *param)
{
	(void)event;
	(void)param;
}

int main(int count, char **arguments)
{
	const struct timespec second = {1, 0};
	struct procobsrv_options options = {.size = sizeof(options), .handler = {on_event, NULL}};
	struct procobsrv *monitor = NULL;
	int rounds = 10;

	if (count > 1)
		sscanf(arguments[1], "%d", &rounds);
	if (procobsrv_open(&options, &monitor) || procobsrv_start(monitor)) {
		fprintf(stderr, "%s\n", procobsrv_explain());
		procobsrv_close(monitor);
		return 1;
	}
	for (int round = 0; round < rounds; round++) {
		draw(monitor);
		nanosleep(&second, NULL);
	}
	procobsrv_close(monitor);
	return 0;
}
