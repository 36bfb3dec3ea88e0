/* SPDX-License-Identifier: MIT */
#include "process_list.h"

#include "error.h"
#include "lookup.h"
#include "os.h"

#include <stdlib.h>
#include <string.h>
#include <winternl.h>

#define STATUS_INFO_LENGTH_MISMATCH_ ((NTSTATUS)0xc0000004)
/* Room for processes that come between two calls. */
#define FIRST_SIZE (256u << 10)
#define MOST_SIZE  (256u << 20)

/* The system's SYSTEM_PROCESS_INFORMATION up to what is used; the headers hide its fields. */
struct system_process {
	ULONG next; /* bytes to the next; 0: the last */
	ULONG thread_count;
	LARGE_INTEGER reserved[3];
	LARGE_INTEGER create_time;
	LARGE_INTEGER user_time;
	LARGE_INTEGER kernel_time;
	UNICODE_STRING name;
	LONG base_priority;
	HANDLE pid;
	HANDLE parent_pid;
	ULONG handle_count;
	ULONG session;
	ULONG_PTR key;
	SIZE_T peak_virtual_size;
	SIZE_T virtual_size;
	ULONG page_fault_count;
	SIZE_T peak_working_set_size;
};

typedef NTSTATUS(NTAPI *query_system)(ULONG, void *, ULONG, ULONG *);

static int ask_system(struct process_list *list)
{
	query_system query = (query_system)lookup("ntdll.dll", "NtQuerySystemInformation");
	NTSTATUS status;
	ULONG needed = FIRST_SIZE;

	do {
		arena_clear(&list->answer, needed);
		if (needed > MOST_SIZE || !arena_add(&list->answer, needed))
			return error_set(PROCOBSRV_ERROR_MEMORY,
					 "out of memory for the list of processes");
		ULONG size = (ULONG)list->answer.capacity;
		status = query ? query(SystemProcessInformation, list->answer.data, size, &needed)
			       : STATUS_INFO_LENGTH_MISMATCH_ - 1;
		needed = (needed > size ? needed : size) + FIRST_SIZE;
	} while (status == STATUS_INFO_LENGTH_MISMATCH_);
	if (status < 0)
		return error_set(PROCOBSRV_ERROR_SYSTEM,
				 "the system does not list its processes (status 0x%08lx)",
				 (unsigned long)status);
	return 0;
}

/* The beginning of a name, where something must stand for the image that is not told. */
static void cut_name(const UNICODE_STRING *wide, char name[RECORD_NAME_SIZE])
{
	size_t count = wide->Buffer ? wide->Length / sizeof(*wide->Buffer) : 0;

	for (size_t i = 0; i < count && i < RECORD_NAME_SIZE - 1; i++)
		name[i] = wide->Buffer[i] < 0x7f ? (char)wide->Buffer[i] : '?';
}

static void describe(const struct system_process *system, struct listed_process *process)
{
	memset(process, 0, sizeof(*process));
	process->body = running_process_unknown();
	process->body.process.pid = (uint32_t)(uintptr_t)system->pid;
	process->body.process.start_ns =
	    running_process_time_ns((uint64_t)system->create_time.QuadPart);
	process->body.parent.pid = (uint32_t)(uintptr_t)system->parent_pid;
	process->body.credentials.session = system->session;
	cut_name(&system->name, process->body.name);
}

static int by_pid(const void *left, const void *right)
{
	const struct listed_process *a = left, *b = right;

	return (a->body.process.pid > b->body.process.pid) -
	       (a->body.process.pid < b->body.process.pid);
}

static struct listed_process *processes_of(const struct process_list *list)
{
	return (struct listed_process *)list->processes.data;
}

const struct listed_process *process_list_at(const struct process_list *list, size_t index)
{
	return &processes_of(list)[index];
}

/* NULL: nobody listed has this pid. */
static const struct listed_process *find(const struct process_list *list, uint32_t pid)
{
	const struct listed_process key = {.body.process.pid = pid};

	return list->count ? bsearch(&key, processes_of(list), list->count, sizeof(key), by_pid)
			   : NULL;
}

/* A parent's pid may be another's by now: one that is younger than the child. */
static void name_parents(struct process_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct record_body *body = &processes_of(list)[i].body;
		const struct listed_process *parent = find(list, body->parent.pid);

		if (parent && parent->body.process.start_ns <= body->process.start_ns)
			body->parent.start_ns = parent->body.process.start_ns;
	}
}

static int parse(struct process_list *list)
{
	const char *cursor = list->answer.data;
	const struct system_process *system;

	arena_clear(&list->processes, list->answer.capacity);
	list->count = 0;
	do {
		system = (const void *)cursor;
		cursor += system->next;
		if (!system->pid)
			continue;
		struct listed_process *process = arena_add(&list->processes, sizeof(*process));
		if (!process)
			return error_set(PROCOBSRV_ERROR_MEMORY,
					 "out of memory for the list of processes");
		describe(system, process);
		list->count++;
	} while (system->next);
	if (list->count)
		qsort(processes_of(list), list->count, sizeof(struct listed_process), by_pid);
	name_parents(list);
	return 0;
}

int process_list_take(struct process_list *list)
{
	int error = ask_system(list);

	return error ? error : parse(list);
}

void process_list_free(struct process_list *list)
{
	arena_free(&list->answer);
	arena_free(&list->processes);
	list->count = 0;
}

/* ---- records of them ---- */

HANDLE process_list_open(const struct listed_process *listed, bool *denied)
{
	const struct record_identity *identity = &listed->body.process;
	HANDLE process = running_process_open(identity->pid);
	struct record_body body;

	*denied = !process && GetLastError() == ERROR_ACCESS_DENIED;
	if (!process || !running_process_body(process, &body) ||
	    body.process.start_ns == identity->start_ns)
		return process;
	CloseHandle(process); /* another one has the pid now */
	return NULL;
}

void process_list_write(struct record_writer *writer, enum record_kind kind, uint64_t time_ns,
			const struct listed_process *listed, HANDLE process, bool denied,
			struct running_image *image)
{
	struct record_body body = listed->body;
	struct record_start start = {0};

	running_image_read(process, body.process.pid, denied, image);
	/* The image tells the whole name. */
	if (image->strings[RECORD_STRING_EXE].size)
		memset(body.name, 0, sizeof(body.name));
	if (kind == RECORD_EXISTING && process && WaitForSingleObject(process, 0) == WAIT_OBJECT_0)
		body.process_flags |= RECORD_PROCESS_EXITING;
	record_writer_add(writer,
			  &(struct record_parts){.kind = (uint16_t)kind,
						 .time_ns = time_ns,
						 .body = &body,
						 .start = kind == RECORD_START ? &start : NULL,
						 .flags = RECORD_UTF16,
						 .image = &image->image,
						 .strings = image->strings});
}

int process_list_snapshot(source_on_record on_record, void *param)
{
	struct running_image image = {0};
	struct process_list list = {0};
	struct record_writer writer;
	int error = process_list_take(&list);

	record_writer_init(&writer, 0);
	for (size_t i = 0; !error && i < list.count; i++) {
		const struct listed_process *listed = process_list_at(&list, i);
		bool denied;
		HANDLE process = process_list_open(listed, &denied);

		process_list_write(&writer, RECORD_EXISTING, os_boot_ns(), listed, process, denied,
				   &image);
		record_writer_lend_each(&writer, on_record, param);
		if (process)
			CloseHandle(process);
	}
	process_list_free(&list);
	record_writer_free(&writer);
	running_image_free(&image);
	return error;
}
