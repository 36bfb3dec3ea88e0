/* SPDX-License-Identifier: MIT */
#include "bpf_observer.h"

#include "bpf_names.h"
#include "error.h"
#include "os.h"

#include "procobsrv_bpf.skel.h"
#include "procobsrv_legacy_bpf.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEBIBYTE	   (1ull << 20)
#define RING_MOST	   (1ull << 30) /* a map's size has 32 bits; nobody needs more */
#define RING_DEFAULT_LEAST (1 * MEBIBYTE)
#define RING_DEFAULT_MOST  (64 * MEBIBYTE)
#define RING_MEMORY_PART   256

#define TOLD_EXITS_PER_CPU 256u

const char *const bpf_observer_program_names[BPF_OBSERVER_PROGRAMS] = {
    [RECORD_LOST_INDEX(RECORD_START)] = "observe_fork",
    [RECORD_LOST_INDEX(RECORD_EXEC)] = "observe_exec",
    [RECORD_LOST_INDEX(RECORD_EXEC_FAILED)] = "observe_exec_failed",
    [RECORD_LOST_INDEX(RECORD_EXIT)] = "observe_exit",
    [BPF_OBSERVER_CGROUPS] = "note_cgroup",
};

static bool wanted(const struct source_options *options, int index)
{
	return index == BPF_OBSERVER_CGROUPS || options->record_kinds & 1u << (index + 1);
}

__attribute__((format(printf, 2, 3))) static void add_limit(struct bpf_observer *observer,
							    const char *format, ...)
{
	size_t used = strlen(observer->limits);
	va_list arguments;

	if (used)
		used +=
		    (size_t)snprintf(observer->limits + used, sizeof observer->limits - used, "; ");
	if (used >= sizeof observer->limits)
		return;
	va_start(arguments, format);
	vsnprintf(observer->limits + used, sizeof observer->limits - used, format, arguments);
	va_end(arguments);
}

static uint64_t ring_size_wanted(uint64_t asked)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size = page;

	if (asked) {
		while (size < asked && size < RING_MOST)
			size *= 2;
		return size;
	}
	uint64_t share = os_memory_bytes() / RING_MEMORY_PART;
	if (share > RING_DEFAULT_MOST)
		share = RING_DEFAULT_MOST;
	size = RING_DEFAULT_LEAST;
	while (size * 2 <= share)
		size *= 2;
	return size;
}

/* As large as the kernel gives. Returns its size, 0 on failure with error_set(). */
static uint64_t create_ring(struct bpf_observer *observer, uint64_t asked)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t wish = ring_size_wanted(asked);

	for (uint64_t size = wish; size >= page; size /= 2) {
		observer->ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "procobsrv_ring", 0, 0,
						(uint32_t)size, NULL);
		if (observer->ring < 0)
			continue;
		if (size < wish)
			add_limit(observer,
				  "the kernel's buffer has only %llu KiB, as it refuses %llu KiB "
				  "(memory limit)",
				  (unsigned long long)size / 1024, (unsigned long long)wish / 1024);
		return size;
	}
	error_set_errno(-observer->ring, "cannot create the observer's ring buffer");
	return 0;
}

/* Each one that replaces another marks its records if that one does not. */
static bool is_other(const struct bpf_observer *before)
{
	return before && !(before->state->flags & OBSERVER_OTHER);
}

static int configure(struct bpf_object *object, const struct source_options *options,
		     const struct bpf_observer *before, const struct bpf_observer *observer,
		     uint64_t generation)
{
	struct observer_configuration configuration = {
	    .generation = generation,
	    .max_arguments = options->max_args ? options->max_args : UINT64_MAX,
	    .page_size = (uint32_t)sysconf(_SC_PAGESIZE),
	    .kernel_threads = options->kernel_threads,
	    .capture_env = options->capture_env,
	    .other = is_other(before),
	};
	struct bpf_map *read_only = bpf_object__find_map_by_name(object, BPF_NAME_CONFIGURATION);
	struct bpf_map *told = bpf_object__find_map_by_name(object, BPF_NAME_TOLD_EXITS);
	struct bpf_map *ring = bpf_object__find_map_by_name(object, BPF_NAME_RING);
	int cpus = libbpf_num_possible_cpus();
	int error = 0;

	for (int index = 0; index < BPF_OBSERVER_PROGRAMS && !error; index++)
		error = bpf_program__set_autoload(
		    bpf_object__find_program_by_name(object, bpf_observer_program_names[index]),
		    wanted(options, index));
	if (!error)
		error = bpf_map__set_initial_value(read_only, &configuration, sizeof configuration);
	if (!error)
		error = bpf_map__set_max_entries(told, TOLD_EXITS_PER_CPU *
							   (uint32_t)(cpus > 0 ? cpus : 1));
	if (!error)
		error = bpf_map__reuse_fd(ring, observer->ring);
	if (!error && before)
		error = bpf_map__reuse_fd(bpf_object__find_map_by_name(object, BPF_NAME_STATE),
					  before->state_map);
	return error;
}

/*
 * One counter of the scheduler's clock for each cpu; the map keeps it. Costs nothing while it
 * counts. Without it, CPU times are those of the last tick (clock.bpf.h): no reason to fail.
 */
static void count_cpu_clocks(struct bpf_object *object)
{
	struct perf_event_attr attributes = {
	    .type = PERF_TYPE_SOFTWARE,
	    .size = sizeof attributes,
	    .config = PERF_COUNT_SW_CPU_CLOCK,
	};
	int map = bpf_object__find_map_fd_by_name(object, BPF_NAME_CPU_CLOCK);
	int cpus = libbpf_num_possible_cpus();

	for (int cpu = 0; cpu < cpus; cpu++) {
		int event = (int)syscall(SYS_perf_event_open, &attributes, -1, cpu, -1,
					 PERF_FLAG_FD_CLOEXEC);
		if (event < 0)
			continue;
		bpf_map_update_elem(map, &cpu, &event, BPF_ANY);
		close(event);
	}
}

/* Our own copy of a descriptor, since the object is closed once it is loaded. */
static int keep(int descriptor)
{
	return descriptor < 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
}

static int keep_descriptors(struct bpf_object *object, const struct source_options *options,
			    struct bpf_observer *observer)
{
	observer->state_map = keep(bpf_object__find_map_fd_by_name(object, BPF_NAME_STATE));
	observer->snapshot_program =
	    keep(bpf_program__fd(bpf_object__find_program_by_name(object, BPF_NAME_SNAPSHOT)));
	if (observer->state_map < 0 || observer->snapshot_program < 0)
		return error_set_errno(errno, "cannot keep the observer's descriptors");
	for (int index = 0; index < BPF_OBSERVER_PROGRAMS; index++) {
		if (!wanted(options, index))
			continue;
		observer->programs[index] = keep(bpf_program__fd(
		    bpf_object__find_program_by_name(object, bpf_observer_program_names[index])));
		if (observer->programs[index] < 0)
			return error_set_errno(errno, "cannot keep the observer's descriptors");
	}
	return 0;
}

static int load_failed(int error)
{
	if (error == EPERM || error == EACCES || error == E2BIG || error == EINVAL)
		return error_set(
		    PROCOBSRV_ERROR_UNSUPPORTED,
		    "the kernel refuses the eBPF observer (%s): it is older than 5.10, "
		    "or restricts eBPF; use another backend",
		    strerror(error));
	return error_set_errno(error, "cannot load the eBPF observer");
}

static int load_object(const struct source_options *options, bool legacy,
		       const struct bpf_observer *before, struct bpf_observer *observer,
		       uint64_t generation)
{
	LIBBPF_OPTS(bpf_object_open_opts, open_options, .object_name = "procobsrv");
	size_t size = 0;
	const void *bytes =
	    legacy ? procobsrv_legacy_bpf__elf_bytes(&size) : procobsrv_bpf__elf_bytes(&size);

	if (secure_getenv("PROCOBSRV_BTF"))
		open_options.btf_custom_path = bpf_names_btf();
	struct bpf_object *object = bpf_object__open_mem(bytes, size, &open_options);
	if (!object)
		return load_failed(errno);
	int error = configure(object, options, before, observer, generation);
	if (!error)
		error = bpf_object__load(object);
	if (error) {
		error = load_failed(-error);
	} else {
		count_cpu_clocks(object);
		error = keep_descriptors(object, options, observer);
	}
	bpf_object__close(object);
	return error;
}

static int map_state(struct bpf_observer *observer)
{
	struct observer_state *state =
	    mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, observer->state_map, 0);

	if (state == MAP_FAILED)
		return error_set_errno(errno, "cannot map the observer's counters");
	madvise(state, sizeof *state, MADV_DONTFORK);
	observer->state = state;
	return 0;
}

void bpf_observer_publish(const struct bpf_observer *observer)
{
	struct observer_state *state = observer->state;

	state->state_version = OBSERVER_STATE_VERSION;
	state->record_kinds = observer->record_kinds;
	state->flags = observer->flags;
	snprintf(state->version, sizeof state->version, "%s", PROCOBSRV_VERSION_TEXT);
}

/* What every later reader must know, and stays when the observer is replaced. */
static void publish_state(const struct bpf_observer *observer, uint64_t generation,
			  uint64_t ring_size)
{
	struct observer_state *state = observer->state;
	int cpus = libbpf_num_possible_cpus();

	state->magic = OBSERVER_STATE_MAGIC;
	state->record_version = RECORD_VERSION;
	state->generation = generation;
	state->ring_size = ring_size;
	state->sequence_count =
	    cpus > 0 && cpus < OBSERVER_SEQUENCES ? (uint32_t)cpus : OBSERVER_SEQUENCES;
	bpf_observer_publish(observer);
}

static int attach(struct bpf_observer *observer)
{
	for (int index = 0; index < BPF_OBSERVER_PROGRAMS; index++) {
		if (observer->programs[index] < 0)
			continue;
		int link = bpf_raw_tracepoint_open(NULL, observer->programs[index]);
		if (link < 0)
			return error_set_errno(-link, "cannot attach the observer's program %s",
					       bpf_observer_program_names[index]);
		observer->links[index] = link;
	}
	return 0;
}

void bpf_observer_clear(struct bpf_observer *observer)
{
	memset(observer, 0, sizeof *observer);
	observer->ring = -1;
	observer->state_map = -1;
	observer->snapshot_program = -1;
	for (int index = 0; index < BPF_OBSERVER_PROGRAMS; index++) {
		observer->programs[index] = -1;
		observer->links[index] = -1;
	}
}

/*
 * Before 5.11 (97306be45fbe) what eBPF takes counts as the user's locked memory, whose limit is
 * small. libbpf raises it, but once in a process's life. False: that is not allowed.
 */
static bool raise_locked_memory(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	return !setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

static int load(const struct source_options *options, const struct bpf_observer *before,
		struct bpf_observer *observer)
{
	uint64_t generation = before ? before->state->generation : (uint64_t)os_wall_ns();
	bool legacy = false;
	int error = bpf_observer_probe(&legacy);

	if (error == PROCOBSRV_ERROR_PERMISSION && raise_locked_memory())
		error = bpf_observer_probe(&legacy);
	if (error)
		return error;
	if (legacy)
		raise_locked_memory();
	uint64_t ring_size;
	if (before) {
		observer->ring = keep(before->ring);
		ring_size = observer->ring < 0 ? 0 : before->state->ring_size;
	} else {
		ring_size = create_ring(observer, options->buffer_size);
	}
	if (!ring_size)
		return PROCOBSRV_ERROR_SYSTEM;
	if (legacy)
		add_limit(observer, "on this kernel, which is older than 5.17, argv is told up to "
				    "2 MiB and paths up to 64 components");
	observer->record_kinds = options->record_kinds;
	observer->flags = (legacy ? OBSERVER_LEGACY : 0) | (is_other(before) ? OBSERVER_OTHER : 0);
	error = load_object(options, legacy, before, observer, generation);
	if (!error)
		error = map_state(observer);
	if (error)
		return error;
	if (!before)
		publish_state(observer, generation, ring_size);
	return attach(observer);
}

static int load_within_limits(const struct source_options *options,
			      const struct bpf_observer *before, struct bpf_observer *observer)
{
	struct rlimit limit, limit_now;
	bool known = !getrlimit(RLIMIT_MEMLOCK, &limit);

	bpf_observer_clear(observer);
	int error = load(options, before, observer);
	/* The limit of locked memory is the embedding program's, and is needed no longer. */
	if (known && !getrlimit(RLIMIT_MEMLOCK, &limit_now) &&
	    memcmp(&limit, &limit_now, sizeof limit))
		setrlimit(RLIMIT_MEMLOCK, &limit);
	if (error)
		bpf_observer_close(observer, false);
	return error;
}

int bpf_observer_load(const struct source_options *options, struct bpf_observer *observer)
{
	return load_within_limits(options, NULL, observer);
}

int bpf_observer_load_beside(const struct source_options *options,
			     const struct bpf_observer *before, struct bpf_observer *observer)
{
	return load_within_limits(options, before, observer);
}

static void close_descriptor(int *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
	*descriptor = -1;
}

void bpf_observer_detach(struct bpf_observer *observer)
{
	for (int index = 0; index < BPF_OBSERVER_PROGRAMS; index++)
		close_descriptor(&observer->links[index]);
}

void bpf_observer_close(struct bpf_observer *observer, bool forked)
{
	bpf_observer_detach(observer);
	if (observer->state && !forked)
		munmap(observer->state, sizeof *observer->state);
	observer->state = NULL;
	for (int index = 0; index < BPF_OBSERVER_PROGRAMS; index++)
		close_descriptor(&observer->programs[index]);
	close_descriptor(&observer->snapshot_program);
	close_descriptor(&observer->state_map);
	close_descriptor(&observer->ring);
}

static void count_skipped(const struct bpf_observer *observer, uint64_t skipped[RECORD_LOST_KINDS])
{
	for (int index = 0; index < RECORD_LOST_KINDS; index++) {
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof info;

		skipped[index] = 0;
		if (observer->programs[index] >= 0 &&
		    !bpf_obj_get_info_by_fd(observer->programs[index], &info, &size))
			skipped[index] = info.recursion_misses;
	}
}

void bpf_observer_counters(const struct bpf_observer *observer,
			   struct source_statistics *statistics)
{
	const struct observer_state *state = observer->state;

	statistics->stream = state->generation;
	statistics->ring_size = state->ring_size;
	statistics->acknowledged = __atomic_load_n(&state->acknowledged, __ATOMIC_ACQUIRE);
	statistics->read = __atomic_load_n(&state->read, __ATOMIC_RELAXED);
	statistics->repeats = __atomic_load_n(&state->repeats, __ATOMIC_RELAXED);
	count_skipped(observer, statistics->skipped);
	statistics->sequence_count = state->sequence_count < SOURCE_SEQUENCES_MAX
					 ? state->sequence_count
					 : SOURCE_SEQUENCES_MAX;
	for (size_t i = 0; i < statistics->sequence_count; i++) {
		const struct observer_sequence *sequence = &state->sequences[i];
		/* Losses first: a number that is read after them counts them too. */
		for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
			statistics->sequences[i].lost[kind] =
			    __atomic_load_n(&sequence->lost[kind], __ATOMIC_ACQUIRE);
		statistics->sequences[i].number =
		    __atomic_load_n(&sequence->number, __ATOMIC_ACQUIRE);
	}
}
