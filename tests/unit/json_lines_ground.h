/* SPDX-License-Identifier: MIT */
/* What the tests of the JSON lines stand on: a place for files, events in them, consctl verify. */
#ifndef PROCOBSRV_TESTS_JSON_LINES_GROUND_H
#define PROCOBSRV_TESTS_JSON_LINES_GROUND_H

#include "sink_ground.h"

#define STREAM	   0xabcdu
#define BATCH_MOST 64
#define FILES_MOST 4096

extern const char *json_lines_consctl; /* the program; set first */

/* A directory and the settings for a file in it. */
struct place {
	char *directory;
	char path[512];
	char path_setting[600];
};

struct place make_place(void);
void remove_place(struct place *place);
struct open_sink open_at(const struct place *place, const char *one, const char *other);
int write_one(struct open_sink *opened, const struct procobsrv_event *sample, uint64_t seq);
/* Numbers first to last without every `hole`th, which a filter took; 0: all of them. */
int write_range(struct open_sink *opened, uint64_t first, uint64_t last, uint64_t hole);
/* The files in the order of their lines: the old ones, and the one that is written. */
struct files {
	char *paths[FILES_MOST];
	size_t count;
};
struct files files_of(const struct place *place);
void free_files(struct files *files);
size_t count_files(const struct place *place);
/* Bytes of a file that nobody has open; cuts it to so many. */
size_t file_bytes(const char *path);
void file_cut(const char *path, size_t size);
void expect_verified(const struct place *place, int expected, const char *words);
/* The sink does not open the file: this error, with these words. */
void expect_refused(const struct place *place, int code, const char *words);

#endif
