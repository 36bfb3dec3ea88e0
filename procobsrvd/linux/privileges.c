/* SPDX-License-Identifier: MIT */
#include "privileges.h"

#include "error.h"
#include "setting.h"

#include <cap-ng.h>
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* What each is for; it is kept only where this process has it. */
struct capability {
	unsigned number;
	bool for_users; /* only where commands run as others: sinks with the setting "user" */
};

static const struct capability kept[] = {
    {CAP_BPF, false},		  /* opens what is pinned, makes task iterators, replaces it */
    {CAP_PERFMON, false},	  /* programs that read the kernel's memory */
    {CAP_SYS_PTRACE, false},	  /* /proc/PID of others: what the observer could not read */
    {CAP_DAC_READ_SEARCH, false}, /* the names of control groups by their ids; /proc likewise */
    {CAP_CHOWN, false},		  /* the socket and files are their group's */
    {CAP_SETUID, true},
    {CAP_SETGID, true},
    {CAP_KILL, true}, /* ends a command that takes too long */
};

#define KEPT_COUNT (sizeof(kept) / sizeof(kept[0]))

static bool has_users(const struct configuration *configuration)
{
	for (size_t index = 0; index < configuration->sink_count; index++) {
		const struct configuration_sink *sink = &configuration->sinks[index];
		int setting = setting_find(sink->operations->settings, "user");
		if (setting >= 0 && sink->values[setting].set)
			return true;
	}
	return false;
}

static int keep_capabilities(bool users)
{
	bool has[KEPT_COUNT];

	if (capng_get_caps_process())
		return error_set(PROCOBSRV_ERROR_SYSTEM, "cannot tell the capabilities that this "
							 "process has");
	capng_select_t which = CAPNG_SELECT_CAPS;
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		which = CAPNG_SELECT_BOTH;
	for (size_t index = 0; index < KEPT_COUNT; index++)
		has[index] = (users || !kept[index].for_users) &&
			     capng_have_capability(CAPNG_PERMITTED, kept[index].number);
	capng_clear(which);
	for (size_t index = 0; index < KEPT_COUNT; index++)
		if (has[index])
			capng_update(CAPNG_ADD,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
				     kept[index].number);
	if (capng_apply(which))
		return error_set_errno(errno, "cannot give capabilities up");
	return 0;
}

/* What neither the service nor what it needs of the library ever calls. Programs of `on` inherit
 * it, and have no rights for most of it anyway. */
static const char *const forbidden[] = {
    "acct",
    "add_key",
    "adjtimex",
    "chroot",
    "clock_adjtime",
    "clock_settime",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
    "umount2",
    "unshare",
    "userfaultfd",
    "vhangup",
};

static int add(scmp_filter_ctx filter, const char *name)
{
	int number = seccomp_syscall_resolve_name(name);

	/* This machine has no such call. */
	if (number == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
}

/* Sockets: on this machine, TCP and UDP, and what name look-ups ask the kernel. */
static int add_sockets(scmp_filter_ctx filter)
{
	static const unsigned allowed[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
	int number = seccomp_syscall_resolve_name("socket");
	unsigned family = 0;
	int error = 0;

	for (; family <= AF_NETLINK && !error; family++) {
		bool fine = false;
		for (size_t index = 0; index < sizeof(allowed) / sizeof(allowed[0]); index++)
			fine |= family == allowed[index];
		if (!fine)
			error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), number, 1,
						 SCMP_A0(SCMP_CMP_EQ, family));
	}
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), number, 1,
					 SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
	return error;
}

static int forbid_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error = 0;

	if (!filter)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the seccomp filter");
	for (size_t index = 0; index < sizeof(forbidden) / sizeof(forbidden[0]) && !error; index++)
		error = add(filter, forbidden[index]);
	if (!error)
		error = add_sockets(filter);
	/* Looked up in a tree: it stands before every call that is made. An older libseccomp has
	 * no such thing, and is slower. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* Sets no_new_privs too: otherwise a setuid program of `on` would have all of it back. */
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error ? error_set_errno(-error, "cannot load the seccomp filter") : 0;
}

int privileges_drop(const struct configuration *configuration)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	int error;

	/* Before 5.11 a new observer is charged to it, also one that a reload asks for. Later ones
	 * do without: no matter if it is refused. */
	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if ((error = keep_capabilities(has_users(configuration))))
		return error;
	return forbid_calls();
}
