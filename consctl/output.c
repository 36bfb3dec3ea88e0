/* SPDX-License-Identifier: MIT */
#include "output.h"
#include "consctl.h"
#include "os.h"
#include "platform.h"

#include <errno.h>
#include <string.h>

#define FLUSH_SIZE (64 * 1024)
/* Later than the last write by this much, a line goes out at once: so a quiet stream has no delay,
 * and a busy one costs a hundred writes a second. */
#define FLUSH_NS    10000000ull
#define FOR_EVER_NS 3600000000000ull

/* Called with the lock held. */
static void flush(struct output *output)
{
	if (output->buffer.failed && !output->error)
		output->error = ENOMEM;
	if (output->buffer.size && !output->error)
		output->error =
		    platform_file_write(output->file, output->buffer.data, output->buffer.size);
	output->buffer.size = 0;
	output->flushed_ns = os_monotonic_ns();
	if (!output->error && output->on_written)
		output->on_written(output->param);
}

static void *run_flusher(void *param)
{
	struct output *output = param;

	pthread_mutex_lock(&output->lock);
	while (!output->ending) {
		uint64_t wait_ns = FOR_EVER_NS;

		if (output->buffer.size) {
			uint64_t passed_ns = os_monotonic_ns() - output->flushed_ns;

			if (passed_ns >= FLUSH_NS) {
				flush(output);
				continue;
			}
			wait_ns = FLUSH_NS - passed_ns;
		} else {
			output->sleeping = true;
		}
		os_condition_wait(&output->changed, &output->lock, wait_ns);
	}
	pthread_mutex_unlock(&output->lock);
	return NULL;
}

/* A run that was cut off may have left half a line; what follows must not be glued to it. */
static void mend(struct output *output)
{
	if (platform_file_is_torn(output->file))
		buffer_append_character(&output->buffer, '\n');
}

void output_complain_open(const char *path, int error)
{
	if (error == ELOOP)
		complain("cannot write to '%s': it is a symbolic link, which is refused; name the "
			 "file itself",
			 path);
	else
		complain("cannot write to '%s': %s", path, platform_error_text(error));
}

int output_open(struct output *output, const char *path)
{
	int error;

	*output = (struct output){.path = path, .buffer = BUFFER_EMPTY};
	if (path) {
		error = platform_file_open(path, &output->file);
		if (error) {
			output_complain_open(path, error);
			return error;
		}
		mend(output);
	} else {
		output->file = platform_file_standard_output();
		output->terminal = os_is_terminal(stdout);
	}
	error = pthread_mutex_init(&output->lock, NULL);
	if (error)
		goto close;
	error = os_condition_init(&output->changed);
	if (error)
		goto destroy_lock;
	error = os_thread_start(&output->flusher, "flush", run_flusher, output);
	if (error)
		goto destroy_condition;
	return 0;

destroy_condition:
	pthread_cond_destroy(&output->changed);
destroy_lock:
	pthread_mutex_destroy(&output->lock);
close:
	complain("cannot start a thread for the output: %s", platform_error_text(error));
	buffer_free(&output->buffer);
	if (path)
		platform_file_close(output->file);
	return error;
}

struct buffer *output_begin(struct output *output)
{
	pthread_mutex_lock(&output->lock);
	return &output->buffer;
}

struct buffer *output_try_begin(struct output *output)
{
	return pthread_mutex_trylock(&output->lock) ? NULL : &output->buffer;
}

/* Called with the lock held. The flusher is woken once, not for each line. */
static void wake_flusher(struct output *output)
{
	if (!output->buffer.size || !output->sleeping)
		return;
	output->sleeping = false;
	pthread_cond_signal(&output->changed);
}

void output_end_later(struct output *output)
{
	wake_flusher(output);
	pthread_mutex_unlock(&output->lock);
}

bool output_end(struct output *output)
{
	bool fine;

	if (output->buffer.size >= FLUSH_SIZE || output->terminal || output->buffer.failed ||
	    os_monotonic_ns() - output->flushed_ns >= FLUSH_NS)
		flush(output);
	wake_flusher(output);
	fine = !output->error;
	pthread_mutex_unlock(&output->lock);
	return fine;
}

void output_reopen(struct output *output, void (*on_new)(struct buffer *buffer, void *param),
		   void *param)
{
	intptr_t file;
	int error;

	pthread_mutex_lock(&output->lock);
	if (!output->path || !platform_file_is_regular(output->file))
		goto unlock;
	error = platform_file_open(output->path, &file);
	if (error) {
		output_complain_open(output->path, error);
		complain("goes on writing to the file that was '%s'", output->path);
		goto unlock;
	}
	flush(output);
	error = platform_file_close(output->file);
	if (error && !output->error)
		output->error = error;
	output->file = file;
	mend(output);
	on_new(&output->buffer, param);
	flush(output);
unlock:
	pthread_mutex_unlock(&output->lock);
}

int output_close(struct output *output)
{
	int error;

	pthread_mutex_lock(&output->lock);
	output->ending = true;
	pthread_cond_signal(&output->changed);
	pthread_mutex_unlock(&output->lock);
	pthread_join(output->flusher, NULL);
	flush(output);
	/* Some file systems tell only here that there was no room. */
	error = platform_file_close(output->file);
	if (error && !output->error)
		output->error = error;
	pthread_cond_destroy(&output->changed);
	pthread_mutex_destroy(&output->lock);
	buffer_free(&output->buffer);
	return output->error;
}

int output_status(const char *path, int error)
{
	/* Who stopped reading, as `head` does, has what it wanted. */
	if (!error || error == EPIPE)
		return STATUS_FINE;
	if (path)
		complain("cannot write to '%s': %s", path, platform_error_text(error));
	else
		complain("cannot write to standard output: %s", platform_error_text(error));
	return STATUS_FAILED;
}

int output_print(struct buffer *buffer)
{
	int error = buffer->failed ? ENOMEM : 0;

	if (!error)
		error = platform_file_write(platform_file_standard_output(), buffer->data,
					    buffer->size);
	buffer->size = 0;
	return error;
}
