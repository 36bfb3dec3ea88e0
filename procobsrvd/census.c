/* SPDX-License-Identifier: MIT */
#include "census.h"

#include <stdlib.h>
#include <string.h>

struct resident {
	const struct procobsrv_process *process;
	uint32_t image_uid; /* who passed program and arguments; OWNER_NOBODY: not known */
	struct census_users told;
};

static const struct census_users nobody = {{OWNER_NOBODY, OWNER_NOBODY, OWNER_NOBODY}};

static void forget(struct census *census, void **slot)
{
	struct resident *resident = *slot;

	procobsrv_process_unref(resident->process);
	free(resident);
	*slot = NULL;
	census->count--;
}

static void forget_one(void **slot, void *param)
{
	forget(param, slot);
}

void census_free(struct census *census)
{
	pid_table_visit(&census->table, forget_one, census);
	pid_table_free(&census->table);
}

/* The last ones stay: who saw it long ago may keep it in his table until its pid is taken again. */
static void add_user(struct census_users *users, uint32_t uid)
{
	for (int i = 0; i < CENSUS_USERS_MAX; i++)
		if (users->uids[i] == uid)
			return;
	memmove(users->uids + 1, users->uids, (CENSUS_USERS_MAX - 1) * sizeof users->uids[0]);
	users->uids[0] = uid;
}

/* The entry of the process, made if need be; of who had its pid before nothing is left. NULL: out
 * of memory. */
static struct resident *enter(struct census *census, const struct procobsrv_process *process)
{
	void **slot = pid_table_slot(&census->table, process->pid);

	if (!slot)
		return NULL;
	struct resident *resident = *slot;
	if (resident && resident->process->start_boot_ns != process->start_boot_ns)
		forget(census, slot);
	if (!(resident = *slot)) {
		if (!(resident = calloc(1, sizeof *resident)))
			return NULL;
		resident->image_uid = OWNER_NOBODY;
		resident->told = nobody;
		*slot = resident;
		census->count++;
	}
	const struct procobsrv_process *before = resident->process;
	resident->process = procobsrv_process_ref(process);
	procobsrv_process_unref(before);
	add_user(&resident->told, owner_of(process));
	return resident;
}

void census_add(struct census *census, const struct procobsrv_process *process)
{
	struct resident *resident = enter(census, process);

	if (resident)
		resident->image_uid = owner_of_image(process);
}

static void start(struct census *census, const struct procobsrv_event *event)
{
	const struct procobsrv_process *from = event->creator ? event->creator : event->parent;
	const struct resident *forker = from ? pid_table_get(&census->table, from->pid) : NULL;
	bool known = forker && forker->process->start_boot_ns == from->start_boot_ns;
	uint32_t image_uid = known ? forker->image_uid : OWNER_NOBODY;
	struct resident *resident = enter(census, event->process);

	if (!resident)
		return;
	resident->image_uid = owner_of_new_image(event->process, image_uid);
}

static void exec(struct census *census, const struct procobsrv_event *event)
{
	struct resident *resident = enter(census, event->process);

	if (resident)
		resident->image_uid = owner_of(event->process);
}

static void leave(struct census *census, const struct procobsrv_event *event,
		  struct census_users *others)
{
	void **slot = pid_table_slot(&census->table, event->process->pid);
	struct resident *resident = slot ? *slot : NULL;

	if (!resident || (event->process->start_boot_ns &&
			  resident->process->start_boot_ns != event->process->start_boot_ns))
		return;
	*others = resident->told;
	forget(census, slot);
}

uint32_t census_apply(struct census *census, const struct procobsrv_event *event,
		      struct census_users *others)
{
	*others = nobody;
	if (!event->process)
		return OWNER_NOBODY;
	if (event->kind == PROCOBSRV_EXIT)
		leave(census, event, others);
	else if (event->kind == PROCOBSRV_EXISTING || event->flags & PROCOBSRV_EVENT_SYNTHETIC)
		census_add(census, event->process);
	else if (event->kind == PROCOBSRV_START)
		start(census, event);
	else if (event->kind == PROCOBSRV_EXEC)
		exec(census, event);
	return owner_of(event->process);
}

static void prune_one(void **slot, void *param)
{
	const struct resident *resident = *slot;

	if (owner_is_gone(resident->process->pid))
		forget(param, slot);
}

void census_prune(struct census *census)
{
	pid_table_visit(&census->table, prune_one, census);
}

struct copying {
	struct census_list *list;
	uint32_t uid;
};

static void copy_one(void **slot, void *param)
{
	struct copying *copying = param;
	struct resident *resident = *slot;
	bool all = copying->uid == OWNER_NOBODY;

	if (!all && owner_of(resident->process) != copying->uid)
		return;
	copying->list->items[copying->list->count++] = (struct census_item){
	    .process = procobsrv_process_ref(resident->process),
	    .hide_image = !all && resident->image_uid != copying->uid,
	};
}

bool census_copy(const struct census *census, uint32_t uid, struct census_list *list)
{
	struct copying copying = {list, uid};

	list->count = 0;
	list->items = calloc(census->count + 1, sizeof *list->items);
	if (!list->items)
		return false;
	pid_table_visit((struct pid_table *)(uintptr_t)&census->table, copy_one, &copying);
	return true;
}

void census_release(struct census_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		procobsrv_process_unref(list->items[i].process);
	free(list->items);
	*list = (struct census_list){0};
}
