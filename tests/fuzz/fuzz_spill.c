/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a left-over spill file. The first byte of the input tells which checksums are made
 * right, so that the fuzzer gets behind them; the rest is the file.
 */
#include "checksum.h"
#include "procobsrv.h"
#include "spill.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum repair {
	REPAIR_FILE = 1, /* magic, version and checksum of the file's header */
	REPAIR_BLOCKS = 2,
};

static void repair_file(char *file, size_t size)
{
	struct spill_file_header header;

	if (size < sizeof(header))
		return;
	memcpy(&header, file, sizeof(header));
	memcpy(header.magic, SPILL_FILE_MAGIC, sizeof(header.magic));
	header.version = SPILL_VERSION;
	header.boot[sizeof(header.boot) - 1] = '\0';
	header.checksum = 0;
	header.checksum = checksum_add(0, &header, sizeof(header));
	memcpy(file, &header, sizeof(header));
}

static void repair_blocks(char *file, size_t size)
{
	struct spill_block_header header;
	size_t offset = sizeof(struct spill_file_header);

	while (offset < size && size - offset >= sizeof(header)) {
		memcpy(&header, file + offset, sizeof(header));
		header.magic = SPILL_BLOCK_MAGIC;
		if (header.size > size - offset || header.size < sizeof(header))
			header.size = (uint32_t)(size - offset) / 8 * 8;
		header.checksum = 0;
		header.checksum =
		    checksum_add(checksum_add(0, &header, sizeof(header)),
				 file + offset + sizeof(header), header.size - sizeof(header));
		memcpy(file + offset, &header, sizeof(header));
		offset += header.size;
	}
}

/* In memory: nothing of a million files is left on disk, whatever ends the fuzzer. */
static struct os_file *make_file(const char *data, size_t size)
{
	static int memory = -1;
	struct os_file *file;
	char path[64];

	if (memory < 0)
		memory = memfd_create("spill", MFD_CLOEXEC);
	if (ftruncate(memory, 0) || pwrite(memory, data, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	if (os_file_open(path, &file))
		abort();
	return file;
}

/* Reads every byte that is lent, so that the sanitizer sees one that is not there. */
static unsigned touch(const struct source_batch *batch)
{
	unsigned sum = 0;

	for (size_t i = 0; i < batch->count; i++)
		for (uint32_t byte = 0; byte < batch->records[i].size; byte++)
			sum += ((const unsigned char *)batch->records[i].data)[byte];
	return sum;
}

extern volatile unsigned touched;
volatile unsigned touched; /* so that nothing is left out */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spill_reader *reader;
	struct source_batch batch;
	struct os_file *file;
	uint8_t repair;
	char *copy;
	int code;

	if (size == 0)
		return 0;
	repair = data[0];
	size--;
	copy = malloc(size ? size : 1);
	memcpy(copy, data + 1, size);
	if (repair & REPAIR_FILE)
		repair_file(copy, size);
	if (repair & REPAIR_BLOCKS)
		repair_blocks(copy, size);
	file = make_file(copy, size);
	free(copy);
	code = spill_reader_open_file(file, &reader);
	if (code) {
		if (code != PROCOBSRV_ERROR_CORRUPT && code != PROCOBSRV_ERROR_VERSION)
			abort();
		os_file_close(file, false);
		return 0;
	}
	while ((code = spill_reader_next(reader, &batch)) == 0)
		touched = touch(&batch);
	if (code != PROCOBSRV_ERROR_ENDED && code != PROCOBSRV_ERROR_CORRUPT)
		abort();
	spill_reader_close(reader, false);
	return 0;
}
