/* SPDX-License-Identifier: MIT */
#include "task_init.h"

#include "os.h"
#include "proc_files.h"
#include "proc_process.h"
#include "record_writer.h"

#include <stdlib.h>
#include <unistd.h>

#define INIT_PID 1

void task_init_look(struct task_init *init, const struct record_body *body)
{
	if (body->process.pid == INIT_PID)
		init->told = true;
	else if (body->parent.pid == INIT_PID)
		init->identity = body->parent;
}

static void tell(const struct task_init *init, int directory,
		 const struct task_snapshot_options *options, source_on_record on_record,
		 void *param)
{
	const struct proc_image_options wanted = {.env = options->capture_env,
						  .max_args = options->max_args};
	struct proc_process process = {0};
	struct proc_image *image = calloc(1, sizeof *image);
	struct record_writer writer;

	if (!image || !proc_process_read(directory, &process)) {
		free(image);
		return;
	}
	/* /proc cuts the start to a tick; of its parent, which is none, it says pid 0. */
	process.body.process = init->identity;
	proc_image_read(directory, &wanted, image);
	image->image.thread_pid = INIT_PID;
	record_writer_init(&writer, 0);
	record_writer_add(&writer, &(struct record_parts){.kind = RECORD_EXISTING,
							  .time_ns = os_boot_ns(),
							  .body = &process.body,
							  .image = &image->image,
							  .strings = image->strings});
	record_writer_lend_each(&writer, on_record, param);
	record_writer_free(&writer);
	proc_image_free(image);
	free(image);
}

void task_init_tell(const struct task_init *init, const struct task_snapshot_options *options,
		    source_on_record on_record, void *param)
{
	int directory = init->told || !init->identity.pid ? -1 : proc_files_open(&init->identity);

	if (directory < 0)
		return;
	tell(init, directory, options, on_record, param);
	close(directory);
}
