/* SPDX-License-Identifier: MIT */
/*
 * The journal: first a socket in its place, which is read as its protocol says; then journald
 * itself, asked with journalctl. All in a mount namespace, so that the machine's own is not met.
 */
#include "sink_ground.h"

#include "ground.h"
#include "harness.h"
#include "sample_events.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOURNALD	"/lib/systemd/systemd-journald"
#define JOURNAL_SOCKET	"/run/systemd/journal/socket"
#define ENTRY_SIZE	(16u << 20)
#define LARGE_ARGUMENT	(10u << 20) /* more than a datagram of root takes */
#define CONFIGURED	"/run/systemd/journald.conf"
#define CONFIGURED_FILE "/etc/systemd/journald.conf"

static bool has_namespace;

static void write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CREAT, 0644);

	assert_true(file >= 0);
	assert_int_equal(write(file, text, strlen(text)), strlen(text));
	close(file);
}

/* Without root, as a root of a user namespace. */
static bool enter_namespace(void)
{
	uid_t user = geteuid();
	gid_t group = getegid();
	char map[64];

	if (unshare(CLONE_NEWNS | (user ? CLONE_NEWUSER : 0)))
		return false;
	if (user) {
		snprintf(map, sizeof map, "0 %u 1\n", user);
		write_text("/proc/self/uid_map", map);
		write_text("/proc/self/setgroups", "deny");
		snprintf(map, sizeof map, "0 %u 1\n", group);
		write_text("/proc/self/gid_map", map);
	}
	return !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       (access("/run/systemd", F_OK) == 0 || mkdir("/run/systemd", 0755) == 0) &&
	       !mount("tmpfs", "/run/systemd", "tmpfs", 0, "mode=0755") &&
	       !mkdir("/run/systemd/journal", 0755);
}

static void need_namespace(void)
{
	if (!has_namespace)
		skip();
}

/* What one entry holds, as it came. */
struct entry {
	char *data;
	size_t size;
};

static int listen_as_journal(void)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX,
						   .sun_path = JOURNAL_SOCKET};
	int listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	unlink(JOURNAL_SOCKET);
	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
	return listener;
}

/* A file in the place of the datagram, for what is too large for one. */
static size_t read_passed(struct msghdr *message, char *data)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	ssize_t size;
	int file;

	assert_non_null(control);
	assert_int_equal(control->cmsg_type, SCM_RIGHTS);
	memcpy(&file, CMSG_DATA(control), sizeof file);
	size = pread(file, data, ENTRY_SIZE, 0);
	assert_true(size > 0);
	close(file);
	return (size_t)size;
}

/* False: nothing has come. */
static bool receive(int listener, struct entry *entry)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = {malloc(ENTRY_SIZE), ENTRY_SIZE};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t size;

	assert_non_null(part.iov_base);
	message.msg_control = control.bytes;
	message.msg_controllen = sizeof control.bytes;
	size = recvmsg(listener, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	entry->data = part.iov_base;
	if (size < 0) {
		free(entry->data);
		return false;
	}
	entry->size = size ? (size_t)size : read_passed(&message, entry->data);
	return true;
}

/* NAME=value, or NAME and a length before a value with line ends. NULL: there is none. */
static char *field_of(const struct entry *entry, const char *wanted)
{
	size_t at = 0;

	while (at < entry->size) {
		const char *line = entry->data + at;
		const char *end = memchr(line, '\n', entry->size - at);
		const char *equal;
		const char *value;
		uint64_t length;

		assert_non_null(end);
		equal = memchr(line, '=', (size_t)(end - line));
		if (equal) {
			value = equal + 1;
			length = (uint64_t)(end - value);
		} else {
			equal = end;
			memcpy(&length, end + 1, sizeof length);
			length = le64toh(length);
			value = end + 1 + sizeof length;
			assert_int_equal(value[length], '\n');
		}
		if ((size_t)(equal - line) == strlen(wanted) &&
		    !memcmp(line, wanted, strlen(wanted)))
			return strndup(value, length);
		at = (size_t)(value + length + 1 - entry->data);
	}
	return NULL;
}

static void expect_field(const struct entry *entry, const char *name, const char *expected)
{
	char *value = field_of(entry, name);

	if (!value && expected)
		fail_msg("no %s", name);
	if (value && !expected)
		fail_msg("%s=%s", name, value);
	if (value)
		assert_string_equal(value, expected);
	free(value);
}

static int write_one(struct open_sink *opened, const struct procobsrv_event *event)
{
	return opened->operations->write(opened->sink, &event, 1);
}

static struct open_sink open_journal(void)
{
	static const char *const none[] = {NULL};

	return sink_open(&sink_journal, none);
}

static void expect_unreachable(void)
{
	static const char *const none[] = {NULL};
	struct setting_value *values = sink_values(&sink_journal, none);
	struct sink *sink = NULL;

	assert_true(sink_journal.open(values, &sink) < 0);
	assert_null(sink);
	assert_non_null(strstr(procobsrv_explain(), "start systemd-journald"));
	free(values);
}

static void test_no_journal(void **state)
{
	(void)state;
	need_namespace();
	unlink(JOURNAL_SOCKET);
	expect_unreachable();
	/* One that was there, and is not. */
	close(listen_as_journal());
	expect_unreachable();
}

static void test_fields(void **state)
{
	int listener;
	struct open_sink opened;
	struct entry entry;

	(void)state;
	need_namespace();
	listener = listen_as_journal();
	opened = open_journal();
	assert_int_equal(write_one(&opened, &sample_exec), 0);
	assert_true(receive(listener, &entry));
	expect_field(&entry, "PROCESS_EXE", "/usr/libexec/gcc/cc1");
	expect_field(&entry, "PROCESS_PID", "812");
	expect_field(&entry, "PROCESS_UID", "1000");
	expect_field(&entry, "PROCESS_ARGV", "cc1 -E a.c -o 'two words'");
	expect_field(&entry, "PROCESS_CGROUP", "18446744073709551615");
	expect_field(&entry, "PROCESS_START", "2026-11-22T06:13:20.123456789Z");
	expect_field(&entry, "PROCOBSRV_KIND", "exec");
	expect_field(&entry, "PROCOBSRV_SEQ", "4711");
	expect_field(&entry, "PROCOBSRV_CURSOR", "stream-4711");
	expect_field(&entry, "PROCOBSRV_PARENT_NAME", "make");
	expect_field(&entry, "PROCOBSRV_EXIT_CODE", NULL);
	expect_field(&entry, "PROCESS_SETUID", NULL);
	expect_field(&entry, "SYSLOG_IDENTIFIER", "procobsrvd");
	expect_field(&entry, "PRIORITY", "6");
	expect_field(&entry, "MESSAGE_ID", "36f1eeec740f4f989092bc216c384ed4");
	expect_field(&entry, "CODE_FILE", NULL);
	char *message = field_of(&entry, "MESSAGE");
	assert_non_null(message);
	assert_true(!strncmp(message, "exec ", 5));
	assert_non_null(strstr(message, "cc1 -E a.c -o 'two words'"));
	free(message);
	free(entry.data);
	sink_close(&opened);
	close(listener);
}

static void test_ends_and_losses(void **state)
{
	int listener;
	struct open_sink opened;
	struct entry entry;

	(void)state;
	need_namespace();
	listener = listen_as_journal();
	opened = open_journal();
	assert_int_equal(write_one(&opened, &sample_exit), 0);
	assert_true(receive(listener, &entry));
	expect_field(&entry, "PROCOBSRV_EXIT_CODE", "3");
	expect_field(&entry, "PROCOBSRV_EXIT_CORE_DUMPED", "0");
	free(entry.data);
	assert_int_equal(write_one(&opened, &sample_killed), 0);
	assert_true(receive(listener, &entry));
	expect_field(&entry, "PROCOBSRV_EXIT_SIGNAL", "11");
	expect_field(&entry, "PRIORITY", "5");
	free(entry.data);
	assert_int_equal(write_one(&opened, &sample_exec_failed), 0);
	assert_true(receive(listener, &entry));
	expect_field(&entry, "PROCOBSRV_ATTEMPT_PATH", "/nope");
	expect_field(&entry, "PROCOBSRV_ERROR_NAME", "ENOENT");
	free(entry.data);
	assert_int_equal(write_one(&opened, &sample_lost), 0);
	assert_true(receive(listener, &entry));
	expect_field(&entry, "PROCOBSRV_LOST_COUNT", "19");
	expect_field(&entry, "PROCOBSRV_LOST_STAGE", "kernel");
	expect_field(&entry, "PRIORITY", "4");
	expect_field(&entry, "PROCESS_PID", NULL);
	free(entry.data);
	sink_close(&opened);
	close(listener);
}

/* Names, paths and arguments are whatever a process likes: no value makes a field of its own. */
static void test_hostile_text(void **state)
{
	static const char *const argv[] = {"a\nPROCESS_UID=0\nMESSAGE=all is well", NULL};
	struct procobsrv_process process = *sample_exec.process;
	struct procobsrv_event event = sample_exec;
	int listener;
	struct open_sink opened;
	struct entry entry;

	(void)state;
	need_namespace();
	process.argv = argv;
	process.argc = 1;
	process.exe = "/tmp/x\nPROCESS_EUID=0";
	event.process = &process;
	listener = listen_as_journal();
	opened = open_journal();
	assert_int_equal(write_one(&opened, &event), 0);
	assert_true(receive(listener, &entry));
	expect_field(&entry, "PROCESS_UID", "1000");
	expect_field(&entry, "PROCESS_EUID", "1000");
	expect_field(&entry, "PROCESS_EXE", process.exe);
	expect_field(&entry, "PROCESS_ARGV", "$'a\\nPROCESS_UID=0\\nMESSAGE=all is well'");
	free(entry.data);
	assert_int_equal(write_one(&opened, &sample_full), 0);
	assert_true(receive(listener, &entry));
	expect_field(&entry, "PROCESS_NAME", sample_full.process->name);
	expect_field(&entry, "PROCESS_CWD", sample_full.process->cwd);
	expect_field(&entry, "PROCESS_SETUID", "1");
	expect_field(&entry, "PROCESS_NAMESPACES_USER", "4026531837");
	expect_field(&entry, "PROCESS_MISSING", "argv (truncated), interpreter (no room)");
	free(entry.data);
	sink_close(&opened);
	close(listener);
}

static const struct procobsrv_event *large_event(void)
{
	static char argument[LARGE_ARGUMENT + 1];
	static const char *const argv[] = {argument, NULL};
	static struct procobsrv_process process;
	static struct procobsrv_event event;

	memset(argument, 'a', LARGE_ARGUMENT);
	process = *sample_exec.process;
	process.argv = argv;
	process.argc = 1;
	event = sample_exec;
	event.seq = 9000;
	event.process = &process;
	return &event;
}

/* What was sent before the journal failed in the middle is not sent again. */
static void test_failure_in_the_middle(void **state)
{
	const struct procobsrv_event *events[] = {&sample_start, large_event(), &sample_exit};
	struct rlimit before, limit;
	int listener;
	struct open_sink opened;
	struct entry entry;
	char *argv;
	char *message;

	(void)state;
	need_namespace();
	listener = listen_as_journal();
	opened = open_journal();
	/* What is too large for a datagram goes through a file, for which there is no room now. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit = before;
	limit.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_true(opened.operations->write(opened.sink, events, 3) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(sink_statistics_of(&opened).failures, 1);
	assert_int_equal(sink_statistics_of(&opened).written, 0);
	assert_true(receive(listener, &entry));
	expect_field(&entry, "PROCOBSRV_SEQ", "4710");
	free(entry.data);
	assert_false(receive(listener, &entry));
	assert_int_equal(opened.operations->write(opened.sink, events, 3), 0);
	assert_int_equal(sink_statistics_of(&opened).written, 3);
	assert_true(receive(listener, &entry));
	expect_field(&entry, "PROCOBSRV_SEQ", "9000");
	argv = field_of(&entry, "PROCESS_ARGV");
	assert_non_null(argv);
	assert_int_equal(strlen(argv), LARGE_ARGUMENT);
	free(argv);
	message = field_of(&entry, "MESSAGE");
	assert_non_null(message);
	assert_true(strlen(message) < 2000);
	free(message);
	free(entry.data);
	assert_true(receive(listener, &entry));
	expect_field(&entry, "PROCOBSRV_SEQ", "4712");
	free(entry.data);
	assert_false(receive(listener, &entry));
	sink_close(&opened);
	close(listener);
}

static pid_t start_journald(void)
{
	pid_t journald;

	unlink(JOURNAL_SOCKET);
	if ((access("/run/log", F_OK) && mkdir("/run/log", 0755)) ||
	    mount("tmpfs", "/run/log", "tmpfs", 0, "mode=0755"))
		fail_msg("cannot mount /run/log: %s", strerror(errno));
	/* It keeps off the machine: the kernel's messages are not its own, and auditing stays as it
	 * is. */
	write_text(CONFIGURED, "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=\n"
			       "RateLimitBurst=0\nForwardToWall=no\n");
	assert_int_equal(mount(CONFIGURED, CONFIGURED_FILE, NULL, MS_BIND, NULL), 0);
	journald = fork();
	if (journald == 0) {
		execl(JOURNALD, JOURNALD, NULL);
		_exit(127);
	}
	for (int tries = 0; access(JOURNAL_SOCKET, F_OK) && tries < 3000; tries++)
		sleep_ms(10);
	return journald;
}

/* What journalctl prints for a match. */
static char *ask_journal(const char *match)
{
	char command[256];
	char *text = calloc(1, 1 << 20);
	FILE *answer;

	assert_non_null(text);
	snprintf(command, sizeof command,
		 "journalctl -q --no-pager -D /run/log/journal -o json %s 2>&1", match);
	answer = popen(command, "r");
	assert_non_null(answer);
	assert_true(fread(text, 1, (1 << 20) - 1, answer) < (1 << 20) - 1);
	pclose(answer);
	return text;
}

static void expect_answer(const char *match, const char *words)
{
	char *answer = NULL;
	bool found = false;

	/* It writes a moment after it was sent something. */
	for (int tries = 0; !found && tries < 1000; tries++) {
		free(answer);
		answer = ask_journal(match);
		found = strstr(answer, words) != NULL;
		if (!found)
			sleep_ms(20);
	}
	if (!found)
		fail_msg("journalctl %s: no %s in '%s'", match, words, answer);
	free(answer);
}

static void test_journald(void **state)
{
	size_t count = 0;
	struct open_sink opened;
	pid_t journald;
	int status;

	(void)state;
	need_namespace();
	if (access(JOURNALD, X_OK))
		fail_msg("no %s: install the package systemd", JOURNALD);
	while (sample_events[count])
		count++;
	journald = start_journald();
	opened = open_journal();
	assert_int_equal(opened.operations->write(opened.sink, sample_events, count), 0);
	expect_answer("PROCESS_EXE=/usr/libexec/gcc/cc1 PROCOBSRV_KIND=exec",
		      "\"PROCESS_ARGV\":\"cc1 -E a.c -o 'two words'\"");
	expect_answer("MESSAGE_ID=99051115b2e84b609e897d2b119fe49c",
		      "\"PROCOBSRV_LOST_COUNT\":\"19\"");
	expect_answer("-t procobsrvd PROCESS_PID=900", "\"PROCESS_EUID\":\"0\"");
	sink_close(&opened);
	kill(journald, SIGTERM);
	assert_int_equal(waitpid(journald, &status, 0), journald);
	expect_unreachable();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_journal),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_ends_and_losses),
	    cmocka_unit_test(test_hostile_text),
	    cmocka_unit_test(test_failure_in_the_middle),
	    cmocka_unit_test(test_journald),
	};

	has_namespace = enter_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
