/* SPDX-License-Identifier: MIT */
#include "record.h"

#include "procobsrv.h"

#include <stdint.h>
#include <string.h>

/* Takes `size` bytes off the front of what is left of the record; NULL: too short. */
static const void *take(const char **cursor, size_t *left, size_t size)
{
	if (*left < size)
		return NULL;
	const void *part = *cursor;
	*cursor += size;
	*left -= size;
	return part;
}

static int decode_strings(struct record_view *view, const char *cursor, size_t left)
{
	/* The bit that tells half a unit of UTF-16. */
	size_t odd = view->header->flags & RECORD_UTF16 ? 1 : 0;

	for (int i = 0; i < RECORD_STRING_COUNT; i++) {
		size_t length = view->image->string_length[i];
		view->strings[i].data = take(&cursor, &left, length);
		if (!view->strings[i].data || (length & odd))
			return PROCOBSRV_ERROR_CORRUPT;
		view->strings[i].size = length;
	}
	return 0;
}

static int decode_chunk(struct record_view *view, const char *cursor, size_t left)
{
	view->chunk = take(&cursor, &left, sizeof *view->chunk);
	if (!view->chunk || view->chunk->string >= RECORD_STRING_COUNT ||
	    view->chunk->length > left)
		return PROCOBSRV_ERROR_CORRUPT;
	view->chunk_data.data = cursor;
	view->chunk_data.size = view->chunk->length;
	return 0;
}

static int decode_cgroup(struct record_view *view, const char *cursor, size_t left)
{
	view->cgroup = take(&cursor, &left, sizeof *view->cgroup);
	if (!view->cgroup || view->cgroup->length > left ||
	    memchr(cursor, 0, view->cgroup->length) != NULL)
		return PROCOBSRV_ERROR_CORRUPT;
	view->cgroup_path = (struct record_bytes){cursor, view->cgroup->length};
	return 0;
}

static int decode_parts(struct record_view *view, const char *cursor, size_t left)
{
	view->body = take(&cursor, &left, sizeof *view->body);
	if (!view->body || !view->body->process.pid ||
	    !memchr(view->body->name, 0, sizeof view->body->name))
		return PROCOBSRV_ERROR_CORRUPT;

	switch (view->header->kind) {
	case RECORD_START:
		if (!(view->start = take(&cursor, &left, sizeof *view->start)))
			return PROCOBSRV_ERROR_CORRUPT;
		break;
	case RECORD_EXIT:
		if (!(view->exit = take(&cursor, &left, sizeof *view->exit)))
			return PROCOBSRV_ERROR_CORRUPT;
		break;
	case RECORD_EXEC_FAILED:
		if (!(view->attempt = take(&cursor, &left, sizeof *view->attempt)))
			return PROCOBSRV_ERROR_CORRUPT;
		break;
	case RECORD_EXEC:
	case RECORD_EXISTING:
		break;
	default:
		return PROCOBSRV_ERROR_VERSION;
	}

	if (!(view->header->flags & RECORD_HAS_IMAGE))
		return 0;
	if (!(view->image = take(&cursor, &left, sizeof *view->image)))
		return PROCOBSRV_ERROR_CORRUPT;
	return decode_strings(view, cursor, left);
}

int record_decode(const void *data, size_t size, struct record_view *view)
{
	const char *cursor = data;
	size_t left = size;

	memset(view, 0, sizeof *view);
	view->header = take(&cursor, &left, sizeof *view->header);
	if (!view->header)
		return PROCOBSRV_ERROR_CORRUPT;
	if (view->header->version != RECORD_VERSION)
		return PROCOBSRV_ERROR_VERSION;
	if (view->header->size != size)
		return PROCOBSRV_ERROR_CORRUPT;

	switch (view->header->kind) {
	case RECORD_CHUNK:
		return decode_chunk(view, cursor, left);
	case RECORD_GAP:
		view->gap = take(&cursor, &left, sizeof *view->gap);
		return view->gap ? 0 : PROCOBSRV_ERROR_CORRUPT;
	case RECORD_CGROUP:
		return decode_cgroup(view, cursor, left);
	default:
		if (view->header->kind >= RECORD_NOTES)
			return 0;
		return decode_parts(view, cursor, left);
	}
}
