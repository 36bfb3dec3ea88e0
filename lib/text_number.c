/* SPDX-License-Identifier: MIT */
#include "text_number.h"

/* clang-format off */
const char text_digit_pairs[200] = {
	"00010203040506070809" "10111213141516171819" "20212223242526272829"
	"30313233343536373839" "40414243444546474849" "50515253545556575859"
	"60616263646566676869" "70717273747576777879" "80818283848586878889"
	"90919293949596979899"
};
/* clang-format on */

#define NS_PER_SECOND	INT64_C(1000000000)
#define SECONDS_PER_DAY 86400
/* The calendar repeats after 400 years, an era. Eras begin in March, so that a leap day is last. */
#define DAYS_PER_ERA		146097
#define DAYS_0000_03_01_TO_1970 719468

struct date {
	uint32_t year;
	uint32_t month;
	uint32_t day;
};

/* Days since 1970 to a date of the Gregorian calendar; days after 0000-03-01 only. */
static struct date date_of_days(int64_t days)
{
	uint32_t since = (uint32_t)(days + DAYS_0000_03_01_TO_1970);
	uint32_t era = since / DAYS_PER_ERA;
	uint32_t day = since % DAYS_PER_ERA;
	uint32_t year = (day - day / 1460 + day / 36524 - day / (DAYS_PER_ERA - 1)) / 365;
	uint32_t day_of_year = day - (365 * year + year / 4 - year / 100);
	uint32_t month = (5 * day_of_year + 2) / 153; /* 0: March */
	struct date date = {
	    .year = year + era * 400 + (month >= 10),
	    .month = month < 10 ? month + 3 : month - 9,
	    .day = day_of_year - (153 * month + 2) / 5 + 1,
	};

	return date;
}

/* The other way round. */
static int64_t days_of_date(const struct date *date)
{
	uint32_t year = date->year - (date->month <= 2);
	uint32_t month = date->month > 2 ? date->month - 3 : date->month + 9;
	uint32_t day = 365 * (year % 400) + year % 400 / 4 - year % 400 / 100 +
		       (153 * month + 2) / 5 + date->day - 1;

	return (int64_t)(year / 400) * DAYS_PER_ERA + day - DAYS_0000_03_01_TO_1970;
}

static bool read_digits(const char *text, unsigned count, uint32_t *value)
{
	*value = 0;
	for (; count > 0; count--, text++) {
		if (*text < '0' || *text > '9')
			return false;
		*value = *value * 10 + (uint32_t)(*text - '0');
	}
	return true;
}

bool text_read_second(const char *text, int64_t *second)
{
	static const uint32_t most_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint32_t hours, minutes, seconds;
	struct date date;

	if (!read_digits(text, 4, &date.year) || text[4] != '-' ||
	    !read_digits(text + 5, 2, &date.month) || text[7] != '-' ||
	    !read_digits(text + 8, 2, &date.day) || text[10] != 'T' ||
	    !read_digits(text + 11, 2, &hours) || text[13] != ':' ||
	    !read_digits(text + 14, 2, &minutes) || text[16] != ':' ||
	    !read_digits(text + 17, 2, &seconds))
		return false;
	/* The last second may be a leap second. */
	if (!date.year || date.month < 1 || date.month > 12 || date.day < 1 ||
	    date.day > most_days[date.month - 1] || hours > 23 || minutes > 59 || seconds > 60)
		return false;
	*second = days_of_date(&date) * SECONDS_PER_DAY + hours * 3600 + minutes * 60 + seconds;
	return true;
}

static char *write_pair(char *out, uint32_t value)
{
	memcpy(out, text_digit_pairs + value * 2, 2);
	return out + 2;
}

#define PREFIX_SIZE 20 /* 2026-11-22T06:13:00. */

static void write_prefix(char *out, int64_t seconds)
{
	int64_t days = seconds / SECONDS_PER_DAY;
	int64_t rest = seconds % SECONDS_PER_DAY;

	if (rest < 0) {
		rest += SECONDS_PER_DAY;
		days--;
	}
	struct date date = date_of_days(days);
	uint32_t second = (uint32_t)rest;

	out = write_pair(out, date.year / 100);
	out = write_pair(out, date.year % 100);
	*out++ = '-';
	out = write_pair(out, date.month);
	*out++ = '-';
	out = write_pair(out, date.day);
	*out++ = 'T';
	out = write_pair(out, second / 3600);
	*out++ = ':';
	out = write_pair(out, second / 60 % 60);
	*out++ = ':';
	out = write_pair(out, second % 60);
	*out = '.';
}

void text_write_second(char *out, int64_t second)
{
	char prefix[PREFIX_SIZE];

	write_prefix(prefix, second);
	memcpy(out, prefix, TEXT_SECOND_SIZE);
}

char *text_write_time(char *out, int64_t wall_ns)
{
	/* Most times that a thread writes are of the second of the one before. */
	static _Thread_local int64_t known_second = INT64_MIN;
	static _Thread_local char prefix[PREFIX_SIZE];
	int64_t seconds = wall_ns / NS_PER_SECOND;
	int64_t fraction = wall_ns % NS_PER_SECOND;

	if (fraction < 0) {
		fraction += NS_PER_SECOND;
		seconds--;
	}
	if (seconds != known_second) {
		write_prefix(prefix, seconds);
		known_second = seconds;
	}
	memcpy(out, prefix, PREFIX_SIZE);
	out += PREFIX_SIZE;

	uint32_t nanosecond = (uint32_t)fraction;

	*out++ = (char)('0' + nanosecond / 100000000);
	out = write_pair(out, nanosecond / 1000000 % 100);
	out = write_pair(out, nanosecond / 10000 % 100);
	out = write_pair(out, nanosecond / 100 % 100);
	out = write_pair(out, nanosecond % 100);
	*out++ = 'Z';
	return out;
}
