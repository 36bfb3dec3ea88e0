/* SPDX-License-Identifier: MIT */
#include "process.h"

#include "hex.h"
#include "os.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ID_SIZE	 40 /* 8 + 1 + 8 + 1 + 16 and NUL, rounded up */
#define TTY_SIZE 24

struct process {
	struct procobsrv_process public; /* first: what users hold is a pointer to it */
	atomic_uint references;
	struct image *image;
	struct cgroup *group;
	char id[ID_SIZE];
	char name[RECORD_NAME_SIZE];
	char tty[TTY_SIZE];
};

static struct process *process_of(const struct procobsrv_process *shown)
{
	return (struct process *)(uintptr_t)shown;
}

/* boot-pid-start: opaque to users, who only compare. */
static void write_id(char *id, const struct process_context *context,
		     const struct record_identity *identity)
{
	size_t length = strlen(context->boot);
	char *end = id + length;

	memcpy(id, context->boot, length);
	*end++ = '-';
	end = hex_append(end, identity->pid);
	*end++ = '-';
	end = hex_append(end, identity->start_ns);
	*end = '\0';
}

static struct process *allocate(const struct process_context *context,
				const struct record_identity *identity)
{
	struct process *process = calloc(1, sizeof *process);
	if (!process)
		return NULL;

	struct procobsrv_process *shown = &process->public;
	atomic_init(&process->references, 1);
	write_id(process->id, context, identity);
	shown->id = process->id;
	shown->name = process->name;
	shown->pid = identity->pid;
	if (identity->start_ns) {
		shown->present |= PROCOBSRV_HAS_START;
		shown->start_boot_ns = identity->start_ns;
		shown->start_time_ns =
		    (int64_t)(identity->start_ns + (uint64_t)context->wall_offset_ns);
	}
	return process;
}

static void set_credentials(struct procobsrv_process *shown,
			    const struct record_credentials *credentials)
{
	shown->present |= PROCOBSRV_HAS_CREDENTIALS;
	shown->uid = credentials->uid;
	shown->gid = credentials->gid;
	shown->euid = credentials->euid;
	shown->egid = credentials->egid;
	if (credentials->loginuid != RECORD_ID_UNKNOWN) {
		shown->present |= PROCOBSRV_HAS_LOGINUID;
		shown->loginuid = credentials->loginuid;
	}
}

static void set_body(struct process *process, const struct record_body *body)
{
	struct procobsrv_process *shown = &process->public;

	memcpy(process->name, body->name, sizeof process->name);
	process->name[sizeof process->name - 1] = '\0';
	/* A parent of 0 is one where somebody knew what to tell. */
	if (body->parent.pid || !(body->process_flags & RECORD_PROCESS_NO_CREDENTIALS)) {
		shown->present |= PROCOBSRV_HAS_PPID;
		shown->ppid = body->parent.pid;
	}
	shown->exec_id = body->exec_id;
	if (body->process_flags & RECORD_PROCESS_KERNEL_THREAD)
		shown->flags |= PROCOBSRV_PROCESS_KERNEL_THREAD;
	if (!(body->process_flags & RECORD_PROCESS_NO_CREDENTIALS))
		set_credentials(shown, &body->credentials);
	/* Windows tells it without the others. */
	if (body->credentials.session != RECORD_ID_UNKNOWN) {
		shown->present |= PROCOBSRV_HAS_SESSION;
		shown->session = body->credentials.session;
	}
	if (body->process.ns_pid && body->process.ns_pid != body->process.pid) {
		shown->present |= PROCOBSRV_HAS_NS_PID;
		shown->ns_pid = body->process.ns_pid;
	}
	if (body->cgroup) {
		shown->present |= PROCOBSRV_HAS_CGROUP;
		shown->cgroup_id = body->cgroup;
	}
	if (body->session_leader) {
		shown->present |= PROCOBSRV_HAS_SESSION_LEADER;
		shown->session_leader = body->session_leader;
	}
	shown->tty_device = body->tty;
	if (body->tty && os_tty_name(body->tty, process->tty, sizeof process->tty))
		shown->tty = process->tty;
}

/* Windows has no name beside the path; the kernel's ends as the common one does. */
static const char *name_of_image(const struct image *image)
{
	const char *path = image->exe ? image->exe : image->exe_nt;
	const char *last = path ? strrchr(path, '\\') : NULL;

	return last ? last + 1 : path ? path : "";
}

/* Those of the exec: a forked child may be in others than its parent's image tells. */
static void set_namespaces(struct procobsrv_process *shown, const struct image *image)
{
	shown->mount_namespace = image->mount_namespace;
	shown->pid_namespace = image->pid_namespace;
	shown->user_namespace = image->user_namespace;
	shown->network_namespace = image->network_namespace;
	shown->uts_namespace = image->uts_namespace;
	shown->ipc_namespace = image->ipc_namespace;
	shown->cgroup_namespace = image->cgroup_namespace;
	shown->time_namespace = image->time_namespace;
	if (image->pid_namespace || image->mount_namespace || image->user_namespace ||
	    image->network_namespace)
		shown->present |= PROCOBSRV_HAS_NAMESPACES;
}

static void set_image(struct process *process, struct image *image, bool forked)
{
	struct procobsrv_process *shown = &process->public;

	process->image = image_ref(image);
	shown->flags |= image->process_flags;
	if (forked)
		shown->flags |= PROCOBSRV_PROCESS_FORKED;
	shown->exe = image->exe;
	shown->exe_nt = image->exe_nt;
	shown->cwd = image->cwd;
	shown->filename = image->filename;
	shown->script = image->script;
	shown->interpreter = image->interpreter;
	shown->argv = image->argv;
	shown->argc = image->argc;
	shown->env = image->env;
	shown->env_count = image->env_count;
	shown->command_line = image->command_line;
	shown->sid = image->sid;
	if (image->exe_device || image->exe_inode) {
		shown->present |= PROCOBSRV_HAS_EXE_FILE;
		shown->exe_device = image->exe_device;
		shown->exe_inode = image->exe_inode;
	}
	if (!forked)
		set_namespaces(shown, image);
	shown->missing = image->missing;
	shown->missing_count = image->missing_count;
	if (image->process_flags & PROCOBSRV_PROCESS_WTF8)
		shown->name = name_of_image(image);
}

static void set_cgroup(struct process *process, struct cgroup *group)
{
	struct procobsrv_process *shown = &process->public;

	if (!group)
		return;
	process->group = cgroup_ref(group);
	shown->cgroup = group->path;
	shown->container_id = group->container_id;
	shown->runtime = group->runtime;
	shown->unit = group->unit;
}

static void set_no_image(struct procobsrv_process *shown)
{
	static const struct procobsrv_missing missing[] = {
	    {"exe", "gap"},
	    {"argv", "gap"},
	    {"cwd", "gap"},
	};

	if (shown->flags & PROCOBSRV_PROCESS_KERNEL_THREAD)
		return; /* has none */
	shown->missing = missing;
	shown->missing_count = sizeof missing / sizeof *missing;
}

const struct procobsrv_process *process_create(const struct process_context *context,
					       const struct record_body *body, struct image *image,
					       bool forked, struct cgroup *group)
{
	struct process *process = allocate(context, &body->process);
	if (!process)
		return NULL;

	set_body(process, body);
	if (image)
		set_image(process, image, forked);
	else
		set_no_image(&process->public);
	set_cgroup(process, group);
	return &process->public;
}

const struct procobsrv_process *process_create_stub(const struct process_context *context,
						    const struct record_identity *identity)
{
	struct process *process = allocate(context, identity);

	return process ? &process->public : NULL;
}

struct image *process_image(const struct procobsrv_process *process)
{
	return process_of(process)->image;
}

const struct procobsrv_process *procobsrv_process_ref(const struct procobsrv_process *process)
{
	if (process)
		atomic_fetch_add_explicit(&process_of(process)->references, 1,
					  memory_order_relaxed);
	return process;
}

void procobsrv_process_unref(const struct procobsrv_process *process)
{
	if (!process)
		return;

	struct process *object = process_of(process);
	if (atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) != 1)
		return;
	image_unref(object->image);
	cgroup_unref(object->group);
	free(object);
}
