/* SPDX-License-Identifier: MIT */
/* Events in an epoll loop beside a timer, until Enter: cc epoll.c -lprocobsrv */
#include <procobsrv.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void add(int epoll, int descriptor)
{
	struct epoll_event event = {.events = EPOLLIN, .data = {.fd = descriptor}};

	epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int main(void)
{
	const struct itimerspec second = {{1, 0}, {1, 0}};
	const struct procobsrv_event *event;
	struct procobsrv *monitor = NULL;
	unsigned started = 0;

	if (procobsrv_open(NULL, &monitor) || procobsrv_start(monitor)) {
		fprintf(stderr, "%s\n", procobsrv_explain());
		procobsrv_close(monitor);
		return 1;
	}
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int events = (int)procobsrv_descriptor(monitor);

	timerfd_settime(timer, 0, &second, NULL);
	add(epoll, STDIN_FILENO);
	add(epoll, timer);
	add(epoll, events);
	fputs("watching; Enter ends\n", stderr);
	for (struct epoll_event ready; epoll_wait(epoll, &ready, 1, -1) == 1;) {
		uint64_t ticks;

		if (ready.data.fd == STDIN_FILENO)
			break;
		while (ready.data.fd == events && !procobsrv_next(monitor, 0, &event))
			started += event->kind == PROCOBSRV_START;
		if (ready.data.fd == timer && read(timer, &ticks, sizeof(ticks)) > 0) {
			printf("%u processes started in this second\n", started);
			fflush(stdout);
			started = 0;
		}
	}
	close(timer);
	close(epoll);
	procobsrv_close(monitor);
	return 0;
}
