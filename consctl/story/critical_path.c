/* SPDX-License-Identifier: MIT */
/* The critical path: what the end of the tree had to wait for. */
#include "story.h"

#include <stdlib.h>

struct child {
	size_t parent;
	size_t index;
	int64_t end_ns;
};

/* By parent, the last to end first. */
static int compare_children(const void *left, const void *right)
{
	const struct child *a = left;
	const struct child *b = right;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	if (a->end_ns != b->end_ns)
		return a->end_ns > b->end_ns ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

struct walk {
	const struct story *story;
	struct child *children;	  /* of all processes, sorted */
	size_t *next;		  /* by process: its first child that has not been looked at */
	struct story_step *steps; /* backwards in time */
	size_t count;
	size_t capacity;
};

static bool prepare(struct walk *walk, const struct story *story)
{
	size_t count = story->count;
	size_t children = 0;

	walk->story = story;
	walk->children = malloc((count + 1) * sizeof(*walk->children));
	walk->next = malloc((count + 1) * sizeof(*walk->next));
	if (!walk->children || !walk->next)
		return false;
	for (size_t index = 0; index < count; index++) {
		const struct story_process *process = &story->processes[index];

		walk->next[index] = STORY_NONE;
		if (process->parent != STORY_NONE && process->end_ns)
			walk->children[children++] =
			    (struct child){process->parent, index, process->end_ns};
	}
	qsort(walk->children, children, sizeof(*walk->children), compare_children);
	/* Ends the last one's children too. */
	walk->children[children].parent = STORY_NONE;
	for (size_t place = children; place-- > 0;)
		walk->next[walk->children[place].parent] = place;
	return true;
}

/* The child of `parent` that ended last, but not after `until_ns`; STORY_NONE: none is left. */
static size_t take_child(struct walk *walk, size_t parent, int64_t until_ns)
{
	size_t *next = &walk->next[parent];

	while (*next != STORY_NONE && walk->children[*next].parent == parent) {
		const struct child *child = &walk->children[(*next)++];

		if (child->end_ns <= until_ns &&
		    walk->story->processes[child->index].start_ns <= child->end_ns)
			return child->index;
	}
	*next = STORY_NONE;
	return STORY_NONE;
}

static bool add_step(struct walk *walk, size_t process, int64_t from_ns, int64_t to_ns)
{
	if (from_ns >= to_ns)
		return true;
	if (walk->count == walk->capacity) {
		size_t capacity = walk->capacity ? walk->capacity * 2 : 64;
		struct story_step *steps = realloc(walk->steps, capacity * sizeof(*steps));

		if (!steps)
			return false;
		walk->steps = steps;
		walk->capacity = capacity;
	}
	walk->steps[walk->count++] = (struct story_step){process, from_ns, to_ns};
	return true;
}

/* Down to the child that ended last, and when that is told, on before its start. */
static bool follow(struct walk *walk, size_t root)
{
	const struct story_process *processes = walk->story->processes;
	int64_t at_ns = story_process_end(walk->story, &processes[root]);
	size_t index = root;

	for (;;) {
		size_t child = take_child(walk, index, at_ns);

		if (child != STORY_NONE) {
			if (!add_step(walk, index, processes[child].end_ns, at_ns))
				return false;
			at_ns = processes[child].end_ns;
			index = child;
			continue;
		}
		if (!add_step(walk, index, processes[index].start_ns, at_ns))
			return false;
		if (processes[index].start_ns < at_ns)
			at_ns = processes[index].start_ns;
		if (index == root)
			return true;
		index = processes[index].parent;
	}
}

static void reverse(struct story_step *steps, size_t count)
{
	for (size_t index = 0; index < count / 2; index++) {
		struct story_step step = steps[index];

		steps[index] = steps[count - 1 - index];
		steps[count - 1 - index] = step;
	}
}

struct story_step *story_critical_path(const struct story *story, size_t *count)
{
	size_t root = story_root(story);
	struct walk walk = {0};

	if (root == STORY_NONE || !prepare(&walk, story) || !follow(&walk, root)) {
		free(walk.steps);
		walk.steps = NULL;
		walk.count = 0;
	}
	free(walk.children);
	free(walk.next);
	if (walk.steps)
		reverse(walk.steps, walk.count);
	*count = walk.count;
	return walk.steps;
}
