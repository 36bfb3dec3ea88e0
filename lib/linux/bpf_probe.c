/* SPDX-License-Identifier: MIT */
/* What the kernel lets us do, tried with the system call itself; see bpf_observer.h. */
#include "bpf_observer.h"

#include "bpf_names.h"
#include "error.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *bpf_names_btf(void)
{
	const char *path = secure_getenv("PROCOBSRV_BTF");

	return path && *path ? path : "/sys/kernel/btf/vmlinux";
}

static int probe_btf(void)
{
	if (!access(bpf_names_btf(), R_OK))
		return 0;
	if (errno == ENOENT)
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "no type information of the kernel (%s is missing): the eBPF "
				 "observer needs a kernel built with CONFIG_DEBUG_INFO_BTF, as the "
				 "distributions' are since 2021; use another backend",
				 bpf_names_btf());
	return error_set_errno(errno, "cannot read the kernel's type information (%s)",
			       bpf_names_btf());
}

/* "none [integrity] confidentiality": the one in brackets is in force. */
static int probe_lockdown(void)
{
	char text[128];
	int file = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return 0; /* no lockdown, or it is not visible here: then loading will tell */
	ssize_t length = read(file, text, sizeof text - 1);
	close(file);
	text[length > 0 ? length : 0] = '\0';
	if (!strstr(text, "[confidentiality]"))
		return 0;
	return error_set(
	    PROCOBSRV_ERROR_PERMISSION,
	    "the kernel is locked down to \"confidentiality\", where eBPF programs may "
	    "not read kernel memory: boot with lockdown=integrity or use another "
	    "backend");
}

static int refused(int error, const char *what)
{
	switch (error) {
	case EPERM:
	case EACCES:
		return error_set(PROCOBSRV_ERROR_PERMISSION,
				 "the kernel refuses %s to this user: run as root, or with the "
				 "capabilities CAP_BPF and CAP_PERFMON (outside of containers that "
				 "forbid bpf())",
				 what);
	case ENOSYS:
		return error_set(
		    PROCOBSRV_ERROR_UNSUPPORTED,
		    "this kernel has no bpf() system call (CONFIG_BPF_SYSCALL), or the "
		    "container hides it: use another backend");
	case EINVAL:
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "this kernel does not know %s: the eBPF observer needs Linux 5.10 "
				 "or later; use another backend",
				 what);
	default:
		return error_set_errno(error, "the kernel does not give us %s", what);
	}
}

static int probe_ring(void)
{
	int map = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "procobsrv_probe", 0, 0,
				 (uint32_t)sysconf(_SC_PAGESIZE), NULL);

	if (map < 0)
		return refused(-map, "an eBPF ring buffer");
	close(map);
	return 0;
}

/* Tracing needs a right of its own beside that to use eBPF. */
static int probe_program(void)
{
	const struct bpf_insn instructions[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "procobsrv_probe", "GPL",
				    instructions, 2, NULL);

	if (program < 0)
		return refused(-program, "an eBPF tracing program");
	close(program);
	return 0;
}

/* bpf_loop() stands for the rest of what the newer object uses, as the youngest of it. */
static bool kernel_loops(void)
{
	const struct bpf_insn instructions[] = {
	    {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_loop},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	char log[512] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, options, .log_buf = log, .log_size = sizeof log,
		    .log_level = 1);
	int program = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "procobsrv_probe", "GPL",
				    instructions, 2, &options);

	/* It is refused either way, since it has no arguments; the complaint tells why. */
	if (program >= 0)
		close(program);
	return !strstr(log, "invalid func") && !strstr(log, "unknown func");
}

int bpf_observer_probe(bool *legacy)
{
	int error = probe_btf();

	if (!error)
		error = probe_lockdown();
	if (!error)
		error = probe_ring();
	if (!error)
		error = probe_program();
	if (!error)
		*legacy = !kernel_loops();
	return error;
}
