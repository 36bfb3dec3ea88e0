/* SPDX-License-Identifier: MIT */
/*
 * readers_tests.exe [CASE]
 *
 * Readers of the service that runs on this machine with the driver, as good and as bad as they
 * come: each is dealt with, and none harms another. Speaks TAP. The service keeps 1 MiB for
 * readers.
 *
 * readers_tests.exe --reads: one of them, which reads until it is killed.
 */
#include "census.h"
#include "helper_client.h"
#include "owner_name.h"
#include "peer.h"
#include "pipe_reader.h"
#include "process.h"
#include "procobsrv.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MS 30000
#define END_MS	  8000 /* the service waits for 10 s for a hello */
#define EVENTS	  20000u

/* ---- what a reader may ask ---- */

static void test_welcome(void)
{
	struct pipe_reader reader;
	struct service_welcome welcome;

	if (pipe_reader_greet(&reader, &welcome)) {
		check(welcome.rights == SERVICE_RIGHTS_ALL, "rights %u", welcome.rights);
		check(!strcmp(welcome.backend, "driver"), "backend '%s'", welcome.backend);
		check(welcome.memory_size == 4 << 20, "memory %llu",
		      (unsigned long long)welcome.memory_size);
		check(strlen(welcome.boot) == 36, "boot '%s'", welcome.boot);
		check(welcome.kinds & 1u << RECORD_START, "kinds %x", welcome.kinds);
	}
	pipe_reader_close(&reader);
}

/* Puts the parts of a snapshot together; the answers in between are others'. */
static bool take_snapshot(struct pipe_reader *reader, struct buffer *list, uint32_t *count)
{
	struct service_answer answer;

	while (pipe_reader_take(reader, &answer, ANSWER_MS)) {
		if (answer.kind == SERVICE_SNAPSHOT_PART)
			buffer_append(list, answer.data, answer.size);
		if (answer.kind != SERVICE_SNAPSHOT_END)
			continue;
		*count = answer.body.snapshot_end.count;
		return check(answer.body.snapshot_end.id == 77, "the id is %u",
			     answer.body.snapshot_end.id);
	}
	return check(false, "no snapshot came");
}

static bool lists(const struct buffer *list, uint32_t pid)
{
	struct source_record record;
	size_t offset = 0;

	while (service_next_record(list->data, list->size, false, &offset, &record) > 0) {
		struct record_body body;
		memcpy(&body, (const char *)record.data + sizeof(struct record_header),
		       sizeof(body));
		if (body.process.pid == pid)
			return true;
	}
	return false;
}

/* The service's own process. 0: it is not known. */
static uint32_t service_pid(void)
{
	SERVICE_STATUS_PROCESS status = {0};
	SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
	SC_HANDLE service = OpenServiceW(manager, L"procobsrvd", SERVICE_QUERY_STATUS);
	DWORD size;

	QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&status, sizeof(status),
			     &size);
	CloseServiceHandle(service);
	CloseServiceHandle(manager);
	return status.dwProcessId;
}

static void test_questions(void)
{
	const struct service_snapshot snapshot = {.id = 77};
	const struct service_inquiry inquiry = {.id = 78};
	struct buffer list = BUFFER_EMPTY;
	struct pipe_reader reader;
	struct service_welcome welcome;
	struct service_answer answer = {0};
	uint32_t count = 0;

	if (!pipe_reader_greet(&reader, &welcome))
		goto end;
	pipe_reader_ask(&reader, SERVICE_SNAPSHOT, &snapshot, sizeof(snapshot));
	if (take_snapshot(&reader, &list, &count)) {
		check(count > 2, "%u processes", count);
		check(lists(&list, service_pid()), "the service is not among them");
	}
	pipe_reader_ask(&reader, SERVICE_STATISTICS, &inquiry, sizeof(inquiry));
	while (pipe_reader_take(&reader, &answer, ANSWER_MS) && answer.kind != SERVICE_FIGURES)
		;
	check(answer.kind == SERVICE_FIGURES && answer.body.figures.id == 78, "no figures");
	check(answer.body.figures.readers >= 1, "no readers");
	pipe_reader_ask(&reader, SERVICE_BYE, NULL, 0);
	check(pipe_reader_is_ended(&reader, END_MS), "bye does not end it");
end:
	buffer_free(&list);
	pipe_reader_close(&reader);
}

/* ---- what it may not ---- */

static void expect_refusal(struct pipe_reader *reader, int code, const char *words)
{
	struct service_answer answer = {0};

	while (pipe_reader_take(reader, &answer, ANSWER_MS) && answer.kind != SERVICE_ERROR)
		;
	if (check(answer.kind == SERVICE_ERROR, "it is not refused")) {
		check(answer.body.error.code == code, "code %d", answer.body.error.code);
		check(strstr(answer.body.error.text, words) != NULL, "'%s'",
		      answer.body.error.text);
	}
	check(pipe_reader_is_ended(reader, END_MS), "the connection goes on");
}

static void refuse_bytes(const void *data, size_t size, int code, const char *words)
{
	struct pipe_reader reader;
	DWORD error = pipe_reader_open(&reader);

	if (check(!error, "cannot connect: error %lu", error) &&
	    check(pipe_reader_send(&reader, data, size), "nothing went out"))
		expect_refusal(&reader, code, words);
	pipe_reader_close(&reader);
}

static void test_malformed(void)
{
	struct service_frame frame = {
	    .magic = SERVICE_MAGIC, .version = SERVICE_VERSION, .kind = SERVICE_STATISTICS};
	struct {
		struct service_frame frame;
		struct service_hello hello;
	} hello = {.frame = {SERVICE_MAGIC, SERVICE_VERSION, SERVICE_HELLO,
			     sizeof(struct service_hello), 0},
		   .hello = {.record_version = RECORD_VERSION + 1}};
	const char noise[64] = "GET / HTTP/1.1\r\n\r\n";

	refuse_bytes(noise, sizeof(noise), PROCOBSRV_ERROR_CORRUPT, "");
	/* Larger than any request. */
	frame.size = SERVICE_REQUEST_MOST + 1;
	refuse_bytes(&frame, sizeof(frame), PROCOBSRV_ERROR_CORRUPT, "");
	frame.size = UINT32_MAX;
	refuse_bytes(&frame, sizeof(frame), PROCOBSRV_ERROR_CORRUPT, "");
	frame.version = SERVICE_VERSION + 1;
	refuse_bytes(&frame, sizeof(frame), PROCOBSRV_ERROR_VERSION, "");
	refuse_bytes(&hello, sizeof(hello), PROCOBSRV_ERROR_VERSION, "one release");
}

/* ---- those who harm nobody ---- */

static void expect_service(void)
{
	struct pipe_reader reader;
	struct service_welcome welcome;

	pipe_reader_greet(&reader, &welcome);
	pipe_reader_close(&reader);
}

static void test_silent(void)
{
	enum { SILENT = 8 };
	struct pipe_reader silent[SILENT];

	/* They take all instances that wait, and say nothing, or half a word. */
	for (int i = 0; i < SILENT; i++) {
		DWORD error = pipe_reader_open(&silent[i]);
		check(!error, "number %d: error %lu", i, error);
		if (!error && i % 2)
			pipe_reader_send(&silent[i], "OB", 2);
	}
	expect_service();
	for (int i = 0; i < SILENT; i++)
		pipe_reader_close(&silent[i]);
	expect_service();
}

static void test_killed(void)
{
	wchar_t program[MAX_PATH], line[2 * MAX_PATH];
	STARTUPINFOW startup = {.cb = sizeof(startup)};
	PROCESS_INFORMATION process;
	HANDLE ready = CreateEventW(NULL, TRUE, FALSE, L"ProcObsrvTestReads");

	GetModuleFileNameW(NULL, program, MAX_PATH);
	for (int i = 0; i < 3; i++) {
		swprintf(line, 2 * MAX_PATH, L"\"%ls\" --reads", program);
		ResetEvent(ready);
		if (!check(CreateProcessW(program, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup,
					  &process),
			   "no reader: error %lu", GetLastError()))
			break;
		check(WaitForSingleObject(ready, ANSWER_MS) == WAIT_OBJECT_0, "it is not greeted");
		TerminateProcess(process.hProcess, 9);
		WaitForSingleObject(process.hProcess, ANSWER_MS);
		CloseHandle(process.hThread);
		CloseHandle(process.hProcess);
		expect_service();
	}
	CloseHandle(ready);
}

static int read_until_killed(void)
{
	HANDLE ready = OpenEventW(EVENT_MODIFY_STATE, FALSE, L"ProcObsrvTestReads");
	struct pipe_reader reader;
	struct service_welcome welcome;
	struct service_answer answer;

	if (!ready || !pipe_reader_greet(&reader, &welcome))
		return 1;
	SetEvent(ready);
	while (pipe_reader_take(&reader, &answer, INFINITE))
		;
	return 0;
}

/* What a reader was told of the helper's events. */
struct told {
	unsigned events;
	unsigned lost;
	unsigned gaps;
};

static void count_records(const struct service_answer *answer, struct told *told)
{
	struct source_record record;
	size_t offset = 0;

	while (service_next_record(answer->data, answer->size, true, &offset, &record) > 0) {
		struct record_header header;
		struct record_gap gap;

		memcpy(&header, record.data, sizeof(header));
		told->events += header.kind == RECORD_START || header.kind == RECORD_EXIT;
		if (header.kind != RECORD_GAP)
			continue;
		memcpy(&gap, (const char *)record.data + sizeof(header), sizeof(gap));
		told->gaps++;
		told->lost += (unsigned)gap.unknown;
		for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
			told->lost += (unsigned)gap.lost[kind];
	}
}

static void read_events(struct pipe_reader *reader, struct told *told)
{
	struct service_answer answer;

	while (told->events + told->lost < EVENTS && pipe_reader_take(reader, &answer, ANSWER_MS))
		if (answer.kind == SERVICE_RECORDS)
			count_records(&answer, told);
}

static void test_stalled(void)
{
	const struct helper_injection injection = {
	    .threads = 1,
	    .events = EVENTS,
	    .kinds = 1u << HELPER_START | 1u << HELPER_EXIT,
	    .first_pid = 1000000,
	    .burst = 100,
	    .pause_ms = 10,
	    .string_length = 100,
	};
	struct pipe_reader stalled, reader;
	struct service_welcome welcome;
	struct told told = {0}, late = {0};

	if (!check(!helper_open(), "no helper: error %lu", GetLastError()))
		return;
	bool greeted = pipe_reader_greet(&stalled, &welcome) & pipe_reader_greet(&reader, &welcome);
	if (greeted && helper_inject(&injection, NULL)) {
		read_events(&reader, &told);
		check(told.events == EVENTS && !told.lost, "the other got %u, lost %u", told.events,
		      told.lost);
		/* Now it reads: what was kept, and how much was not. */
		read_events(&stalled, &late);
		note("the one that did not read got %u, lost %u in %u gaps", late.events, late.lost,
		     late.gaps);
		check(late.events + late.lost == EVENTS, "%u of %u", late.events + late.lost,
		      EVENTS);
		check(late.gaps > 0, "4 MiB were enough");
		helper_wait(ANSWER_MS);
	}
	pipe_reader_close(&stalled);
	pipe_reader_close(&reader);
}

/* ---- rights ---- */

/* This process's token, or the same without the administrators' rights. */
static HANDLE make_token(bool restricted)
{
	char administrators[SECURITY_MAX_SID_SIZE];
	DWORD size = sizeof(administrators);
	HANDLE token = NULL, filtered = NULL, made = NULL;
	SID_AND_ATTRIBUTES disabled = {administrators, 0};

	CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, administrators, &size);
	check(OpenProcessToken(GetCurrentProcess(), TOKEN_ALL_ACCESS, &token), "no token");
	if (restricted)
		check(CreateRestrictedToken(token, 0, 1, &disabled, 0, NULL, 0, NULL, &filtered),
		      "it is not restricted: error %lu", GetLastError());
	check(DuplicateTokenEx(restricted ? filtered : token, TOKEN_ALL_ACCESS, NULL,
			       SecurityIdentification, TokenImpersonation, &made),
	      "no copy: error %lu", GetLastError());
	CloseHandle(token);
	if (filtered)
		CloseHandle(filtered);
	return made;
}

static void test_rights(void)
{
	struct peer administrator = {.token = make_token(false)};
	struct peer user = {.token = make_token(true)};

	check(peer_is_privileged(&administrator, NULL), "an administrator is not");
	check(!peer_is_privileged(&user, NULL), "who is none is");
	check(!peer_is_privileged(&user, "Administrators"), "a group that is denied counts");
	check(!peer_is_privileged(&user, "no such group"), "a group that is not there counts");
	/* Of everybody. */
	check(peer_is_privileged(&user, "Users"), "a member of the group is not");
	peer_forget(&administrator);
	peer_forget(&user);
}

static void test_owners(void)
{
	uint32_t first = owner_of_name("S-1-5-21-1-2-3-1001");
	uint32_t second = owner_of_name("S-1-5-21-1-2-3-1002");
	char text[OWNER_TEXT_SIZE];

	check(first != second, "two users have one number");
	check(owner_of_name("S-1-5-21-1-2-3-1001") == first, "one has two");
	owner_text(second, text, sizeof(text));
	check(!strcmp(text, "S-1-5-21-1-2-3-1002"), "it is called '%s'", text);
	check(!owner_is_gone(GetCurrentProcessId()), "this process is gone");
	check(owner_is_gone(0x7ffffff0), "a process that never was is not gone");
}

static const struct procobsrv_process *make_process(uint32_t pid, const char *sid)
{
	static const struct process_context context;
	const struct record_identity identity = {.pid = pid, .start_ns = 1000 + pid};
	const struct procobsrv_process *process = process_create_stub(&context, &identity);

	((struct procobsrv_process *)(uintptr_t)process)->sid = sid;
	return process;
}

/* Which of the processes of two users each may see. */
static void test_own_processes(void)
{
	static const char *const sids[] = {"S-1-5-21-7-7-7-1", "S-1-5-21-7-7-7-2", NULL};
	static struct census census;
	const struct procobsrv_process *processes[3];
	struct census_users others;
	struct census_list list;

	for (uint32_t i = 0; i < 3; i++) {
		processes[i] = make_process(4 * (i + 1), sids[i]);
		const struct procobsrv_event start = {
		    .kind = PROCOBSRV_START, .process = processes[i], .creator = processes[0]};
		uint32_t owner = census_apply(&census, &start, &others);
		check(owner == (sids[i] ? owner_of_name(sids[i]) : OWNER_NOBODY), "%u: owner %u", i,
		      owner);
	}
	check(census_copy(&census, owner_of_name(sids[1]), &list), "no memory");
	check(list.count == 1 && list.items[0].process->pid == 8, "the second sees %zu",
	      list.count);
	check(list.count == 1 && !list.items[0].hide_image, "not what his own process runs");
	census_release(&list);
	check(census_copy(&census, OWNER_NOBODY, &list) && list.count == 3, "all are %zu",
	      list.count);
	census_release(&list);
	const struct procobsrv_event end = {.kind = PROCOBSRV_EXIT, .process = processes[1]};
	census_apply(&census, &end, &others);
	check(others.uids[0] == owner_of_name(sids[1]), "the end is not told to him");
	for (uint32_t i = 0; i < 3; i++)
		procobsrv_process_unref(processes[i]);
	census_free(&census);
}

int main(int count, char **arguments)
{
	static const struct tap_case cases[] = {
	    {"welcome", test_welcome},
	    {"questions", test_questions},
	    {"malformed", test_malformed},
	    {"silent", test_silent},
	    {"killed", test_killed},
	    {"stalled", test_stalled},
	    {"rights", test_rights},
	    {"owners", test_owners},
	    {"own processes", test_own_processes},
	    {NULL, NULL},
	};

	if (count > 1 && !strcmp(arguments[1], "--reads"))
		return read_until_killed();
	return tap_run(cases, count > 1 ? arguments[1] : NULL);
}
