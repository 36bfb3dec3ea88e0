/* SPDX-License-Identifier: MIT */
/* One reader at a time: a lock that the kernel drops when its holder is gone, however it went. */
#ifndef PROCOBSRV_LIB_LINUX_READER_LOCK_H
#define PROCOBSRV_LIB_LINUX_READER_LOCK_H

#include <stddef.h>
#include <stdint.h>

/* *lock is to be given back. BUSY: error_set() names the holder. */
int reader_lock_take(const char *directory, int *lock);
void reader_lock_release(int lock); /* -1 is allowed */

/* *pid 0: nobody holds it. */
void reader_lock_holder(const char *directory, uint32_t *pid, char *name, size_t size);

#endif
