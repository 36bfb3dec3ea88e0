/* SPDX-License-Identifier: MIT */
/* Lanes: where each process stands in a picture. */
#include "story.h"

#include <stdlib.h>

/* qsort() has no parameter for what is compared with. */
struct beginning {
	int64_t start_ns;
	size_t index;
};

static int compare_beginnings(const void *left, const void *right)
{
	const struct beginning *a = left;
	const struct beginning *b = right;

	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

/* The first lane below the creator's that is free by then. */
static size_t free_lane(const int64_t *busy_until, size_t count, size_t first, int64_t start_ns)
{
	size_t lane = first;

	while (lane < count && busy_until[lane] > start_ns)
		lane++;
	return lane;
}

size_t story_lanes(const struct story *story, size_t *lanes)
{
	struct beginning *order = malloc((story->count + 1) * sizeof(*order));
	int64_t *busy_until = malloc((story->count + 1) * sizeof(*busy_until));
	size_t count = 0;

	if (!order || !busy_until)
		goto free;
	for (size_t index = 0; index < story->count; index++)
		order[index] = (struct beginning){story->processes[index].start_ns, index};
	qsort(order, story->count, sizeof(*order), compare_beginnings);
	for (size_t index = 0; index < story->count; index++) {
		const struct story_process *process = &story->processes[order[index].index];
		/* A parent that is told to be younger (the clock was set) has no lane yet. */
		bool below = process->parent != STORY_NONE &&
			     story->processes[process->parent].start_ns <= process->start_ns &&
			     process->parent < order[index].index;
		size_t first = below ? lanes[process->parent] + 1 : 0;
		size_t lane = free_lane(busy_until, count, first, process->start_ns);

		/* Lanes between are free from the beginning of time. */
		while (count <= lane)
			busy_until[count++] = INT64_MIN;
		busy_until[lane] = story_process_end(story, process);
		lanes[order[index].index] = lane;
	}
free:
	free(busy_until);
	free(order);
	return count;
}
