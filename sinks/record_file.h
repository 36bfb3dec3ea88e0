/* SPDX-License-Identifier: MIT */
/* The record as a file: who may touch it, what it is, where it goes when it is damaged. */
#ifndef PROCOBSRV_SINKS_RECORD_FILE_H
#define PROCOBSRV_SINKS_RECORD_FILE_H

#include <stdint.h>

/*
 * Makes an empty file (mode 0640) where there is none. Refuses, with the file untouched: a
 * directory that others may write into, or a file that is none, a link, or somebody else's
 * (ARGUMENT); a file whose head tells a version beyond `version` (VERSION); PERMISSION, NOT_FOUND,
 * SYSTEM.
 */
int record_file_prepare(const char *path, uint32_t application, uint32_t version);

/*
 * Renames the file to PATH.corrupt-YYYYMMDDTHHMMSS, in UTC, and with it its -wal and -shm. Always
 * an error, with error_set(): CORRUPT that tells `reason` and the new name, or why it could not be
 * done.
 */
int record_file_set_aside(const char *path, const char *reason);

#endif
