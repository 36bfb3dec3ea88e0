/* SPDX-License-Identifier: MIT */
#include "order.h"

#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

const char *order_name(enum order_key key)
{
	static const char *const names[ORDER_KEY_COUNT] = {"newest", "pid", "name", "user"};

	return names[key];
}

static int compare_numbers(uint64_t left, uint64_t right)
{
	return left < right ? -1 : left > right;
}

static int compare_newest(const struct model_row *left, const struct model_row *right)
{
	int order = compare_numbers(right->process->start_boot_ns, left->process->start_boot_ns);

	return order ? order : compare_numbers(right->process->pid, left->process->pid);
}

static int compare_pids(const struct model_row *left, const struct model_row *right)
{
	int order = compare_numbers(left->process->pid, right->process->pid);

	return order ? order : compare_newest(left, right);
}

static int compare_names(const struct model_row *left, const struct model_row *right)
{
	int order = strcmp(left->process->name, right->process->name);

	return order ? order : compare_newest(left, right);
}

static int compare_users(const struct model_row *left, const struct model_row *right)
{
	int order = compare_numbers(left->process->uid, right->process->uid);

	return order ? order : compare_newest(left, right);
}

/* qsort() has no parameter: one function a key and direction. */
#define COMPARISON(name)                                                                           \
	static int name##_forward(const void *left, const void *right)                             \
	{                                                                                          \
		return name(left, right);                                                          \
	}                                                                                          \
	static int name##_backward(const void *left, const void *right)                            \
	{                                                                                          \
		return name(right, left);                                                          \
	}
COMPARISON(compare_newest)
COMPARISON(compare_pids)
COMPARISON(compare_names)
COMPARISON(compare_users)

static void sort(const struct order *order, struct model *model)
{
	static int (*const comparisons[ORDER_KEY_COUNT][2])(const void *, const void *) = {
	    {compare_newest_forward, compare_newest_backward},
	    {compare_pids_forward, compare_pids_backward},
	    {compare_names_forward, compare_names_backward},
	    {compare_users_forward, compare_users_backward},
	};

	qsort(model->rows, model->row_count, sizeof(*model->rows),
	      comparisons[order->key][order->reverse]);
}

/* By pid, the youngest of a pid first. */
struct place {
	uint32_t pid;
	uint64_t start_boot_ns;
	size_t index;
};

static int compare_places(const void *left, const void *right)
{
	const struct place *a = left;
	const struct place *b = right;
	int order = compare_numbers(a->pid, b->pid);

	return order ? order : compare_numbers(b->start_boot_ns, a->start_boot_ns);
}

/* The youngest of that pid that is no younger than its child. */
static size_t find_parent(const struct place *places, size_t count,
			  const struct procobsrv_process *process)
{
	size_t low = 0;
	size_t high = count;

	if (!(process->present & PROCOBSRV_HAS_PPID))
		return NONE;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct place *place = &places[middle];

		if (place->pid < process->ppid ||
		    (place->pid == process->ppid && place->start_boot_ns > process->start_boot_ns))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == count || places[low].pid != process->ppid || process->ppid == process->pid)
		return NONE;
	return places[low].index;
}

static bool is_wanted(const struct order *order, const struct model *model, size_t index,
		      size_t parent)
{
	const struct procobsrv_process *process = model->rows[index].process;
	const struct procobsrv_event event = {
	    .kind = PROCOBSRV_EXISTING,
	    .time_ns = process->start_time_ns,
	    .boot_ns = process->start_boot_ns,
	    .process = process,
	    .parent = parent == NONE ? NULL : model->rows[parent].process,
	};

	if (!order->kernel_threads && process->flags & PROCOBSRV_PROCESS_KERNEL_THREAD)
		return false;
	return !order->filter || filter_match(order->filter, &event);
}

struct linked {
	size_t parent;
	size_t first; /* child */
	size_t last;
	size_t next; /* brother */
	bool keep;
};

static void find_parents(struct linked *links, struct place *places, const struct model *model)
{
	for (size_t index = 0; index < model->row_count; index++) {
		const struct procobsrv_process *process = model->rows[index].process;

		places[index] = (struct place){process->pid, process->start_boot_ns, index};
	}
	qsort(places, model->row_count, sizeof(*places), compare_places);
	for (size_t index = 0; index < model->row_count; index++)
		links[index] = (struct linked){
		    find_parent(places, model->row_count, model->rows[index].process), NONE, NONE,
		    NONE, false};
}

static void keep_wanted(const struct order *order, const struct model *model, struct linked *links)
{
	for (size_t index = 0; index < model->row_count; index++) {
		size_t steps = model->row_count;

		if (!is_wanted(order, model, index, links[index].parent))
			continue;
		links[index].keep = true;
		for (size_t parent = links[index].parent;
		     order->tree && parent != NONE && !links[parent].keep && steps; steps--) {
			links[parent].keep = true;
			parent = links[parent].parent;
		}
	}
}

static void link_children(struct linked *links, size_t count)
{
	for (size_t index = 0; index < count; index++) {
		size_t parent = links[index].parent;

		if (!links[index].keep || parent == NONE)
			continue;
		if (links[parent].first == NONE)
			links[parent].first = index;
		else
			links[links[parent].last].next = index;
		links[parent].last = index;
	}
}

/* A root with its descendants, without recursion. Returns how many rows were written. */
static size_t emit_tree(const struct linked *links, const struct model *model, size_t root,
			struct model_row *out)
{
	size_t written = 0;
	size_t index = root;
	unsigned depth = 0;

	for (;;) {
		out[written] = model->rows[index];
		out[written++].depth = depth;
		if (links[index].first != NONE) {
			index = links[index].first;
			depth++;
			continue;
		}
		while (index != root && links[index].next == NONE) {
			index = links[index].parent;
			depth--;
		}
		if (index == root)
			return written;
		index = links[index].next;
	}
}

static size_t emit(const struct order *order, const struct linked *links, const struct model *model,
		   struct model_row *out)
{
	size_t written = 0;

	for (size_t index = 0; index < model->row_count; index++) {
		if (!links[index].keep)
			continue;
		if (!order->tree)
			out[written++] = model->rows[index];
		else if (links[index].parent == NONE)
			written += emit_tree(links, model, index, out + written);
	}
	return written;
}

bool order_rows(const struct order *order, struct model *model)
{
	size_t count = model->row_count;
	struct linked *links = malloc((count + 1) * sizeof(*links));
	struct place *places = malloc((count + 1) * sizeof(*places));
	struct model_row *out = malloc((count + 1) * sizeof(*out));
	bool fine = links && places && out;

	if (fine) {
		sort(order, model);
		find_parents(links, places, model);
		keep_wanted(order, model, links);
		if (order->tree)
			link_children(links, count);
		for (size_t index = 0; index < count; index++)
			if (!links[index].keep)
				procobsrv_process_unref(model->rows[index].process);
		model->row_count = emit(order, links, model, out);
		free(model->rows);
		model->rows = out;
		model->row_capacity = count + 1;
	} else {
		free(out);
	}
	free(places);
	free(links);
	return fine;
}
