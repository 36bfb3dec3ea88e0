/* SPDX-License-Identifier: MIT */
#include "tree_drawing.h"
#include "consctl.h"
#include "format.h"
#include "os.h"
#include "output.h"
#include "platform.h"
#include "processes.h"

#include <stdio.h>
#include <stdlib.h>

struct node {
	size_t parent;
	size_t first_child;
	size_t last_child;
	size_t next; /* the next younger child of the same parent */
	unsigned depth;
	bool drawn;
};

struct tree {
	const struct tree_drawing *drawing;
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
	for (size_t index = 0; index < tree->drawing->count; index++) {
		size_t steps = tree->drawing->count;

		if (!tree->drawing->keep[index])
			continue;
		for (size_t parent = tree->drawing->parents[index];
		     parent != TREE_NONE && !tree->drawing->keep[parent] && steps; steps--) {
			tree->drawing->keep[parent] = true;
			parent = tree->drawing->parents[parent];
		}
	}
}

static void link_nodes(struct tree *tree)
{
	for (size_t index = 0; index < tree->drawing->count; index++)
		tree->nodes[index] = (struct node){
		    tree->drawing->parents[index], TREE_NONE, TREE_NONE, TREE_NONE, 0, false};
	for (size_t index = 0; index < tree->drawing->count; index++) {
		size_t parent = tree->drawing->parents[index];

		if (!tree->drawing->keep[index] || parent == TREE_NONE)
			continue;
		if (tree->nodes[parent].first_child == TREE_NONE)
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
		bool is_last = tree->nodes[index].next == TREE_NONE;

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
	const struct tree_drawing *drawing = tree->drawing;
	size_t begin = tree->buffer.size;

	if (drawing->append_line) {
		drawing->append_line(&tree->buffer, index, drawing->param);
		return;
	}
	if (drawing->append_columns)
		drawing->append_columns(&tree->buffer, index, drawing->param);
	append_lines(tree, index);
	drawing->append_command(&tree->buffer, index, drawing->param);
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
			if (node->first_child != TREE_NONE &&
			    !tree->nodes[node->first_child].drawn) {
				tree->nodes[node->first_child].depth = node->depth + 1;
				index = node->first_child;
				continue;
			}
		}
		if (index == root)
			return;
		if (node->next != TREE_NONE && !tree->nodes[node->next].drawn) {
			tree->nodes[node->next].depth = node->depth;
			index = node->next;
		} else {
			index = node->parent;
		}
	}
}

static int draw(struct tree *tree)
{
	const struct tree_drawing *drawing = tree->drawing;
	bool utf8 = platform_shows_utf8();
	int error;

	tree->branch = utf8 ? "├─ " : "|- ";
	tree->corner = utf8 ? "└─ " : "`- ";
	tree->trunk = utf8 ? "│  " : "|  ";
	tree->columns = os_terminal_columns(stdout);
	keep_ancestors(tree);
	link_nodes(tree);
	if (drawing->header)
		buffer_append_text(&tree->buffer, drawing->header);
	for (size_t index = 0; index < drawing->count; index++)
		if (drawing->keep[index] && drawing->parents[index] == TREE_NONE)
			append_subtree(tree, index);
	error = output_print(&tree->buffer);
	return output_status(NULL, error);
}

int tree_draw(const struct tree_drawing *drawing)
{
	struct tree tree = {.drawing = drawing, .buffer = BUFFER_EMPTY};
	int status = STATUS_FAILED;

	tree.nodes = calloc(drawing->count + 1, sizeof(*tree.nodes));
	if (tree.nodes)
		status = draw(&tree);
	else
		complain("out of memory for a tree of processes");
	buffer_free(&tree.buffer);
	free(tree.nodes);
	return status;
}
