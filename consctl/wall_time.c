/* SPDX-License-Identifier: MIT */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L /* localtime_r, also in mingw-w64 */
#endif

#include "wall_time.h"

#include <string.h>
#include <time.h>

#define NS_PER_SECOND 1000000000

struct scanner {
	const char *at;
	const char *end;
};

struct date {
	int year;
	int month; /* from 1 */
	int day;
};

struct clock_time {
	int hour;
	int minute;
	int second;
	int ns;
};

static bool take(struct scanner *scanner, char wanted)
{
	if (scanner->at == scanner->end || *scanner->at != wanted)
		return false;
	scanner->at++;
	return true;
}

static bool take_digits(struct scanner *scanner, int count, int most, int *number)
{
	int value = 0;

	for (; count > 0; count--, scanner->at++) {
		if (scanner->at == scanner->end || *scanner->at < '0' || *scanner->at > '9')
			return false;
		value = value * 10 + (*scanner->at - '0');
	}
	*number = value;
	return value <= most;
}

static bool take_fraction(struct scanner *scanner, int *ns)
{
	int unit = NS_PER_SECOND;
	int digit;

	*ns = 0;
	do {
		if (!take_digits(scanner, 1, 9, &digit))
			return false;
		unit /= 10;
		*ns += digit * unit;
	} while (scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9');
	return true;
}

static int days_in(const struct date *date)
{
	bool leap = date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);

	if (date->month == 2)
		return leap ? 29 : 28;
	return date->month == 4 || date->month == 6 || date->month == 9 || date->month == 11 ? 30
											     : 31;
}

static bool take_date(struct scanner *scanner, struct date *date)
{
	return take_digits(scanner, 4, 9999, &date->year) && take(scanner, '-') &&
	       take_digits(scanner, 2, 12, &date->month) && take(scanner, '-') &&
	       take_digits(scanner, 2, 31, &date->day) && date->month && date->day &&
	       date->day <= days_in(date);
}

/* A leap second is the last of its minute. */
static bool take_clock(struct scanner *scanner, bool needs_seconds, struct clock_time *clock)
{
	*clock = (struct clock_time){0};
	if (!take_digits(scanner, 2, 23, &clock->hour) || !take(scanner, ':') ||
	    !take_digits(scanner, 2, 59, &clock->minute))
		return false;
	if (!take(scanner, ':'))
		return !needs_seconds;
	if (!take_digits(scanner, 2, 60, &clock->second))
		return false;
	return !take(scanner, '.') || take_fraction(scanner, &clock->ns);
}

/* Days since 1970 in the Gregorian calendar: years are counted from March on, so that a leap day
 * is the last of its year. */
static int64_t days_of(const struct date *date)
{
	int64_t year = date->year - (date->month <= 2);
	int64_t month = (date->month + 9) % 12;
	int64_t day_of_year = (153 * month + 2) / 5 + date->day - 1;

	return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

static int64_t utc_seconds(const struct date *date, const struct clock_time *clock)
{
	return ((days_of(date) * 24 + clock->hour) * 60 + clock->minute) * 60 + clock->second;
}

bool wall_time_read(const char *text, size_t size, int64_t *time_ns)
{
	struct scanner scanner = {text, text + size};
	struct clock_time clock;
	struct date date;
	int64_t seconds;
	int hours = 0;
	int minutes = 0;

	if (!take_date(&scanner, &date) || !(take(&scanner, 'T') || take(&scanner, 't')) ||
	    !take_clock(&scanner, true, &clock))
		return false;
	seconds = utc_seconds(&date, &clock);
	if (!take(&scanner, 'Z') && !take(&scanner, 'z')) {
		int sign = take(&scanner, '-') ? -1 : 1;

		if ((sign > 0 && !take(&scanner, '+')) || !take_digits(&scanner, 2, 23, &hours) ||
		    !take(&scanner, ':') || !take_digits(&scanner, 2, 59, &minutes))
			return false;
		seconds -= sign * (hours * 60 + minutes) * 60;
	}
	if (scanner.at != scanner.end || seconds > INT64_MAX / NS_PER_SECOND - 1 ||
	    seconds < INT64_MIN / NS_PER_SECOND + 1)
		return false;
	*time_ns = seconds * NS_PER_SECOND + clock.ns;
	return true;
}

static bool local_time(const struct date *date, const struct clock_time *clock, int64_t *time_ns)
{
	struct tm parts = {
	    .tm_year = date->year - 1900,
	    .tm_mon = date->month - 1,
	    .tm_mday = date->day,
	    .tm_hour = clock->hour,
	    .tm_min = clock->minute,
	    .tm_sec = clock->second,
	    .tm_isdst = -1,
	};
	time_t seconds = mktime(&parts);

	if (seconds == (time_t)-1)
		return false;
	*time_ns = (int64_t)seconds * NS_PER_SECOND + clock->ns;
	return true;
}

static bool take_word(struct scanner *scanner, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(scanner->end - scanner->at) < size || memcmp(scanner->at, word, size) != 0)
		return false;
	scanner->at += size;
	return true;
}

static bool take_number(struct scanner *scanner, int64_t most, int64_t *number)
{
	int digit;

	if (!take_digits(scanner, 1, 9, &digit))
		return false;
	for (*number = digit; scanner->at < scanner->end && *scanner->at >= '0' &&
			      *scanner->at <= '9' && *number <= most;
	     scanner->at++)
		*number = *number * 10 + (*scanner->at - '0');
	return *number <= most;
}

/* Longer names come before those that they begin with. */
static const struct unit {
	const char *name;
	int seconds;
} units[] = {
    {"seconds", 1},   {"second", 1},   {"sec", 1},     {"s", 1},	{"minutes", 60},
    {"minute", 60},   {"min", 60},     {"m", 60},      {"hours", 3600}, {"hour", 3600},
    {"h", 3600},      {"days", 86400}, {"day", 86400}, {"d", 86400},	{"weeks", 604800},
    {"week", 604800}, {"w", 604800},
};

/* "2 hours", "1h30m", "1 day 2 hours". */
static bool take_span(struct scanner *scanner, int64_t *span_ns)
{
	const int64_t most = INT64_MAX / NS_PER_SECOND / 4;
	int64_t total = 0;

	do {
		const struct unit *unit = units;
		const struct unit *end = units + sizeof(units) / sizeof(*units);
		int64_t number;

		if (!take_number(scanner, most / 604800, &number))
			return false;
		take(scanner, ' ');
		while (unit < end && !take_word(scanner, unit->name))
			unit++;
		if (unit == end)
			return false;
		total += number * unit->seconds;
		if (total > most)
			return false;
		/* A blank goes before the next number; else it is somebody else's. */
		if (scanner->end - scanner->at > 1 && *scanner->at == ' ' &&
		    scanner->at[1] >= '0' && scanner->at[1] <= '9')
			scanner->at++;
	} while (scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9');
	*span_ns = total * NS_PER_SECOND;
	return true;
}

/* "-2h", "2 hours ago". */
static bool read_ago(const char *text, int64_t now_ns, int64_t *time_ns)
{
	struct scanner scanner = {text, text + strlen(text)};
	bool minus = take(&scanner, '-');
	int64_t span_ns;

	if (!take_span(&scanner, &span_ns) || (!minus && !take_word(&scanner, " ago")) ||
	    scanner.at != scanner.end)
		return false;
	*time_ns = now_ns - span_ns;
	return true;
}

/* "@1795328000.5": seconds since 1970. */
static bool read_epoch(const char *text, int64_t *time_ns)
{
	struct scanner scanner = {text, text + strlen(text)};
	int64_t seconds;
	int ns = 0;

	if (!take(&scanner, '@') ||
	    !take_number(&scanner, INT64_MAX / NS_PER_SECOND - 1, &seconds) ||
	    (take(&scanner, '.') && !take_fraction(&scanner, &ns)) || scanner.at != scanner.end)
		return false;
	*time_ns = seconds * NS_PER_SECOND + ns;
	return true;
}

static bool local_date(int64_t time_ns, int days_before, struct date *date)
{
	time_t seconds = (time_t)(time_ns / NS_PER_SECOND);
	struct tm parts;

	if (!localtime_r(&seconds, &parts))
		return false;
	/* A day has 23 hours or 25 at times, noon is always in it; mktime() sets right what is no
	 * day of its month. */
	parts = (struct tm){.tm_year = parts.tm_year,
			    .tm_mon = parts.tm_mon,
			    .tm_mday = parts.tm_mday - days_before,
			    .tm_hour = 12,
			    .tm_isdst = -1};
	if (mktime(&parts) == (time_t)-1)
		return false;
	*date = (struct date){parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday};
	return true;
}

/* A day by its name or its date. */
static bool take_day(struct scanner *scanner, int64_t now_ns, struct date *date)
{
	const char *begin = scanner->at;

	if (take_word(scanner, "today"))
		return local_date(now_ns, 0, date);
	if (take_word(scanner, "yesterday"))
		return local_date(now_ns, 1, date);
	if (take_date(scanner, date))
		return true;
	scanner->at = begin;
	return false;
}

bool wall_time_read_typed(const char *text, int64_t day_ns, int64_t now_ns, int64_t *time_ns)
{
	struct scanner scanner = {text, text + strlen(text)};
	struct clock_time clock = {0};
	struct date date;

	if (wall_time_read(text, strlen(text), time_ns) || read_ago(text, now_ns, time_ns) ||
	    read_epoch(text, time_ns))
		return true;
	if (!strcmp(text, "now")) {
		*time_ns = now_ns;
		return true;
	}
	if (take_day(&scanner, now_ns, &date)) {
		if (scanner.at == scanner.end)
			return local_time(&date, &clock, time_ns);
		if (!take(&scanner, ' ') && !take(&scanner, 'T'))
			return false;
	} else if (!local_date(day_ns, 0, &date)) {
		return false;
	}
	return take_clock(&scanner, false, &clock) && scanner.at == scanner.end &&
	       local_time(&date, &clock, time_ns);
}
