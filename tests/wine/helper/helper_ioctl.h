/* SPDX-License-Identifier: MIT */
/*
 * What ObsrvTest.sys, the helper driver of the tests under Wine, and its clients say to each other.
 *
 * Wine's PsSetCreateProcessNotifyRoutine(Ex) promises to call back and never does. While the helper
 * is loaded, in the same host process as ProcObsrv.sys, both routines are its own: they register as
 * Windows does, and what is registered is called for what clients ask for here: events made up in
 * bulk by threads of the helper, and real processes that a client has seen start or end.
 *
 * All codes are METHOD_BUFFERED; sizes are checked exactly.
 */
#ifndef PROCOBSRV_TESTS_WINE_HELPER_IOCTL_H
#define PROCOBSRV_TESTS_WINE_HELPER_IOCTL_H

#include <stdint.h>

#define HELPER_SERVICE_NAME L"ObsrvTest"
#define HELPER_DEVICE_NAME  L"\\Device\\ObsrvTest"
#define HELPER_LINK_NAME    L"\\DosDevices\\ObsrvTest"
#define HELPER_CLIENT_PATH  L"\\\\.\\ObsrvTest"

#define HELPER_CODE(function) ((0x22u << 16) | ((function) << 2))

/* In: struct helper_conditions, which replaces what was set before. */
#define HELPER_SET_CONDITIONS HELPER_CODE(0x800u)
/* In: struct helper_injection. Returns at once; ERROR_BUSY while the last one goes on. */
#define HELPER_INJECT HELPER_CODE(0x801u)
/* Ends an injection; returns when its threads have ended. */
#define HELPER_HALT HELPER_CODE(0x802u)
/* In: struct helper_process, then its strings. Returns when all callbacks have. */
#define HELPER_FORWARD HELPER_CODE(0x803u)
/* Out: struct helper_state. */
#define HELPER_QUERY HELPER_CODE(0x804u)

enum helper_condition {
	HELPER_HIDE_EXTENDED = 1u << 0,	      /* there is no PsSetCreateProcessNotifyRoutineEx */
	HELPER_REFUSE_REGISTRATION = 1u << 1, /* all places for callbacks are taken */
	HELPER_TAKE_DEVICE = 1u << 2,	      /* somebody has \Device\ProcObsrv already */
	HELPER_TAKE_LINK = 1u << 3,	      /* or \DosDevices\ProcObsrv */
};

struct helper_conditions {
	uint32_t flags; /* enum helper_condition */
	uint32_t reserved;
};

enum helper_kind {
	HELPER_START,
	HELPER_EXIT,
	HELPER_KINDS,
};

#define HELPER_THREADS_MAX 16u
#define HELPER_EVENTS_MAX  0x100000u
/*
 * The pid of process number p of thread t. Exits only, and starts only: event n is process n; both:
 * it is process n / 2, which starts, then ends.
 */
#define HELPER_PID(first_pid, t, p) ((first_pid) + (((t)*HELPER_EVENTS_MAX) + (p)) * 4u)

enum helper_injection_flag {
	/*
	 * The process is the one that hosts the drivers, and can be asked what it is. Each question
	 * is a conversation with Wine's server: without the flag it cannot be opened, and the rate
	 * is the driver's own.
	 */
	HELPER_OPENABLE = 1u << 0,
};

struct helper_injection {
	uint32_t threads; /* 1 to HELPER_THREADS_MAX */
	uint32_t events;  /* of each thread, 1 to HELPER_EVENTS_MAX */
	uint32_t kinds;	  /* bits 1 << HELPER_START, 1 << HELPER_EXIT */
	uint32_t first_pid;
	uint32_t parent; /* pid; 0 is nobody's, about whom nothing is asked */
	uint32_t burst;	 /* a thread pauses after so many; 0: never */
	uint32_t pause_ms;
	uint32_t string_length; /* bytes of the command line, at least; at most 4096 */
	uint32_t flags;		/* enum helper_injection_flag */
	uint32_t reserved;
};

/* A real process; it must be open somewhere, so that it is found by its pid. */
struct helper_process {
	uint32_t kind; /* enum helper_kind */
	uint32_t pid;
	uint32_t parent;
	uint32_t creator;
	uint32_t image_length;	      /* bytes of UTF-16LE, as the kernel names files */
	uint32_t command_line_length; /* bytes, after the image */
};

struct helper_state {
	uint64_t injected[HELPER_KINDS]; /* since the helper was loaded: heard by a callback */
	uint64_t unheard[HELPER_KINDS];	 /* nobody was registered */
	uint32_t running;		 /* threads of the injection */
	uint32_t registered;		 /* callbacks, of both routines */
	uint32_t registered_extended;
	uint32_t refused_integrity;    /* registrations by images without the integrity bit */
	uint32_t refused_twice;	       /* or that were there already */
	uint32_t refused_full;	       /* or for which there was no room */
	uint32_t vetoed;	       /* processes whose creation a callback has forbidden */
	uint32_t registrations_so_far; /* that were accepted */
};

_Static_assert(sizeof(struct helper_injection) == 40, "both sides are built from this file");
_Static_assert(sizeof(struct helper_process) == 24, "both sides are built from this file");
_Static_assert(sizeof(struct helper_state) == 64, "both sides are built from this file");

#endif
