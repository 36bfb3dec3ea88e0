/* SPDX-License-Identifier: MIT */
/*
 * golden DIRECTORY              holds the files against what the driver's code writes today
 * golden --write DIRECTORY      writes them
 * golden --against PROGRAM      holds what another build of the same code writes against ours
 *
 * 77: the other program cannot be run on this machine.
 */
#include "golden_records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t made[GOLDEN_SIZE_MAX];
static uint8_t found[GOLDEN_SIZE_MAX + 1];

static FILE *open_file(const char *directory, const char *name, const char *mode)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, mode);
	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	return file;
}

static int differs(const char *name, size_t made_size, size_t found_size)
{
	if (made_size == found_size && memcmp(made, found, made_size) == 0) {
		printf("same: %s, %zu bytes\n", name, made_size);
		return 0;
	}
	size_t at = 0;
	while (at < made_size && at < found_size && made[at] == found[at])
		at++;
	fprintf(stderr, "%s: %zu bytes, expected %zu; the first difference is at byte %zu\n", name,
		made_size, found_size, at);
	return 1;
}

static int compare(const char *directory)
{
	int bad = 0;

	for (size_t i = 0; golden_names[i]; i++) {
		FILE *file = open_file(directory, golden_names[i], "rb");
		size_t size = fread(found, 1, sizeof found, file);
		fclose(file);
		bad |= differs(golden_names[i], golden_make(i, made), size);
	}
	return bad;
}

static int write_all(const char *directory)
{
	for (size_t i = 0; golden_names[i]; i++) {
		FILE *file = open_file(directory, golden_names[i], "wb");
		size_t size = golden_make(i, made);
		if (fwrite(made, 1, size, file) != size || fclose(file)) {
			fprintf(stderr, "%s: %s\n", golden_names[i], strerror(errno));
			return 1;
		}
	}
	return 0;
}

/* The program writes all files, one after the other. */
static int compare_with(const char *program)
{
	FILE *pipe = popen(program, "r");
	int bad = 0;

	if (!pipe) {
		perror(program);
		return 1;
	}
	for (size_t i = 0; golden_names[i]; i++) {
		size_t size = golden_make(i, made);
		bad |= differs(golden_names[i], size, fread(found, 1, size, pipe));
	}
	bad |= fgetc(pipe) != EOF;
	int status = pclose(pipe);
	if (status == 126 << 8) { /* the shell's: cannot be executed */
		fprintf(stderr, "%s: this machine's kernel does not run it\n", program);
		return 77;
	}
	return bad || status != 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--write") == 0)
		return write_all(argv[2]);
	if (argc == 3 && strcmp(argv[1], "--against") == 0)
		return compare_with(argv[2]);
	if (argc == 2)
		return compare(argv[1]);
	fprintf(stderr, "usage: golden [--write | --against] PATH\n");
	return 2;
}
