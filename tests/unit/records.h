/* SPDX-License-Identifier: MIT */
/* Builds records as a kernel would, for tests of what reads them. */
#ifndef PROCOBSRV_TESTS_RECORDS_H
#define PROCOBSRV_TESTS_RECORDS_H

#include "record.h"
#include "source.h"

#include <stdalign.h>

struct test_record {
	alignas(8) char data[4096];
	uint32_t size;
};

struct test_image {
	const char *exe;
	const char *argv; /* arguments, each ended by NUL */
	size_t argv_size;
	const char *filename;
	const char *interpreter;
};

struct test_observer {
	uint64_t number;
	uint64_t time_ns;
	uint32_t lost[RECORD_LOST_KINDS];
	uint32_t cpu;
};

/* Of Windows: UTF-16LE, sizes in bytes. */
struct test_wide_image {
	struct record_bytes exe;
	struct record_bytes command_line;
	struct record_bytes sid;
	uint32_t missing;
};

/* Each takes the observer's next number and a nanosecond more. */
void record_build_start(struct test_observer *observer, struct test_record *record, uint32_t pid,
			uint64_t start_ns, uint32_t ppid, uint64_t parent_start_ns);
void record_build_exec(struct test_observer *observer, struct test_record *record, uint32_t pid,
		       uint64_t start_ns, uint64_t exec_id, const struct test_image *image);
void record_build_exit(struct test_observer *observer, struct test_record *record, uint32_t pid,
		       uint64_t start_ns, uint32_t code);
void record_build_existing(struct test_record *record, uint32_t pid, uint64_t start_ns,
			   uint32_t ppid, uint64_t exec_id, uint32_t process_flags);
/* Belongs to the record that is built next. */
void record_build_chunk(struct test_observer *observer, struct test_record *record,
			enum record_string string, uint64_t offset, const char *bytes, size_t size);

/* As the driver of Windows tells it; `kind` is RECORD_START or RECORD_EXISTING. */
void record_build_wide(struct test_observer *observer, struct test_record *record,
		       enum record_kind kind, const struct record_body *body,
		       const struct test_wide_image *image);

void record_build_gap(struct test_record *record, enum record_gap_stage stage,
		      enum record_kind kind, uint64_t count);

struct source_record record_lend(const struct test_record *record, uint64_t position);

#endif
