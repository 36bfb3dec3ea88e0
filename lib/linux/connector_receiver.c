/* SPDX-License-Identifier: MIT */
#include "connector_receiver.h"

#include "connector_socket.h"
#include "error.h"
#include "os.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/connector.h>
#include <linux/netlink.h>

/* What may wait in memory; beyond it events stay in the socket, where losses are counted. */
#define SAMPLE_NS     20000   /* longer than this between two readings: it was disturbed */
#define SUSPENSION_NS 1000000 /* shorter ones there are none */
#define BLOCKS_MOST   (64u << 20) / sizeof(struct connector_block)
#define FREE_MOST     16u
#define MESSAGE_SIZE  128u
#define ANSWER_MS     2000
#define CPUS_MOST     1024

struct connector_receiver {
	uint64_t asleep_ns; /* the receiving thread's; see sample_asleep() */
	int socket;
	int stop; /* eventfd */
	uint64_t room;
	pthread_t thread;
	bool running;
	uint32_t first_id;   /* of the pings of this receiver's own */
	atomic_uint listens; /* LISTEN messages sent: old kernels want as many to IGNORE */
	atomic_ullong wakeups;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct connector_block *first;
	struct connector_block **last;
	struct connector_block *unused;
	size_t count;
	size_t unused_count;
	bool waiting;
	bool woken;
	bool stopped;
	bool answered;
	uint32_t answer_error;
};

/* ---- what is sent ---- */

bool connector_receiver_ping(struct connector_receiver *receiver, uint32_t id)
{
	atomic_fetch_add(&receiver->listens, 1);
	return connector_socket_send(receiver->socket, PROC_CN_MCAST_LISTEN, id);
}

/*
 * Pings from each cpu, since each counts its own messages: the answers tell where the count stands,
 * also of a cpu that has gone idle after a loss.
 */
static void ping_each_cpu(struct connector_receiver *receiver)
{
	cpu_set_t before, one;

	if (sched_getaffinity(0, sizeof before, &before)) {
		connector_receiver_ping(receiver, receiver->first_id);
		return;
	}
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	for (int cpu = 0; cpu < cpus && cpu < CPUS_MOST; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (!sched_setaffinity(0, sizeof one, &one))
			connector_receiver_ping(receiver, receiver->first_id);
	}
	sched_setaffinity(0, sizeof before, &before);
	/* At least one is sent, however the cpus are restricted. */
	connector_receiver_ping(receiver, receiver->first_id);
}

/* ---- what is received ---- */

static struct connector_block *new_block(struct connector_receiver *receiver)
{
	pthread_mutex_lock(&receiver->lock);
	struct connector_block *block = receiver->unused;
	if (block) {
		receiver->unused = block->next;
		receiver->unused_count--;
	}
	pthread_mutex_unlock(&receiver->lock);
	if (!block)
		block = malloc(sizeof *block);
	if (!block)
		return NULL;
	block->next = NULL;
	block->count = 0;
	block->overrun = false;
	return block;
}

void connector_receiver_give(struct connector_receiver *receiver, struct connector_block *block)
{
	pthread_mutex_lock(&receiver->lock);
	bool keep = receiver->unused_count < FREE_MOST;
	if (keep) {
		block->next = receiver->unused;
		receiver->unused = block;
		receiver->unused_count++;
	}
	pthread_mutex_unlock(&receiver->lock);
	if (!keep)
		free(block);
}

static void publish(struct connector_receiver *receiver, struct connector_block *block)
{
	pthread_mutex_lock(&receiver->lock);
	*receiver->last = block;
	receiver->last = &block->next;
	receiver->count++;
	if (receiver->waiting)
		pthread_cond_broadcast(&receiver->changed);
	pthread_mutex_unlock(&receiver->lock);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void answer_came(struct connector_receiver *receiver, const struct connector_event *event)
{
	if (event->acknowledged != receiver->first_id + 1)
		return;
	pthread_mutex_lock(&receiver->lock);
	if (!receiver->answered) {
		receiver->answered = true;
		receiver->answer_error = event->event.event_data.ack.err;
		pthread_cond_broadcast(&receiver->changed);
	}
	pthread_mutex_unlock(&receiver->lock);
}

/* Adds one datagram to the block, if it is an event. `asleep_ns`: boot clock less monotonic. */
static void parse(struct connector_receiver *receiver, const char *data, size_t size,
		  uint64_t asleep_ns, struct connector_block *block)
{
	const struct nlmsghdr *netlink = (const void *)data;
	const struct cn_msg *connector = NLMSG_DATA(netlink);
	struct connector_event *event = &block->events[block->count];

	if (size < NLMSG_LENGTH(sizeof *connector) || netlink->nlmsg_type != NLMSG_DONE ||
	    connector->id.idx != CN_IDX_PROC || connector->id.val != CN_VAL_PROC ||
	    connector->len > size - NLMSG_LENGTH(sizeof *connector))
		return;
	/* Older kernels send less: what they do not know is zero. */
	size_t length = connector->len;
	if (length > sizeof event->event)
		length = sizeof event->event;
	memset(event, 0, sizeof *event);
	memcpy(&event->event, connector->data, length);
	event->sequence = connector->seq;
	event->acknowledged = connector->ack;
	event->time_ns = event->event.timestamp_ns + asleep_ns;
	block->count++;
	if (event->event.what == PROC_EVENT_NONE)
		answer_came(receiver, event);
}

struct receive_room {
	_Alignas(8) char data[CONNECTOR_BLOCK_EVENTS][MESSAGE_SIZE];
	struct sockaddr_nl from[CONNECTOR_BLOCK_EVENTS];
	struct iovec vectors[CONNECTOR_BLOCK_EVENTS];
	struct mmsghdr messages[CONNECTOR_BLOCK_EVENTS];
};

static void prepare(struct receive_room *room)
{
	memset(room, 0, sizeof *room);
	for (int i = 0; i < CONNECTOR_BLOCK_EVENTS; i++) {
		room->vectors[i] = (struct iovec){room->data[i], MESSAGE_SIZE};
		room->messages[i].msg_hdr = (struct msghdr){
		    .msg_name = &room->from[i],
		    .msg_namelen = sizeof room->from[i],
		    .msg_iov = &room->vectors[i],
		    .msg_iovlen = 1,
		};
	}
}

static bool is_stopping(struct connector_receiver *receiver)
{
	pthread_mutex_lock(&receiver->lock);
	bool stopping = receiver->stopped;
	pthread_mutex_unlock(&receiver->lock);
	return stopping;
}

/*
 * How long the machine has been suspended: the boot clock less that of the events. It changes with
 * a suspension only, so that a sample that was disturbed between two readings must not pass for
 * one: events of one process would seem to come in the wrong order.
 */
static uint64_t sample_asleep(struct connector_receiver *receiver)
{
	for (int tries = 0; tries < 3; tries++) {
		uint64_t before = clock_ns(CLOCK_MONOTONIC);
		uint64_t boot = clock_ns(CLOCK_BOOTTIME);
		uint64_t after = clock_ns(CLOCK_MONOTONIC);

		if (after - before > SAMPLE_NS)
			continue;
		uint64_t asleep = boot > after ? boot - after : 0;
		if (asleep > receiver->asleep_ns + SUSPENSION_NS)
			receiver->asleep_ns = asleep;
		break;
	}
	return receiver->asleep_ns;
}

/* Empties the socket. False: it failed for good. *overrun: the kernel had to drop messages. */
static bool receive_all(struct connector_receiver *receiver, struct receive_room *room,
			bool *overrun)
{
	for (;;) {
		int got = recvmmsg(receiver->socket, room->messages, CONNECTOR_BLOCK_EVENTS,
				   MSG_DONTWAIT, NULL);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == ENOBUFS) {
			*overrun = true;
			continue;
		}
		if (got < 0)
			return errno == EAGAIN;

		struct connector_block *block;
		while (!(block = new_block(receiver))) {
			if (is_stopping(receiver))
				return false;
			poll(NULL, 0, 10); /* what cannot be kept here is kept in the socket */
		}
		uint64_t asleep_ns = sample_asleep(receiver);
		block->overrun = *overrun;
		for (int i = 0; i < got; i++)
			if (room->from[i].nl_pid == 0) /* the kernel, nobody else */
				parse(receiver, room->data[i], room->messages[i].msg_len, asleep_ns,
				      block);
		publish(receiver, block);
		if (got < CONNECTOR_BLOCK_EVENTS)
			return true;
	}
}

/* Waits for the taker when too much lies in memory. */
static void wait_for_room(struct connector_receiver *receiver)
{
	pthread_mutex_lock(&receiver->lock);
	while (receiver->count >= BLOCKS_MOST && !receiver->stopped)
		os_condition_wait(&receiver->changed, &receiver->lock, 10000000u);
	pthread_mutex_unlock(&receiver->lock);
}

static void *receive(void *param)
{
	struct connector_receiver *receiver = param;
	struct receive_room *room = malloc(sizeof *room);
	struct pollfd waits[] = {{receiver->socket, POLLIN, 0}, {receiver->stop, POLLIN, 0}};
	bool overrun = false, works = room != NULL;

	if (works) {
		prepare(room);
		ping_each_cpu(receiver);
	}
	while (works && !is_stopping(receiver)) {
		/* An overrun's error wakes, too. */
		if (poll(waits, 2, -1) < 0 && errno != EINTR)
			break;
		atomic_fetch_add(&receiver->wakeups, 1);
		works = receive_all(receiver, room, &overrun);
		if (overrun) {
			/* The socket is empty now and takes messages again. */
			ping_each_cpu(receiver);
			works = works && receive_all(receiver, room, &overrun);
			overrun = false;
		}
		wait_for_room(receiver);
	}
	if (works)
		receive_all(receiver, room, &overrun);
	free(room);

	pthread_mutex_lock(&receiver->lock);
	receiver->stopped = true;
	pthread_cond_broadcast(&receiver->changed);
	pthread_mutex_unlock(&receiver->lock);
	return NULL;
}

/* ---- what the listener calls ---- */

struct connector_block *connector_receiver_take(struct connector_receiver *receiver, int timeout_ms)
{
	uint64_t left = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * 1000000u;
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + left;

	pthread_mutex_lock(&receiver->lock);
	receiver->waiting = true;
	while (!receiver->first && !receiver->woken && !receiver->stopped && left) {
		if (!os_condition_wait(&receiver->changed, &receiver->lock, left))
			break;
		if (timeout_ms >= 0) {
			uint64_t now = clock_ns(CLOCK_MONOTONIC);
			left = now < end ? end - now : 0;
		}
	}
	receiver->waiting = false;
	receiver->woken = false;
	struct connector_block *block = receiver->first;
	if (block) {
		receiver->first = block->next;
		if (!receiver->first)
			receiver->last = &receiver->first;
		receiver->count--;
	}
	pthread_mutex_unlock(&receiver->lock);
	return block;
}

void connector_receiver_wake(struct connector_receiver *receiver)
{
	pthread_mutex_lock(&receiver->lock);
	receiver->woken = true;
	pthread_cond_broadcast(&receiver->changed);
	pthread_mutex_unlock(&receiver->lock);
}

bool connector_receiver_has_more(struct connector_receiver *receiver)
{
	pthread_mutex_lock(&receiver->lock);
	bool more = receiver->first != NULL;
	pthread_mutex_unlock(&receiver->lock);
	return more;
}

bool connector_receiver_stopped(struct connector_receiver *receiver)
{
	return is_stopping(receiver);
}

uint64_t connector_receiver_room(const struct connector_receiver *receiver)
{
	return receiver->room;
}

uint64_t connector_receiver_wakeups(const struct connector_receiver *receiver)
{
	return atomic_load(&receiver->wakeups);
}

/* ---- beginning and end ---- */

static int wait_for_answer(struct connector_receiver *receiver)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + ANSWER_MS * 1000000ull;
	uint64_t now;

	pthread_mutex_lock(&receiver->lock);
	while (!receiver->answered && !receiver->stopped && (now = clock_ns(CLOCK_MONOTONIC)) < end)
		os_condition_wait(&receiver->changed, &receiver->lock, end - now);
	bool answered = receiver->answered;
	uint32_t error = receiver->answer_error;
	pthread_mutex_unlock(&receiver->lock);

	if (!answered)
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "the proc connector does not answer: the kernel was built without "
				 "CONFIG_PROC_EVENTS, or this is a container with a network of its "
				 "own; run it on the host");
	if (error)
		return error_set_errno((int)error, "the proc connector refuses to tell (it needs "
						   "root or CAP_NET_ADMIN)");
	return 0;
}

static int begin(struct connector_receiver *receiver, uint64_t buffer_size)
{
	int error = connector_socket_open(buffer_size, &receiver->socket, &receiver->room);

	if (error)
		return error;
	receiver->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (receiver->stop < 0)
		return error_set_errno(errno, "cannot make an event to stop the receiver");
	if (getrandom(&receiver->first_id, sizeof receiver->first_id, GRND_NONBLOCK) < 0)
		receiver->first_id = (uint32_t)getpid();
	error = os_thread_start(&receiver->thread, "procobsrv-recv", receive, receiver);
	if (error)
		return error_set_errno(error, "cannot start the receiver's thread");
	receiver->running = true;
	return wait_for_answer(receiver);
}

int connector_receiver_open(uint64_t buffer_size, struct connector_receiver **opened)
{
	struct connector_receiver *receiver = calloc(1, sizeof *receiver);

	if (!receiver)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the proc connector");
	receiver->socket = receiver->stop = -1;
	receiver->last = &receiver->first;
	pthread_mutex_init(&receiver->lock, NULL);
	int error = os_condition_init(&receiver->changed);
	if (error) {
		pthread_mutex_destroy(&receiver->lock);
		free(receiver);
		return error_set_errno(error, "cannot make a condition variable");
	}
	error = begin(receiver, buffer_size);
	if (error) {
		connector_receiver_close(receiver, false);
		return error;
	}
	*opened = receiver;
	return 0;
}

static void send_ignores(struct connector_receiver *receiver)
{
	for (unsigned count = atomic_exchange(&receiver->listens, 0); count; count--)
		connector_socket_send(receiver->socket, PROC_CN_MCAST_IGNORE, 0);
}

void connector_receiver_stop(struct connector_receiver *receiver)
{
	uint64_t one = 1;

	if (!receiver->running)
		return;
	send_ignores(receiver);
	pthread_mutex_lock(&receiver->lock);
	receiver->stopped = true;
	pthread_cond_broadcast(&receiver->changed);
	pthread_mutex_unlock(&receiver->lock);
	while (write(receiver->stop, &one, sizeof one) < 0 && errno == EINTR)
		;
	pthread_join(receiver->thread, NULL);
	receiver->running = false;
	send_ignores(receiver); /* for pings that the thread had still to send */
}

static void free_blocks(struct connector_block *block)
{
	while (block) {
		struct connector_block *next = block->next;
		free(block);
		block = next;
	}
}

void connector_receiver_close(struct connector_receiver *receiver, bool forked)
{
	if (!receiver)
		return;
	if (!forked)
		connector_receiver_stop(receiver);
	if (receiver->socket >= 0)
		close(receiver->socket);
	if (receiver->stop >= 0)
		close(receiver->stop);
	free_blocks(receiver->first);
	free_blocks(receiver->unused);
	/* In a forked child the lock may be held, for ever, by a thread that is not there. */
	if (!forked) {
		pthread_cond_destroy(&receiver->changed);
		pthread_mutex_destroy(&receiver->lock);
	}
	free(receiver);
}
