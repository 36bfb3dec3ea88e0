/* SPDX-License-Identifier: MIT */
/*
 * The observer in bpffs, where it outlives its reader. One file each for the ring, the state, the
 * programs and the links; the other maps live as long as the programs.
 */
#include "bpf_observer.h"
#include "error.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 48

/* Where a descriptor of the observer is pinned: visits each. */
struct pin {
	char name[NAME_SIZE];
	int descriptor;
};

#define PINS_MAX (3 + 2 * BPF_OBSERVER_PROGRAMS)

static size_t list_pins(const struct bpf_observer *observer, struct pin pins[PINS_MAX])
{
	size_t count = 0;

	pins[count++] = (struct pin){"ring", observer->ring};
	pins[count++] = (struct pin){"state", observer->state_map};
	pins[count++] = (struct pin){"snapshot", observer->snapshot_program};
	for (int index = 0; index < BPF_OBSERVER_PROGRAMS; index++) {
		const char *name = bpf_observer_program_names[index];
		snprintf(pins[count].name, NAME_SIZE, "%s", name);
		pins[count++].descriptor = observer->programs[index];
		snprintf(pins[count].name, NAME_SIZE, "%s_link", name);
		pins[count++].descriptor = observer->links[index];
	}
	return count;
}

static int path_of(const char *directory, const char *name, char path[PATH_MAX])
{
	if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "the path %s is too long", directory);
	return 0;
}

int bpf_observer_unpin(const char *directory)
{
	struct bpf_observer none;
	struct pin pins[PINS_MAX];
	char path[PATH_MAX];
	int first_error = 0;

	bpf_observer_clear(&none);
	size_t count = list_pins(&none, pins);
	/* The links first: from then on nothing is written. */
	for (size_t i = count; i-- > 0;) {
		if (path_of(directory, pins[i].name, path))
			return PROCOBSRV_ERROR_ARGUMENT;
		if (unlink(path) && errno != ENOENT && !first_error)
			first_error = error_set_errno(errno, "cannot remove %s", path);
	}
	if (rmdir(directory) && errno != ENOENT && !first_error)
		first_error = error_set_errno(errno, "cannot remove %s", directory);
	return first_error;
}

int bpf_observer_pin(const struct bpf_observer *observer, const char *directory)
{
	struct pin pins[PINS_MAX];
	char path[PATH_MAX];
	size_t count = list_pins(observer, pins);
	int error = 0;

	if (mkdir(directory, 0700))
		return error_set_errno(errno, "cannot make %s", directory);
	for (size_t i = 0; !error && i < count; i++) {
		if (pins[i].descriptor < 0)
			continue;
		error = path_of(directory, pins[i].name, path);
		if (!error && bpf_obj_pin(pins[i].descriptor, path))
			error = error_set_errno(errno, "cannot pin %s", path);
	}
	if (error) {
		char explanation[ERROR_TEXT_SIZE];
		error_save(explanation);
		bpf_observer_unpin(directory);
		error_restore(explanation);
	}
	return error;
}

/* After a system call that failed. */
static int not_opened(const char *path)
{
	if (errno == EACCES || errno == EPERM)
		return error_set(PROCOBSRV_ERROR_PERMISSION,
				 "cannot look at the resident observer (%s: %s): run as root", path,
				 strerror(errno));
	return error_set_errno(errno, "cannot open the resident observer's %s", path);
}

static int open_pin(const char *directory, const char *name, bool optional, int *descriptor)
{
	char path[PATH_MAX];
	int error = path_of(directory, name, path);

	if (error)
		return error;
	*descriptor = bpf_obj_get(path);
	if (*descriptor >= 0 || (optional && errno == ENOENT))
		return 0;
	if (errno == ENOENT)
		return error_set(PROCOBSRV_ERROR_CORRUPT,
				 "%s is missing: the resident observer is damaged; remove it with "
				 "\"consctl uninstall\" and install it again",
				 path);
	return not_opened(path);
}

static int check_layout(const struct observer_state *state)
{
	if (state->magic != OBSERVER_STATE_MAGIC)
		return error_set(PROCOBSRV_ERROR_CORRUPT,
				 "the resident observer was not installed whole: remove it with "
				 "\"consctl uninstall\" and install it again");
	if (state->state_version < OBSERVER_STATE_OLDEST ||
	    state->state_version > OBSERVER_STATE_VERSION ||
	    state->record_version != RECORD_VERSION)
		return error_set(PROCOBSRV_ERROR_VERSION,
				 "the resident observer writes records of layout %u.%u, this "
				 "version reads %u.%u: read it with the version that installed it, "
				 "or remove it with \"consctl uninstall\" and install it again",
				 state->state_version, state->record_version,
				 OBSERVER_STATE_VERSION, RECORD_VERSION);
	return 0;
}

static int map_state(struct bpf_observer *observer)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof info;

	/* A state of another version may be shorter. */
	if (bpf_obj_get_info_by_fd(observer->state_map, &info, &size))
		return error_set_errno(errno, "cannot look at the resident observer's state");
	if (info.value_size != sizeof *observer->state)
		return error_set(PROCOBSRV_ERROR_VERSION,
				 "the resident observer keeps a state of %u bytes, this version "
				 "reads %zu: read it with the version that installed it, or "
				 "install it again",
				 info.value_size, sizeof *observer->state);
	void *state = mmap(NULL, sizeof *observer->state, PROT_READ | PROT_WRITE, MAP_SHARED,
			   observer->state_map, 0);
	if (state == MAP_FAILED)
		return error_set_errno(errno, "cannot map the resident observer's state");
	madvise(state, sizeof *observer->state, MADV_DONTFORK);
	observer->state = state;
	return check_layout(observer->state);
}

/* A program whose link is gone is not called any more: nothing else would tell. */
static int check_links(const char *directory, const struct observer_state *state)
{
	for (int index = 0; index < BPF_OBSERVER_PROGRAMS; index++) {
		char name[NAME_SIZE + 8];
		int link = -1;
		/* That which notes control groups is there since the second version of the state.
		 */
		if (index == BPF_OBSERVER_CGROUPS ? state->state_version < 2
						  : !(state->record_kinds & 1u << (index + 1)))
			continue;
		snprintf(name, sizeof name, "%s_link", bpf_observer_program_names[index]);
		int error = open_pin(directory, name, false, &link);
		if (error)
			return error;
		close(link);
	}
	return 0;
}

int bpf_observer_open_pinned(const char *directory, struct bpf_observer *observer)
{
	int error;

	bpf_observer_clear(observer);
	if (access(directory, F_OK) && errno != ENOENT && errno != ENOTDIR)
		return not_opened(directory);
	if (access(directory, F_OK))
		return error_set(PROCOBSRV_ERROR_NOT_FOUND,
				 "no resident observer is installed on this machine: install one "
				 "with \"consctl install\"");
	if ((error = open_pin(directory, "ring", false, &observer->ring)) ||
	    (error = open_pin(directory, "state", false, &observer->state_map)) ||
	    (error = open_pin(directory, "snapshot", false, &observer->snapshot_program)))
		goto failed;
	for (int index = 0; index < BPF_OBSERVER_PROGRAMS; index++)
		if ((error = open_pin(directory, bpf_observer_program_names[index], true,
				      &observer->programs[index])))
			goto failed;
	if (!(error = map_state(observer)) && !(error = check_links(directory, observer->state)))
		return 0;
failed:
	bpf_observer_close(observer, false);
	return error;
}
