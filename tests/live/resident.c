/* SPDX-License-Identifier: MIT */
#include "resident.h"
#include "console.h"
#include "kernel_objects.h"
#include "live.h"
#include "live_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 16

static const char *read_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t length = file ? fread(text, 1, size - 1, file) : 0;

	text[length] = '\0';
	if (file)
		fclose(file);
	return text;
}

int consctl_run(const char *const *words, const char **output, const char **errors)
{
	static struct console console;
	static char texts[2][16384];
	int status;

	if (console.output)
		console_restart(&console, words);
	else
		console_start(&console, "consctl", words);
	status = console_end(&console, 0);
	if (output)
		*output = read_text(console.output, texts[0], sizeof(texts[0]));
	if (errors)
		*errors = read_text(console.errors, texts[1], sizeof(texts[1]));
	EXPECT(WIFEXITED(status), "consctl %s ended with wait status %#x", words[1],
	       (unsigned)status);
	return WEXITSTATUS(status);
}

/* One test at a time may have the only resident observer of the machine. */
static void take_turn(void)
{
	static int lock = -1;

	if (lock >= 0)
		return;
	lock = open("/tmp/procobsrv-live-resident.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(lock >= 0 && !flock(lock, LOCK_EX), "lock of the resident tests: %s",
	       strerror(errno));
}

void resident_begin(const char *const *words)
{
	const char *argv[WORDS_MAX + 3] = {"consctl", "install"};
	const char *errors;
	size_t count = 2;
	int status;

	take_turn();
	if (!access(RESIDENT_PINS, F_OK))
		live_skip("a resident observer is installed on this machine: \"consctl "
			  "uninstall\" removes it");
	for (; words && *words && count < WORDS_MAX + 2; words++)
		argv[count++] = *words;
	argv[count] = NULL;
	live_state->resident = true;
	status = consctl_run(argv, NULL, &errors);
	EXPECT(!status, "install ended with status %d: %s", status, errors);
}

int resident_open_pin(const char *name)
{
	char path[PATH_MAX];
	union bpf_attr attributes;
	int descriptor;

	snprintf(path, sizeof(path), RESIDENT_PINS "/%s", name);
	memset(&attributes, 0, sizeof(attributes));
	attributes.pathname = (uint64_t)(uintptr_t)path;
	descriptor = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attributes, sizeof(attributes));
	EXPECT(descriptor >= 0, "%s: %s", path, strerror(errno));
	return descriptor;
}

static void expect_gone(const char *path)
{
	EXPECT(access(path, F_OK) && errno == ENOENT, "uninstall leaves %s", path);
}

/* What the observer holds in the kernel: all its pins, opened by us for a moment. */
static void objects_of_pins(struct kernel_objects *objects)
{
	DIR *directory = opendir(RESIDENT_PINS);
	struct dirent *entry;
	int descriptors[64];
	size_t count = 0;

	EXPECT(directory, RESIDENT_PINS ": %s", strerror(errno));
	while ((entry = readdir(directory)) && count < 64)
		if (entry->d_name[0] != '.')
			descriptors[count++] = resident_open_pin(entry->d_name);
	closedir(directory);
	kernel_objects_of(getpid(), objects);
	while (count)
		close(descriptors[--count]);
}

void resident_expect_gone(void)
{
	expect_gone(RESIDENT_PINS);
	expect_gone(RESIDENT_RUN);
	expect_gone(RESIDENT_SPILL);
	live_state->resident = false;
}

void resident_finish(void)
{
	struct kernel_objects objects = {0};
	const char *errors;
	int status;

	objects_of_pins(&objects);
	EXPECT(objects.program_count >= 4 && objects.map_count >= 2 && objects.link_count >= 3,
	       "pinned are %u programs, %u maps, %u links", objects.program_count,
	       objects.map_count, objects.link_count);
	status = CONSCTL(NULL, &errors, "uninstall");
	EXPECT(!status, "uninstall ended with status %d: %s", status, errors);
	resident_expect_gone();
	EXPECT(kernel_objects_gone(&objects), "uninstall leaves something in the kernel");
}

json_t *resident_ask(void)
{
	const char *output, *errors;
	json_t *object;
	int status = CONSCTL(&output, &errors, "status", "-j");

	EXPECT(!status, "status ended with status %d: %s%s", status, output, errors);
	object = json_loads(output, 0, NULL);
	EXPECT(object, "status -j is not JSON: %s", output);
	EXPECT(json_is_true(json_object_get(object, "installed")), "not installed: %s", output);
	EXPECT(json_is_true(json_object_get(object, "adds_up")), "it does not add up: %s", output);
	return object;
}

uint64_t resident_number(const char *key)
{
	json_t *object = resident_ask();
	json_t *number = json_object_get(object, key);
	uint64_t value = (uint64_t)json_integer_value(number);

	EXPECT(number, "status -j has no \"%s\"", key);
	json_decref(object);
	return value;
}
