/* SPDX-License-Identifier: MIT */
#include "wide.h"

#include "buffer.h"
#include "utf16.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

wchar_t *wide_from_utf8(const char *text)
{
	struct buffer wide = BUFFER_EMPTY;

	utf16_append(&wide, text, strlen(text));
	buffer_append(&wide, L"", sizeof(wchar_t));
	if (wide.failed)
		buffer_free(&wide);
	return (wchar_t *)(void *)wide.data; /* the memory is aligned for anything */
}

char *wide_to_utf8(const wchar_t *text, size_t count)
{
	size_t size = count * sizeof(*text);
	char *narrow = malloc(UTF16_WTF8_MAX(size) + 1);

	if (narrow)
		narrow[utf16_to_wtf8(narrow, (const char *)text, size)] = '\0';
	return narrow;
}

/* The system's absolute form; the caller frees. NULL: no memory or no path. */
static wchar_t *absolute(const wchar_t *path)
{
	DWORD count = GetFullPathNameW(path, 0, NULL, NULL);
	wchar_t *full = count ? malloc((count + 1) * sizeof(*full)) : NULL;

	if (full && !GetFullPathNameW(path, count + 1, full, NULL)) {
		free(full);
		return NULL;
	}
	if (!full && count)
		SetLastError(ERROR_NOT_ENOUGH_MEMORY);
	return full;
}

/* Room that the calls for directories want to be left below MAX_PATH. */
#define SHORT_PATH_MAX (MAX_PATH - 13)

wchar_t *wide_path(const char *path)
{
	static const wchar_t prefix[] = L"\\\\?\\", unc_prefix[] = L"\\\\?\\UNC";
	wchar_t *wide = wide_from_utf8(path), *full = wide ? absolute(wide) : NULL, *prefixed;
	bool is_unc, is_device;
	size_t size;

	if (!wide)
		SetLastError(ERROR_NOT_ENOUGH_MEMORY);
	free(wide);
	if (!full || wcslen(full) <= SHORT_PATH_MAX)
		return full;
	is_unc = full[0] == L'\\' && full[1] == L'\\';
	is_device = is_unc && (full[2] == L'?' || full[2] == L'.') && full[3] == L'\\';
	if (is_device)
		return full;
	size = wcslen(full) + sizeof(unc_prefix) / sizeof(*unc_prefix);
	prefixed = malloc(size * sizeof(*prefixed));
	if (prefixed) {
		wcscpy(prefixed, is_unc ? unc_prefix : prefix);
		wcscat(prefixed, is_unc ? full + 1 : full);
	} else {
		SetLastError(ERROR_NOT_ENOUGH_MEMORY);
	}
	free(full);
	return prefixed;
}
