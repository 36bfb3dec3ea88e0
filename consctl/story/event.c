/* SPDX-License-Identifier: MIT */
/* The story from events as the library tells them. */
#include "command.h"
#include "format.h"

/* As one text, in the story's scratch. NULL: not known. */
static const char *command_of(struct story *story, const struct procobsrv_process *process)
{
	story->scratch.size = 0;
	if (story->redaction && process->argc)
		story_append_arguments(story, process->argv, process->argc, &story->scratch);
	else if (!format_text_command(&story->scratch, process))
		return NULL;
	buffer_append_character(&story->scratch, '\0');
	if (!story->scratch.failed)
		return story->scratch.data;
	story->failed = true;
	return NULL;
}

static void take_exit(struct story_news *news, const struct procobsrv_exit *exit)
{
	news->has_status = exit->has_status;
	news->code = exit->code;
	news->signal = exit->signal;
	news->core_dumped = exit->core_dumped;
	news->has_usage = exit->has_usage;
	news->cpu_ns = exit->cpu_ns;
	news->max_rss_bytes = exit->max_rss_bytes;
}

void story_add_event(struct story *story, const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;
	const struct procobsrv_process *creator = event->creator ? event->creator : event->parent;
	struct story_news news = {.kind = event->kind, .time_ns = event->time_ns};

	if (process) {
		news.id = process->id;
		news.pid = process->pid;
		news.has_uid = process->present & PROCOBSRV_HAS_CREDENTIALS;
		news.uid = process->uid;
		if (process->present & PROCOBSRV_HAS_START)
			news.start_ns = process->start_time_ns;
		news.program = (struct story_program){
		    .name = process->name,
		    .exe = process->exe,
		    .command = command_of(story, process),
		    .cwd = process->cwd,
		};
	}
	if (creator)
		news.parent_id = creator->id;
	if (event->exit)
		take_exit(&news, event->exit);
	if (event->lost)
		news.lost = event->lost->count;
	story_add(story, &news);
}
