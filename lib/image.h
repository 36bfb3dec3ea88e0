/* SPDX-License-Identifier: MIT */
/*
 * An image: what one exec gave a process (program, arguments, directory...). Immutable and counted,
 * since a forked child shares its parent's until it calls exec itself.
 */
#ifndef PROCOBSRV_LIB_IMAGE_H
#define PROCOBSRV_LIB_IMAGE_H

#include "procobsrv.h"
#include "record.h"

#include <stdatomic.h>

struct image {
	atomic_uint references;
	uint32_t process_flags; /* enum procobsrv_process_flag */
	const char *exe;	/* strings are NULL where the record does not tell them */
	const char *exe_nt;
	const char *cwd;
	const char *filename;
	const char *script;
	const char *interpreter;
	const char *command_line;
	const char *sid;
	const char *const *argv; /* NULL: not known */
	size_t argc;
	const char *const *env;
	size_t env_count;
	uint64_t exe_device;
	uint64_t exe_inode;
	uint32_t mount_namespace;
	uint32_t pid_namespace;
	uint32_t user_namespace;
	uint32_t network_namespace;
	uint32_t uts_namespace;
	uint32_t ipc_namespace;
	uint32_t cgroup_namespace;
	uint32_t time_namespace;
	size_t missing_count;
	struct procobsrv_missing missing[RECORD_STRING_COUNT];
	uint32_t missing_strings; /* bits of 1u << enum record_string */
};

/* What came before the record in chunks; size 0: nothing. */
struct image_chunks {
	struct record_bytes argv;
	struct record_bytes env;
};

/*
 * Builds an image from a record that has one; strings in UTF-16 become WTF-8, and argv and exe are
 * then made of the command line and the kernel's path. `env_names` (ended by NULL, or NULL) are the
 * variables to keep. The caller owns one reference. NULL: out of memory.
 */
struct image *image_create(const struct record_view *view, const struct image_chunks *chunks,
			   const char *const *env_names);

struct image *image_ref(struct image *image);
void image_unref(struct image *image); /* NULL is allowed */

/* Which flag of a record's image is which flag of a process. */
struct image_flag {
	uint32_t record;  /* enum record_image_flag */
	uint32_t process; /* enum procobsrv_process_flag */
};
#define IMAGE_FLAG_COUNT 5
extern const struct image_flag image_flags[IMAGE_FLAG_COUNT];

/* "argv" for RECORD_STRING_ARGV, and so on; "truncated" for RECORD_MISSING_TRUNCATED. Static text.
 */
const char *image_string_name(enum record_string string);
const char *image_missing_reason(enum record_missing missing);

#endif
