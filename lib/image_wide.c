/* SPDX-License-Identifier: MIT */
#include "image_wide.h"

#include "command_line.h"
#include "kernel_path.h"
#include "utf16.h"

#include <string.h>

/* Where a string lies, while the memory may still move. */
struct place {
	size_t offset;
	size_t size;
};

/* Each string is ended by a NUL that does not count. */
static struct place append_wide(struct buffer *buffer, struct record_bytes utf16)
{
	struct place place = {.offset = buffer->size};

	if (!buffer_reserve(buffer, UTF16_WTF8_MAX(utf16.size) + 1))
		return place;
	if (utf16.size > 0)
		place.size = utf16_to_wtf8(buffer->data + buffer->size, utf16.data, utf16.size);
	buffer->size += place.size;
	buffer_append_character(buffer, 0);
	return place;
}

/* The strings of a process, one after the other, in the order of the record. */
static void append_all(struct buffer *buffer, const struct record_view *view, struct place *places)
{
	for (int i = 0; i < RECORD_STRING_COUNT; i++)
		places[i] = append_wide(buffer, view->strings[i]);
}

static struct place append_arguments(struct buffer *buffer, struct place line)
{
	struct place place = {.offset = buffer->size};

	if (!buffer_reserve(buffer, line.size + 1))
		return place;
	place.size =
	    command_line_split(buffer->data + buffer->size, buffer->data + line.offset, line.size);
	buffer->size += place.size;
	return place;
}

/* Size 0: programs have no path for it. */
static struct place append_mapped(struct buffer *buffer, struct place kernel_path)
{
	struct buffer path = BUFFER_EMPTY;
	struct place place = {.offset = buffer->size};

	if (!buffer->failed && kernel_path_map(buffer->data + kernel_path.offset, &path)) {
		buffer_append(buffer, path.data, path.size);
		place.size = path.size;
	}
	buffer->failed |= path.failed;
	buffer_free(&path);
	return place;
}

static struct record_bytes bytes_at(const struct buffer *buffer, struct place place)
{
	return (struct record_bytes){buffer->data + place.offset, place.size};
}

static void set_missing(struct record_image *image, enum record_string string,
			enum record_missing missing)
{
	image->missing &= ~((uint32_t)0xf << RECORD_MISSING_SHIFT(string));
	image->missing |= (uint32_t)missing << RECORD_MISSING_SHIFT(string);
}

/* argv is as whole as the command line that it is made of; scripts are no matter of the kernel. */
static void correct_missing(struct record_image *image)
{
	set_missing(image, RECORD_STRING_ARGV, record_missing(image, RECORD_STRING_COMMAND_LINE));
	set_missing(image, RECORD_STRING_FILENAME, RECORD_WHOLE);
	set_missing(image, RECORD_STRING_INTERPRETER, RECORD_WHOLE);
}

bool image_wide_make(struct image_wide *wide, const struct record_view *view)
{
	struct place places[RECORD_STRING_COUNT], exe, argv;
	struct buffer buffer = BUFFER_EMPTY;

	append_all(&buffer, view, places);
	argv = append_arguments(&buffer, places[RECORD_STRING_COMMAND_LINE]);
	exe = places[RECORD_STRING_EXE];
	bool from_kernel =
	    exe.size > 0 && !buffer.failed && !kernel_path_is_common(buffer.data + exe.offset);
	if (from_kernel)
		exe = append_mapped(&buffer, exe);
	if (buffer.failed) {
		buffer_free(&buffer);
		return false;
	}

	wide->view = *view;
	wide->image = *view->image;
	wide->view.image = &wide->image;
	wide->memory = buffer.data;
	correct_missing(&wide->image);
	for (int i = 0; i < RECORD_STRING_COUNT; i++)
		wide->view.strings[i] = bytes_at(&buffer, places[i]);
	wide->view.strings[RECORD_STRING_ARGV] = bytes_at(&buffer, argv);
	wide->view.strings[RECORD_STRING_EXE] = bytes_at(&buffer, exe);
	wide->exe_nt = (struct record_bytes){NULL, 0};
	if (from_kernel)
		wide->exe_nt = bytes_at(&buffer, places[RECORD_STRING_EXE]);
	return true;
}

void image_wide_free(struct image_wide *wide)
{
	buffer_free(&(struct buffer){.data = wide->memory});
}
