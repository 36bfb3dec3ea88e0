/* SPDX-License-Identifier: MIT */
/* lib/os.h for Windows: clocks and waits. */
#include "lookup.h"
#include "os.h"

#include <errno.h>
#include <time.h>
#include <windows.h>

#define NANOSECONDS 1000000000ull
/* From 1601 to 1970, in the system's units of 100 ns. */
#define UNITS_TO_1970 116444736000000000ull

/*
 * The clock from which processes' create times are taken, not a finer one: what is read here before
 * a process is created is never later than its create time.
 */
uint64_t os_boot_ns(void)
{
	FILETIME now;

	GetSystemTimeAsFileTime(&now);
	return (((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime) - UNITS_TO_1970) * 100;
}

int64_t os_wall_ns(void)
{
	return (int64_t)os_boot_ns();
}

uint64_t os_monotonic_ns(void)
{
	LARGE_INTEGER frequency, count;
	uint64_t per_second, ticks;

	QueryPerformanceFrequency(&frequency); /* cannot fail, nor change */
	QueryPerformanceCounter(&count);
	per_second = (uint64_t)frequency.QuadPart;
	ticks = (uint64_t)count.QuadPart;
	/* The product of the whole overflows after hours. */
	return ticks / per_second * NANOSECONDS + ticks % per_second * NANOSECONDS / per_second;
}

/* The C library's, which follows TZ; of 64 bits in 32-bit programs too; none before 1970. */
uint32_t os_local_second_of_day(int64_t seconds)
{
	__time64_t when = seconds;
	struct tm *local = _localtime64(&when); /* a struct for each thread */

	if (!local)
		return (uint32_t)((seconds % 86400 + 86400) % 86400);
	return (uint32_t)(local->tm_hour * 3600 + local->tm_min * 60 + local->tm_sec);
}

int os_condition_init(pthread_cond_t *condition)
{
	return pthread_cond_init(condition, NULL);
}

/* The longest wait in one piece: time_t has 32 bits in 32-bit programs. */
#define WAIT_MAX_NS (1000000 * NANOSECONDS)

bool os_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t timeout_ns)
{
	bool whole = timeout_ns <= WAIT_MAX_NS;
	uint64_t wait_ns = whole ? timeout_ns : WAIT_MAX_NS;
	/* A span, which no step of the wall clock changes. */
	struct timespec span = {
	    .tv_sec = (time_t)(wait_ns / NANOSECONDS),
	    .tv_nsec = (long)(wait_ns % NANOSECONDS),
	};

	return pthread_cond_timedwait_relative_np(condition, mutex, &span) != ETIMEDOUT || !whole;
}

/*
 * winpthreads asks for GetTickCount64(), which NT 5.2 does not have: a program that imports it does
 * not load there. So the import is satisfied here, with the system's own function where there is
 * one, else with a count of how often the short one began anew (it does after 49 days).
 */
typedef ULONGLONG(WINAPI *tick_count_function)(void);

static ULONGLONG WINAPI tick_count_of_short(void)
{
	static ULONGLONG last;
	ULONGLONG before = __atomic_load_n(&last, __ATOMIC_RELAXED), now;

	do {
		DWORD ticks = GetTickCount();

		now = (before & ~0xffffffffull) | ticks;
		/* A thread that was held up may come with ticks of a little before. */
		if (now < before && before - now < 0x80000000u)
			return before;
		if (now < before)
			now += 1ull << 32;
	} while (!__atomic_compare_exchange_n(&last, &before, now, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return now;
}

static ULONGLONG WINAPI tick_count(void)
{
	static tick_count_function chosen;
	tick_count_function function = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	if (!function) {
		function = (tick_count_function)lookup("kernel32.dll", "GetTickCount64");
		if (!function)
			function = tick_count_of_short;
		__atomic_store_n(&chosen, function, __ATOMIC_RELAXED);
	}
	return function();
}

#if defined(__i386__)
#define IMPORT_NAME "__imp__GetTickCount64@0"
#else
#define IMPORT_NAME "__imp_GetTickCount64"
#endif
extern const tick_count_function imported_tick_count __asm__(IMPORT_NAME);
const tick_count_function imported_tick_count = tick_count;
