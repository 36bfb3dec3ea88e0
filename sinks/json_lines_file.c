/* SPDX-License-Identifier: MIT */
#include "json_lines_file.h"

#include "error.h"
#include "json_lines_old.h"
#include "notice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_SIZE (256u * 1024)

/* What a look through a file finds. */
struct scan {
	struct json_lines_account *account;
	uint64_t good;	/* bytes up to the end of the last whole line */
	uint64_t total; /* bytes looked at */
	bool foreign;
};

/* Takes the whole lines out of the buffer. */
static void scan_lines(struct scan *scan, struct buffer *buffer)
{
	size_t begin = 0;
	char *end;

	if (scan->total == 0 && !json_lines_account_is_ours(buffer->data, buffer->size))
		scan->foreign = true;
	while ((end = memchr(buffer->data + begin, '\n', buffer->size - begin)) != NULL) {
		size_t next = (size_t)(end + 1 - buffer->data);

		scan->total += next - begin;
		if (json_lines_account_read(scan->account, buffer->data + begin, next - 1 - begin))
			scan->good = scan->total;
		begin = next;
	}
	memmove(buffer->data, buffer->data + begin, buffer->size - begin);
	buffer->size -= begin;
}

static int scan_file(struct os_file *file, uint64_t size, struct scan *scan)
{
	struct buffer buffer = BUFFER_EMPTY;
	const char *path = os_file_path(file);
	uint64_t offset = 0;
	int error = 0;

	while (!error && !scan->foreign && offset < size) {
		size_t piece = size - offset < SCAN_SIZE ? (size_t)(size - offset) : SCAN_SIZE;

		if (!buffer_reserve(&buffer, piece)) {
			error =
			    error_set(PROCOBSRV_ERROR_MEMORY, "out of memory to read '%s'", path);
			break;
		}
		int failed = os_file_read(file, offset, buffer.data + buffer.size, piece);
		if (failed) {
			error = error_set_errno(failed, "cannot read '%s'", path);
			break;
		}
		offset += piece;
		buffer.size += piece;
		scan_lines(scan, &buffer);
	}
	scan->total += buffer.size;
	buffer_free(&buffer);
	return error;
}

static int remove_rest(const struct line_file_place *place, struct json_lines_file *file,
		       const struct scan *scan)
{
	if (scan->good == file->size)
		return 0;
	int error = os_file_truncate(file->lines, scan->good);
	if (error)
		return error_set_errno(error, "cannot remove half a line from the end of '%s'",
				       place->path);
	notice("'%s': removed %llu bytes of a line that was not finished", place->path,
	       (unsigned long long)(file->size - scan->good));
	file->size = scan->good;
	return 0;
}

static int take_over(const struct line_file_place *place, struct json_lines_file *file,
		     struct json_lines_account *account)
{
	struct scan scan = {.account = account};
	int error = scan_file(file->lines, file->size, &scan);

	if (error)
		return error;
	if (scan.foreign)
		return error_set(PROCOBSRV_ERROR_CORRUPT,
				 "'%s' does not hold JSON lines of this service; remove it, or "
				 "name another path",
				 place->path);
	return remove_rest(place, file, &scan);
}

/* Where the numbers stand, when the file itself does not tell. */
static void read_newest(const struct line_file_place *place, struct json_lines_account *account)
{
	char *path = json_lines_old_newest(place->path);
	struct scan scan = {.account = account};
	struct os_file *file;
	uint64_t size;

	if (path && !line_file_open_old(path, &file, &size)) {
		/* One that an administrator compressed tells nothing: then they may repeat. */
		scan_file(file, size, &scan);
		os_file_close(file, false);
	}
	free(path);
}

static int open_lines(const struct line_file_place *place, struct json_lines_file *file)
{
	int error = line_file_open(place, &file->lines);

	if (error)
		return error;
	error = os_file_size(file->lines, &file->size);
	return error ? error_set_errno(error, "cannot read '%s'", place->path) : 0;
}

int json_lines_file_open(const struct line_file_place *place, struct json_lines_file *file,
			 struct json_lines_account *account)
{
	struct json_lines_account found = {.format = account->format};
	struct json_lines_file opened = {0};
	int error = open_lines(place, &opened);

	if (!error && opened.size)
		error = take_over(place, &opened, &found);
	if (error) {
		json_lines_file_close(&opened);
		return error;
	}
	if (!opened.size && account->known_stream)
		found = *account;
	else if (!opened.size)
		read_newest(place, &found);
	if (!opened.size) {
		json_lines_account_next_file(&found);
		found.format = account->format;
	}
	*file = opened;
	*account = found;
	return 0;
}

/* Half a line that could not be removed then must be gone now. */
static int remove_half(const struct line_file_place *place, const struct json_lines_file *file)
{
	uint64_t size;
	int error = os_file_size(file->lines, &size);

	if (!error && size > file->size)
		error = os_file_truncate(file->lines, file->size);
	return error ? error_set_errno(error, "cannot remove half a line from the end of '%s'",
				       place->path)
		     : 0;
}

static int explain_write(int error, const char *path)
{
	return error_set_errno(
	    error, "cannot write to '%s'%s", path,
	    line_file_is_full(error) ? "; make room, or keep fewer files (keep, rotate-size)" : "");
}

int json_lines_file_append(const struct line_file_place *place, struct json_lines_file *file,
			   const struct buffer *buffer)
{
	int error;

	if (buffer->failed)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for lines of '%s'",
				 place->path);
	error = remove_half(place, file);
	if (error)
		return error;
	error = os_file_write(file->lines, file->size, buffer->data, buffer->size);
	if (error) {
		int kept = os_file_truncate(file->lines, file->size);
		if (kept)
			notice("'%s': half a line stays at its end for now: %s", place->path,
			       os_error_text(kept));
		return explain_write(error, place->path);
	}
	file->size += buffer->size;
	return 0;
}

int json_lines_file_sync(const struct line_file_place *place, const struct json_lines_file *file)
{
	int error = line_file_sync(file->lines);

	return error ? error_set_errno(error, "cannot bring '%s' to the disk", place->path) : 0;
}

bool json_lines_file_is_there(const struct line_file_place *place,
			      const struct json_lines_file *file)
{
	return line_file_is_at(file->lines, place->path);
}

bool json_lines_file_is_cut(const struct json_lines_file *file)
{
	uint64_t size;

	return os_file_size(file->lines, &size) == 0 && size < file->size;
}

int json_lines_file_put_aside(const struct line_file_place *place, struct json_lines_file *file)
{
	int error = json_lines_file_sync(place, file);

	if (!error)
		error = json_lines_old_add(place->path);
	if (!error)
		json_lines_file_close(file);
	return error;
}

int64_t json_lines_file_begin_ns(const char *path)
{
	struct json_lines_account account = {0};
	struct os_file *file;
	char text[1024];
	uint64_t size;

	if (line_file_open_old(path, &file, &size))
		return 0;
	if (size > sizeof text)
		size = sizeof text;
	const char *end = os_file_read(file, 0, text, (size_t)size) == 0
			      ? memchr(text, '\n', (size_t)size)
			      : NULL;
	if (end)
		json_lines_account_read(&account, text, (size_t)(end - text));
	os_file_close(file, false);
	return account.begin_ns;
}

void json_lines_file_close(struct json_lines_file *file)
{
	os_file_close(file->lines, false);
	*file = (struct json_lines_file){0};
}
