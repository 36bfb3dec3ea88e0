/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Where a record with strings is put together: a fixed part, the strings right behind it. Each
 * string has its own most, and the room is the sum of them, so that none can crowd out another.
 */
#ifndef PROCOBSRV_OBSERVER_LINUX_STRINGS_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_STRINGS_BPF_H

#include "quirks.bpf.h"
#include "observer/record.h"

#define PATH_TAKEN	  4096 /* bytes of exe, of cwd */
#define COMPONENT_ROOM	  256  /* NAME_MAX and the NUL */
#define FILENAME_TAKEN	  4096 /* PATH_MAX */
#define INTERPRETER_TAKEN 256  /* BINPRM_BUF_SIZE */
#define ARGUMENTS_TAKEN	  4096 /* bytes of argv, of env, that stand in the record itself */

#define STRINGS_ROOM                                                                               \
	(2 * (PATH_TAKEN + COMPONENT_ROOM) + FILENAME_TAKEN + INTERPRETER_TAKEN +                  \
	 2 * ARGUMENTS_TAKEN)

struct image_record {
	struct record_header header;
	struct record_body body;
	struct record_image image;
};

struct attempt_record {
	struct record_header header;
	struct record_body body;
	struct record_attempt attempt;
	struct record_image image;
};

_Static_assert(sizeof(struct image_record) == RECORD_SMALL_EXEC_SIZE, "no padding");
_Static_assert(sizeof(struct attempt_record) ==
		   sizeof(struct image_record) + sizeof(struct record_attempt),
	       "no padding");

enum walk_result {
	WALK_NOT_DONE,
	WALK_AT_ROOT,	   /* of the process */
	WALK_AT_TOP,	   /* of all mounts: not below the process's root */
	WALK_DISCONNECTED, /* a file without a directory, as of memfd_create() */
	WALK_UNREADABLE,
	WALK_TOO_LONG,
};

/* Where a walk is. In a map and not on the stack: the verifier then need not tell its rounds
 * apart. */
struct path_walk {
	uint64_t start; /* of this path in the strings */
	uint64_t end;
	uint64_t result; /* enum walk_result */
	uint64_t dentry;
	uint64_t mount; /* struct mount */
	uint64_t mount_top;
	uint64_t mount_parent;
	uint64_t mount_place; /* the dentry that it covers */
	uint64_t root_dentry;
	uint64_t root_mount;
};

/* Likewise, of the arguments of an exec that failed. */
struct attempt_walk {
	uint64_t argv;
	uint64_t start;
	uint64_t end;
	uint32_t pointer_size;
	uint32_t missing; /* enum record_missing */
	uint64_t done;
};

/* Likewise, of argv or env. */
struct chunk_walk {
	uint64_t address; /* of the string's first byte */
	uint64_t offset;  /* of what comes next */
	uint64_t length;  /* of the whole string */
	uint32_t string;
	uint32_t missing; /* enum record_missing */
};

struct scratch {
	uint32_t busy;
	uint32_t reserved;
	union {
		struct path_walk walk;
		struct chunk_walk chunk_walk;
		struct attempt_walk attempt_walk;
	};
	union {
		struct {
			uint64_t not_used; /* both fixed parts end where the strings begin */
			struct image_record image;
		};
		struct attempt_record attempt;
	};
	char strings[STRINGS_ROOM];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct scratch);
} scratch_of_cpu SEC(".maps");

/* NULL: a program that was preempted by this one has it; give it back with scratch_put(). */
static __always_inline struct scratch *scratch_take(void)
{
	uint32_t key = 0;
	struct scratch *scratch = bpf_map_lookup_elem(&scratch_of_cpu, &key);

	if (!scratch || exchange(&scratch->busy, 1))
		return NULL;
	return scratch;
}

static __always_inline void scratch_put(struct scratch *scratch)
{
	*(volatile uint32_t *)&scratch->busy = 0;
}

/* Where the next string goes. `end` is bounded anew by each writer, for the verifier. */
struct strings {
	struct scratch *scratch;
	struct record_image *image;
	uint64_t end;
};

/* Bytes of a record with its strings. Keeps the compiler from moving the check away from where the
 * verifier needs it; the bound cannot be passed. */
static __always_inline uint64_t whole_size(uint64_t fixed, const struct strings *strings)
{
	uint64_t end = strings->end;

	asm volatile("" : "+r"(end));
	if (end > STRINGS_ROOM)
		end = 0;
	return fixed + end;
}

static __always_inline void image_missing(struct record_image *image, enum record_string string,
					  enum record_missing why)
{
	image->missing |= (uint32_t)why << RECORD_MISSING_SHIFT(string);
}

/* Appends a string of the kernel, without its NUL. `most` is its room. */
static __always_inline void append_kernel_string(struct strings *strings, enum record_string string,
						 const char *text, uint32_t most)
{
	uint64_t end = strings->end;

	if (end > STRINGS_ROOM - most)
		return;
	long length = bpf_probe_read_kernel_str(strings->scratch->strings + end, most, text);
	if (length <= 0) {
		image_missing(strings->image, string, RECORD_MISSING_UNREADABLE);
		return;
	}
	if (length == most)
		image_missing(strings->image, string, RECORD_MISSING_TRUNCATED);
	strings->image->string_length[string] = length - 1;
	strings->end = end + length - 1;
}

#endif
