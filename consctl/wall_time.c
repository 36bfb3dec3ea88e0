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

static bool take_date(struct scanner *scanner, struct date *date)
{
	return take_digits(scanner, 4, 9999, &date->year) && take(scanner, '-') &&
	       take_digits(scanner, 2, 12, &date->month) && take(scanner, '-') &&
	       take_digits(scanner, 2, 31, &date->day) && date->month && date->day;
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

bool wall_time_read_typed(const char *text, int64_t day_ns, int64_t *time_ns)
{
	struct scanner scanner = {text, text + strlen(text)};
	time_t day = (time_t)(day_ns / NS_PER_SECOND);
	struct tm today;
	struct clock_time clock;
	struct date date;

	if (wall_time_read(text, strlen(text), time_ns))
		return true;
	if (take_date(&scanner, &date)) {
		if (!take(&scanner, ' ') && !take(&scanner, 'T'))
			return false;
	} else {
		scanner.at = text;
		if (!localtime_r(&day, &today))
			return false;
		date = (struct date){today.tm_year + 1900, today.tm_mon + 1, today.tm_mday};
	}
	return take_clock(&scanner, false, &clock) && scanner.at == scanner.end &&
	       local_time(&date, &clock, time_ns);
}
