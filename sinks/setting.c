/* SPDX-License-Identifier: MIT */
#include "setting.h"

#include "error.h"
#include "setting_path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

#define SECOND_NS 1000000000ull

static const struct unit size_units[] = {{"", 1},	    {"K", 1ull << 10}, {"M", 1ull << 20},
					 {"G", 1ull << 30}, {"T", 1ull << 40}, {NULL, 0}};

static const struct unit duration_units[] = {{"ms", SECOND_NS / 1000}, {"s", SECOND_NS},
					     {"m", 60 * SECOND_NS},    {"h", 3600 * SECOND_NS},
					     {"d", 86400 * SECOND_NS}, {NULL, 0}};

static const struct unit rate_units[] = {
    {"/s", SECOND_NS}, {"/m", 60 * SECOND_NS}, {"/h", 3600 * SECOND_NS}, {NULL, 0}};

static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

/* A number and one of the units. */
static bool parse_measure(const char *text, const struct unit *units, uint64_t *number,
			  uint64_t *factor)
{
	char *end;

	/* strtoull() would take blanks and signs, and turn -1 into a huge number. */
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	if (errno)
		return false;
	for (const struct unit *unit = units; unit->name; unit++) {
		if (strcmp(end, unit->name) != 0)
			continue;
		*factor = unit->factor;
		return true;
	}
	return false;
}

static bool parse_product(const char *text, const struct unit *units, uint64_t *number)
{
	uint64_t factor;
	uint64_t count;

	if (!parse_measure(text, units, &count, &factor) || count > UINT64_MAX / factor)
		return false;
	*number = count * factor;
	return true;
}

static bool parse_rate(const char *text, uint64_t *number)
{
	uint64_t factor;
	uint64_t count;

	if (!parse_measure(text, rate_units, &count, &factor) || !count || count > factor)
		return false;
	*number = factor / count;
	return true;
}

static bool parse_flag(const char *text, uint64_t *number)
{
	*number = strcmp(text, "true") == 0;
	return *number || strcmp(text, "false") == 0;
}

/* What the value must look like, for the complaint. */
static const char *form_of(enum setting_type type)
{
	switch (type) {
	case SETTING_TEXT:
		return "some text";
	case SETTING_PATH:
		return "an absolute path";
	case SETTING_FLAG:
		return "true or false";
	case SETTING_COUNT:
		return "a number";
	case SETTING_SIZE:
		return "a number of bytes, with K, M, G or T at its end for powers of 1024";
	case SETTING_DURATION:
		return "a number with ms, s, m, h or d at its end";
	case SETTING_RATE:
		return "a number from 1 with /s, /m or /h at its end";
	case SETTING_LIST:
		return "a list";
	}
	return "something else";
}

static bool parse_number(enum setting_type type, const char *text, uint64_t *number)
{
	switch (type) {
	case SETTING_FLAG:
		return parse_flag(text, number);
	case SETTING_COUNT:
		return parse_product(text, no_units, number);
	case SETTING_SIZE:
		return parse_product(text, size_units, number);
	case SETTING_DURATION:
		return parse_product(text, duration_units, number);
	case SETTING_RATE:
		return parse_rate(text, number);
	default:
		return false;
	}
}

/* With the bound as it would be written: in the largest unit that it is whole in. */
static int complain_bound(const struct setting *setting, const char *text, bool little)
{
	const struct unit *units = setting->type == SETTING_SIZE       ? size_units
				   : setting->type == SETTING_DURATION ? duration_units
								       : no_units;
	uint64_t bound = little ? setting->least : setting->most;
	const struct unit *best = units;

	/* Of a rate a larger number means less. */
	if (setting->type == SETTING_RATE)
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "%s: '%s' is too %s", setting->name,
				 text, little ? "often" : "seldom");
	for (const struct unit *unit = units; unit->name; unit++)
		if (bound >= unit->factor && bound % unit->factor == 0)
			best = unit;
	return error_set(PROCOBSRV_ERROR_ARGUMENT,
			 "%s: '%s' is too %s; it must be at %s %" PRIu64 "%s", setting->name, text,
			 little ? "little" : "much", little ? "least" : "most",
			 bound / best->factor, best->name);
}

int setting_parse(const struct setting *setting, const char *text, struct setting_value *value)
{
	uint64_t number = 0;
	bool fine;

	if (setting->type == SETTING_TEXT)
		fine = *text != '\0';
	else if (setting->type == SETTING_PATH)
		fine = setting_path_is_absolute(text);
	else
		fine = parse_number(setting->type, text, &number);
	if (!fine)
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "%s: '%s' is not %s", setting->name,
				 text, form_of(setting->type));
	if (number < setting->least || (setting->most && number > setting->most))
		return complain_bound(setting, text, number < setting->least);
	value->set = true;
	value->text = text;
	value->number = number;
	return 0;
}

int setting_find(const struct setting *settings, const char *name)
{
	for (int index = 0; settings[index].name; index++) {
		if (!strcmp(settings[index].name, name))
			return index;
	}
	return -1;
}
