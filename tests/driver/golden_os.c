/* SPDX-License-Identifier: MIT */
/* observer/windows/os.h for one thread and no library: memory that is never given back. */
#include "golden_os.h"

#include "os.h"

#include <string.h>

/* 2026-11-23T00:00:00Z */
#define BEGIN_NS 1795392000000000000u

static uint64_t memory[(1u << 20) / 8];
static size_t used;
static uint64_t now_ns;

struct os_lock {
	char unused;
};

struct os_gate {
	char unused;
};

static struct os_lock the_lock;
static struct os_gate the_gate;

void *os_allocate(size_t size)
{
	size_t words = (size + 7) / 8;

	if (words > sizeof memory / sizeof *memory - used)
		return NULL;
	void *taken = memory + used;
	used += words;
	return taken;
}

void os_free(void *freed)
{
	(void)freed;
}

struct os_lock *os_lock_create(void)
{
	return &the_lock;
}

void os_lock_destroy(struct os_lock *lock)
{
	(void)lock;
}

void os_lock_acquire(struct os_lock *lock)
{
	(void)lock;
}

void os_lock_release(struct os_lock *lock)
{
	(void)lock;
}

struct os_gate *os_gate_create(void)
{
	return &the_gate;
}

void os_gate_destroy(struct os_gate *gate)
{
	(void)gate;
}

void os_gate_acquire(struct os_gate *gate)
{
	(void)gate;
}

void os_gate_release(struct os_gate *gate)
{
	(void)gate;
}

/* A millisecond more each time. */
uint64_t os_now_ns(void)
{
	return now_ns += 1000000;
}

void golden_os_begin(void)
{
	memset(memory, 0, sizeof memory);
	used = 0;
	now_ns = BEGIN_NS;
}

void os_copy_pageable(void *to, const void *from, size_t size)
{
	memcpy(to, from, size);
}

int32_t os_observe(bool on)
{
	(void)on;
	return 0;
}

int32_t os_client_open(uint32_t client_id, struct os_client **client)
{
	(void)client_id;
	*client = NULL;
	return 0;
}

void os_client_close(struct os_client *client)
{
	(void)client;
}

void os_client_signal(struct os_client *client, bool readable)
{
	(void)client;
	(void)readable;
}

int32_t os_client_park(struct os_client *client, struct os_read *read)
{
	(void)client;
	(void)read;
	return 0;
}

struct os_read *os_client_take(struct os_client *client)
{
	(void)client;
	return NULL;
}

void *os_read_buffer(const struct os_read *read, size_t *size)
{
	(void)read;
	*size = 0;
	return NULL;
}

void os_read_finish(struct os_read *read, int32_t status, size_t written, struct os_read **list)
{
	(void)read;
	(void)status;
	(void)written;
	(void)list;
}

void os_reads_complete(struct os_read *list)
{
	(void)list;
}
