/* SPDX-License-Identifier: MIT */
#include "console.h"

#include <stdlib.h>

/* Old consoles refuse more than 64 KiB at once. */
#define PIECE 4096

/* Since Windows 10; older headers lack it. */
#ifndef ENABLE_VIRTUAL_TERMINAL_PROCESSING
#define ENABLE_VIRTUAL_TERMINAL_PROCESSING 4
#endif

static DWORD found_mode;

bool console_is(HANDLE handle)
{
	DWORD mode;

	return GetConsoleMode(handle, &mode);
}

/* So many bytes, at most, that no character is cut in two. */
static size_t piece_of(const char *text, size_t size)
{
	size_t piece = size < PIECE ? size : PIECE;

	/* The bytes that continue a character of UTF-8 are 10xxxxxx. */
	while (piece < size && piece > PIECE - 4 && ((unsigned char)text[piece] & 0xc0) == 0x80)
		piece--;
	return piece;
}

static bool write_wide(HANDLE console, const wchar_t *wide, DWORD length)
{
	while (length) {
		DWORD written;

		if (!WriteConsoleW(console, wide, length, &written, NULL))
			return false;
		wide += written;
		length -= written;
	}
	return true;
}

bool console_write(HANDLE console, const char *text, size_t size)
{
	while (size) {
		wchar_t wide[PIECE];
		size_t piece = piece_of(text, size);
		int length = MultiByteToWideChar(CP_UTF8, 0, text, (int)piece, wide, PIECE);

		if (!write_wide(console, wide, (DWORD)length))
			return false;
		text += piece;
		size -= piece;
	}
	return true;
}

static void give_back_mode(void)
{
	SetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), found_mode);
}

bool console_take_colors(void)
{
	HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);

	if (!GetConsoleMode(output, &found_mode))
		return false;
	if (found_mode & ENABLE_VIRTUAL_TERMINAL_PROCESSING)
		return true;
	if (!SetConsoleMode(output, found_mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING))
		return false;
	atexit(give_back_mode);
	return true;
}
