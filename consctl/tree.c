/* SPDX-License-Identifier: MIT */
/* consctl tree: the processes that run now, each below its parent. */
#include "consctl.h"
#include "format.h"
#include "os.h"
#include "output.h"
#include "platform.h"
#include "processes.h"

#include <stdlib.h>

#define NONE SIZE_MAX

struct node {
	size_t parent;
	size_t first_child;
	size_t last_child;
	size_t next; /* the next younger child of the same parent */
	unsigned depth;
	bool drawn;
};

struct tree {
	const struct settings *settings;
	struct processes processes;
	size_t *parents;
	bool *keep;
	struct node *nodes;
	const char *branch; /* a child with brothers after it */
	const char *corner; /* the last child */
	const char *trunk;  /* beside a brother's descendants */
	unsigned columns;
	struct buffer buffer;
};

/* Who is kept is found from the root down, so its ancestors are kept too. */
static void keep_ancestors(struct tree *tree)
{
	for (size_t index = 0; index < tree->processes.count; index++) {
		size_t steps = tree->processes.count;

		if (!tree->keep[index])
			continue;
		for (size_t parent = tree->parents[index];
		     parent != NONE && !tree->keep[parent] && steps; steps--) {
			tree->keep[parent] = true;
			parent = tree->parents[parent];
		}
	}
}

static void link_nodes(struct tree *tree)
{
	for (size_t index = 0; index < tree->processes.count; index++)
		tree->nodes[index] =
		    (struct node){tree->parents[index], NONE, NONE, NONE, 0, false};
	for (size_t index = 0; index < tree->processes.count; index++) {
		size_t parent = tree->parents[index];

		if (!tree->keep[index] || parent == NONE)
			continue;
		if (tree->nodes[parent].first_child == NONE)
			tree->nodes[parent].first_child = index;
		else
			tree->nodes[tree->nodes[parent].last_child].next = index;
		tree->nodes[parent].last_child = index;
	}
}

/* Lines are drawn from the process's own place up to the root, and so are collected backwards. */
static void append_lines(struct tree *tree, size_t index)
{
	unsigned depth = tree->nodes[index].depth;
	const char **pieces = depth ? calloc(depth, sizeof(*pieces)) : NULL;

	if (!pieces) {
		tree->buffer.failed = tree->buffer.failed || depth;
		return;
	}
	for (unsigned level = depth; level; level--) {
		bool is_last = tree->nodes[index].next == NONE;

		if (level == depth)
			pieces[level - 1] = is_last ? tree->corner : tree->branch;
		else
			pieces[level - 1] = is_last ? "   " : tree->trunk;
		index = tree->nodes[index].parent;
	}
	for (unsigned level = 0; level < depth; level++)
		buffer_append_text(&tree->buffer, pieces[level]);
	free(pieces);
}

static void append_node(struct tree *tree, size_t index)
{
	const struct procobsrv_process *process = tree->processes.items[index];
	size_t begin = tree->buffer.size;

	if (tree->settings->format == PROCOBSRV_FORMAT_JSON) {
		format_json_process(&tree->buffer, process);
		return;
	}
	append_lines(tree, index);
	buffer_append_unsigned(&tree->buffer, process->pid);
	buffer_append_character(&tree->buffer, ' ');
	append_command(&tree->buffer, process);
	cut_line(&tree->buffer, begin, tree->columns);
	buffer_append_character(&tree->buffer, '\n');
}

/* Down to the first child, on to the next brother, else up: no recursion, however deep it is. */
static void append_subtree(struct tree *tree, size_t root)
{
	size_t index = root;

	for (;;) {
		struct node *node = &tree->nodes[index];

		if (!node->drawn) {
			node->drawn = true;
			append_node(tree, index);
			if (node->first_child != NONE && !tree->nodes[node->first_child].drawn) {
				tree->nodes[node->first_child].depth = node->depth + 1;
				index = node->first_child;
				continue;
			}
		}
		if (index == root)
			return;
		if (node->next != NONE && !tree->nodes[node->next].drawn) {
			tree->nodes[node->next].depth = node->depth;
			index = node->next;
		} else {
			index = node->parent;
		}
	}
}

static int draw(struct tree *tree)
{
	bool utf8 = platform_shows_utf8();

	tree->branch = utf8 ? "├─ " : "|- ";
	tree->corner = utf8 ? "└─ " : "`- ";
	tree->trunk = utf8 ? "│  " : "|  ";
	tree->columns = os_terminal_columns(stdout);
	keep_ancestors(tree);
	link_nodes(tree);
	for (size_t index = 0; index < tree->processes.count; index++)
		if (tree->keep[index] && tree->parents[index] == NONE)
			append_subtree(tree, index);
	int error = output_print(&tree->buffer);
	return output_status(NULL, error);
}

/* A parent that is younger than its child is another process that got the same pid. */
static void drop_impostors(struct tree *tree)
{
	for (size_t index = 0; index < tree->processes.count; index++) {
		size_t parent = tree->parents[index];

		if (parent != NONE && tree->processes.items[parent]->start_boot_ns >
					  tree->processes.items[index]->start_boot_ns)
			tree->parents[index] = NONE;
	}
}

int tree_run(const struct settings *settings)
{
	struct tree tree = {.settings = settings, .buffer = BUFFER_EMPTY};
	size_t count;
	int status;

	status = processes_collect(settings, &tree.processes);
	if (status)
		return status;
	count = tree.processes.count;
	tree.parents = processes_parents(&tree.processes);
	tree.keep = calloc(count + 1, sizeof(*tree.keep));
	tree.nodes = calloc(count + 1, sizeof(*tree.nodes));
	if (tree.parents && tree.keep && tree.nodes) {
		drop_impostors(&tree);
		status = processes_match(&tree.processes, tree.parents, settings->match, tree.keep);
	} else {
		complain("out of memory for a tree of processes");
		status = STATUS_FAILED;
	}
	if (status == STATUS_FINE)
		status = draw(&tree);
	buffer_free(&tree.buffer);
	free(tree.nodes);
	free(tree.keep);
	free(tree.parents);
	processes_free(&tree.processes);
	return status;
}
