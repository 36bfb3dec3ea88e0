/* SPDX-License-Identifier: MIT */
/* lib/os.h for Linux: clocks, threads, the wake object, terminals and names. Files: file.c. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS 1000000000ull

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

/*
 * In a time namespace the clock is shifted, but the kernel's records are in the machine's own: the
 * shift is taken off again. It cannot change while a process lives in the namespace.
 */
static int64_t boot_shift_ns;

static void read_boot_shift(void)
{
	FILE *file = fopen("/proc/self/timens_offsets", "re");
	char clock[32];
	long long seconds, nanoseconds;

	if (!file)
		return; /* a kernel without time namespaces */
	while (fscanf(file, "%31s %lld %lld", clock, &seconds, &nanoseconds) == 3)
		if (!strcmp(clock, "boottime"))
			boot_shift_ns = seconds * NANOSECONDS + nanoseconds;
	fclose(file);
}

uint64_t os_boot_ns(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_boot_shift);
	return clock_ns(CLOCK_BOOTTIME) - (uint64_t)boot_shift_ns;
}

uint64_t os_monotonic_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

int64_t os_wall_ns(void)
{
	return (int64_t)clock_ns(CLOCK_REALTIME);
}

uint32_t os_local_second_of_day(int64_t seconds)
{
	time_t when = (time_t)seconds;
	struct tm local;

	if (!localtime_r(&when, &local))
		return (uint32_t)((seconds % 86400 + 86400) % 86400);
	return (uint32_t)(local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec);
}

int os_condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	int error = pthread_condattr_init(&attributes);

	if (error)
		return error;
	/* Conditions know no boot clock; this one only stands still while the machine sleeps. */
	error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	if (!error)
		error = pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
	return error;
}

bool os_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t timeout_ns)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	/* Two centuries are for ever, and time_t holds them. */
	uint64_t end = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
	struct timespec until = {
	    .tv_sec = (time_t)(end / NANOSECONDS),
	    .tv_nsec = (long)(end % NANOSECONDS),
	};

	return pthread_cond_timedwait(condition, mutex, &until) != ETIMEDOUT;
}

int os_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *param)
{
	char short_name[16]; /* what the kernel keeps */
	sigset_t all, before;
	int error;

	/* A new thread inherits the mask: no signal of the embedding program can land on ours, not
	 * even between its creation and its first instruction. */
	sigfillset(&all);
	error = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (error)
		return error;
	error = pthread_create(thread, NULL, run, param);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return error;
	snprintf(short_name, sizeof(short_name), "%s", name);
	pthread_setname_np(*thread, short_name); /* for ps and gdb only: may fail */
	return 0;
}

struct os_event {
	int descriptor;
};

struct os_event *os_event_create(void)
{
	struct os_event *event = malloc(sizeof(*event));

	if (!event)
		return NULL;
	event->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event->descriptor < 0) {
		int error = errno;

		free(event);
		errno = error;
		return NULL;
	}
	return event;
}

void os_event_set(struct os_event *event)
{
	uint64_t one = 1;

	/* It can only fail because the counter is at its top: then the event is set anyway. */
	while (write(event->descriptor, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void os_event_clear(struct os_event *event)
{
	uint64_t count;

	/* EAGAIN: it was clear already. */
	while (read(event->descriptor, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

intptr_t os_event_handle(const struct os_event *event)
{
	return event->descriptor;
}

void os_event_destroy(struct os_event *event)
{
	if (!event)
		return;
	close(event->descriptor);
	free(event);
}

/* Reads the beginning of a small file of the kernel's into text, NUL-terminated. */
static bool read_text(const char *path, char *text, size_t size)
{
	size_t length = 0;
	ssize_t got;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);

	if (descriptor < 0)
		return false;
	while (length < size - 1) {
		got = read(descriptor, text + length, size - 1 - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	close(descriptor);
	text[length] = '\0';
	return length > 0;
}

bool os_boot_id(char text[37])
{
	char id[64];

	if (!read_text("/proc/sys/kernel/random/boot_id", id, sizeof(id)))
		return false;
	if (strcspn(id, "\n") != 36)
		return false;
	memcpy(text, id, 36);
	text[36] = '\0';
	return true;
}

void os_host_name(char *text, size_t size)
{
	char name[256];

	if (size == 0)
		return;
	if (gethostname(name, sizeof(name)) < 0)
		strcpy(name, "localhost");
	name[sizeof(name) - 1] = '\0'; /* not promised where the name was cut */
	snprintf(text, size, "%s", name);
}

uint64_t os_memory_bytes(void)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	long page_size = sysconf(_SC_PAGESIZE);

	if (pages <= 0 || page_size <= 0)
		return 0;
	return (uint64_t)pages * (uint64_t)page_size;
}

uint32_t os_process_id(void)
{
	return (uint32_t)getpid();
}

const char *os_error_name(int error)
{
	return error == 0 ? NULL : strerrorname_np(error);
}

const char *os_error_text(int error)
{
	return strerror(error);
}

/*
 * Names of terminals that are no pseudo terminals. The kernel's numbers for them are fixed, so that
 * what was once found stays true.
 */
#define TTY_CACHE_SIZE 16
#define TTY_NAME_SIZE  64

static struct {
	pthread_mutex_t lock;
	unsigned next;
	struct {
		uint32_t device;
		char name[TTY_NAME_SIZE];
	} entries[TTY_CACHE_SIZE];
} tty_cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* DEVNAME of /sys/dev/char/MAJOR:MINOR/uevent. */
static bool tty_name_of_sysfs(unsigned major, unsigned minor, char name[TTY_NAME_SIZE])
{
	static const char key[] = "DEVNAME=";
	char path[64], text[512];
	const char *line;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/uevent", major, minor);
	if (!read_text(path, text, sizeof(text)))
		return false;
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, sizeof(key) - 1) == 0) {
			line += sizeof(key) - 1;
			snprintf(name, TTY_NAME_SIZE, "%.*s", (int)strcspn(line, "\n"), line);
			return name[0] != '\0';
		}
	}
	return false;
}

bool os_tty_name(uint32_t device, char *text, size_t size)
{
	/* new_encode_dev() of the kernel's kdev_t.h. */
	unsigned major = device >> 8 & 0xfff;
	unsigned minor = (device & 0xff) | (device >> 12 & 0xfff00);
	char name[TTY_NAME_SIZE] = "";
	bool found = false;

	if (device == 0)
		return false;
	if (major >= 136 && major <= 143) { /* UNIX98_PTY_SLAVE_MAJOR and those after it */
		snprintf(text, size, "pts/%u", (major - 136) * 256 + minor);
		return true;
	}
	pthread_mutex_lock(&tty_cache.lock);
	for (unsigned i = 0; i < TTY_CACHE_SIZE && !found; i++) {
		if (tty_cache.entries[i].device == device) {
			memcpy(name, tty_cache.entries[i].name, sizeof(name));
			found = true;
		}
	}
	if (!found && tty_name_of_sysfs(major, minor, name)) {
		unsigned slot = tty_cache.next++ % TTY_CACHE_SIZE;

		tty_cache.entries[slot].device = device;
		memcpy(tty_cache.entries[slot].name, name, sizeof(name));
		found = true;
	}
	pthread_mutex_unlock(&tty_cache.lock);
	if (found)
		snprintf(text, size, "%s", name);
	return found;
}

size_t os_path_of_device(const char *kernel_path, char *prefix, size_t size)
{
	(void)kernel_path;
	(void)prefix;
	(void)size;
	return 0;
}

bool os_is_terminal(FILE *file)
{
	int descriptor = fileno(file);

	return descriptor >= 0 && isatty(descriptor);
}

unsigned os_terminal_columns(FILE *file)
{
	struct winsize window = {0};
	const char *text;
	long columns;

	if (!os_is_terminal(file))
		return 0;
	if (ioctl(fileno(file), TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
		return window.ws_col;
	/* A serial line does not know its width; whoever sits there may have said it. */
	text = getenv("COLUMNS");
	columns = text ? strtol(text, NULL, 10) : 0;
	return columns > 0 && columns <= 10000 ? (unsigned)columns : 80;
}
