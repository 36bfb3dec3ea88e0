/* SPDX-License-Identifier: MIT */
#include "proc_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the kernel's task flags, field 9 of /proc/PID/stat. */
#define TASK_FORKED_NO_EXEC 0x00000040u
#define TASK_KERNEL_THREAD  0x00200000u

int proc_process_open(uint32_t pid)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/%u", pid);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

long proc_read_text(int directory, const char *name, char *text, size_t size)
{
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got = 0;

	if (file < 0)
		return -1;
	while (length < size - 1) {
		got = read(file, text + length, size - 1 - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	int error = errno;
	close(file);
	text[length] = '\0';
	if (got < 0 && !length) {
		errno = error;
		return -1;
	}
	return (long)length;
}

/* Fields of /proc/PID/stat by their number in proc(5). */
enum {
	STAT_STATE = 3,
	STAT_PARENT = 4,
	STAT_SESSION = 6,
	STAT_TTY = 7,
	STAT_FLAGS = 9,
	STAT_USER_TIME = 14,
	STAT_SYSTEM_TIME = 15,
	STAT_THREADS = 20,
	STAT_START = 22,
	STAT_STACK = 28,
	STAT_ARGUMENTS = 48,
	STAT_EXIT_STATUS = 52,
	STAT_FIELDS,
};

/* Numbers behind the name, by field; the first is the state's letter. False: not a stat. */
static bool parse_stat(char *text, uint64_t fields[STAT_FIELDS], char name[RECORD_NAME_SIZE])
{
	char *open = strchr(text, '('), *end = strrchr(text, ')');

	/* The name may hold anything, also parentheses and spaces. */
	if (!open || !end || end < open)
		return false;
	size_t length = (size_t)(end - open - 1);
	if (length > RECORD_NAME_SIZE - 1)
		length = RECORD_NAME_SIZE - 1;
	memset(name, 0, RECORD_NAME_SIZE);
	memcpy(name, open + 1, length);

	char *cursor = end + 1;
	if (*cursor++ != ' ' || !*cursor)
		return false;
	fields[STAT_STATE] = (unsigned char)*cursor++;
	int field = STAT_STATE + 1;
	while (field < STAT_FIELDS && *cursor == ' ') {
		char *next;
		errno = 0;
		/* Negative numbers (tty, priority) wrap, as they do in the kernel's 32 bits. */
		fields[field] = strtoull(cursor, &next, 10);
		if (next == cursor)
			break;
		cursor = next;
		field++;
	}
	return field > STAT_START;
}

static bool take_stat(char *text, struct proc_process *process)
{
	uint64_t fields[STAT_FIELDS] = {0};
	struct record_body *body = &process->body;

	if (!parse_stat(text, fields, body->name))
		return false;

	body->process.pid = (uint32_t)strtoul(text, NULL, 10);
	body->process.start_ns = fields[STAT_START] * PROC_TICK_NS;
	body->parent.pid = (uint32_t)fields[STAT_PARENT];
	body->tty = (uint32_t)fields[STAT_TTY];
	body->session_leader = (uint32_t)fields[STAT_SESSION];
	process->state = (char)fields[STAT_STATE];
	process->thread_group = body->process.pid;
	process->threads = (uint32_t)fields[STAT_THREADS];
	process->user_ns = fields[STAT_USER_TIME] * PROC_TICK_NS;
	process->system_ns = fields[STAT_SYSTEM_TIME] * PROC_TICK_NS;
	process->exit_status = (uint32_t)fields[STAT_EXIT_STATUS];
	process->not_execed = fields[STAT_FLAGS] & TASK_FORKED_NO_EXEC;
	/* Both are random in most programs; neither is told to who may not trace the process. */
	process->layout = fields[STAT_STACK] ^ fields[STAT_ARGUMENTS] << 1;

	body->process_flags = 0;
	if (fields[STAT_FLAGS] & TASK_KERNEL_THREAD)
		body->process_flags |= RECORD_PROCESS_KERNEL_THREAD;
	if (!process->not_execed)
		body->process_flags |= RECORD_PROCESS_EXECED;
	/* A leader that is gone is no end of the process while others of its threads live. */
	if (proc_process_is_dead(process) && process->threads <= 1)
		body->process_flags |= RECORD_PROCESS_EXITING;
	return true;
}

bool proc_process_read_stat(int directory, struct proc_process *process)
{
	char text[2048];

	return proc_read_text(directory, "stat", text, sizeof text) > 0 && take_stat(text, process);
}

bool proc_process_read_stat_of(uint32_t pid, struct proc_process *process)
{
	char path[32], text[2048];

	snprintf(path, sizeof path, "/proc/%u/stat", pid);
	return proc_read_text(AT_FDCWD, path, text, sizeof text) > 0 && take_stat(text, process);
}

bool proc_process_is_dead(const struct proc_process *process)
{
	return process->state == 'Z' || process->state == 'X' || process->state == 'x';
}

/* What follows "NAME:" at the beginning of a line; NULL: there is no such line. */
static const char *find_line(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length) && line[length] == ':')
			return line + length + 1;
	}
	return NULL;
}

static uint64_t number_of(const char *text, const char *name)
{
	const char *value = find_line(text, name);

	return value ? strtoull(value, NULL, 10) : 0;
}

/* The first two of the four ids of a Uid or Gid line: real and effective. */
static bool read_ids(const char *text, const char *name, uint32_t *real, uint32_t *effective)
{
	const char *value = find_line(text, name);

	return value && sscanf(value, "%u %u", real, effective) == 2;
}

/* The name, in which a line end and a backslash are escaped. */
static void read_name(const char *text, char name[RECORD_NAME_SIZE])
{
	const char *value = find_line(text, "Name");
	size_t length = 0;

	if (!value)
		return;
	memset(name, 0, RECORD_NAME_SIZE);
	value += *value == '\t';
	for (; *value && *value != '\n' && length < RECORD_NAME_SIZE - 1; value++) {
		bool escaped = value[0] == '\\' && (value[1] == 'n' || value[1] == '\\');
		if (escaped)
			value++;
		name[length++] = escaped && *value == 'n' ? '\n' : *value;
	}
}

/* The last number of the NSpid line: the pid in the innermost namespace. */
static uint32_t innermost_pid(const char *text)
{
	const char *value = find_line(text, "NSpid");
	uint32_t pid = 0;

	if (!value)
		return 0;
	for (;;) {
		char *next;
		unsigned long number = strtoul(value, &next, 10);
		if (next == value)
			return pid;
		pid = (uint32_t)number;
		value = next;
		if (*value != '\t' && *value != ' ')
			return pid;
	}
}

bool proc_process_read_status(int directory, struct proc_process *process)
{
	char text[4096];
	struct record_credentials *credentials = &process->body.credentials;

	/* What is wanted stands in its first lines; long lists of groups may be cut off. */
	if (proc_read_text(directory, "status", text, sizeof text) <= 0)
		return false;
	process->thread_group = (uint32_t)number_of(text, "Tgid");
	process->tracer = (uint32_t)number_of(text, "TracerPid");
	process->body.parent.pid = (uint32_t)number_of(text, "PPid");
	process->body.process.ns_pid = innermost_pid(text);
	process->max_rss_bytes = number_of(text, "VmHWM") << 10;
	read_name(text, process->body.name);
	if (find_line(text, "NSsid"))
		process->body.session_leader = (uint32_t)number_of(text, "NSsid");
	return read_ids(text, "Uid", &credentials->uid, &credentials->euid) &&
	       read_ids(text, "Gid", &credentials->gid, &credentials->egid);
}

static uint32_t read_id(int directory, const char *name)
{
	char text[32];

	if (proc_read_text(directory, name, text, sizeof text) <= 0)
		return RECORD_ID_UNKNOWN;
	return (uint32_t)strtoul(text, NULL, 10);
}

void proc_process_read_audit(int directory, struct proc_process *process)
{
	process->body.credentials.loginuid = read_id(directory, "loginuid");
	process->body.credentials.session = read_id(directory, "sessionid");
}

bool proc_process_read(int directory, struct proc_process *process)
{
	memset(process, 0, sizeof *process);
	if (!proc_process_read_stat(directory, process) ||
	    !proc_process_read_status(directory, process))
		return false;
	proc_process_read_audit(directory, process);
	return true;
}

struct record_identity proc_process_identity(uint32_t pid)
{
	struct proc_process process = {0};

	if (!pid || !proc_process_read_stat_of(pid, &process))
		return (struct record_identity){0};
	return process.body.process;
}

uint64_t proc_process_cpu_ns(int directory)
{
	char text[64];

	if (proc_read_text(directory, "schedstat", text, sizeof text) <= 0)
		return 0;
	return strtoull(text, NULL, 10);
}

void proc_process_decode_status(uint32_t status, struct record_exit *exit)
{
	exit->signal = status & 0x7f;
	exit->code = exit->signal ? 0 : status >> 8 & 0xff;
	if (status & 0x80)
		exit->flags |= RECORD_EXIT_CORE_DUMPED;
}

/* The kernel's struct linux_dirent64, which no header of user space has. */
struct directory_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

static bool walk(const char *path, void (*visit)(uint32_t pid, void *param), void *param)
{
	_Alignas(8) char entries[8192];
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got;

	if (directory < 0)
		return false;
	while ((got = syscall(SYS_getdents64, directory, entries, sizeof entries)) > 0)
		for (long offset = 0; offset < got;) {
			struct directory_entry *entry = (void *)(entries + offset);
			if (entry->name[0] >= '1' && entry->name[0] <= '9')
				visit((uint32_t)strtoul(entry->name, NULL, 10), param);
			offset += entry->length;
		}
	int error = errno;
	close(directory);
	errno = error;
	return got == 0;
}

bool proc_walk(void (*visit)(uint32_t pid, void *param), void *param)
{
	return walk("/proc", visit, param);
}

bool proc_walk_threads(uint32_t pid, void (*visit)(uint32_t pid, void *param), void *param)
{
	char path[48];

	snprintf(path, sizeof path, "/proc/%u/task", pid);
	return walk(path, visit, param);
}
