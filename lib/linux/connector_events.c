/* SPDX-License-Identifier: MIT */
#include "connector_events.h"

#include <string.h>
#include <unistd.h>

/*
 * A fork event comes a little after the start that /proc tells, which is cut to ticks. No pid comes
 * round again in so short a time.
 */
#define FORK_DELAY_MOST_NS 500000000ull

/* A process whose leader is gone for so long is looked up in /proc. */
#define LINGER_NS 1000000000ull

static bool same_start(const struct connector_process *entry, uint64_t proc_start_ns)
{
	uint64_t start_ns = entry->body.process.start_ns;

	if (!entry->fork_seen)
		return start_ns == proc_start_ns || start_ns == 0;
	return start_ns >= proc_start_ns && start_ns - proc_start_ns < FORK_DELAY_MOST_NS;
}

struct connector_process *connector_events_match(struct connector_events *events,
						 const struct proc_process *process)
{
	struct connector_process *entry =
	    connector_table_find(&events->table, process->body.process.pid);

	if (!entry || !same_start(entry, process->body.process.start_ns))
		return NULL;
	return entry;
}

struct record_identity connector_events_identity(struct connector_events *events, uint32_t pid)
{
	struct connector_process *entry = connector_table_find(&events->table, pid);

	return entry ? entry->body.process : proc_process_identity(pid);
}

/* Makes an entry from what /proc tells now; NULL: the process is gone. */
static struct connector_process *load(struct connector_events *events, uint32_t pid)
{
	struct connector_process *entry = NULL;
	struct proc_process process;
	int directory = proc_process_open(pid);

	if (directory < 0)
		return NULL;
	/* A thread's directory can be opened by its id, too. */
	if (proc_process_read(directory, &process) && process.thread_group == pid) {
		process.body.parent = connector_events_identity(events, process.body.parent.pid);
		entry = connector_table_put(&events->table, &process.body);
		if (entry) {
			entry->gaps = events->gaps;
			entry->layout = process.layout;
		}
	}
	close(directory);
	return entry;
}

/* After a gap an entry may be of a process that ended in it, its pid being another's now. */
static struct connector_process *verify(struct connector_events *events,
					struct connector_process *entry)
{
	struct record_identity now = proc_process_identity(entry->body.process.pid);

	entry->gaps = events->gaps;
	/* Threads may have come and gone in the gap. */
	entry->threads_known = false;
	if (!now.pid || same_start(entry, now.start_ns))
		return entry;
	connector_table_remove(&events->table, now.pid);
	return load(events, now.pid);
}

static struct connector_process *find(struct connector_events *events, uint32_t pid)
{
	struct connector_process *entry = connector_table_find(&events->table, pid);

	if (!entry)
		return load(events, pid);
	return entry->gaps == events->gaps ? entry : verify(events, entry);
}

/* ---- what came in the wrong number ---- */

static void feed_gap(struct connector_events *events, const struct connector_event *event,
		     const struct connector_cpu *cpu, uint32_t missing)
{
	struct record_gap gap = {
	    .unknown = missing,
	    .from_ns = cpu->time_ns,
	    .to_ns = event->time_ns,
	    .stage = RECORD_GAP_KERNEL,
	};

	events->gaps++;
	record_writer_gap(&events->writer, event->time_ns, &gap);
}

/* Each cpu counts what it sends: a hole is what found no room in the socket. */
static void count(struct connector_events *events, const struct connector_event *event)
{
	struct connector_cpu *cpu;

	if (event->event.cpu >= CONNECTOR_CPUS)
		return;
	cpu = &events->cpus[event->event.cpu];
	uint32_t missing = event->sequence - cpu->sequence - 1;
	if (cpu->known && missing && missing <= INT32_MAX)
		feed_gap(events, event, cpu, missing);
	cpu->known = true;
	cpu->sequence = event->sequence;
	cpu->time_ns = event->time_ns;
}

/* ---- start ---- */

/* What a child has of its parent until it changes it. */
static struct record_body inherit(const struct connector_process *parent, uint32_t pid,
				  uint64_t time_ns)
{
	struct record_body body = parent->body;

	body.parent = parent->body.process;
	body.process = (struct record_identity){.start_ns = time_ns, .pid = pid};
	body.process_flags &= ~(uint32_t)(RECORD_PROCESS_EXECED | RECORD_PROCESS_EXITING);
	return body;
}

/* One of whom no more is known than what is asked for here. */
static struct record_body unknown_body(uint32_t pid, uint32_t parent)
{
	return (struct record_body){
	    .process = {.pid = pid},
	    .parent = {.pid = parent},
	    .credentials = {.loginuid = RECORD_ID_UNKNOWN, .session = RECORD_ID_UNKNOWN},
	    .process_flags = RECORD_PROCESS_NO_CREDENTIALS,
	};
}

/* The parent is not known and gone: the child itself may still tell. */
static struct record_body read_child(uint32_t pid, uint32_t parent, uint64_t time_ns)
{
	struct proc_process process;
	int directory = proc_process_open(pid);
	bool told = directory >= 0 && proc_process_read(directory, &process);

	if (directory >= 0)
		close(directory);
	if (!told)
		process.body = unknown_body(pid, parent);
	process.body.process = (struct record_identity){.start_ns = time_ns, .pid = pid};
	return process.body;
}

static void feed_fork(struct connector_events *events, const struct connector_event *event)
{
	uint32_t pid = (uint32_t)event->event.event_data.fork.child_tgid;
	uint32_t parent_pid = (uint32_t)event->event.event_data.fork.parent_tgid;
	struct connector_process *entry = connector_table_find(&events->table, pid);
	struct record_start start = {0}; /* who called fork is not told, only the parent */
	struct record_body body;

	if (event->event.event_data.fork.child_pid != event->event.event_data.fork.child_tgid) {
		if (entry)
			connector_table_add_thread(
			    &events->table, entry,
			    (uint32_t)event->event.event_data.fork.child_pid);
		return;
	}

	struct connector_process *parent = find(events, parent_pid);
	uint64_t parent_layout = parent ? parent->layout : 0;
	body = parent ? inherit(parent, pid, event->time_ns)
		      : read_child(pid, parent_pid, event->time_ns);
	/* A snapshot may have met the child before its event came: it keeps that identity. */
	bool met = entry && !entry->fork_seen && entry->body.process.start_ns &&
		   event->time_ns >= entry->body.process.start_ns &&
		   event->time_ns - entry->body.process.start_ns < FORK_DELAY_MOST_NS;
	if (met)
		body.process = entry->body.process;
	entry = connector_table_put(&events->table, &body);
	if (entry) {
		entry->fork_seen = !met;
		entry->layout = parent_layout;
		entry->threads_known = true;
		entry->gaps = events->gaps;
	}
	record_writer_add(&events->writer, &(struct record_parts){.kind = RECORD_START,
								  .time_ns = event->time_ns,
								  .body = &body,
								  .start = &start});
}

/* ---- exec ---- */

/* Takes what /proc tells of the process into its entry, as of this event. */
static void update_body(struct connector_events *events, struct connector_process *entry,
			const struct proc_process *read, bool status_told)
{
	struct record_body *body = &entry->body;
	struct record_body before = *body;

	*body = read->body;
	body->process.start_ns = before.process.start_ns;
	body->process.ns_pid = status_told ? read->body.process.ns_pid : before.process.ns_pid;
	body->exec_id = before.exec_id;
	body->parent = read->body.parent.pid == before.parent.pid
			   ? before.parent
			   : connector_events_identity(events, read->body.parent.pid);
	entry->layout = read->layout;
	if (!status_told) {
		body->credentials = before.credentials;
		body->process_flags |= before.process_flags & RECORD_PROCESS_NO_CREDENTIALS;
	} else if (!(before.process_flags & RECORD_PROCESS_NO_CREDENTIALS)) {
		/* /proc may already tell of what the program did after; events are in order. */
		body->credentials.uid = before.credentials.uid;
		body->credentials.gid = before.credentials.gid;
		body->credentials.euid = before.credentials.euid;
		body->credentials.egid = before.credentials.egid;
	}
	body->process_flags &= ~(uint32_t)RECORD_PROCESS_EXITING;
}

/* Reads the program from /proc, as far as the process is still there; updates the entry's body. */
static bool read_program(struct connector_events *events, struct connector_process *entry)
{
	struct proc_process process = {0};
	int directory = proc_process_open(entry->body.process.pid);
	bool there = directory >= 0 && proc_process_read_stat(directory, &process) &&
		     same_start(entry, process.body.process.start_ns);

	if (there) {
		proc_image_read(directory, &events->image_options, &events->image);
		bool status_told = proc_process_read_status(directory, &process);
		proc_process_read_audit(directory, &process);
		update_body(events, entry, &process, status_told);
		proc_image_mark_privileges(&events->image, &entry->body.credentials);
	}
	if (directory >= 0)
		close(directory);
	return there;
}

static void feed_exec(struct connector_events *events, const struct connector_event *event)
{
	uint32_t pid = (uint32_t)event->event.event_data.exec.process_tgid;
	struct connector_process *entry = find(events, pid);

	if (!entry) {
		/* Gone, and nothing was ever heard of it: its start stays unknown. */
		struct record_body body = unknown_body(pid, 0);
		entry = connector_table_put(&events->table, &body);
		if (!entry) {
			events->writer.number++;
			events->writer.lost[RECORD_LOST_INDEX(RECORD_EXEC)]++;
			return;
		}
		entry->gaps = events->gaps;
	}
	connector_table_exec(&events->table, entry, event->time_ns);
	entry->body.exec_id++;
	entry->layout = 0;
	entry->body.process_flags &= ~(uint32_t)RECORD_PROCESS_KERNEL_THREAD;
	if (!read_program(events, entry)) {
		proc_image_too_late(&events->image, events->image_options.env);
		/* It bears the program's name now, which is not known. */
		memset(entry->body.name, 0, sizeof entry->body.name);
	}
	entry->body.process_flags |= RECORD_PROCESS_EXECED;
	events->image.image.thread_pid = pid;
	record_writer_add(&events->writer,
			  &(struct record_parts){.kind = RECORD_EXEC,
						 .time_ns = event->time_ns,
						 .body = &entry->body,
						 .image = &events->image.image,
						 .strings = events->image.strings});
}

/* ---- exit ---- */

static void end_process(struct connector_events *events, struct connector_process *entry,
			uint32_t status, uint64_t time_ns)
{
	/* /proc has its CPU time in ticks only, and only until its parent has waited for it. */
	struct record_exit exit = {.flags = RECORD_EXIT_USAGE_UNKNOWN};

	proc_process_decode_status(status, &exit);
	record_writer_add(&events->writer, &(struct record_parts){.kind = RECORD_EXIT,
								  .time_ns = time_ns,
								  .body = &entry->body,
								  .exit = &exit});
	connector_table_remove(&events->table, entry->body.process.pid);
}

struct thread_walk {
	struct connector_events *events;
	struct connector_process *entry;
};

static void add_live_thread(uint32_t pid, void *param)
{
	struct thread_walk *walk = param;
	struct proc_process thread = {0};
	int directory;

	if (pid == walk->entry->body.process.pid || (directory = proc_process_open(pid)) < 0)
		return;
	if (proc_process_read_stat(directory, &thread) && !proc_process_is_dead(&thread))
		connector_table_add_thread(&walk->events->table, walk->entry, pid);
	close(directory);
}

/* Its threads were made before anybody listened: /proc has those that still live. */
static void find_threads(struct connector_events *events, struct connector_process *entry)
{
	struct thread_walk walk = {events, entry};

	entry->image = ++events->table.images; /* whatever was counted of them is void */
	entry->live = 1;
	entry->threads_known = true;
	proc_walk_threads(entry->body.process.pid, add_live_thread, &walk);
}

static void update_parent(struct connector_events *events, struct connector_process *entry,
			  uint32_t parent)
{
	if (parent && parent != entry->body.parent.pid)
		entry->body.parent = connector_events_identity(events, parent);
}

static void feed_exit(struct connector_events *events, const struct connector_event *event)
{
	uint32_t thread = (uint32_t)event->event.event_data.exit.process_pid;
	uint32_t pid = (uint32_t)event->event.event_data.exit.process_tgid;
	uint32_t parent = (uint32_t)event->event.event_data.exit.parent_tgid;
	uint32_t status = event->event.event_data.exit.exit_code;
	struct connector_process *entry;

	if (thread != pid) {
		entry = connector_table_end_thread(&events->table, thread, pid);
		/* The last of a group bears the group's status, if the group was ended as one. */
		if (entry && entry->leader_gone && !entry->live) {
			update_parent(events, entry, parent);
			end_process(events, entry, status, event->time_ns);
		}
		return;
	}

	entry = find(events, pid);
	if (!entry) {
		struct record_body body = unknown_body(pid, 0);
		entry = connector_table_put(&events->table, &body);
		if (!entry) {
			events->writer.number++;
			events->writer.lost[RECORD_LOST_INDEX(RECORD_EXIT)]++;
			return;
		}
		entry->gaps = events->gaps;
	}
	/* When another thread calls exec, the leader before it ends, which may be told late. */
	if (event->time_ns < entry->exec_ns)
		return;
	if (!entry->threads_known)
		find_threads(events, entry);
	update_parent(events, entry, parent);
	if (entry->live)
		entry->live--;
	if (entry->live)
		connector_table_leave(&events->table, entry, status, event->time_ns);
	else
		end_process(events, entry, status, event->time_ns);
}

struct sweep {
	struct connector_events *events;
	uint64_t now_ns;
};

static void sweep_one(void **slot, void *param)
{
	struct sweep *sweep = param;
	struct connector_process *entry = *slot;
	struct proc_process process = {0};

	if (!entry->leader_gone || sweep->now_ns - entry->gone_ns < LINGER_NS)
		return;
	int directory = proc_process_open(entry->body.process.pid);
	bool there = directory >= 0 && proc_process_read_stat(directory, &process) &&
		     same_start(entry, process.body.process.start_ns) && process.threads > 1;
	if (directory >= 0)
		close(directory);
	if (!there)
		end_process(sweep->events, entry, entry->leader_status, sweep->now_ns);
}

void connector_events_sweep(struct connector_events *events, uint64_t now_ns)
{
	struct sweep sweep = {events, now_ns};

	if (events->table.lingering)
		pid_table_visit(&events->table.processes, sweep_one, &sweep);
}

/* ---- the rest ---- */

static void feed_ids(struct connector_events *events, const struct connector_event *event)
{
	const struct id_proc_event *id = &event->event.event_data.id;
	struct connector_process *entry =
	    connector_table_find(&events->table, (uint32_t)id->process_tgid);

	if (!entry || id->process_pid != id->process_tgid)
		return;
	struct record_credentials *credentials = &entry->body.credentials;
	if (event->event.what == PROC_EVENT_UID) {
		credentials->uid = id->r.ruid;
		credentials->euid = id->e.euid;
	} else {
		credentials->gid = id->r.rgid;
		credentials->egid = id->e.egid;
	}
}

static void feed_name(struct connector_events *events, const struct connector_event *event)
{
	const struct comm_proc_event *comm = &event->event.event_data.comm;
	struct connector_process *entry =
	    connector_table_find(&events->table, (uint32_t)comm->process_tgid);

	if (!entry || comm->process_pid != comm->process_tgid)
		return;
	memcpy(entry->body.name, comm->comm, sizeof entry->body.name);
	entry->body.name[sizeof entry->body.name - 1] = '\0';
}

static void feed_session(struct connector_events *events, const struct connector_event *event)
{
	uint32_t pid = (uint32_t)event->event.event_data.sid.process_tgid;
	struct connector_process *entry = connector_table_find(&events->table, pid);

	if (!entry)
		return;
	entry->body.session_leader = pid;
	entry->body.tty = 0;
}

void connector_events_feed(struct connector_events *events, const struct connector_event *event)
{
	count(events, event);
	events->time_ns = event->time_ns;
	switch (event->event.what) {
	case PROC_EVENT_FORK:
		feed_fork(events, event);
		break;
	case PROC_EVENT_EXEC:
		feed_exec(events, event);
		break;
	case PROC_EVENT_EXIT:
		feed_exit(events, event);
		break;
	case PROC_EVENT_UID:
	case PROC_EVENT_GID:
		feed_ids(events, event);
		break;
	case PROC_EVENT_COMM:
		feed_name(events, event);
		break;
	case PROC_EVENT_SID:
		feed_session(events, event);
		break;
	default:
		break;
	}
}
