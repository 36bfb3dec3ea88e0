/* SPDX-License-Identifier: MIT */
/*
 * live_worker with STEP... -- PROGRAM [ARGUMENTS]: takes the steps, then runs the program.
 * live_worker facts CODE: writes down what it knows of itself, then exits.
 *
 * A step is NAME or NAME=VALUE, see `steps` below.
 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pty.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);

	if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
	close(file);
}

static void step_uid(const char *value)
{
	uid_t uid = (uid_t)strtoul(value, NULL, 0);

	if (setgroups(0, NULL) || setresuid(uid, uid, uid))
		die("setresuid");
	/* A change of ids makes a process undumpable; then /proc would be closed to itself. */
	prctl(PR_SET_DUMPABLE, 1);
}

static void step_gid(const char *value)
{
	gid_t gid = (gid_t)strtoul(value, NULL, 0);

	if (setresgid(gid, gid, gid))
		die("setresgid");
}

static void step_loginuid(const char *value)
{
	write_file("/proc/self/loginuid", value);
}

static void step_session(const char *value)
{
	(void)value;
	if (setsid() < 0)
		die("setsid");
}

/* A controlling terminal of its own; leads a session already. */
static void step_tty(const char *value)
{
	int master;
	int terminal;

	(void)value;
	if (openpty(&master, &terminal, NULL, NULL, NULL) || ioctl(terminal, TIOCSCTTY, 0))
		die("openpty");
	if (dup2(terminal, STDIN_FILENO) < 0)
		die("dup2");
}

static void step_cgroup(const char *value)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/cgroup.procs", value);
	write_file(path, "0");
}

static void step_unshare(const char *value)
{
	static const int flags[NOTE_NAMESPACES] = {
	    CLONE_NEWNS,  CLONE_NEWPID, CLONE_NEWUSER,	 CLONE_NEWNET,
	    CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWCGROUP, 0x80 /* CLONE_NEWTIME */,
	};

	for (int i = 0; i < NOTE_NAMESPACES; i++)
		if (!strcmp(value, note_namespace_names[i])) {
			if (unshare(flags[i]))
				die("unshare");
			return;
		}
	die(value);
}

/* The clocks of the children are ahead by so many seconds; after unshare=time. */
static void step_ahead(const char *value)
{
	char text[64];

	snprintf(text, sizeof(text), "boottime %s 0\n", value);
	write_file("/proc/self/timens_offsets", text);
}

/* /proc as the own pid namespace sees it; after unshare=mnt. */
static void step_proc(const char *value)
{
	(void)value;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, NULL))
		die("mount /proc");
}

/* Goes on in a child; this process waits and ends as the child did. */
static void step_fork(const char *value)
{
	struct note_entry *entry = note_entry();
	int pid = fork();
	int status;

	(void)value;
	if (pid < 0)
		die("fork");
	if (!pid)
		return;
	entry->parent = (uint32_t)getpid();
	entry->pid = (uint32_t)pid;
	status = wait_status(pid);
	entry->status = status;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 120);
}

static void step_chdir(const char *value)
{
	if (chdir(value))
		die(value);
}

/* As many new directories, each in the one before. */
static void step_deep(const char *value)
{
	unsigned depth = (unsigned)strtoul(value, NULL, 0);

	for (unsigned i = 1; i <= depth; i++) {
		char name[64];

		snprintf(name, sizeof(name), "directory-number-%u", i);
		if (mkdir(name, 0755) || chdir(name))
			die(name);
	}
}

static void step_chroot(const char *value)
{
	if (chroot(value) || chdir("/"))
		die(value);
}

static void step_core(const char *value)
{
	rlim_t size = (rlim_t)strtoul(value, NULL, 0);
	struct rlimit limit = {size, size};

	if (setrlimit(RLIMIT_CORE, &limit))
		die("RLIMIT_CORE");
}

static const struct {
	const char *name;
	void (*take)(const char *value);
} steps[] = {
    {"uid", step_uid},	       {"gid", step_gid},     {"loginuid", step_loginuid},
    {"session", step_session}, {"tty", step_tty},     {"cgroup", step_cgroup},
    {"unshare", step_unshare}, {"ahead", step_ahead}, {"proc", step_proc},
    {"fork", step_fork},       {"chdir", step_chdir}, {"deep", step_deep},
    {"chroot", step_chroot},   {"core", step_core},
};

static void take_step(const char *step)
{
	size_t length = strcspn(step, "=");

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (strlen(steps[i].name) == length && !strncmp(steps[i].name, step, length)) {
			steps[i].take(step[length] ? step + length + 1 : "");
			return;
		}
	errno = EINVAL;
	die(step);
}

int verb_with(int argc, char **argv)
{
	int i;

	for (i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		take_step(argv[i]);
	if (i + 1 >= argc)
		die("nothing to run");
	execve(argv[i + 1], argv + i + 1, environ);
	die(argv[i + 1]);
}

static uint32_t number_in(const char *path)
{
	uint32_t number = 0xffffffffu;
	FILE *file = fopen(path, "re");

	if (file) {
		if (fscanf(file, "%u", &number) != 1)
			number = 0xffffffffu;
		fclose(file);
	}
	return number;
}

static void facts_of_proc(struct note_facts *facts)
{
	struct stat status;
	ssize_t length;

	if (stat("/proc/self/exe", &status))
		return;
	facts->exe_device = status.st_dev;
	facts->exe_inode = status.st_ino;
	length = readlink("/proc/self/exe", facts->exe, sizeof(facts->exe) - 1);
	facts->exe[length > 0 ? length : 0] = '\0';
	facts->loginuid = number_in("/proc/self/loginuid");
	facts->audit_session = number_in("/proc/self/sessionid");
	for (int i = 0; i < NOTE_NAMESPACES; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/ns/%s", note_namespace_names[i]);
		facts->namespaces[i] = stat(path, &status) ? 0 : (uint32_t)status.st_ino;
	}
	facts->proc = 1;
}

int verb_facts(int argc, char **argv)
{
	struct note_facts *facts = &note->facts;
	int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	facts->pid = (uint32_t)getpid();
	facts->parent = (uint32_t)getppid();
	facts->uid = getuid();
	facts->gid = getgid();
	facts->euid = geteuid();
	facts->egid = getegid();
	facts->session_leader = (uint32_t)getsid(0);
	facts->argc = (uint32_t)argc;
	/* /dev/tty opens for who has a controlling terminal, but does not tell its name. */
	if (terminal >= 0 && ttyname_r(STDIN_FILENO, facts->tty, sizeof(facts->tty)))
		facts->tty[0] = '\0';
	if (!getcwd(facts->cwd, sizeof(facts->cwd)))
		facts->cwd[0] = '\0';
	facts_of_proc(facts);
	facts->valid = 1;
	return (int)number_at(argc, argv, 2, 0);
}
