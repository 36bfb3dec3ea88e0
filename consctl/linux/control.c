/* SPDX-License-Identifier: MIT */
/* Signals as requests, by a signalfd: no handler runs, no thread is interrupted. */
#include "../platform.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct control {
	int signals;
	unsigned flags;
	int last;	     /* the signal of the last request */
	bool output_is_pipe; /* look whether its reader is still there */
	sigset_t taken;
};

/* nohup ignores SIGHUP for us; so does nobody with the others in earnest (a shell without job
 * control ignores SIGINT for what it puts in the background, and then sends it). */
static bool hangup_is_ignored(void)
{
	struct sigaction action;

	return !sigaction(SIGHUP, NULL, &action) && action.sa_handler == SIG_IGN;
}

int control_open(unsigned flags, struct control **control)
{
	struct control *made = calloc(1, sizeof(*made));
	struct stat status;
	int error;

	if (!made)
		return ENOMEM;
	made->flags = flags;
	sigemptyset(&made->taken);
	sigaddset(&made->taken, SIGINT);
	sigaddset(&made->taken, SIGTERM);
	if (flags & CONTROL_FORWARDS)
		sigaddset(&made->taken, SIGQUIT);
	if (flags & CONTROL_HANGUP_REOPENS || !hangup_is_ignored())
		sigaddset(&made->taken, SIGHUP);
	made->signals = signalfd(-1, &made->taken, SFD_CLOEXEC | SFD_NONBLOCK);
	if (made->signals < 0) {
		error = errno;
		free(made);
		return error;
	}
	/* An ignored signal that is blocked is kept, and so is told by the signalfd. */
	error = pthread_sigmask(SIG_BLOCK, &made->taken, NULL);
	if (error) {
		close(made->signals);
		free(made);
		return error;
	}
	made->output_is_pipe = !fstat(STDOUT_FILENO, &status) &&
			       (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
	*control = made;
	return 0;
}

static enum control_request request_of(struct control *control,
				       const struct signalfd_siginfo *signal)
{
	control->last = (int)signal->ssi_signo;
	if (control->last == SIGHUP && control->flags & CONTROL_HANGUP_REOPENS)
		return CONTROL_REOPEN;
	if (!(control->flags & CONTROL_FORWARDS))
		return CONTROL_END;
	/* The terminal's own Ctrl-C and Ctrl-\ go to its whole foreground group. */
	if (signal->ssi_code == SI_KERNEL)
		control->last = 0;
	return CONTROL_FORWARD;
}

enum control_request control_wait(struct control *control, intptr_t handle, int timeout_ms)
{
	/* A negative descriptor is skipped by poll(). The output is asked for no event: the error
	 * that its reader's end leaves is told anyway. */
	struct pollfd polled[] = {
	    {.fd = control->signals, .events = POLLIN},
	    {.fd = (int)handle, .events = POLLIN},
	    {.fd = control->output_is_pipe ? STDOUT_FILENO : -1},
	};
	struct signalfd_siginfo signal;

	if (poll(polled, sizeof(polled) / sizeof(*polled), timeout_ms) <= 0)
		return CONTROL_TIMEOUT;
	if (polled[0].revents && read(control->signals, &signal, sizeof(signal)) == sizeof(signal))
		return request_of(control, &signal);
	if (polled[1].revents)
		return CONTROL_READY;
	if (polled[2].revents & (POLLERR | POLLHUP)) {
		control->output_is_pipe = false;
		return CONTROL_UNREAD;
	}
	return CONTROL_TIMEOUT;
}

int control_signal(const struct control *control)
{
	return control->last;
}

/* A signal that was sent twice at the same time, to the process and its group, is one request. */
#define PATIENCE_NS 1000000000ll
static int64_t given_back_ns;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void on_impatience(int number)
{
	if (now_ns() - given_back_ns < PATIENCE_NS)
		return;
	signal(number, SIG_DFL);
	raise(number);
}

void control_give_back(struct control *control)
{
	struct sigaction action = {.sa_handler = on_impatience, .sa_flags = SA_RESTART};
	sigset_t ending;

	(void)control;
	given_back_ns = now_ns();
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	pthread_sigmask(SIG_UNBLOCK, &ending, NULL);
}

void control_close(struct control *control)
{
	if (!control)
		return;
	close(control->signals);
	free(control);
}
