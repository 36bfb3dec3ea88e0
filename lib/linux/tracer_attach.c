/* SPDX-License-Identifier: MIT */
/* Begins to follow a process, its threads and its descendants. */
#include "tracer_state.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <unistd.h>

/* PTRACE_O_EXITKILL is not among them: if we die, the programs go on. */
#define FOLLOW                                                                                     \
	(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |     \
	 PTRACE_O_TRACEEXIT)

/* So many times all of /proc is searched for children of those that are followed. */
#define SEARCHES_MOST 100

struct attach {
	struct tracer *tracer;
	struct traced *process;
	uint32_t found; /* in this search */
};

static void attach_thread(uint32_t tid, void *param)
{
	struct attach *attach = param;

	if (tracer_find(attach->tracer, tid))
		return;
	if (ptrace(PTRACE_SEIZE, (pid_t)tid, NULL, (void *)(long)FOLLOW)) {
		/* ESRCH: it has ended since. */
		if (errno != ESRCH || !attach->tracer->attach_error)
			attach->tracer->attach_error = errno;
		return;
	}
	if (tracer_add(attach->tracer, tid, attach->process))
		attach->found++;
}

static void write_existing(struct tracer *tracer, int directory, struct traced *process)
{
	proc_image_read(directory, &tracer->options.image, &tracer->image);
	tracer->image.image.thread_pid = process->body.process.pid;
	record_writer_add(&tracer->writer,
			  &(struct record_parts){.kind = RECORD_EXISTING,
						 .time_ns = tracer_now(),
						 .body = &process->body,
						 .image = &tracer->image.image,
						 .strings = tracer->image.strings});
}

/* Follows all threads of a process. False: none of them could be attached to. */
static bool attach_process(struct tracer *tracer, uint32_t pid)
{
	struct attach attach = {.tracer = tracer};
	struct proc_process read;
	int directory = proc_process_open(pid);

	if (directory < 0 || !proc_process_read(directory, &read) || proc_process_is_dead(&read) ||
	    !(attach.process = pool_take(&tracer->processes))) {
		if (directory >= 0)
			close(directory);
		tracer->attach_error = ESRCH;
		return false;
	}
	attach.process->body = read.body;
	attach.process->body.parent = tracer_identity(tracer, read.body.parent.pid);
	do
		attach.found = 0; /* a thread that is not followed yet may make more */
	while (proc_walk_threads(pid, attach_thread, &attach) && attach.found);

	bool attached = attach.process->threads != 0;
	if (attached)
		write_existing(tracer, directory, attach.process);
	else
		pool_give(&tracer->processes, attach.process);
	close(directory);
	return attached;
}

struct search {
	struct tracer *tracer;
	uint32_t found;
	uint32_t refused;
};

static void attach_child(uint32_t pid, void *param)
{
	struct search *search = param;
	struct tracer *tracer = search->tracer;
	struct proc_process process = {0};
	int directory;

	if (tracer_find(tracer, pid) || pid == (uint32_t)getpid() ||
	    (directory = proc_process_open(pid)) < 0)
		return;
	bool ours = proc_process_read_stat(directory, &process) &&
		    !proc_process_is_dead(&process) &&
		    tracer_process(tracer, process.body.parent.pid);
	close(directory);
	if (!ours)
		return;
	tracer->attach_error = 0;
	if (attach_process(tracer, pid))
		search->found++;
	else if (tracer->attach_error != ESRCH)
		search->refused++;
}

int tracer_attach(struct tracer *tracer)
{
	struct search search = {.tracer = tracer};

	if (!attach_process(tracer, tracer->options.root_pid))
		return tracer->attach_error ? tracer->attach_error : ESRCH;
	/* What the followed make is followed from its birth; here are those that were there. */
	for (int i = 0; i < SEARCHES_MOST; i++) {
		search.found = search.refused = 0;
		proc_walk(attach_child, &search);
		if (!search.found)
			break;
	}
	tracer->unfollowed = search.refused;
	return 0;
}
