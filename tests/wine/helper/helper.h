/* SPDX-License-Identifier: MIT */
/* The rooms of ObsrvTest.sys. Everything runs at PASSIVE_LEVEL, but what holds the spin lock. */
#ifndef PROCOBSRV_TESTS_WINE_HELPER_H
#define PROCOBSRV_TESTS_WINE_HELPER_H

#include <ntifs.h>
#include <ntimage.h>

#include <stdbool.h>

#include "helper_ioctl.h"

/* driver.c */

DEVICE_OBJECT *helper_device(void);

/* callbacks.c: who is registered, and calling them. */

struct occurrence {
	enum helper_kind kind;
	PEPROCESS process; /* never NULL */
	ULONG pid;
	ULONG parent;
	ULONG creator;
	UNICODE_STRING image;
	UNICODE_STRING command_line;
};

void callbacks_initialize(void);

/* Calls all that are registered, and counts. */
void callbacks_call(const struct occurrence *occurrence);

void callbacks_refuse(bool refuse);

void callbacks_query(struct helper_state *state);

/* What replaces the kernel's routines. */
NTSTATUS NTAPI set_notify_routine(PCREATE_PROCESS_NOTIFY_ROUTINE routine, BOOLEAN remove);
NTSTATUS NTAPI set_notify_routine_extended(PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine,
					   BOOLEAN remove);

/* replace.c: the kernel's code. */

NTSTATUS replace_routines(void);
void restore_routines(void);

/* Makes PsSetCreateProcessNotifyRoutineEx unknown to those who look it up, or known again. */
NTSTATUS hide_extended(bool hide);

/* injection.c: events that are made up. */

NTSTATUS injection_start(const struct helper_injection *injection);
/* Ends the threads and waits for them. */
void injection_halt(void);
ULONG injection_running(void);

#endif
