/* SPDX-License-Identifier: MIT */
/*
 * procobsrv.h - be told about every process that starts or ends.
 *
 * Shape. Open a monitor, start it, take events from it, stop it, close it. Events come either to a
 * handler on a thread of the monitor, or are fetched with procobsrv_next() by a program that owns
 * its loop. Events and processes are read-only structs that the library allocates; they are valid
 * during the callback (or until the next procobsrv_next()), and beyond it for who takes a
 * reference.
 *
 * Errors. Functions return 0 or a negative enum procobsrv_error; outputs are untouched on failure.
 * procobsrv_explain() then tells what failed, why and what to do. A NULL where a monitor, an event
 * or a place for an output is needed is an error ARGUMENT.
 *
 * Threads. A monitor may be used from any thread; what a function says otherwise goes. While
 * procobsrv_start() or procobsrv_close() runs, only the monitor's own handler may make other calls
 * for it. Many monitors may live in one process. After fork() the child may only call
 * procobsrv_close().
 *
 * Binary interface. What crosses it are integers of fixed width, int, size_t, enums, pointers, and
 * intptr_t for handles and lengths; no FILE, long, time_t or thread of a C library. What the
 * library has allocated, it frees. So a program may be built with another compiler and another C
 * library than the library was.
 *
 * Growth. Structs that the library fills grow at their end only: never embed or copy them by value.
 * Structs that the caller fills begin with their size. New kinds and flags may appear: skip what
 * you do not know.
 *
 * Text is UTF-8 where the system has it so; on Linux names, paths and arguments are the bytes that
 * the kernel knows, ended by NUL, of any encoding. On Windows they are WTF-8: UTF-8 where, besides,
 * an unpaired surrogate takes three bytes as a character would (ED A0 80 to ED BF BF), and a NUL
 * within a string two (C0 80). Times end in _ns: nanoseconds. "boot" times are of the clock that
 * counts from boot, suspension included (Linux: CLOCK_BOOTTIME; Windows: since 1970, as it tells
 * processes' times), "time" of the wall clock since 1970, UTC.
 */
#ifndef PROCOBSRV_H
#define PROCOBSRV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PROCOBSRV_VERSION_MAJOR 0
#define PROCOBSRV_VERSION_MINOR 1
#define PROCOBSRV_VERSION_PATCH 0
#define PROCOBSRV_VERSION_TEXT	"0.1.0"

#ifndef PROCOBSRV_API
#if defined(__GNUC__) && !defined(__MINGW32__)
#define PROCOBSRV_API __attribute__((visibility("default")))
#else
#define PROCOBSRV_API
#endif
#endif

/* The same numbers on every system. */
enum procobsrv_error {
	PROCOBSRV_OK = 0,
	PROCOBSRV_ERROR_ARGUMENT = -1,	  /* an argument is out of range or contradictory */
	PROCOBSRV_ERROR_MEMORY = -2,	  /* out of memory */
	PROCOBSRV_ERROR_PERMISSION = -3,  /* the system refuses it to this user */
	PROCOBSRV_ERROR_UNSUPPORTED = -4, /* this system, kernel or build cannot do it */
	PROCOBSRV_ERROR_SYSTEM = -5,	  /* a system call failed; procobsrv_explain() names it */
	PROCOBSRV_ERROR_STATE = -6,   /* not now: e.g. started twice, closed from its own handler */
	PROCOBSRV_ERROR_TIMEOUT = -7, /* nothing came within the time given */
	PROCOBSRV_ERROR_ENDED = -8,   /* the monitor was stopped and every event fetched */
	PROCOBSRV_ERROR_EXPRESSION = -9, /* a match expression does not parse */
	PROCOBSRV_ERROR_NOT_FOUND = -10, /* no such process, observer or file */
	PROCOBSRV_ERROR_BUSY = -11,	 /* somebody else holds it; procobsrv_explain() names who */
	PROCOBSRV_ERROR_CORRUPT = -12,	 /* data that should be ours does not parse */
	PROCOBSRV_ERROR_VERSION = -13,	 /* made by a version that this one cannot read */
};

/* Kinds of events; as bits in masks: 1u << kind. */
enum procobsrv_kind {
	PROCOBSRV_EXISTING = 1,	   /* it ran already when observation began */
	PROCOBSRV_START = 2,	   /* a process was created */
	PROCOBSRV_EXEC = 3,	   /* the process runs a program */
	PROCOBSRV_EXEC_FAILED = 4, /* an exec that returned an error; on request only */
	PROCOBSRV_EXIT = 5,	   /* the process is gone: once per process, never per thread */
	PROCOBSRV_LOST = 6,	   /* a gap: events were observed but could not be kept */
};
#define PROCOBSRV_KIND_BIT(kind) (1u << (kind))
/* What is reported when procobsrv_options.kinds is 0: start, exec, exit, lost. */
#define PROCOBSRV_KINDS_DEFAULT                                                                    \
	(PROCOBSRV_KIND_BIT(PROCOBSRV_START) | PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC) |                \
	 PROCOBSRV_KIND_BIT(PROCOBSRV_EXIT) | PROCOBSRV_KIND_BIT(PROCOBSRV_LOST))
#define PROCOBSRV_KINDS_ALL 0x7eu

/* Why a field of a process is absent or not whole. */
struct procobsrv_missing {
	const char *field;  /* "exe", "argv", ... as in the JSON */
	const char *reason; /* "truncated", "unreadable", "too late", "no room", "not taken", "gap",
			       "not mapped" (Windows: no drive and no directory leads to exe_nt) */
};

/* Which integers of a process are known: bits of procobsrv_process.present. */
enum procobsrv_present {
	PROCOBSRV_HAS_PPID = 1u << 0,
	PROCOBSRV_HAS_CREDENTIALS = 1u << 1, /* uid, gid, euid, egid */
	PROCOBSRV_HAS_LOGINUID = 1u << 2,
	PROCOBSRV_HAS_SESSION = 1u << 3,
	PROCOBSRV_HAS_NS_PID = 1u << 4, /* set only where it differs from pid */
	PROCOBSRV_HAS_CGROUP = 1u << 5,
	PROCOBSRV_HAS_EXE_FILE = 1u << 6,   /* exe_device, exe_inode */
	PROCOBSRV_HAS_NAMESPACES = 1u << 7, /* at its last exec: those that are not 0 */
	PROCOBSRV_HAS_SESSION_LEADER = 1u << 8,
	PROCOBSRV_HAS_START = 1u << 9, /* start_boot_ns, start_time_ns */
};

enum procobsrv_process_flag {
	PROCOBSRV_PROCESS_KERNEL_THREAD = 1u << 0,
	PROCOBSRV_PROCESS_SETUID = 1u << 1, /* its program's setuid bit changed the effective uid */
	PROCOBSRV_PROCESS_SETGID = 1u << 2,
	PROCOBSRV_PROCESS_SECURE = 1u << 3,  /* AT_SECURE */
	PROCOBSRV_PROCESS_MEMFD = 1u << 4,   /* its program lives in memory only (memfd_create) */
	PROCOBSRV_PROCESS_DELETED = 1u << 5, /* its program's file had no name any more at exec */
	PROCOBSRV_PROCESS_FORKED = 1u << 6, /* has not called exec: exe and argv are its parent's */
	PROCOBSRV_PROCESS_WTF8 = 1u << 7, /* its text was UTF-16 (Windows): WTF-8, not any bytes */
};

/*
 * A process as it was at the event that carries it; never changes afterwards. Pointers are NULL
 * where the thing is not known or does not exist, and `missing` names those that should be there.
 * Owned by the library; see procobsrv_process_ref().
 */
struct procobsrv_process {
	const char *id;	  /* opaque; equal for the same process of the same boot, else different */
	uint32_t present; /* enum procobsrv_present */
	uint32_t flags;	  /* enum procobsrv_process_flag */
	uint64_t start_boot_ns;
	int64_t start_time_ns;
	uint32_t pid; /* in the initial pid namespace (Windows: the process id) */
	uint32_t ppid;
	uint32_t ns_pid; /* in its own pid namespace */
	uint32_t uid;
	uint32_t gid;
	uint32_t euid;
	uint32_t egid;
	uint32_t loginuid;
	uint32_t session;	 /* of audit; Windows: the terminal session */
	uint32_t session_leader; /* pid of the POSIX session's leader */
	const char *name;	 /* Linux: comm; Windows: last component of exe. Never NULL */
	const char *exe;      /* path as the process's own root sees it; Windows: "C:\..." or UNC */
	const char *cwd;      /* at its last exec */
	const char *filename; /* what exec was called with, where that is neither exe nor script */
	const char *script;   /* the file with "#!" that was called; exe is then what ran it */
	const char *interpreter; /* what the first line of the script names */
	const char *const *argv; /* argc pointers and a NULL */
	size_t argc;
	const char *const *env; /* the variables that were asked for, "NAME=value" */
	size_t env_count;
	const char *tty;     /* "pts/1" */
	uint32_t tty_device; /* its device number, as the kernel encodes it; 0: none */
	uint64_t cgroup_id;  /* inode of the directory in the unified hierarchy */
	const char *cgroup;  /* its path as the host sees it, "/system.slice/cron.service" */
	uint64_t exe_device; /* as st_dev of stat(2) */
	uint64_t exe_inode;
	uint32_t mount_namespace; /* inode numbers, as of /proc/PID/ns; 0: not known */
	uint32_t pid_namespace;
	uint32_t user_namespace;
	uint32_t network_namespace;
	uint32_t uts_namespace;
	uint32_t ipc_namespace;
	uint32_t cgroup_namespace;
	uint32_t time_namespace;
	uint64_t exec_id; /* grows with each exec along the line of descent */
	const struct procobsrv_missing *missing;
	size_t missing_count;
	const char *command_line; /* Windows: as it was passed; argv is this, split */
	const char *sid;	  /* Windows: the user, "S-1-5-..." */
	const char *exe_nt;	  /* Windows: exe as the kernel names it, "\Device\..." */
	/*
	 * What the names in the cgroup's path tell, where they do: whoever may make cgroups may
	 * name them so.
	 */
	const char *container_id; /* of nested containers the innermost */
	const char *runtime; /* "docker", "podman", "containerd", "cri-o", "lxc", "libvirt-lxc",
				"systemd-nspawn" */
	const char *unit;    /* of systemd: "cron.service"; of a user's own manager, that one's */
};

/* How a process ended. */
struct procobsrv_exit {
	uint32_t code;	 /* as passed to exit: 0-255 (Windows: 32 bits); 0 if a signal ended it */
	uint32_t signal; /* 0: no signal */
	uint32_t core_dumped; /* 0 or 1 */
	uint32_t has_status; /* 1: code, signal and core_dumped are known; 0: it is gone, no more */
	uint32_t has_usage;  /* 1: the figures below are known */
	uint32_t threads_unread; /* not in these figures, as they were too many to read; mostly 0 */
	uint64_t duration_ns;	 /* from start to exit; 0: start not known */
	uint64_t cpu_ns;  /* of all threads, as the scheduler accounted it until the exit began */
	uint64_t user_ns; /* sampled by the kernel's tick: coarse, may not add up to cpu_ns */
	uint64_t system_ns;
	uint64_t max_rss_bytes;
};

/* An exec that failed. */
struct procobsrv_attempt {
	const char *path;	 /* NULL: could not be read */
	const char *const *argv; /* argc pointers and a NULL; NULL: could not be read */
	size_t argc;
	int32_t error;		/* errno of the system it came from */
	const char *error_name; /* "ENOENT" */
};

/* A gap. */
struct procobsrv_lost {
	uint64_t first; /* seq of the first event that is missing; the event's own is the last */
	uint64_t count; /* how many; the sum of those below */
	uint64_t start;
	uint64_t exec;
	uint64_t exec_failed;
	uint64_t exit;
	uint64_t unknown;   /* of a kind that could not be told */
	const char *stage;  /* where: "kernel", "queue", "spill", "monitor" */
	const char *reason; /* why: "ring full", "out of memory", ... */
	int64_t from_ns;    /* wall clock: not before; 0: not known */
	int64_t to_ns;	    /* not after */
};

enum procobsrv_event_flag {
	PROCOBSRV_EVENT_SYNTHETIC = 1u << 0, /* concluded by a resync after a gap, not observed */
};

/* One event. Owned by the library; see procobsrv_event_ref(). */
struct procobsrv_event {
	enum procobsrv_kind kind;
	uint32_t flags; /* enum procobsrv_event_flag */
	/*
	 * Numbers the observed events of this run from 1 (of the resident observer from its
	 * installation), in order, before any filter. Existing and synthetic events have no number
	 * of their own: they bear the last one.
	 */
	uint64_t seq;
	const char *cursor; /* unique and stable: the same event read twice has the same one */
	int64_t time_ns;
	uint64_t boot_ns;
	const struct procobsrv_process *process; /* as it was then; NULL for lost */
	const struct procobsrv_process *parent;	 /* whom ppid names at that time; NULL: none */
	const struct procobsrv_process *creator; /* only where another process created it */
	const struct procobsrv_exit *exit;	 /* exit only */
	const struct procobsrv_attempt *attempt; /* exec_failed only */
	const struct procobsrv_lost *lost;	 /* lost only */
};

/*
 * Receives events. on_event is called on the monitor's dispatcher thread, one call at a time, in
 * order; it may take as long as it likes (events queue up, then spill to disk) and may call any
 * function of this header on its own monitor except procobsrv_close(), procobsrv_start(),
 * procobsrv_wait() and procobsrv_next(). The event is valid until it returns.
 */
struct procobsrv_handler {
	void (*on_event)(const struct procobsrv_event *event, void *param);
	void *param;
};

/*
 * How to observe. Set size to sizeof(struct procobsrv_options), the rest to zero, then what differs
 * from the defaults (the meaning of zero). Everything is copied by procobsrv_open().
 */
struct procobsrv_options {
	size_t size;
	struct procobsrv_handler handler; /* on_event NULL: fetch with procobsrv_next() */
	uint32_t kinds;			  /* mask of kinds to report; 0: PROCOBSRV_KINDS_DEFAULT */
	uint32_t flags;			  /* enum procobsrv_option_flag */
	const char *backend;		  /* NULL or "auto", or a name of procobsrv_backends() */
	const char *match;		  /* expression, see procobsrv(7); NULL: everything */
	uint64_t buffer_size;	     /* bytes of the kernel's buffer; 0: by the machine's memory */
	uint64_t queue_size;	     /* bytes of memory for the queue; 0: 4 MiB */
	const char *spill_directory; /* NULL: TMPDIR, or the system's temporary directory */
	uint64_t spill_size;	     /* most bytes on disk; 0: 1 GiB */
	uint64_t max_args;	/* bytes of argv that are taken; 0: all that the kernel gives */
	const char *const *env; /* names of variables to capture, ended by NULL; NULL: none */
	/*
	 * Observe COMMAND's tree alone: the pid of an existing process, whose descendants (not
	 * itself, unless it execs) are reported, and nothing else. 0: the whole machine.
	 */
	uint32_t root_pid;
	uint32_t reserved; /* 0 */
	/*
	 * Names of secrets, ended by NULL: in arguments and variables, the value that follows such
	 * a name (--name=value, --name value, NAME=value, "name: value") becomes "***" before
	 * anybody sees it. Globs for the whole name, whatever its case, '-' and '_' being one;
	 * "default" stands for what is mostly meant (*password*, *token*, ...) and for the
	 * passwords in URLs. NULL: nothing.
	 */
	const char *const *redact;
};

enum procobsrv_option_flag {
	PROCOBSRV_KERNEL_THREADS = 1u << 0, /* report kernel threads too */
	PROCOBSRV_RESIDENT = 1u << 1,	    /* read the resident observer from where its last reader
					       stopped, instead of loading a private one */
	PROCOBSRV_NO_SNAPSHOT = 1u << 2,    /* do not fill the table from the running system */
	PROCOBSRV_NO_SPILL = 1u << 3,	    /* a full queue loses (and says so) rather than spill */
	PROCOBSRV_ACKNOWLEDGE = 1u << 4,    /* with RESIDENT: what was delivered counts as safe only
					       when procobsrv_acknowledge() says so, not when the
					       handler returns */
};

/* How to stop. */
enum procobsrv_stop_mode {
	PROCOBSRV_STOP_DRAIN = 0,   /* deliver what has been observed until now, then end */
	PROCOBSRV_STOP_DISCARD = 1, /* end after the event that is being handled */
};

/* Counters since procobsrv_start(). observed = delivered + filtered + lost + pending. */
struct procobsrv_statistics {
	uint64_t observed;  /* by the kernel, losses included */
	uint64_t delivered; /* handed to the handler or fetched */
	uint64_t filtered;  /* by kinds, match, root_pid, flags */
	uint64_t lost;
	uint64_t pending;   /* in the ring, the queue or the spill */
	uint64_t synthetic; /* existing and resync events; in none of the above */
	uint64_t processes; /* in the table now */
	uint64_t gaps;
	uint64_t resyncs;
	uint64_t repeats;     /* told twice while an observer was replaced; in none of the above */
	uint64_t ring_size;   /* bytes */
	uint64_t ring_used;   /* bytes */
	uint64_t ring_peak;   /* bytes */
	uint64_t queue_used;  /* bytes in memory */
	uint64_t queue_peak;  /* bytes in memory */
	uint64_t spill_used;  /* bytes on disk */
	uint64_t spill_total; /* bytes ever written to disk */
	uint64_t wakeups;     /* times that the reader of the kernel's buffer woke */
	/* Reading the resident observer: the seq of the last event before this run; in none of the
	 * above. Else 0. */
	uint64_t resumed_after;
};

struct procobsrv; /* a monitor */

/*
 * Makes a monitor; nothing is observed yet. `options` may be NULL for the defaults (fetch with
 * procobsrv_next()). On success *monitor is the caller's, who closes it with procobsrv_close().
 * Errors: ARGUMENT, EXPRESSION, MEMORY, UNSUPPORTED (no such backend).
 */
PROCOBSRV_API int procobsrv_open(const struct procobsrv_options *options,
				 struct procobsrv **monitor);

/*
 * Begins to observe: when it returns 0, no process that starts, execs or ends is missed from here
 * on, except as procobsrv_backend_limits() says, and the table holds the processes that run. May be
 * called again after procobsrv_stop(). Not from a handler.
 * Errors: STATE (runs already), PERMISSION, UNSUPPORTED, MEMORY, SYSTEM, BUSY and NOT_FOUND
 * (resident observer).
 */
PROCOBSRV_API int procobsrv_start(struct procobsrv *monitor);

/*
 * Ends observing. From outside the handler it waits until the last callback has returned; no
 * callback runs after that. From within the handler it only asks for the end and returns at once.
 * With procobsrv_next(), what was observed can still be fetched after DRAIN, until ENDED.
 * Errors: STATE (does not run). Thread-safe.
 */
PROCOBSRV_API int procobsrv_stop(struct procobsrv *monitor, enum procobsrv_stop_mode mode);

/*
 * Waits until the monitor has ended by itself or by procobsrv_stop(), at most timeout_ms
 * milliseconds (-1: for ever). Not from the handler (STATE). Errors: TIMEOUT; and what made it end
 * by itself, if its backend could not go on (its events until then have been delivered).
 */
PROCOBSRV_API int procobsrv_wait(struct procobsrv *monitor, int timeout_ms);

/*
 * Stops (DISCARD) if needed, joins all threads, frees the monitor. NULL is allowed. Events and
 * processes that are still referenced stay valid. From the monitor's own handler: error STATE, and
 * nothing happens. In a forked child: frees what is the child's, touches neither the kernel's
 * observer nor the parent's threads.
 */
PROCOBSRV_API int procobsrv_close(struct procobsrv *monitor);

/*
 * Fetches the next event, waiting at most timeout_ms milliseconds (0: not at all, -1: for ever).
 * *event is valid until the next call for this monitor, or procobsrv_close(); take a reference to
 * keep it. One thread at a time. Errors: TIMEOUT, ENDED, STATE (has a handler, or never started).
 */
PROCOBSRV_API int procobsrv_next(struct procobsrv *monitor, int timeout_ms,
				 const struct procobsrv_event **event);

/*
 * A descriptor that polls readable while procobsrv_next(..., 0, ...) has something to say (Windows:
 * a HANDLE of an event). Owned by the monitor, valid until it is closed; only poll it.
 * Errors (negative): STATE (has a handler).
 */
PROCOBSRV_API intptr_t procobsrv_descriptor(const struct procobsrv *monitor);

/*
 * Fills *statistics, whose size the caller passes: sizeof(struct procobsrv_statistics). Any thread.
 */
PROCOBSRV_API int procobsrv_statistics(struct procobsrv *monitor,
				       struct procobsrv_statistics *statistics, size_t size);

/*
 * Looks up a live process by pid, as the events delivered so far tell it. On success *process holds
 * a reference that the caller gives back with procobsrv_process_unref(). Any thread.
 * Errors: NOT_FOUND.
 */
PROCOBSRV_API int procobsrv_find(struct procobsrv *monitor, uint32_t pid,
				 const struct procobsrv_process **process);

/*
 * Calls visit for each live process of the table in order of start; a non-zero return ends the
 * visit and is returned. The process is valid during the call. Any thread; the table is not locked
 * during the calls. Errors: MEMORY.
 */
PROCOBSRV_API int
procobsrv_visit(struct procobsrv *monitor,
		int (*visit)(const struct procobsrv_process *process, void *param), void *param);

/*
 * Says that this event and all before it are safe (written, sent, ...): a later reader of the
 * resident observer goes on after it. Only with PROCOBSRV_ACKNOWLEDGE, else an error STATE; events
 * of the monitor's present run only. Any thread.
 */
PROCOBSRV_API int procobsrv_acknowledge(struct procobsrv *monitor,
					const struct procobsrv_event *event);

/* Which backend observes ("bpf"), once started; before that what was asked for. Static text; NULL:
 * no monitor. */
PROCOBSRV_API const char *procobsrv_backend(const struct procobsrv *monitor);

/* What this backend misses or costs, in a sentence; NULL: nothing. Valid until closed. */
PROCOBSRV_API const char *procobsrv_backend_limits(const struct procobsrv *monitor);

/* Names of the backends in this build, in the order of preference, ended by NULL. Static. */
PROCOBSRV_API const char *const *procobsrv_backends(void);

/* Takes a further reference; returns its argument. Any thread. */
PROCOBSRV_API const struct procobsrv_event *
procobsrv_event_ref(const struct procobsrv_event *event);
/* Gives a reference back; NULL is allowed. Any thread, also after the monitor was closed. */
PROCOBSRV_API void procobsrv_event_unref(const struct procobsrv_event *event);
PROCOBSRV_API const struct procobsrv_process *
procobsrv_process_ref(const struct procobsrv_process *process);
PROCOBSRV_API void procobsrv_process_unref(const struct procobsrv_process *process);

enum procobsrv_format {
	PROCOBSRV_FORMAT_TEXT = 0, /* one aligned line, safe for a terminal */
	PROCOBSRV_FORMAT_JSON = 1, /* one JSON object */
	PROCOBSRV_FORMAT_ECS = 2,  /* one JSON object, a document of the Elastic Common Schema */
};

/*
 * Writes the event as one line without a line end into buffer, ended by NUL, as snprintf does: at
 * most `size` bytes, and returns the length that the whole has (negative: an error). Any thread.
 */
PROCOBSRV_API intptr_t procobsrv_format(const struct procobsrv_event *event,
					enum procobsrv_format format, char *buffer, size_t size);

/* "start", "exec", ...; "unknown" for what this version does not know. Static text. */
PROCOBSRV_API const char *procobsrv_kind_name(enum procobsrv_kind kind);

/* A short text for an enum procobsrv_error. Static text. */
PROCOBSRV_API const char *procobsrv_strerror(int error);

/*
 * What the last failed call of this thread failed at, why, and what to do: one line. Empty if none
 * failed. Valid until the thread's next call of this library.
 */
PROCOBSRV_API const char *procobsrv_explain(void);

/* "0.1.0" of the library that runs (the header's is PROCOBSRV_VERSION_...). Static text. */
PROCOBSRV_API const char *procobsrv_version(void);

#ifdef __cplusplus
}
#endif

#endif
