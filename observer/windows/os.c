/* SPDX-License-Identifier: MIT */
/* os.h in the kernel: memory, locks, clock. */
#include "os.h"

#include "driver.h"

#include <string.h>

typedef VOID(NTAPI *query_system_time)(PLARGE_INTEGER time);

static query_system_time query_time; /* NULL: the page that the kernel shares has it */
static POOL_TYPE pool = NonPagedPool;

/* Executable memory is for systems that know no other. */
static POOL_TYPE unexecutable_pool(void)
{
	RTL_OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};

	if (NT_SUCCESS(RtlGetVersion(&version)) &&
	    (version.dwMajorVersion > 6 ||
	     (version.dwMajorVersion == 6 && version.dwMinorVersion >= 2)))
		return NonPagedPoolNx;
	return NonPagedPool;
}

/* PASSIVE_LEVEL. */
void *system_routine(const WCHAR *name)
{
	UNICODE_STRING string;

	EXPECT_IRQL(PASSIVE_LEVEL);
	RtlInitUnicodeString(&string, name);
	return MmGetSystemRoutineAddress(&string);
}

/* PASSIVE_LEVEL. */
void os_prepare(void)
{
	pool = unexecutable_pool();
	/* The precise clock is that of create times since Windows 8, which else can lie ahead. */
	query_time = (query_system_time)system_routine(L"KeQuerySystemTimePrecise");
	if (!query_time)
		query_time = (query_system_time)system_routine(L"KeQuerySystemTime");
}

/* DISPATCH_LEVEL. */
void *os_allocate(size_t size)
{
	void *memory = ExAllocatePoolWithTag(pool, size, POOL_TAG);

	EXPECT_IRQL(DISPATCH_LEVEL);
	if (memory)
		memset(memory, 0, size);
	return memory;
}

/* DISPATCH_LEVEL. */
void os_free(void *memory)
{
	if (memory)
		ExFreePoolWithTag(memory, POOL_TAG);
}

struct os_lock {
	FAST_MUTEX mutex;
};

/* PASSIVE_LEVEL, as the next. */
struct os_lock *os_lock_create(void)
{
	struct os_lock *lock = os_allocate(sizeof *lock);

	if (lock)
		ExInitializeFastMutex(&lock->mutex);
	return lock;
}

void os_lock_destroy(struct os_lock *lock)
{
	os_free(lock);
}

/* PASSIVE_LEVEL, raised to APC_LEVEL. */
void os_lock_acquire(struct os_lock *lock)
{
	EXPECT_IRQL(PASSIVE_LEVEL);
	ExAcquireFastMutex(&lock->mutex);
}

/* APC_LEVEL, lowered to PASSIVE_LEVEL. */
void os_lock_release(struct os_lock *lock)
{
	EXPECT_IRQL(APC_LEVEL);
	ExReleaseFastMutex(&lock->mutex);
}

/*
 * A fast mutex too, but its owner stays at PASSIVE_LEVEL and is only kept from being suspended. (A
 * KMUTEX would do the same on Windows; under Wine 8 its release wakes nobody who waits for it.)
 */
struct os_gate {
	FAST_MUTEX mutex;
};

/* PASSIVE_LEVEL, as those that follow. */
struct os_gate *os_gate_create(void)
{
	struct os_gate *gate = os_allocate(sizeof *gate);

	if (gate)
		ExInitializeFastMutex(&gate->mutex);
	return gate;
}

void os_gate_destroy(struct os_gate *gate)
{
	os_free(gate);
}

void os_gate_acquire(struct os_gate *gate)
{
	EXPECT_IRQL(PASSIVE_LEVEL);
	KeEnterCriticalRegion();
	ExAcquireFastMutexUnsafe(&gate->mutex);
}

void os_gate_release(struct os_gate *gate)
{
	EXPECT_IRQL(PASSIVE_LEVEL);
	ExReleaseFastMutexUnsafe(&gate->mutex);
	KeLeaveCriticalRegion();
}

/* Any IRQL. */
uint64_t os_now_ns(void)
{
	LARGE_INTEGER now;

	if (query_time)
		query_time(&now);
	else
		KeQuerySystemTime(&now);
	return ns_since_1970(&now);
}

/* APC_LEVEL: a page fault may be served here, and must not happen above. */
void os_copy_pageable(void *to, const void *from, size_t size)
{
	EXPECT_IRQL(APC_LEVEL);
	memcpy(to, from, size);
}
