/* SPDX-License-Identifier: MIT */
/*
 * What the parts of ProcObsrv.sys that call the kernel say to each other. The IRQL at each
 * declaration is the highest at which it may be called.
 */
#ifndef PROCOBSRV_OBSERVER_WINDOWS_DRIVER_H
#define PROCOBSRV_OBSERVER_WINDOWS_DRIVER_H

#include <ntifs.h>
#include <ntddk.h>

#include "observer.h"

#include <stdbool.h>

/*
 * With -DPROCOBSRV_CHECKED a driver for the debugger: it breaks where an IRQL is not what the
 * declarations say.
 */
#ifdef PROCOBSRV_CHECKED
#define EXPECT_IRQL(highest)                                                                       \
	do {                                                                                       \
		if (KeGetCurrentIrql() > (highest))                                                \
			__debugbreak();                                                            \
	} while (0)
#else
#define EXPECT_IRQL(highest) ((void)0)
#endif

#define POOL_TAG 'sbOP' /* POBs in a dump */

/* The kernel exports a variable that holds the pointer; the header declares one indirection more.
 */
#define PROCESS_TYPE ((POBJECT_TYPE)PsProcessType)
#define EVENT_TYPE   ((POBJECT_TYPE)ExEventObjectType)

/* What came with the driver's load and goes with its unload. */
struct driver {
	PDEVICE_OBJECT device;
	struct observer *observer; /* NULL: it is being unloaded */
};
extern struct driver driver;

/*
 * Between these two no handle is opened or closed by anybody else, and the observer stays. Windows
 * unloads no driver that somebody has open or is closing; Wine does both at once. Taken before all
 * other locks. PASSIVE_LEVEL, and the caller stays there.
 */
void handles_acquire(void);
void handles_release(void);

/* The system counts in 100 ns. Any IRQL. */
static inline uint64_t ns_of_ticks(LONGLONG ticks)
{
	return (uint64_t)ticks * 100;
}

/* From the system's time, which counts from 1601; 0: before 1970, as a process without one has. */
static inline uint64_t ns_since_1970(const LARGE_INTEGER *time)
{
	const LONGLONG begin = 116444736000000000;

	return time->QuadPart > begin ? ns_of_ticks(time->QuadPart - begin) : 0;
}

/* Finds what not every system has: which clock, which kind of memory. PASSIVE_LEVEL. */
void os_prepare(void);

/* An exported routine of the kernel's, or NULL: this one has none of that name. PASSIVE_LEVEL. */
void *system_routine(const WCHAR *name);

/* Finds the notify routines. STATUS_PROCEDURE_NOT_FOUND: there is none. PASSIVE_LEVEL. */
NTSTATUS registration_prepare(void);
/* Whether the extended routine is in use, which tells command lines. Any IRQL. */
bool registration_is_extended(void);

/* What the kernel calls for each process, in its creator's thread or its own last. PASSIVE_LEVEL.
 */
void NTAPI notify_plain(HANDLE parent_pid, HANDLE pid, BOOLEAN create);
void NTAPI notify_extended(PEPROCESS process, HANDLE pid, PPS_CREATE_NOTIFY_INFO info);

/* The device with its access rights and its link; device_remove() undoes it. PASSIVE_LEVEL. */
NTSTATUS device_create(PDRIVER_OBJECT object);
void device_remove(void);

/* Of IRP_MJ_CREATE, CLEANUP, CLOSE and DEVICE_CONTROL. PASSIVE_LEVEL. */
NTSTATUS NTAPI dispatch_create(PDEVICE_OBJECT device, PIRP irp);
NTSTATUS NTAPI dispatch_cleanup(PDEVICE_OBJECT device, PIRP irp);
NTSTATUS NTAPI dispatch_close(PDEVICE_OBJECT device, PIRP irp);
NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT device, PIRP irp);

/*
 * A security descriptor of SYSTEM with `system_access` and administrators with
 * `administrators_access`, nobody else. It points into itself: it is not copied. PASSIVE_LEVEL.
 */
struct protection {
	SECURITY_DESCRIPTOR descriptor;
	union {
		ACL list;
		ULONG room[32];
	} dacl;
};
NTSTATUS protection_build(struct protection *protection, ACCESS_MASK system_access,
			  ACCESS_MASK administrators_access);

#endif
