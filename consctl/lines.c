/* SPDX-License-Identifier: MIT */
#include "lines.h"
#include "buffer.h"
#include "consctl.h"
#include "platform.h"

#include <errno.h>
#include <string.h>

#define READ_SIZE (256 * 1024)

/* Gives out each whole line of the buffer, keeps the rest; the first `searched` bytes have no end.
 */
static void give_lines(struct buffer *buffer, size_t searched, lines_on_line on_line, void *param)
{
	char *line = buffer->data;
	char *end = buffer->data + buffer->size;
	char *line_end = memchr(line + searched, '\n', buffer->size - searched);

	while (line_end) {
		on_line(line, (size_t)(line_end - line), false, param);
		line = line_end + 1;
		line_end = memchr(line, '\n', (size_t)(end - line));
	}
	buffer->size = (size_t)(end - line);
	memmove(buffer->data, line, buffer->size);
}

static int read_lines(intptr_t file, lines_on_line on_line, void *param)
{
	struct buffer buffer = BUFFER_EMPTY;
	size_t got;
	int error;

	do {
		if (!buffer_reserve(&buffer, READ_SIZE)) {
			error = ENOMEM;
			break;
		}
		error = platform_file_read(file, buffer.data + buffer.size, READ_SIZE, &got);
		if (error)
			break;
		buffer.size += got;
		give_lines(&buffer, buffer.size - got, on_line, param);
	} while (got);
	if (!error && buffer.size)
		on_line(buffer.data, buffer.size, true, param);
	buffer_free(&buffer);
	return error;
}

int lines_read(const char *path, lines_on_line on_line, void *param)
{
	intptr_t file;
	int error = platform_file_open_to_read(path, &file);

	if (!error) {
		error = read_lines(file, on_line, param);
		platform_file_close(file);
	}
	if (error)
		complain("cannot read '%s': %s", path, platform_error_text(error));
	return error ? STATUS_FAILED : STATUS_FINE;
}
