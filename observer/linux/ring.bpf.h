/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Numbers, losses, the ring and the waking of its reader.
 *
 * A wake-up costs more than all the rest, so that a reader is woken only when it sleeps: it sets
 * reader_waiting, looks at the ring once more, and sleeps. The commit of a record is a full
 * barrier in the kernel, and reader_waiting is looked at after it: either the reader sees the
 * record, or the program sees the flag.
 */
#ifndef PROCOBSRV_OBSERVER_LINUX_RING_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_RING_BPF_H

#include "observer_state.h"
#include "quirks.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); /* the loader sets the true size */
} ring SEC(".maps");

const volatile struct observer_configuration configuration = {};
struct observer_state observer_state;

/* One observation: its number is taken before there is room for it. */
struct observation {
	struct observer_sequence *sequence;
	uint64_t number;
	uint64_t time_ns;
	uint32_t cpu;
};

static __always_inline void observation_begin(struct observation *observation, uint64_t time_ns)
{
	observation->cpu = bpf_get_smp_processor_id() & (OBSERVER_SEQUENCES - 1);
	observation->sequence = &observer_state.sequences[observation->cpu];
	observation->number = next_number(&observation->sequence->number);
	observation->time_ns = time_ns;
}

static __always_inline void observation_lost(const struct observation *observation, uint32_t kind)
{
	__sync_fetch_and_add(&observation->sequence->lost[RECORD_LOST_INDEX(kind)], 1);
}

static __always_inline void header_fill(struct record_header *header,
					const struct observation *observation, uint32_t kind,
					uint32_t flags, uint32_t size)
{
	header->size = size;
	header->version = RECORD_VERSION;
	header->kind = kind;
	header->flags = flags | (configuration.other ? RECORD_OTHER : 0);
	header->cpu = observation->cpu;
	header->number = observation->number;
	header->time_ns = observation->time_ns;
	header->lost[0] = observation->sequence->lost[0];
	header->lost[1] = observation->sequence->lost[1];
	header->lost[2] = observation->sequence->lost[2];
	header->lost[3] = observation->sequence->lost[3];
}

static __always_inline bool take_waiting_reader(void)
{
	if (!*(volatile uint32_t *)&observer_state.reader_waiting)
		return false;
	return exchange(&observer_state.reader_waiting, 0) != 0;
}

/* What to commit with. */
static __always_inline uint64_t wake_flags(void)
{
	return take_waiting_reader() ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* After a commit: wakes a reader that went to sleep since wake_flags(). */
static __always_inline void wake_late_reader(void)
{
	if (!take_waiting_reader())
		return;
	void *nothing = bpf_ringbuf_reserve(&ring, 8, 0);
	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void ring_submit(void *record)
{
	bpf_ringbuf_submit(record, wake_flags());
	wake_late_reader();
}

/* False: no room. */
static __always_inline bool ring_output(void *record, uint64_t size)
{
	if (bpf_ringbuf_output(&ring, record, size, wake_flags()))
		return false;
	wake_late_reader();
	return true;
}

#endif
