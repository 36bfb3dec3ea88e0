/* SPDX-License-Identifier: MIT */
#include "golden_records.h"

#include "golden_os.h"
#include "os.h"
#include "requests.h"

#include <string.h>

/* 2026-11-22T23:59:00Z */
#define STARTED_NS 1795391940000000000u

#define TEXT(literal)                                                                              \
	{                                                                                          \
		.units = (literal), .size = sizeof(literal) - sizeof *(literal)                    \
	}
#define NO_TEXT(reason)                                                                            \
	{                                                                                          \
		.missing = (reason)                                                                \
	}

#define PARENT                                                                                     \
	{                                                                                          \
		STARTED_NS - 5000000000u, 812, 0                                                   \
	}
#define CREATOR                                                                                    \
	{                                                                                          \
		STARTED_NS - 7000000000u, 640, 0                                                   \
	}

static const struct observation whole = {
    .kind = RECORD_START,
    .process = {STARTED_NS, 4711, 0},
    .parent = PARENT,
    .session = 2,
    .creator = CREATOR,
    .exe = TEXT(u"\\Device\\HarddiskVolume2\\Windows\\System32\\notepad.exe"),
    .command_line =
	TEXT(u"\"C:\\Windows\\System32\\notepad.exe\"  C:\\t\u00fcr \u2713 \U0001f600.txt"),
    .sid = TEXT(u"S-1-5-21-1004336348-1177238915-682003330-512"),
};

static const struct observation plain = {
    .kind = RECORD_START,
    .process = {STARTED_NS, 4712, 0},
    .parent = {0, 812, 0},
    .session = 0,
    .creator = CREATOR,
    .exe = TEXT(u"\\Device\\HarddiskVolume1\\WINDOWS\\system32\\cmd.exe"),
    .command_line = NO_TEXT(RECORD_MISSING_NOT_TAKEN),
    .sid = NO_TEXT(RECORD_MISSING_TOO_LATE),
};

static const struct observation small = {
    .kind = RECORD_START,
    .process = {STARTED_NS, 4713, 0},
    .session = RECORD_ID_UNKNOWN,
    .exe = NO_TEXT(RECORD_MISSING_TOO_LATE),
    .command_line = NO_TEXT(RECORD_MISSING_UNREADABLE),
    .sid = NO_TEXT(RECORD_MISSING_UNREADABLE),
};

/* Unpaired surrogates of both kinds, and a NUL within. */
static const uint16_t hostile_exe[] = {'\\', 0xd800, 'a', 0xdc00, '.', 'e', 'x', 'e'};
static const uint16_t hostile_command_line[] = {'a', 0, 'b', 0xdfff, 0xdbff};

static const struct observation hostile = {
    .kind = RECORD_START,
    .process = {STARTED_NS, 4714, 0},
    .parent = PARENT,
    .session = 1,
    .creator = PARENT,
    .exe = {.units = hostile_exe, .size = sizeof hostile_exe},
    .command_line = {.units = hostile_command_line, .size = sizeof hostile_command_line},
    .sid = TEXT(u"S-1-5-18"),
};

static const struct observation fault = {
    .kind = RECORD_EXIT,
    .process = {STARTED_NS, 4711, 0},
    .parent = PARENT,
    .session = 2,
    .exit = {.code = 0xc0000005u,
	     .cpu_ns = 46875000,
	     .user_ns = 31250000,
	     .system_ns = 15625000,
	     .max_rss_bytes = 7340032},
};

static const struct observation unknown_exit = {
    .kind = RECORD_EXIT,
    .process = {STARTED_NS, 4712, 0},
    .session = RECORD_ID_UNKNOWN,
    .exit = {.flags = RECORD_EXIT_STATUS_UNKNOWN | RECORD_EXIT_USAGE_UNKNOWN},
};

/* One client that is active, and what it reads. */
struct reader {
	struct observer *observer;
	struct client *client;
	uint64_t reply[GOLDEN_SIZE_MAX / 8];
};

static struct reader reader;

static void begin(void)
{
	struct ioctl_activation activation = {{sizeof activation, IOCTL_PROCOBSRV_VERSION},
					      .flags = IOCTL_ACTIVATE};
	size_t written;

	golden_os_begin();
	reader.observer = observer_create(RING_SIZE_MIN, 0);
	reader.client = observer_open(reader.observer, 1);
	memcpy(reader.reply, &activation, sizeof activation);
	request_serve(reader.observer, reader.client,
		      &(struct request){IOCTL_PROCOBSRV_ACTIVATE_MONITORING, reader.reply,
					sizeof activation, sizeof(struct ioctl_activated), NULL},
		      &written);
}

static size_t read_batch(void)
{
	struct ioctl_read read = {{sizeof read, IOCTL_PROCOBSRV_VERSION}};
	size_t written;

	memcpy(reader.reply, &read, sizeof read);
	request_serve(reader.observer, reader.client,
		      &(struct request){IOCTL_PROCOBSRV_READ, reader.reply, sizeof read,
					sizeof(struct ioctl_batch) + RECORD_SIZE_MAX, NULL},
		      &written);
	return written;
}

/* Appends at most `count` records of the next batch to bytes. */
static size_t take_records(uint8_t *bytes, uint32_t count)
{
	const uint8_t *record = (const uint8_t *)reader.reply + sizeof(struct ioctl_batch);
	struct ioctl_batch batch;
	size_t taken = 0;

	read_batch();
	memcpy(&batch, reader.reply, sizeof batch);
	for (uint32_t i = 0; i < batch.count && i < count; i++) {
		struct record_header header;
		memcpy(&header, record, sizeof header);
		memcpy(bytes + taken, record, header.size);
		taken += header.size;
		record += header.size;
	}
	return taken;
}

static size_t one(uint8_t *bytes, const struct observation *observation)
{
	observer_keep(reader.observer, observation);
	return take_records(bytes, 1);
}

static size_t truncated(uint8_t *bytes)
{
	static uint16_t long_exe[WRITER_EXE_SIZE_MAX / 2 + 1];
	static uint16_t long_command_line[32767];
	struct observation observation = whole;

	for (size_t i = 0; i < sizeof long_exe / sizeof *long_exe; i++)
		long_exe[i] = (uint16_t)('a' + i % 26);
	for (size_t i = 0; i < sizeof long_command_line / sizeof *long_command_line; i++)
		long_command_line[i] = (uint16_t)('A' + i % 26);
	observation.exe = (struct observed_text){long_exe, sizeof long_exe, RECORD_WHOLE};
	observation.command_line =
	    (struct observed_text){long_command_line, sizeof long_command_line, RECORD_WHOLE};
	return one(bytes, &observation);
}

/* Two records, an overrun of 1,000 pairs less what the ring holds, and the next two. */
static size_t lost(uint8_t *bytes)
{
	observer_keep(reader.observer, &plain);
	observer_keep(reader.observer, &unknown_exit);
	size_t taken = take_records(bytes, 2);

	for (int i = 0; i < 1000; i++) {
		observer_keep(reader.observer, &plain);
		observer_keep(reader.observer, &unknown_exit);
	}
	return taken + take_records(bytes + taken, 2);
}

static size_t batch(uint8_t *bytes)
{
	observer_keep(reader.observer, &whole);
	observer_keep(reader.observer, &plain);
	observer_keep(reader.observer, &fault);
	size_t size = read_batch();
	memcpy(bytes, reader.reply, size);
	return size;
}

const char *const golden_names[] = {
    "windows-start.bin",
    "windows-start-plain.bin",
    "windows-start-small.bin",
    "windows-start-hostile.bin",
    "windows-exit.bin",
    "windows-exit-unknown.bin",
    "windows-start-truncated.bin",
    "windows-batch.bin",
    "windows-lost.bin",
    NULL,
};

size_t golden_make(size_t index, uint8_t *bytes)
{
	static const struct observation *const single[] = {&whole,   &plain, &small,
							   &hostile, &fault, &unknown_exit};
	size_t size;

	begin();
	if (index < sizeof single / sizeof *single)
		size = one(bytes, single[index]);
	else if (index == sizeof single / sizeof *single)
		size = truncated(bytes);
	else if (index == sizeof single / sizeof *single + 1)
		size = batch(bytes);
	else
		size = lost(bytes);
	observer_destroy(reader.observer);
	return size;
}
