/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <stdlib.h>
#include <string.h>

bool model_open(struct model *model)
{
	*model = (struct model){.history = calloc(MODEL_HISTORY, sizeof(*model->history))};
	if (!model->history || pthread_mutex_init(&model->lock, NULL)) {
		free(model->history);
		return false;
	}
	return true;
}

static void drop_rows(struct model *model)
{
	for (size_t index = 0; index < model->row_count; index++)
		procobsrv_process_unref(model->rows[index].process);
	model->row_count = 0;
}

void model_close(struct model *model)
{
	drop_rows(model);
	for (size_t index = 0; index < MODEL_HISTORY; index++)
		procobsrv_process_unref(model->history[index].process);
	pthread_mutex_destroy(&model->lock);
	free(model->history);
	free(model->rows);
}

void model_on_event(const struct procobsrv_event *event, void *param)
{
	struct model *model = param;
	const struct procobsrv_process *forgotten = NULL;

	pthread_mutex_lock(&model->lock);
	if (event->kind == PROCOBSRV_START) {
		model->started++;
	} else if (event->kind == PROCOBSRV_LOST) {
		model->lost += event->lost->count;
	} else if (event->kind == PROCOBSRV_EXIT) {
		struct model_ending *ending =
		    &model->history[model->history_count++ % MODEL_HISTORY];

		forgotten = ending->process;
		ending->process = procobsrv_process_ref(event->process);
		ending->time_ns = event->time_ns;
		ending->exit.code = event->exit->code;
		ending->exit.signal = event->exit->signal;
		ending->exit.core_dumped = event->exit->core_dumped;
		ending->exit.has_status = event->exit->has_status;
		ending->exit.has_usage = event->exit->has_usage;
		ending->exit.duration_ns = event->exit->duration_ns;
		ending->exit.cpu_ns = event->exit->cpu_ns;
		ending->exit.max_rss_bytes = event->exit->max_rss_bytes;
		model->ended++;
	}
	pthread_mutex_unlock(&model->lock);
	procobsrv_process_unref(forgotten);
}

static struct model_row *add_row(struct model *model, const struct procobsrv_process *process)
{
	struct model_row *row;

	if (model->row_count == model->row_capacity) {
		size_t capacity = model->row_capacity ? model->row_capacity * 2 : 256;
		struct model_row *rows = realloc(model->rows, capacity * sizeof(*rows));

		if (!rows) {
			model->failed = true;
			return NULL;
		}
		model->rows = rows;
		model->row_capacity = capacity;
	}
	row = &model->rows[model->row_count++];
	*row = (struct model_row){.process = procobsrv_process_ref(process)};
	return row;
}

static int visit_live(const struct procobsrv_process *process, void *param)
{
	return !add_row(param, process);
}

/* The latest ones stand at the end of the history. */
static void add_ended(struct model *model, int64_t now_ns)
{
	uint64_t count =
	    model->history_count < MODEL_HISTORY ? model->history_count : MODEL_HISTORY;

	for (uint64_t back = 1; back <= count; back++) {
		const struct model_ending *ending =
		    &model->history[(model->history_count - back) % MODEL_HISTORY];
		struct model_row *row;

		if (ending->time_ns < now_ns - MODEL_FADE_NS)
			return;
		row = add_row(model, ending->process);
		if (!row)
			return;
		row->ended_ns = ending->time_ns;
		row->has_status = ending->exit.has_status;
		row->code = ending->exit.code;
		row->signal = ending->exit.signal;
	}
}

void model_look(struct model *model, struct procobsrv *monitor, int64_t now_ns)
{
	drop_rows(model);
	if (procobsrv_visit(monitor, visit_live, model))
		model->failed = true;
	pthread_mutex_lock(&model->lock);
	add_ended(model, now_ns);
	pthread_mutex_unlock(&model->lock);
}

void model_rates(struct model *model, uint64_t now_ns, double *starts, double *ends)
{
	const struct model_tick *oldest;
	struct model_tick now = {.time_ns = now_ns};
	double seconds;

	pthread_mutex_lock(&model->lock);
	now.started = model->started;
	now.ended = model->ended;
	pthread_mutex_unlock(&model->lock);
	oldest =
	    &model->ticks[model->tick_count < MODEL_TICKS ? 0 : model->tick_count % MODEL_TICKS];
	seconds = model->tick_count ? (double)(now_ns - oldest->time_ns) / 1e9 : 0;
	*starts = seconds > 0 ? (double)(now.started - oldest->started) / seconds : 0;
	*ends = seconds > 0 ? (double)(now.ended - oldest->ended) / seconds : 0;
	model->ticks[model->tick_count++ % MODEL_TICKS] = now;
}

static bool is_child(const struct procobsrv_process *process,
		     const struct procobsrv_process *parent)
{
	return process->present & PROCOBSRV_HAS_PPID && process->ppid == parent->pid &&
	       process->start_boot_ns >= parent->start_boot_ns;
}

void model_ended_children(struct model *model, const struct procobsrv_process *parent, size_t most,
			  void (*visit)(const struct model_ending *ending, void *param),
			  void *param)
{
	uint64_t count;

	pthread_mutex_lock(&model->lock);
	count = model->history_count < MODEL_HISTORY ? model->history_count : MODEL_HISTORY;
	for (uint64_t back = 1; back <= count && most; back++) {
		const struct model_ending *ending =
		    &model->history[(model->history_count - back) % MODEL_HISTORY];

		if (!is_child(ending->process, parent))
			continue;
		visit(ending, param);
		most--;
	}
	pthread_mutex_unlock(&model->lock);
}

bool model_ending(struct model *model, const char *id, struct procobsrv_exit *exit)
{
	uint64_t count;
	bool found = false;

	pthread_mutex_lock(&model->lock);
	count = model->history_count < MODEL_HISTORY ? model->history_count : MODEL_HISTORY;
	for (uint64_t back = 1; back <= count && !found; back++) {
		const struct model_ending *ending =
		    &model->history[(model->history_count - back) % MODEL_HISTORY];

		found = !strcmp(ending->process->id, id);
		if (found)
			*exit = ending->exit;
	}
	pthread_mutex_unlock(&model->lock);
	return found;
}
