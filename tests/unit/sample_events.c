/* SPDX-License-Identifier: MIT */
#include "sample_events.h"

#define COUNT(vector) (sizeof(vector) / sizeof((vector)[0]) - 1)

static const struct procobsrv_process make = {
    .id = "boot-811-100",
    .present = PROCOBSRV_HAS_START | PROCOBSRV_HAS_CREDENTIALS,
    .pid = 811,
    .name = "make",
    .exe = "/usr/bin/make",
};

static const char *const cc1_argv[] = {"cc1", "-E", "a.c", "-o", "two words", NULL};

static const struct procobsrv_process cc1 = {
    .id = "boot-812-200",
    .present = PROCOBSRV_HAS_START | PROCOBSRV_HAS_CREDENTIALS | PROCOBSRV_HAS_PPID |
	       PROCOBSRV_HAS_LOGINUID | PROCOBSRV_HAS_SESSION | PROCOBSRV_HAS_CGROUP,
    .start_time_ns = SAMPLE_TIME_NS,
    .pid = 812,
    .ppid = 811,
    .uid = 1000,
    .gid = 1000,
    .euid = 1000,
    .egid = 1000,
    .loginuid = 1000,
    .session = 3,
    .name = "cc1",
    .exe = "/usr/libexec/gcc/cc1",
    .cwd = "/src",
    .argv = cc1_argv,
    .argc = COUNT(cc1_argv),
    .tty = "pts/1",
    .cgroup_id = UINT64_C(18446744073709551615),
};

static const struct procobsrv_process forked = {
    .id = "boot-812-200",
    .present = PROCOBSRV_HAS_START | PROCOBSRV_HAS_CREDENTIALS | PROCOBSRV_HAS_PPID,
    .flags = PROCOBSRV_PROCESS_FORKED,
    .start_time_ns = SAMPLE_TIME_NS,
    .pid = 812,
    .ppid = 811,
    .name = "make",
    .exe = "/usr/bin/make",
    .argv = cc1_argv,
    .argc = COUNT(cc1_argv),
};

static const char *const full_argv[] = {"\xff\xfe", "", "a\nb", NULL};
static const char *const full_env[] = {"LANG=C", "NAME=\xc3(", NULL};
static const struct procobsrv_missing full_missing[] = {{"argv", "truncated"},
							{"interpreter", "no room"}};

static const struct procobsrv_process full = {
    .id = "boot-900-300",
    .present = UINT32_MAX,
    .flags = PROCOBSRV_PROCESS_KERNEL_THREAD | PROCOBSRV_PROCESS_SETUID | PROCOBSRV_PROCESS_SETGID |
	     PROCOBSRV_PROCESS_SECURE | PROCOBSRV_PROCESS_MEMFD | PROCOBSRV_PROCESS_DELETED,
    .start_time_ns = SAMPLE_TIME_NS,
    .pid = 900,
    .ppid = 811,
    .ns_pid = 2,
    .uid = 1000,
    .gid = 1000,
    .euid = 0,
    .egid = 0,
    .loginuid = 1000,
    .session = 3,
    .session_leader = 700,
    .name = "\x1b[31mred\xff",
    .exe = "/tmp/\xe2\x80\xae"
	   "exe\xf0\x9f\x98\x80\xed\xa0\x80",
    .cwd = "/tmp/\"quoted\"\\\x7f",
    .filename = "./f\xc0\x80",
    .script = "/tmp/script\t\xf8",
    .interpreter = "/bin/sh -\x80",
    .argv = full_argv,
    .argc = COUNT(full_argv),
    .env = full_env,
    .env_count = COUNT(full_env),
    .tty = "pts/2",
    .cgroup_id = 4611686018427387904,
    .cgroup = "/system.slice/\xe9.service",
    .container_id = "c\xe9",
    .runtime = "lxc",
    .unit = "cron.service",
    .exe_device = 2049,
    .exe_inode = UINT64_C(9007199254740993),
    .mount_namespace = 4026531841,
    .pid_namespace = 4026531836,
    .user_namespace = 4026531837,
    .network_namespace = 4026531840,
    .uts_namespace = 4026531838,
    .ipc_namespace = 4026531839,
    .cgroup_namespace = 4026531835,
    .time_namespace = 4026531834,
    .missing = full_missing,
    .missing_count = 2,
};

static const char *const notepad_argv[] = {"notepad.exe", "a b.txt", NULL};

static const struct procobsrv_process notepad = {
    .id = "boot-4000-1",
    .present = PROCOBSRV_HAS_PPID | PROCOBSRV_HAS_SESSION | PROCOBSRV_HAS_START,
    .start_time_ns = SAMPLE_TIME_NS,
    .pid = 4000,
    .ppid = 811,
    .flags = PROCOBSRV_PROCESS_WTF8,
    .session = 1,
    .name = "notepad.exe",
    .exe = "C:\\Windows\\notepad.exe",
    .exe_nt = "\\Device\\HarddiskVolume2\\Windows\\notepad.exe",
    .argv = notepad_argv,
    .argc = COUNT(notepad_argv),
    .command_line = "notepad.exe \"a b.txt\"",
    .sid = "S-1-5-21-1-2-3-1001",
};

/* Surrogates alone, a NUL in the middle. */
static const char *const odd_argv[] = {"other", "\xed\xa0\x80", "\\\"", NULL};

static const struct procobsrv_process odd = {
    .id = "boot-4004-1",
    .present = PROCOBSRV_HAS_PPID | PROCOBSRV_HAS_START,
    .start_time_ns = SAMPLE_TIME_NS,
    .pid = 4004,
    .ppid = 4000,
    .flags = PROCOBSRV_PROCESS_WTF8,
    .name = "\xed\xbf\xbf\xe2\x80\xae.exe",
    .exe = "\\\\server\\a b\\\xed\xbf\xbf\xe2\x80\xae.exe",
    .argv = odd_argv,
    .argc = COUNT(odd_argv),
    .command_line = "other \xed\xa0\x80 \\\"\xc0\x80\x1b[31m\n",
};

static const struct procobsrv_exit crash_status = {
    .code = 0xc0000005, .has_status = 1, .duration_ns = 1000};

static const struct procobsrv_process bare = {.id = "boot-5-5", .pid = 5, .name = ""};

static const struct procobsrv_exit exit_status = {
    .code = 3,
    .has_status = 1,
    .has_usage = 1,
    .duration_ns = 1830211,
    .cpu_ns = 1512000,
    .user_ns = 4000000,
    .max_rss_bytes = 1843200,
};

static const struct procobsrv_exit crowd_status = {
    .has_status = 1, .has_usage = 1, .threads_unread = 5, .cpu_ns = 7000000};

static const struct procobsrv_exit killed_status = {
    .signal = 11, .core_dumped = 1, .has_status = 1};

static const struct procobsrv_exit gone_status = {.duration_ns = 5};

static const struct procobsrv_attempt attempt = {
    .path = "/nope",
    .argv = cc1_argv,
    .argc = COUNT(cc1_argv),
    .error = 2,
    .error_name = "ENOENT",
};

static const struct procobsrv_lost lost = {
    .first = 4713,
    .count = 19,
    .start = 6,
    .exec = 6,
    .exit = 7,
    .stage = "kernel",
    .reason = "ring full",
    .from_ns = SAMPLE_TIME_NS,
    .to_ns = SAMPLE_TIME_NS + 1000000000,
};

#define EVENT(what, number, who)                                                                   \
	.kind = (what), .seq = (number), .cursor = "stream-" #number, .time_ns = SAMPLE_TIME_NS,   \
	.process = &(who), .parent = &make

const struct procobsrv_event sample_existing = {EVENT(PROCOBSRV_EXISTING, 0, cc1)};
const struct procobsrv_event sample_start = {EVENT(PROCOBSRV_START, 4710, forked)};
const struct procobsrv_event sample_exec = {EVENT(PROCOBSRV_EXEC, 4711, cc1)};
const struct procobsrv_event sample_exec_failed = {EVENT(PROCOBSRV_EXEC_FAILED, 4714, cc1),
						   .attempt = &attempt};
const struct procobsrv_event sample_exit = {EVENT(PROCOBSRV_EXIT, 4712, cc1), .exit = &exit_status};
const struct procobsrv_event sample_crowd = {EVENT(PROCOBSRV_EXIT, 4719, cc1),
					     .exit = &crowd_status};
const struct procobsrv_event sample_killed = {EVENT(PROCOBSRV_EXIT, 4713, cc1),
					      .exit = &killed_status};
const struct procobsrv_event sample_gone = {EVENT(PROCOBSRV_EXIT, 4713, cc1), .exit = &gone_status,
					    .flags = PROCOBSRV_EVENT_SYNTHETIC};
const struct procobsrv_event sample_lost = {.kind = PROCOBSRV_LOST, .seq = 4731, .lost = &lost};
const struct procobsrv_event sample_full = {EVENT(PROCOBSRV_EXEC, 4715, full), .creator = &cc1,
					    .flags = PROCOBSRV_EVENT_SYNTHETIC};
const struct procobsrv_event sample_command_line = {EVENT(PROCOBSRV_START, 4716, notepad),
						    .creator = &cc1};
const struct procobsrv_event sample_odd = {EVENT(PROCOBSRV_START, 4717, odd)};
const struct procobsrv_event sample_crash = {EVENT(PROCOBSRV_EXIT, 4718, odd),
					     .exit = &crash_status};
const struct procobsrv_event sample_bare = {
    .kind = PROCOBSRV_EXIT, .seq = 1, .process = &bare, .time_ns = 1};

const struct procobsrv_event *const sample_events[] = {
    &sample_existing, &sample_start,	    &sample_exec, &sample_exec_failed, &sample_exit,
    &sample_crowd,    &sample_killed,	    &sample_gone, &sample_lost,	       &sample_full,
    &sample_bare,     &sample_command_line, &sample_odd,  &sample_crash,       NULL};
