/* SPDX-License-Identifier: MIT */
/*
 * What an operating system supplies to the portable half. One implementation per OS folder
 * (lib/linux/os.c, lib/windows/os.c). Nothing here knows of processes being observed.
 */
#ifndef PROCOBSRV_LIB_OS_H
#define PROCOBSRV_LIB_OS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Nanoseconds on the clock of the records. Linux: since boot, suspension included. Windows: since
 * 1970, as processes' times are told there, in steps of the system's timer; it is set like any wall
 * clock, so that nothing is timed with it.
 */
uint64_t os_boot_ns(void);
/* Nanoseconds since some moment, suspension included; never set: for deadlines and intervals. */
uint64_t os_monotonic_ns(void);
/* Nanoseconds since 1970, UTC. */
int64_t os_wall_ns(void);

/*
 * Seconds since midnight of the local time (TZ, or the system's zone) at `seconds` since 1970, UTC;
 * of UTC where the system does not know.
 */
uint32_t os_local_second_of_day(int64_t seconds);

/* A condition variable whose timed wait is immune to steps of the wall clock. 0 or an errno. */
int os_condition_init(pthread_cond_t *condition);
/* Waits until signalled or `timeout_ns` from now; false: timed out. May wake for no reason. */
bool os_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t timeout_ns);

/* Starts a thread that takes no signals and is named so in the system's tools. 0 or an errno. */
int os_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *param);

/* A wake object: level-triggered, pollable. */
struct os_event;
struct os_event *os_event_create(void); /* NULL, and errno: no more descriptors or memory */
void os_event_set(struct os_event *event);
void os_event_clear(struct os_event *event);
intptr_t os_event_handle(const struct os_event *event); /* a descriptor, or a HANDLE */
void os_event_destroy(struct os_event *event);		/* NULL is allowed */

/* TMPDIR or the system's directory for temporary files. Valid until the environment changes. */
const char *os_temporary_directory(void);

/*
 * A file that only this user can read, in `directory` (NULL: os_temporary_directory()), named
 * `prefix` and something random. 0 or a PROCOBSRV_ERROR_ with error_set() called.
 */
struct os_file;
int os_file_create_private(const char *directory, const char *prefix, struct os_file **file);
/* Opens an existing file to read. */
int os_file_open(const char *path, struct os_file **file);
/* Makes one of a file that is open (a descriptor, or a HANDLE), which is its own from then on: also
 * on failure (MEMORY, with error_set()), when it is closed. */
int os_file_take(intptr_t handle, const char *path, struct os_file **file);
intptr_t os_file_handle(const struct os_file *file);
/*
 * Takes over, to read and remove, a file that os_file_create_private() made for this user in a
 * process that has ended. Errors: BUSY while its maker (or another who took it over) holds it;
 * NOT_FOUND; PERMISSION if it is not a private file of this user. As for all three: on failure
 * errno tells the system's reason too, 0 if it has none.
 */
int os_file_adopt(const char *path, struct os_file **file);
/* Bytes that this user may still write in `directory`. 0 or a positive errno. */
int os_directory_free(const char *directory, uint64_t *bytes);
/* Bytes of the file now. 0 or a positive errno. */
int os_file_size(struct os_file *file, uint64_t *size);
/*
 * Calls visit with the path of each file in `directory` (NULL: as above) whose name begins with
 * `prefix`, in no order; a non-zero return ends the visit and is returned.
 */
int os_directory_visit(const char *directory, const char *prefix,
		       int (*visit)(const char *path, void *param), void *param);
/* Writes or reads all of `size` at `offset`. 0 or a positive errno (read past the end: ENODATA). */
int os_file_write(struct os_file *file, uint64_t offset, const void *data, size_t size);
int os_file_read(struct os_file *file, uint64_t offset, void *data, size_t size);
/* Cuts the file off. 0 or a positive errno. */
int os_file_truncate(struct os_file *file, uint64_t size);
const char *os_file_path(const struct os_file *file);
/* Deletes a file's name now; it goes on until it is closed, and vanishes with the process. */
void os_file_unname(struct os_file *file);
/* Closes it and, if `remove`, deletes it. NULL is allowed. */
void os_file_close(struct os_file *file, bool remove);

/* "boot id": changes with each boot, and so do its first eight characters alone; 36 characters and
 * NUL. False: the system does not tell. */
bool os_boot_id(char text[37]);
/* The name of this machine, NUL-terminated, cut if need be. */
void os_host_name(char *text, size_t size);
uint64_t os_memory_bytes(void);
/* The calling process's id, to notice a fork. */
uint32_t os_process_id(void);
/* The name of an error number of this system ("ENOENT", "ERROR_FILE_NOT_FOUND"), as events carry
 * it; NULL for none. Static text. */
const char *os_error_name(int error);
/* What an errno means, in words. Valid until the thread's next call. */
const char *os_error_text(int error);
/* "pts/1" for a device number of record_body.tty into text; false: it has no name. */
bool os_tty_name(uint32_t device, char *text, size_t size);
/*
 * Where programs find a device of the kernel. `kernel_path` begins with the name of one or of a
 * link ("\Device\HarddiskVolume2\x", "\SystemRoot\x", "\??\Volume{...}\x"). Writes what
 * programs say instead ("C:", "C:\Windows", the directory that the volume is mounted on):
 * NUL-terminated, without a backslash at the end; and returns how many bytes of kernel_path that
 * stands for, here 23, 11, and so on: the rest, empty or beginning with a backslash, follows as it
 * is. Names are compared without regard to case, and as a whole (HarddiskVolume2 is none of
 * HarddiskVolume21). 0: programs have no name for it, or it does not fit into `size` bytes; prefix
 * is untouched. Text is WTF-8. The dispatcher asks this for each process that starts; any thread
 * may. Linux: 0, since a path has one form there.
 */
size_t os_path_of_device(const char *kernel_path, char *prefix, size_t size);

bool os_is_terminal(FILE *file);
/* Columns of the terminal behind file; 0: it is none. */
unsigned os_terminal_columns(FILE *file);

#endif
