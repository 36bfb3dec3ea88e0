/* SPDX-License-Identifier: MIT */
/* What waitpid() tells of the threads that are followed becomes records. */
#include "tracer_state.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A new thread may stop before its creator tells of it. Only a creator that is killed in between
 * never does: it is not waited for longer than this.
 */
#define HELD_MOST_NS 500000000ull

/* ---- letting go on ---- */

static bool stops_group(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/* Lets a thread go on as it would without us. ESRCH: it was killed, which waitpid() tells. */
static void let_go(uint32_t tid, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;

	if (event == 0) /* on its way to receive this signal */
		ptrace(PTRACE_CONT, (pid_t)tid, NULL, (void *)(long)signal);
	else if (event == PTRACE_EVENT_STOP && stops_group(signal)) /* stays stopped */
		ptrace(PTRACE_LISTEN, (pid_t)tid, NULL, NULL);
	else
		ptrace(PTRACE_CONT, (pid_t)tid, NULL, NULL);
}

static uint32_t event_message(uint32_t tid)
{
	unsigned long message = 0;

	ptrace(PTRACE_GETEVENTMSG, (pid_t)tid, NULL, &message);
	return (uint32_t)message;
}

/* ---- start ---- */

static void write_start(struct tracer *tracer, const struct traced *process,
			const struct traced *creator)
{
	struct record_start start = {0};

	if (creator)
		start.creator = creator->body.process;
	record_writer_add(&tracer->writer,
			  &(struct record_parts){.kind = RECORD_START,
						 .time_ns = process->body.process.start_ns,
						 .body = &process->body,
						 .start = &start});
}

/*
 * Reads what a new thread is. What it has of its creator is not read again, since every file costs
 * the traced programs time: its terminal (unless its session is another), login uid and audit
 * session. False: it is not there, or not ours.
 */
static bool read_new(const struct tracer *tracer, uint32_t tid, const struct traced *creator,
		     struct proc_process *read)
{
	int directory = proc_process_open(tid);
	bool told = false;

	memset(read, 0, sizeof *read);
	if (directory < 0)
		return false;
	if (creator) {
		read->body = creator->body;
		told = proc_process_read_status(directory, read);
		if (read->body.session_leader != creator->body.session_leader)
			read->body.tty = 0;
	} else {
		told = proc_process_read(directory, read);
	}
	close(directory);
	return told && read->tracer == tracer->pid;
}

/* Gives a new thread its process: its creator's, or one of its own, which is told. 0 or an errno.
 */
static int settle(struct tracer *tracer, struct tracee *tracee, struct traced *creator)
{
	struct traced *process = NULL;
	struct proc_process read;

	/* Nobody can be gone before we have waited for him: who is gone was told before. */
	if (!read_new(tracer, tracee->tid, creator, &read))
		return ESRCH;
	if (read.thread_group != tracee->tid)
		process = tracer_process(tracer, read.thread_group);
	if (!process) {
		process = pool_take(&tracer->processes);
		if (!process)
			return ENOMEM;
		process->body = read.body;
		process->body.process.pid = read.thread_group;
		process->body.process.start_ns = tracer_now();
		process->body.parent = tracer_identity(tracer, read.body.parent.pid);
		process->body.process_flags &=
		    ~(uint32_t)(RECORD_PROCESS_EXECED | RECORD_PROCESS_EXITING);
		write_start(tracer, process, creator);
	}
	tracee->process = process;
	process->threads++;
	return 0;
}

/* Out of memory: the newcomer is let go unfollowed, which is told as a gap. */
static void give_up(struct tracer *tracer, uint32_t tid)
{
	struct record_gap gap = {.lost = {[RECORD_LOST_INDEX(RECORD_START)] = 1},
				 .stage = RECORD_GAP_SOURCE,
				 .detail = ENOMEM};

	ptrace(PTRACE_DETACH, (pid_t)tid, NULL, NULL);
	record_writer_gap(&tracer->writer, tracer_now(), &gap);
}

/* Settles somebody who has stopped, or will at once; lets him go on if he was held. */
static void welcome(struct tracer *tracer, struct tracee *tracee, struct traced *creator, bool held)
{
	uint32_t tid = tracee->tid;
	int status = tracee->held_status;
	int error = settle(tracer, tracee, creator);

	if (error)
		tracer_remove(tracer, tracee);
	if (error == ENOMEM)
		give_up(tracer, tid);
	else if (held)
		let_go(tid, status);
}

static void take_from_held(struct tracer *tracer, const struct tracee *tracee)
{
	for (struct tracee **link = &tracer->held; *link; link = &(*link)->next_held)
		if (*link == tracee) {
			*link = tracee->next_held;
			return;
		}
}

/* A followed thread has made another one, which may have shown up before, or will. */
static void created(struct tracer *tracer, struct tracee *creator, uint32_t tid)
{
	struct tracee *tracee = tracer_find(tracer, tid);
	bool held = tracee && !tracee->process;

	if (!tid || (tracee && tracee->process))
		return;
	if (held)
		take_from_held(tracer, tracee);
	else if (!(tracee = tracer_add(tracer, tid, NULL)))
		return; /* it is held when it stops, and given up then */
	welcome(tracer, tracee, creator->process, held);
}

/* A thread stops that nobody has told of: its creator's word is on its way, or will never come. */
static void hold(struct tracer *tracer, uint32_t tid, int status)
{
	struct tracee *tracee = tracer_add(tracer, tid, NULL);

	if (!tracee) {
		give_up(tracer, tid);
		return;
	}
	tracee->held_status = status;
	tracee->held_ns = tracer_now();
	tracee->next_held = tracer->held;
	tracer->held = tracee;
}

void tracer_release_held(struct tracer *tracer)
{
	uint64_t now = tracer_now();
	struct tracee *tracee = tracer->held, *next;

	for (; tracee; tracee = next) {
		next = tracee->next_held;
		if (now - tracee->held_ns < HELD_MOST_NS)
			continue;
		take_from_held(tracer, tracee);
		welcome(tracer, tracee, NULL, true);
	}
}

/* ---- exec ---- */

/* The thread that called exec bears the leader's id now; all others are gone. */
static struct traced *take_over(struct tracer *tracer, struct tracee *leader, uint32_t former)
{
	struct traced *process = leader->process;

	if (former && former != leader->tid) {
		struct tracee *caller = tracer_find(tracer, former);
		if (caller && caller->process == process)
			tracer_remove(tracer, caller);
	}
	/* The old leader may have been met on its way out; this is another thread. */
	process->exiting -= leader->exiting;
	leader->exiting = false;
	process->has_usage = false;
	return process;
}

static void execed(struct tracer *tracer, struct tracee *tracee)
{
	uint32_t former = event_message(tracee->tid);
	struct traced *process = take_over(tracer, tracee, former);
	struct record_identity identity = process->body.process;
	struct record_identity parent = process->body.parent;
	uint64_t exec_id = process->body.exec_id + 1;
	struct proc_process read = {.body = process->body};
	int directory = proc_process_open(identity.pid);

	if (directory >= 0 && proc_process_read_status(directory, &read)) {
		proc_process_read_audit(directory, &read);
		if (read.body.session_leader != process->body.session_leader)
			read.body.tty = 0;
		process->body = read.body;
		process->body.parent = read.body.parent.pid == parent.pid
					   ? parent
					   : tracer_identity(tracer, read.body.parent.pid);
	}
	process->body.exec_id = exec_id;
	process->body.process_flags |= RECORD_PROCESS_EXECED;
	if (directory >= 0) {
		proc_image_read(directory, &tracer->options.image, &tracer->image);
		proc_image_mark_privileges(&tracer->image, &process->body.credentials);
		close(directory);
	} else {
		proc_image_too_late(&tracer->image, tracer->options.image.env);
	}
	tracer->image.image.thread_pid = former ? former : identity.pid;
	record_writer_add(&tracer->writer,
			  &(struct record_parts){.kind = RECORD_EXEC,
						 .time_ns = tracer_now(),
						 .body = &process->body,
						 .image = &tracer->image.image,
						 .strings = tracer->image.strings});
}

/* ---- exit ---- */

/* The last thread is on its way out, and its memory is still there. */
static void read_usage(struct tracer *tracer, int directory, struct traced *process)
{
	struct proc_process read = {0};

	if (!proc_process_read_stat(directory, &read) ||
	    !proc_process_read_status(directory, &read))
		return;
	process->user_ns = read.user_ns;
	process->system_ns = read.system_ns;
	process->max_rss_bytes = read.max_rss_bytes;
	process->body.credentials.uid = read.body.credentials.uid;
	process->body.credentials.gid = read.body.credentials.gid;
	process->body.credentials.euid = read.body.credentials.euid;
	process->body.credentials.egid = read.body.credentials.egid;
	process->body.session_leader = read.body.session_leader;
	process->body.tty = read.body.tty;
	memcpy(process->body.name, read.body.name, sizeof read.body.name);
	if (read.body.parent.pid != process->body.parent.pid)
		process->body.parent = tracer_identity(tracer, read.body.parent.pid);
	process->has_usage = true;
}

static void exiting(struct tracer *tracer, struct tracee *tracee)
{
	struct traced *process = tracee->process;
	int directory;

	if (!tracee->exiting) {
		tracee->exiting = true;
		process->exiting++;
	}
	directory = proc_process_open(tracee->tid);
	if (directory < 0)
		return;
	process->cpu_ns += proc_process_cpu_ns(directory);
	if (process->exiting == process->threads)
		read_usage(tracer, directory, process);
	close(directory);
}

static void write_exit(struct tracer *tracer, struct traced *process, int status)
{
	/* Kernels without schedstat have only what the tick has sampled. */
	uint64_t cpu_ns = process->cpu_ns ? process->cpu_ns : process->user_ns + process->system_ns;
	struct record_exit exit = {
	    .cpu_ns = cpu_ns,
	    .user_ns = process->user_ns,
	    .system_ns = process->system_ns,
	    .max_rss_bytes = process->max_rss_bytes,
	};

	if (!process->has_usage) {
		/* Killed so that it could not stop on its way out. */
		exit = (struct record_exit){.flags = RECORD_EXIT_USAGE_UNKNOWN};
	}
	proc_process_decode_status((uint32_t)status, &exit);
	record_writer_add(&tracer->writer, &(struct record_parts){.kind = RECORD_EXIT,
								  .time_ns = tracer_now(),
								  .body = &process->body,
								  .exit = &exit});
}

/* A thread has been reaped. A leader is reaped last, with what its parent's wait() will tell. */
static void ended(struct tracer *tracer, struct tracee *tracee, int status)
{
	struct traced *process = tracee->process;

	if (process && process->body.process.pid == tracee->tid)
		write_exit(tracer, process, status);
	tracer_remove(tracer, tracee);
}

/* ---- all of it ---- */

void tracer_event(struct tracer *tracer, uint32_t tid, int status)
{
	struct tracee *tracee = tracer_find(tracer, tid);

	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		if (tracee)
			ended(tracer, tracee, status);
		return;
	}
	if (!WIFSTOPPED(status))
		return;
	if (!tracee) {
		hold(tracer, tid, status);
		return;
	}
	if (!tracee->process)
		return; /* held, and stopped */

	switch (status >> 16) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		created(tracer, tracee, event_message(tid));
		break;
	case PTRACE_EVENT_EXEC:
		execed(tracer, tracee);
		break;
	case PTRACE_EVENT_EXIT:
		exiting(tracer, tracee);
		break;
	default:
		break;
	}
	let_go(tid, status);
}
