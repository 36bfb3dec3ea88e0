/* SPDX-License-Identifier: MIT */
#include "command_child.h"

#include "error.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MILLISECOND_NS UINT64_C(1000000)
#define LOOK_NS	       (10 * MILLISECOND_NS)   /* while a place, or the end, is waited for */
#define GRACE_NS       (2000 * MILLISECOND_NS) /* from SIGTERM to SIGKILL */
#define GROUPS_MOST    65536

struct child {
	pid_t pid; /* 0: none */
	uint64_t end_ns;
	bool asked; /* to end: SIGTERM was sent */
};

struct command_children {
	size_t most;
	size_t count;
	uint64_t timeout_ns;
	struct command_ends ends;
	struct child list[];
};

/* Whether this thread, and so what it starts, may become any user. */
static bool has_capabilities(void)
{
	const uint32_t wanted = 1u << CAP_SETUID | 1u << CAP_SETGID;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & wanted) == wanted;
}

static int may_become(const char *name, const struct command_user *user)
{
	if (user->uid == getuid() || has_capabilities())
		return 0;
	return error_set(PROCOBSRV_ERROR_PERMISSION,
			 "user: cannot run commands as '%s': the service has given up the right to "
			 "become another user (CAP_SETUID, CAP_SETGID); restart it, which then "
			 "keeps that, or leave user out, and they run as uid %u",
			 name, getuid());
}

int command_user_find(const char *name, struct command_user *user)
{
	struct command_user found = {.set = true, .group_count = 64};
	struct passwd entry;
	struct passwd *result = NULL;
	char buffer[16384];
	gid_t *groups = NULL;
	int error;

	if (getpwnam_r(name, &entry, buffer, sizeof buffer, &result) || !result)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND, "user: there is no user '%s'", name);
	found.uid = entry.pw_uid;
	found.gid = entry.pw_gid;
	error = may_become(name, &found);
	if (error)
		return error;
	do {
		free(groups);
		groups = calloc((size_t)found.group_count, sizeof *groups);
		if (!groups)
			return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for groups");
	} while (getgrouplist(name, found.gid, groups, &found.group_count) < 0 &&
		 found.group_count <= GROUPS_MOST);
	found.groups = groups;
	*user = found;
	return 0;
}

struct command_children *command_children_create(size_t most, uint64_t timeout_ns)
{
	struct command_children *children =
	    calloc(1, sizeof *children + most * sizeof children->list[0]);

	if (!children)
		return NULL;
	children->most = most;
	children->timeout_ns = timeout_ns;
	return children;
}

/* A file in memory: a child that does not read it holds nobody up. Returns it, or -1 with errno. */
static int make_input(const char *input, size_t size)
{
	int file = memfd_create("event", MFD_CLOEXEC);

	while (file >= 0 && size) {
		ssize_t written = write(file, input, size);

		if (written < 0 && errno != EINTR) {
			int error = errno;

			close(file);
			errno = error;
			return -1;
		}
		if (written > 0) {
			input += written;
			size -= (size_t)written;
		}
	}
	if (file >= 0)
		lseek(file, 0, SEEK_SET);
	return file;
}

/* What of the service a command must not inherit. */
static void reset_signals(void)
{
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 0 or an errno. */
static int become(const struct command_user *user)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (user->set && getuid() != user->uid &&
	    (setgroups((size_t)user->group_count, user->groups) < 0 ||
	     setresgid(user->gid, user->gid, user->gid) < 0 ||
	     setresuid(user->uid, user->uid, user->uid) < 0))
		return errno;
	/* After the user, since becoming one takes it back: if the service is killed, nobody else
	 * would end what it began. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 0;
}

/* In the child, of a process with threads: nothing but system calls from here on. */
static _Noreturn void be_command(const struct command_line *line, const struct command_user *user,
				 int input, int report)
{
	int nothing = open("/dev/null", O_WRONLY);
	int error = 0;

	if (setsid() < 0 || nothing < 0 || dup2(input, STDIN_FILENO) < 0 ||
	    dup2(nothing, STDOUT_FILENO) < 0 || chdir("/") < 0)
		error = errno;
	/* Where the report goes is the only one above standard error, and closed by execve(). */
	if (!error && report != 3 && dup3(report, 3, O_CLOEXEC) < 0)
		error = errno;
	if (!error) {
		report = 3;
		if (close_range(4, ~0u, 0) < 0)
			error = errno;
	}
	umask(022);
	reset_signals();
	if (!error)
		error = become(user);
	if (!error) {
		execve(line->arguments[0], line->arguments, line->environment);
		error = errno;
	}
	if (write(report, &error, sizeof error) < 0)
		_exit(126);
	_exit(127);
}

/* Waits until the child has become the command. 0 or an errno. */
static int read_report(int report)
{
	int error = 0;
	ssize_t size;

	do
		size = read(report, &error, sizeof error);
	while (size < 0 && errno == EINTR);
	return size == sizeof error ? error : 0;
}

/* 0 or an errno; then there is no child. */
static int start(const struct command_line *line, const struct command_user *user, int input,
		 pid_t *started)
{
	int report[2];
	pid_t pid;
	int error;

	if (pipe2(report, O_CLOEXEC) < 0)
		return errno;
	pid = fork();
	if (pid == 0)
		be_command(line, user, input, report[1]);
	error = pid < 0 ? errno : 0;
	close(report[1]);
	if (!error)
		error = read_report(report[0]);
	close(report[0]);
	if (error && pid > 0)
		waitpid(pid, NULL, 0);
	if (!error)
		*started = pid;
	return error;
}

/* Signals reach all that it has started and that has not left its group. */
static void end_child(struct child *child, uint64_t now)
{
	kill(-child->pid, child->asked ? SIGKILL : SIGTERM);
	child->asked = true;
	child->end_ns = now + GRACE_NS;
}

static void note_status(struct command_ends *ends, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	ends->failed++;
	ends->last_status = status;
}

static void look(struct command_children *children)
{
	uint64_t now = os_monotonic_ns();
	int status;

	for (size_t at = 0; at < children->most; at++) {
		struct child *child = &children->list[at];
		pid_t ended = child->pid ? waitpid(child->pid, &status, WNOHANG) : 0;

		if (ended == child->pid && ended) {
			/* One that was asked to end is told as that. */
			if (!child->asked)
				note_status(&children->ends, status);
			child->pid = 0;
			children->count--;
		} else if (child->pid && now >= child->end_ns) {
			children->ends.timed_out += !child->asked;
			end_child(child, now);
		}
	}
}

static void rest(uint64_t duration_ns)
{
	const struct timespec pause = {.tv_nsec = (long)duration_ns};

	nanosleep(&pause, NULL);
}

static struct child *free_place(struct command_children *children)
{
	for (;;) {
		look(children);
		for (size_t at = 0; at < children->most; at++) {
			if (!children->list[at].pid)
				return &children->list[at];
		}
		/* Not for ever: whoever is there, is ended when its time is over. */
		rest(LOOK_NS);
	}
}

int command_children_run(struct command_children *children, const struct command_line *line,
			 const struct command_user *user, const void *input, size_t size)
{
	struct child *place = free_place(children);
	int file = make_input(input, size);
	pid_t pid = 0;
	int error;

	if (file < 0)
		return error_set_errno(errno, "cannot make the standard input of a command");
	error = start(line, user, file, &pid);
	close(file);
	if (error)
		return error_set_errno(error, "cannot run '%s'", line->arguments[0]);
	*place = (struct child){.pid = pid, .end_ns = os_monotonic_ns() + children->timeout_ns};
	children->count++;
	return 0;
}

void command_children_tend(struct command_children *children, struct command_ends *ends)
{
	look(children);
	*ends = children->ends;
	children->ends = (struct command_ends){0};
}

size_t command_children_count(const struct command_children *children)
{
	return children->count;
}

void command_children_close(struct command_children *children, uint64_t wait_ns)
{
	uint64_t end;

	if (!children)
		return;
	end = os_monotonic_ns() + wait_ns;
	for (size_t at = 0; at < children->most; at++) {
		if (children->list[at].pid && children->list[at].end_ns > end)
			children->list[at].end_ns = end;
	}
	/* Both signals have their time; what not even SIGKILL ends is left to the system. */
	end += 2 * GRACE_NS;
	while (children->count && os_monotonic_ns() < end) {
		look(children);
		if (children->count)
			rest(LOOK_NS);
	}
	free(children);
}
