/* SPDX-License-Identifier: MIT */
#include "json_scan.h"
#include "utf8.h"

#include <string.h>

/* Deeper than any line of ours; keeps a hostile one from using up the stack. */
#define DEPTH_MAX 32

struct scanner {
	const char *at;
	const char *end;
	unsigned depth;
	json_on_member on_member;   /* of the outermost object */
	json_on_element on_element; /* of the outermost array */
	void *param;
};

static bool scan_value(struct scanner *scanner, struct json_piece *piece);

static void skip_blanks(struct scanner *scanner)
{
	while (scanner->at < scanner->end && (*scanner->at == ' ' || *scanner->at == '\t' ||
					      *scanner->at == '\r' || *scanner->at == '\n'))
		scanner->at++;
}

static bool take(struct scanner *scanner, char wanted)
{
	if (scanner->at == scanner->end || *scanner->at != wanted)
		return false;
	scanner->at++;
	return true;
}

static bool take_digits(struct scanner *scanner)
{
	const char *begin = scanner->at;

	while (scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9')
		scanner->at++;
	return scanner->at > begin;
}

static bool scan_number(struct scanner *scanner)
{
	take(scanner, '-');
	/* No zero before other digits. */
	if (!take(scanner, '0') && !take_digits(scanner))
		return false;
	if (take(scanner, '.') && !take_digits(scanner))
		return false;
	if (take(scanner, 'e') || take(scanner, 'E')) {
		if (!take(scanner, '+'))
			take(scanner, '-');
		if (!take_digits(scanner))
			return false;
	}
	return true;
}

static bool is_hex(char character)
{
	return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f') ||
	       (character >= 'A' && character <= 'F');
}

static bool scan_escape(struct scanner *scanner)
{
	if (scanner->at == scanner->end)
		return false;
	if (*scanner->at != 'u')
		return *scanner->at && strchr("\"\\/bfnrt", *scanner->at++);
	scanner->at++;
	for (int digits = 0; digits < 4; digits++, scanner->at++)
		if (scanner->at == scanner->end || !is_hex(*scanner->at))
			return false;
	return true;
}

static bool scan_string(struct scanner *scanner, struct json_piece *piece)
{
	if (!take(scanner, '"'))
		return false;
	piece->text = scanner->at;
	while (scanner->at < scanner->end) {
		unsigned char character = (unsigned char)*scanner->at++;

		if (character == '"') {
			piece->size = (size_t)(scanner->at - 1 - piece->text);
			return true;
		}
		if (character < ' ' || (character == '\\' && !scan_escape(scanner)))
			return false;
	}
	return false;
}

static bool scan_word(struct scanner *scanner, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(scanner->end - scanner->at) < size || memcmp(scanner->at, word, size))
		return false;
	scanner->at += size;
	return true;
}

static bool scan_members(struct scanner *scanner)
{
	struct json_piece key = {.type = JSON_STRING};
	struct json_piece value;

	skip_blanks(scanner);
	if (take(scanner, '}'))
		return true;
	do {
		skip_blanks(scanner);
		if (!scan_string(scanner, &key))
			return false;
		skip_blanks(scanner);
		if (!take(scanner, ':') || !scan_value(scanner, &value))
			return false;
		if (scanner->depth == 1 && scanner->on_member)
			scanner->on_member(&key, &value, scanner->param);
		skip_blanks(scanner);
	} while (take(scanner, ','));
	return take(scanner, '}');
}

static bool scan_elements(struct scanner *scanner)
{
	struct json_piece value;

	skip_blanks(scanner);
	if (take(scanner, ']'))
		return true;
	do {
		if (!scan_value(scanner, &value))
			return false;
		if (scanner->depth == 1 && scanner->on_element)
			scanner->on_element(&value, scanner->param);
		skip_blanks(scanner);
	} while (take(scanner, ','));
	return take(scanner, ']');
}

static bool scan_nested(struct scanner *scanner, bool (*scan)(struct scanner *scanner))
{
	bool fine;

	if (scanner->depth == DEPTH_MAX)
		return false;
	scanner->at++;
	scanner->depth++;
	fine = scan(scanner);
	scanner->depth--;
	return fine;
}

static bool scan_value(struct scanner *scanner, struct json_piece *piece)
{
	bool fine;

	skip_blanks(scanner);
	if (scanner->at == scanner->end)
		return false;
	piece->text = scanner->at;
	switch (*scanner->at) {
	case '"':
		piece->type = JSON_STRING;
		return scan_string(scanner, piece);
	case '{':
		piece->type = JSON_OBJECT;
		fine = scan_nested(scanner, scan_members);
		break;
	case '[':
		piece->type = JSON_ARRAY;
		fine = scan_nested(scanner, scan_elements);
		break;
	case 't':
		piece->type = JSON_TRUE;
		fine = scan_word(scanner, "true");
		break;
	case 'f':
		piece->type = JSON_FALSE;
		fine = scan_word(scanner, "false");
		break;
	case 'n':
		piece->type = JSON_NULL;
		fine = scan_word(scanner, "null");
		break;
	default:
		piece->type = JSON_NUMBER;
		fine = scan_number(scanner);
	}
	piece->size = (size_t)(scanner->at - piece->text);
	return fine;
}

/* The whole text is one value that begins so. */
static bool scan_whole(struct scanner *scanner, char begin)
{
	struct json_piece whole;

	skip_blanks(scanner);
	if (scanner->at == scanner->end || *scanner->at != begin || !scan_value(scanner, &whole))
		return false;
	skip_blanks(scanner);
	return scanner->at == scanner->end;
}

bool json_scan(const char *line, size_t size, json_on_member on_member, void *param)
{
	struct scanner scanner = {
	    .at = line, .end = line + size, .on_member = on_member, .param = param};

	return scan_whole(&scanner, '{');
}

bool json_scan_array(const char *text, size_t size, json_on_element on_element, void *param)
{
	struct scanner scanner = {
	    .at = text, .end = text + size, .on_element = on_element, .param = param};

	return scan_whole(&scanner, '[');
}

/* Four hexadecimal digits that have been scanned. */
static uint32_t decode_unit(const char *digits)
{
	uint32_t unit = 0;

	for (int index = 0; index < 4; index++) {
		char digit = digits[index];

		unit =
		    unit * 16 + (uint32_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	return unit;
}

/* Decodes the escape at `at`, behind its backslash; returns the place after it. */
static const char *decode_escape(const char *at, const char *end, struct buffer *buffer)
{
	static const char letters[] = "bfnrt";
	static const char meanings[] = "\b\f\n\r\t";
	const char *letter = strchr(letters, *at);
	char encoded[UTF8_SIZE_MAX];
	uint32_t character;

	if (*at != 'u') {
		buffer_append_character(buffer, letter ? meanings[letter - letters] : *at);
		return at + 1;
	}
	character = decode_unit(at + 1);
	at += 5;
	if (character >= 0xd800 && character < 0xdc00 && end - at >= 6 && at[0] == '\\' &&
	    at[1] == 'u') {
		uint32_t low = decode_unit(at + 2);

		if (low >= 0xdc00 && low < 0xe000) {
			character = 0x10000 + ((character - 0xd800) << 10) + (low - 0xdc00);
			at += 6;
		}
	}
	if (!character || (character >= 0xd800 && character < 0xe000))
		character = 0xfffd;
	buffer_append(buffer, encoded, utf8_encode(encoded, character));
	return at;
}

void json_piece_decode(const struct json_piece *piece, struct buffer *buffer)
{
	const char *end = piece->text + piece->size;

	for (const char *at = piece->text; at < end;) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));

		buffer_append(buffer, at, (size_t)((escape ? escape : end) - at));
		at = escape ? decode_escape(escape + 1, end, buffer) : end;
	}
}

bool json_piece_is(const struct json_piece *piece, const char *text)
{
	return piece->type == JSON_STRING && piece->size == strlen(text) &&
	       !memcmp(piece->text, text, piece->size);
}

bool json_piece_unsigned(const struct json_piece *piece, uint64_t *number)
{
	uint64_t value = 0;

	if (piece->type != JSON_NUMBER || !piece->size)
		return false;
	for (size_t index = 0; index < piece->size; index++) {
		unsigned digit = (unsigned char)piece->text[index] - (unsigned)'0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return true;
}
