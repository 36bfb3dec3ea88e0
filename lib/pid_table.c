/* SPDX-License-Identifier: MIT */
#include "pid_table.h"

#include "arena.h"

#define PAGE_BYTES (PID_TABLE_PAGE * sizeof(void *))

void *pid_table_get(const struct pid_table *table, uint32_t pid)
{
	uint32_t page = pid / PID_TABLE_PAGE;

	if (page >= PID_TABLE_PAGES || !table->pages[page])
		return NULL;
	return table->pages[page][pid % PID_TABLE_PAGE];
}

void **pid_table_slot(struct pid_table *table, uint32_t pid)
{
	uint32_t page = pid / PID_TABLE_PAGE;

	if (page >= PID_TABLE_PAGES)
		return NULL;
	if (!table->pages[page]) {
		void *memory = arena_memory_resize(NULL, 0, PAGE_BYTES);
		if (!memory)
			return NULL;
		table->pages[page] = memory;
	}
	return &table->pages[page][pid % PID_TABLE_PAGE];
}

void pid_table_visit(struct pid_table *table, void (*visit)(void **slot, void *param), void *param)
{
	for (uint32_t page = 0; page < PID_TABLE_PAGES; page++) {
		if (!table->pages[page])
			continue;
		for (uint32_t i = 0; i < PID_TABLE_PAGE; i++)
			if (table->pages[page][i])
				visit(&table->pages[page][i], param);
	}
}

void pid_table_free(struct pid_table *table)
{
	for (uint32_t page = 0; page < PID_TABLE_PAGES; page++) {
		if (table->pages[page])
			arena_memory_free(table->pages[page], PAGE_BYTES);
		table->pages[page] = NULL;
	}
}
