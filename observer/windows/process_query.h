/* SPDX-License-Identifier: MIT */
/* Asks the kernel about a process. All at PASSIVE_LEVEL, and under no lock: each may wait. */
#ifndef PROCOBSRV_OBSERVER_WINDOWS_PROCESS_QUERY_H
#define PROCOBSRV_OBSERVER_WINDOWS_PROCESS_QUERY_H

#include <ntifs.h>
#include <ntddk.h>

#include "record_writer.h"

#include <stdbool.h>

/* A handle of the kernel's, for the queries below; NULL: it cannot be had. ZwClose() ends it. */
HANDLE process_open(PEPROCESS process);
/* The same by pid; NULL also where no such process is. */
HANDLE process_open_pid(uint32_t pid);

/* When it was created, in nanoseconds since 1970; 0: not known. */
uint64_t process_start_ns(HANDLE process);

/* Terminal session, or RECORD_ID_UNKNOWN. */
uint32_t process_session(HANDLE process);

/* The pid of who it inherits from; 0: not known. */
uint32_t process_parent_pid(HANDLE process);

/* Status, times and memory at its end. */
void process_exit(HANDLE process, struct record_exit *exit);

/* Memory that a text is in; free it with os_free(), NULL or not. */
void *process_image(HANDLE process, struct observed_text *exe);
void *process_sid(HANDLE process, struct observed_text *sid);

#endif
