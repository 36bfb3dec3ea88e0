/* SPDX-License-Identifier: MIT */
#include "host.h"

#include "status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct os_lock {
	pthread_mutex_t mutex;
};

struct os_gate {
	pthread_mutex_t mutex;
};

struct os_client {
	uint32_t id;
	struct os_read *read;	/* under spin */
	bool set;		/* its event; under state */
	struct os_client *next; /* under state */
};

static _Thread_local enum host_irql irql;
static _Thread_local unsigned gates_held;
static _Thread_local unsigned locks_held;

static pthread_mutex_t spin = PTHREAD_MUTEX_INITIALIZER; /* the driver's slot lock */
static pthread_mutex_t state = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct os_client *clients;     /* under state */
static struct host_failures failures; /* under state */
static pthread_rwlock_t notify_running = PTHREAD_RWLOCK_INITIALIZER;
static bool observes; /* under notify_running */
static atomic_uint left;

static struct {
	char *memory;
	size_t size;
} pageable;

#define EXPECT(condition, rule)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s: %s\n", __func__, rule);                               \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
#define EXPECT_IRQL(highest) EXPECT(irql <= (highest), "called at too high an IRQL")

/* Whether the failure that is counted down is due now. */
static bool due(unsigned *countdown)
{
	pthread_mutex_lock(&state);
	bool is_due = *countdown && --*countdown == 0;
	pthread_mutex_unlock(&state);
	return is_due;
}

void host_fail(const struct host_failures *wanted)
{
	pthread_mutex_lock(&state);
	failures = *wanted;
	pthread_mutex_unlock(&state);
}

unsigned host_left(void)
{
	return atomic_load(&left);
}

enum host_irql host_irql(void)
{
	return irql;
}

void *os_allocate(size_t size)
{
	EXPECT_IRQL(HOST_APC_LEVEL);
	if (due(&failures.allocation))
		return NULL;
	void *memory = calloc(1, size);
	EXPECT(memory, "out of memory");
	atomic_fetch_add(&left, 1);
	return memory;
}

void os_free(void *memory)
{
	EXPECT_IRQL(HOST_APC_LEVEL);
	if (memory)
		atomic_fetch_sub(&left, 1);
	free(memory);
}

struct os_lock *os_lock_create(void)
{
	struct os_lock *lock = os_allocate(sizeof *lock);

	EXPECT_IRQL(HOST_PASSIVE_LEVEL);
	if (lock)
		pthread_mutex_init(&lock->mutex, NULL);
	return lock;
}

void os_lock_destroy(struct os_lock *lock)
{
	EXPECT_IRQL(HOST_PASSIVE_LEVEL);
	if (lock)
		pthread_mutex_destroy(&lock->mutex);
	os_free(lock);
}

void os_lock_acquire(struct os_lock *lock)
{
	EXPECT_IRQL(HOST_PASSIVE_LEVEL);
	pthread_mutex_lock(&lock->mutex);
	irql = HOST_APC_LEVEL;
	locks_held++;
}

void os_lock_release(struct os_lock *lock)
{
	EXPECT(irql == HOST_APC_LEVEL && locks_held == 1, "not as it was acquired");
	locks_held--;
	irql = HOST_PASSIVE_LEVEL;
	pthread_mutex_unlock(&lock->mutex);
}

struct os_gate *os_gate_create(void)
{
	struct os_gate *gate = os_allocate(sizeof *gate);

	EXPECT_IRQL(HOST_PASSIVE_LEVEL);
	if (gate)
		pthread_mutex_init(&gate->mutex, NULL);
	return gate;
}

void os_gate_destroy(struct os_gate *gate)
{
	EXPECT_IRQL(HOST_PASSIVE_LEVEL);
	if (gate)
		pthread_mutex_destroy(&gate->mutex);
	os_free(gate);
}

void os_gate_acquire(struct os_gate *gate)
{
	EXPECT_IRQL(HOST_PASSIVE_LEVEL);
	EXPECT(!gates_held, "it is held already");
	pthread_mutex_lock(&gate->mutex);
	gates_held++;
}

void os_gate_release(struct os_gate *gate)
{
	EXPECT_IRQL(HOST_PASSIVE_LEVEL);
	EXPECT(gates_held == 1, "it is not held");
	gates_held--;
	pthread_mutex_unlock(&gate->mutex);
}

uint64_t os_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

const void *host_pageable(const void *bytes, size_t size)
{
	if (pageable.memory)
		munmap(pageable.memory, pageable.size);
	pageable.memory = NULL;
	if (!bytes)
		return NULL;
	pageable.size = size;
	pageable.memory =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(pageable.memory != MAP_FAILED, "mmap");
	memcpy(pageable.memory, bytes, size);
	mprotect(pageable.memory, size, PROT_NONE);
	return pageable.memory;
}

void os_copy_pageable(void *to, const void *from, size_t size)
{
	EXPECT_IRQL(HOST_APC_LEVEL);
	if (pageable.memory)
		mprotect(pageable.memory, pageable.size, PROT_READ);
	memcpy(to, from, size);
	if (pageable.memory)
		mprotect(pageable.memory, pageable.size, PROT_NONE);
}

bool host_notify(void (*notify)(void *param), void *param)
{
	pthread_rwlock_rdlock(&notify_running);
	bool wanted = observes;
	if (wanted)
		notify(param);
	EXPECT(irql == HOST_PASSIVE_LEVEL, "the notify routine returned at another IRQL");
	pthread_rwlock_unlock(&notify_running);
	return wanted;
}

bool host_observes(void)
{
	pthread_rwlock_rdlock(&notify_running);
	bool result = observes;
	pthread_rwlock_unlock(&notify_running);
	return result;
}

int32_t os_observe(bool on)
{
	EXPECT_IRQL(HOST_PASSIVE_LEVEL);
	EXPECT(gates_held == 1, "not under the gate");
	if (on && failures.observe_status)
		return failures.observe_status;
	pthread_rwlock_wrlock(&notify_running);
	EXPECT(observes != on, "it does so already");
	observes = on;
	pthread_rwlock_unlock(&notify_running);
	return OBSERVER_OK;
}

static bool event_fails(void)
{
	bool fails = due(&failures.event);

	pthread_mutex_lock(&state);
	if (fails && failures.event_repeat > 1) {
		failures.event_repeat--;
		failures.event = 1;
	}
	pthread_mutex_unlock(&state);
	return fails;
}

int32_t os_client_open(uint32_t client_id, struct os_client **client)
{
	EXPECT_IRQL(HOST_PASSIVE_LEVEL);
	EXPECT(!locks_held, "under os_lock");
	if (event_fails())
		return failures.event_status;
	struct os_client *created = os_allocate(sizeof *created);
	if (!created)
		return OBSERVER_NO_MEMORY;
	created->id = client_id;
	pthread_mutex_lock(&state);
	created->next = clients;
	clients = created;
	pthread_mutex_unlock(&state);
	*client = created;
	return OBSERVER_OK;
}

void os_client_close(struct os_client *client)
{
	EXPECT_IRQL(HOST_PASSIVE_LEVEL);
	host_spin_acquire();
	if (client->read) {
		EXPECT(!client->read->cancellable, "its read still waits");
		client->read->owner = NULL;
	}
	host_spin_release();
	pthread_mutex_lock(&state);
	struct os_client **link = &clients;
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	pthread_mutex_unlock(&state);
	os_free(client);
}

void os_client_signal(struct os_client *client, bool readable)
{
	EXPECT(locks_held, "without os_lock");
	pthread_mutex_lock(&state);
	EXPECT(client->set != readable, "it is so already");
	client->set = readable;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&state);
}

/* Under state. */
static bool is_set(uint32_t client_id)
{
	for (const struct os_client *client = clients; client; client = client->next)
		if (client->id == client_id)
			return client->set;
	return false;
}

bool host_event_is_set(uint32_t client_id)
{
	pthread_mutex_lock(&state);
	bool set = is_set(client_id);
	pthread_mutex_unlock(&state);
	return set;
}

bool host_event_wait(uint32_t client_id, int timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&state);
	int error = 0;
	while (!is_set(client_id) && !error)
		error = pthread_cond_timedwait(&changed, &state, &until);
	bool set = is_set(client_id);
	pthread_mutex_unlock(&state);
	return set;
}

void host_spin_acquire(void)
{
	EXPECT(irql < HOST_DISPATCH_LEVEL, "a spin lock is held already");
	pthread_mutex_lock(&spin);
	irql = HOST_DISPATCH_LEVEL;
}

void host_spin_release(void)
{
	irql = locks_held ? HOST_APC_LEVEL : HOST_PASSIVE_LEVEL;
	pthread_mutex_unlock(&spin);
}

int32_t os_client_park(struct os_client *client, struct os_read *read)
{
	int32_t status = OBSERVER_OK;

	EXPECT(locks_held, "without os_lock");
	host_spin_acquire();
	if (client->read) {
		status = OBSERVER_DEVICE_BUSY;
	} else if (read->cancelled) {
		status = OBSERVER_CANCELLED;
	} else {
		client->read = read;
		read->owner = client;
		read->cancellable = true;
	}
	host_spin_release();
	return status;
}

struct os_read *os_client_take(struct os_client *client)
{
	struct os_read *taken = NULL;

	EXPECT(locks_held, "without os_lock");
	host_spin_acquire();
	if (client->read && client->read->cancellable) {
		taken = client->read;
		taken->cancellable = false;
		client->read = NULL;
	}
	host_spin_release();
	return taken;
}

void *os_read_buffer(const struct os_read *read, size_t *size)
{
	*size = read->size;
	return read->buffer;
}

void os_read_finish(struct os_read *read, int32_t status, size_t written, struct os_read **list)
{
	EXPECT(locks_held, "without os_lock");
	read->status = status;
	read->written = written;
	read->next = *list;
	*list = read;
}

void host_read_begin(struct os_read *read, void *buffer, size_t size)
{
	memset(read, 0, sizeof *read);
	read->buffer = buffer;
	read->size = size;
}

static void complete(struct os_read *read, int32_t status, size_t written)
{
	pthread_mutex_lock(&state);
	EXPECT(read->completions == 0, "completed twice");
	read->status = status;
	read->written = written;
	read->completions++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&state);
}

void host_read_end(struct os_read *read, int32_t status, size_t written)
{
	complete(read, status, written);
}

void os_reads_complete(struct os_read *list)
{
	EXPECT(!locks_held, "under os_lock");
	EXPECT_IRQL(HOST_APC_LEVEL);
	while (list) {
		struct os_read *read = list;

		list = read->next;
		complete(read, read->status, read->written);
	}
}

void host_read_wait(struct os_read *read)
{
	pthread_mutex_lock(&state);
	while (!read->completions)
		pthread_cond_wait(&changed, &state);
	pthread_mutex_unlock(&state);
}

bool host_read_is_done(struct os_read *read)
{
	pthread_mutex_lock(&state);
	bool done = read->completions > 0;
	pthread_mutex_unlock(&state);
	return done;
}

bool host_read_cancel_begin(struct os_read *read)
{
	host_spin_acquire();
	bool taken = read->cancellable;
	read->cancelled = true;
	read->cancellable = false;
	host_spin_release();
	return taken;
}

void host_read_cancel_finish(struct os_read *read)
{
	host_spin_acquire();
	if (read->owner)
		read->owner->read = NULL;
	host_spin_release();
	complete(read, OBSERVER_CANCELLED, 0);
}

void host_read_cancel(struct os_read *read)
{
	if (host_read_cancel_begin(read))
		host_read_cancel_finish(read);
}
