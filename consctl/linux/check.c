/* SPDX-License-Identifier: MIT */
/* What doctor looks at on Linux. Nothing here decides: the backends are tried. */
#include "../check_list.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The first line of a file. False: cannot be read. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool got;

	if (!file)
		return false;
	got = fgets(line, (int)size, file) != NULL;
	fclose(file);
	if (got)
		line[strcspn(line, "\n")] = 0;
	return got;
}

static void check_kernel(struct check_list *list)
{
	struct utsname name;
	char text[160];

	if (uname(&name)) {
		check_note(check_add(list, "kernel", CHECK_BAD, "unknown"), strerror(errno));
		return;
	}
	snprintf(text, sizeof(text), "%.64s (%.64s)", name.release, name.machine);
	check_add(list, "kernel", CHECK_NEUTRAL, text);
}

static void check_btf(struct check_list *list)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";

	if (!access(path, R_OK))
		check_add(list, "BTF", CHECK_GOOD, path);
	else
		check_note(check_add(list, "BTF", CHECK_BAD, strerror(errno)),
			   "the bpf backend needs /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)");
}

static uint64_t effective_capabilities(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t capabilities = 0;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, "CapEff:", 7))
			capabilities = strtoull(line + 7, NULL, 16);
	fclose(file);
	return capabilities;
}

static void check_capabilities(struct check_list *list)
{
	static const struct {
		const char *name;
		unsigned number;
		bool instead; /* CAP_SYS_ADMIN does as well */
		const char *use;
	} wanted[] = {
	    {"CAP_BPF", CAP_BPF, true, "needed to load the bpf backend's programs"},
	    {"CAP_PERFMON", CAP_PERFMON, true, "needed to attach the bpf backend's programs"},
	    {"CAP_NET_ADMIN", CAP_NET_ADMIN, false, "needed by the connector backend"},
	    {"CAP_SYS_PTRACE", CAP_SYS_PTRACE, false,
	     "needed to read other users' processes in /proc"},
	    {"CAP_SYS_ADMIN", CAP_SYS_ADMIN, false, ""},
	    {"CAP_SYS_RESOURCE", CAP_SYS_RESOURCE, false, ""},
	};
	uint64_t held = effective_capabilities();

	for (size_t index = 0; index < sizeof(wanted) / sizeof(*wanted); index++) {
		bool has = held >> wanted[index].number & 1;
		bool instead = wanted[index].instead && held >> CAP_SYS_ADMIN & 1;
		enum check_verdict verdict = has || instead	  ? CHECK_GOOD
					     : *wanted[index].use ? CHECK_BAD
								  : CHECK_NEUTRAL;
		struct check *check =
		    check_add(list, wanted[index].name, verdict, has ? "yes" : "no");

		if (!has && instead)
			check_note(check, "CAP_SYS_ADMIN does as well");
		else if (!has)
			check_note(check, wanted[index].use);
	}
}

static void check_lockdown(struct check_list *list)
{
	char line[160];
	struct check *check;

	if (!read_line("/sys/kernel/security/lockdown", line, sizeof(line))) {
		check = check_add(list, "lockdown", CHECK_NEUTRAL, "unknown");
		check_note(check, errno == ENOENT ? "not offered, or securityfs is not mounted on "
						    "/sys/kernel/security"
						  : strerror(errno));
		return;
	}
	/* "none [integrity] confidentiality": the brackets mark what is set. */
	if (strstr(line, "[confidentiality]"))
		check_note(check_add(list, "lockdown", CHECK_BAD, line),
			   "confidentiality keeps BPF programs from reading the kernel's memory");
	else
		check_add(list, "lockdown", CHECK_GOOD, line);
}

static void check_unprivileged_bpf(struct check_list *list)
{
	char line[32];

	if (!read_line("/proc/sys/kernel/unprivileged_bpf_disabled", line, sizeof(line))) {
		check_add(list, "unprivileged BPF", CHECK_NEUTRAL, "unknown");
		return;
	}
	/* What unprivileged users may load does not suffice for us either way. */
	check_note(check_add(list, "unprivileged BPF", CHECK_NEUTRAL,
			     strcmp(line, "0") ? "refused" : "allowed"),
		   "of no use to ProcObsrv: tracing programs need the capabilities");
}

static void check_memory_lock(struct check_list *list)
{
	struct rlimit limit;
	struct utsname name;
	unsigned long major;
	unsigned long minor;
	char *after;
	char text[64];
	struct check *check;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) || uname(&name))
		return;
	if (limit.rlim_cur == RLIM_INFINITY)
		snprintf(text, sizeof(text), "unlimited");
	else
		snprintf(text, sizeof(text), "%llu KiB", (unsigned long long)limit.rlim_cur / 1024);
	check = check_add(list, "RLIMIT_MEMLOCK", CHECK_NEUTRAL, text);
	major = strtoul(name.release, &after, 10);
	minor = *after == '.' ? strtoul(after + 1, NULL, 10) : 0;
	if (major > 5 || (major == 5 && minor >= 11))
		check_note(check,
			   "of no matter: this kernel charges BPF memory to the control group");
	else if (limit.rlim_cur != RLIM_INFINITY)
		check_note(check,
			   "kernels before 5.11 charge BPF memory to it; raise it with ulimit -l");
}

static void check_namespaces(struct check_list *list)
{
	/* The inodes of the initial ones are fixed (include/linux/proc_ns.h). */
	static const struct {
		const char *name;
		const char *path;
		unsigned initial;
		const char *note;
	} namespaces[] = {
	    {"pid namespace", "/proc/self/ns/pid", 0xeffffffc,
	     "inside a container: pids are told as the host knows them"},
	    {"user namespace", "/proc/self/ns/user", 0xeffffffd,
	     "inside a container: capabilities here do not count for the kernel's observers"},
	    {"time namespace", "/proc/self/ns/time", 0xeffffffa,
	     "/proc tells start times shifted by its offset"},
	};

	for (size_t index = 0; index < sizeof(namespaces) / sizeof(*namespaces); index++) {
		struct stat status;
		struct check *check;

		if (stat(namespaces[index].path, &status)) {
			check_add(list, namespaces[index].name, CHECK_NEUTRAL, "unknown");
			continue;
		}
		if (status.st_ino == namespaces[index].initial) {
			check_add(list, namespaces[index].name, CHECK_GOOD, "the initial one");
			continue;
		}
		check =
		    check_add(list, namespaces[index].name, CHECK_NEUTRAL, "not the initial one");
		check_note(check, namespaces[index].note);
	}
}

static void check_seccomp(struct check_list *list)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "Seccomp:", 8))
			continue;
		if (strtol(line + 8, NULL, 10) == 2)
			check_note(check_add(list, "seccomp", CHECK_NEUTRAL, "a filter is active"),
				   "it may refuse bpf(2) or ptrace(2), as container runtimes do");
		else
			check_add(list, "seccomp", CHECK_GOOD, "no filter");
	}
	fclose(file);
}

static void check_bpffs(struct check_list *list)
{
	struct statfs status;

	if (!statfs("/sys/fs/bpf", &status) && (unsigned long)status.f_type == BPF_FS_MAGIC)
		check_add(list, "bpffs", CHECK_GOOD, "mounted on /sys/fs/bpf");
	else
		check_note(check_add(list, "bpffs", CHECK_NEUTRAL, "not mounted on /sys/fs/bpf"),
			   "only a resident observer needs it");
}

static void check_connector(struct check_list *list)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
	int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);

	if (netlink < 0 || bind(netlink, (struct sockaddr *)&address, sizeof(address)))
		check_note(check_add(list, "proc connector", CHECK_BAD, strerror(errno)),
			   "the connector backend needs it");
	else
		check_add(list, "proc connector", CHECK_GOOD, "open to this user");
	if (netlink >= 0)
		close(netlink);
}

static void check_ptrace(struct check_list *list)
{
	static const char *const scopes[] = {
	    "any process of the same user",
	    "descendants only",
	    "with CAP_SYS_PTRACE only",
	    "nobody",
	};
	char line[32];
	long scope;

	if (!read_line("/proc/sys/kernel/yama/ptrace_scope", line, sizeof(line))) {
		check_add(list, "ptrace", CHECK_GOOD, "not restricted by Yama");
		return;
	}
	scope = strtol(line, NULL, 10);
	if (scope < 0 || scope > 3)
		check_add(list, "ptrace", CHECK_NEUTRAL, line);
	else if (scope < 2)
		check_add(list, "ptrace", CHECK_GOOD, scopes[scope]);
	else
		check_note(check_add(list, "ptrace", CHECK_BAD, scopes[scope]),
			   "the ptrace backend needs it (kernel.yama.ptrace_scope)");
}

static void check_pid_max(struct check_list *list)
{
	char line[32];

	if (read_line("/proc/sys/kernel/pid_max", line, sizeof(line)))
		check_add(list, "pid_max", CHECK_NEUTRAL, line);
}

static void check_jit(struct check_list *list)
{
	char line[32];

	if (!read_line("/proc/sys/net/core/bpf_jit_enable", line, sizeof(line)))
		return;
	if (!strcmp(line, "0"))
		check_note(check_add(list, "BPF JIT", CHECK_NEUTRAL, "off"),
			   "the bpf backend costs more so");
	else
		check_add(list, "BPF JIT", CHECK_GOOD, "on");
}

size_t platform_check(struct check checks[CHECKS_MAX])
{
	struct check_list list = {checks, 0};

	check_kernel(&list);
	check_btf(&list);
	check_capabilities(&list);
	check_lockdown(&list);
	check_unprivileged_bpf(&list);
	check_jit(&list);
	check_memory_lock(&list);
	check_namespaces(&list);
	check_seccomp(&list);
	check_bpffs(&list);
	check_connector(&list);
	check_ptrace(&list);
	check_pid_max(&list);
	return list.count;
}
