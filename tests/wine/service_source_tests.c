/* SPDX-License-Identifier: MIT */
/*
 * service_source_tests.exe [CASE]
 *
 * The source "service" against a pipe of this program's own, at whose other end a thread says what
 * the case wants. Needs no driver. Speaks TAP.
 */
#include "os.h"
#include "pipe_server.h"
#include "procobsrv.h"
#include "service_connection.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

#define VARIABLE L"PROCOBSRV_SERVICE_SOCKET"
#define PIPE	 L"\\\\.\\pipe\\procobsrv-tests"
#define STANDARD L"\\\\.\\pipe\\procobsrvd"

#define FIRST_PID 1000u
#define LIMIT_MS  60000

/* What a monitor delivered. The dispatcher thread writes, the case reads when it has waited. */
struct seen {
	struct procobsrv *monitor;
	volatile LONG existing;
	volatile LONG starts;
	volatile LONG exits;
	volatile LONG lost;
	volatile LONG disorders; /* not the next pid, or another status than the pid's last byte */
	volatile LONG nameless;
	volatile LONG stopped; /* what stopping from the handler returned, and 1 */
	bool stops;	       /* after the first start */
};

static void see(const struct procobsrv_event *event, void *param)
{
	struct seen *seen = param;

	switch (event->kind) {
	case PROCOBSRV_EXISTING:
		seen->existing++;
		break;
	case PROCOBSRV_START:
		if (event->process->pid != FIRST_PID + (uint32_t)seen->starts)
			seen->disorders++;
		if (strcmp(event->process->name, "program.exe") != 0 || !event->parent ||
		    strcmp(event->parent->name, "explorer.exe") != 0)
			seen->nameless++;
		seen->starts++;
		if (seen->stops && !seen->stopped)
			seen->stopped = 1 + procobsrv_stop(seen->monitor, PROCOBSRV_STOP_DISCARD);
		break;
	case PROCOBSRV_EXIT:
		if (event->process->pid != FIRST_PID + (uint32_t)seen->exits || !event->exit ||
		    event->exit->code != (event->process->pid & 0xff))
			seen->disorders++;
		seen->exits++;
		break;
	case PROCOBSRV_LOST:
		seen->lost += (LONG)event->lost->count;
		break;
	default:
		seen->disorders++;
	}
}

static bool wait_for(const volatile LONG *counter, LONG wanted)
{
	for (int tries = 0; tries < LIMIT_MS / 5 && *counter < wanted; tries++)
		Sleep(5);
	return check(*counter >= wanted, "%ld came, not %ld", *counter, wanted);
}

/* ---- a server, and a monitor that reads there ---- */

struct scene {
	struct pipe_server server;
	void (*serve)(struct pipe_server *server);
	HANDLE thread;
	struct seen seen;
};

static DWORD WINAPI run_server(void *param)
{
	struct scene *scene = param;

	scene->serve(&scene->server);
	return 0;
}

static bool begin_server(struct scene *scene, const wchar_t *name, const wchar_t *rights,
			 void (*serve)(struct pipe_server *))
{
	scene->serve = serve;
	if (!check(pipe_server_open(&scene->server, name, rights), "no pipe"))
		return false;
	SetEnvironmentVariableW(VARIABLE, name);
	scene->thread = CreateThread(NULL, 0, run_server, scene, 0, NULL);
	return check(scene->thread != NULL, "no thread");
}

static void end_server(struct scene *scene)
{
	if (check(WaitForSingleObject(scene->thread, LIMIT_MS) == WAIT_OBJECT_0,
		  "the server waits still"))
		pipe_server_close(&scene->server);
	CloseHandle(scene->thread);
}

static struct procobsrv *open_monitor(struct seen *seen)
{
	const struct procobsrv_options options = {
	    .size = sizeof(options),
	    .handler = {see, seen},
	    .backend = "service",
	    .kinds = PROCOBSRV_KINDS_ALL,
	};

	check(!procobsrv_open(&options, &seen->monitor), "no monitor: %s", procobsrv_explain());
	return seen->monitor;
}

static bool start_monitor(struct seen *seen)
{
	return open_monitor(seen) &&
	       check(!procobsrv_start(seen->monitor), "not started: %s", procobsrv_explain());
}

static bool begin(struct scene *scene, void (*serve)(struct pipe_server *))
{
	return begin_server(scene, PIPE, NULL, serve) && start_monitor(&scene->seen);
}

/* Stops it and checks that all was accounted for. */
static void end(struct scene *scene)
{
	const struct seen *seen = &scene->seen;
	struct procobsrv_statistics statistics;

	check(!procobsrv_stop(seen->monitor, PROCOBSRV_STOP_DRAIN), "stopping: %s",
	      procobsrv_explain());
	procobsrv_statistics(seen->monitor, &statistics, sizeof(statistics));
	check(statistics.observed == statistics.delivered + statistics.filtered + statistics.lost,
	      "observed %llu is not delivered %llu + filtered %llu + lost %llu",
	      statistics.observed, statistics.delivered, statistics.filtered, statistics.lost);
	check(statistics.delivered == (uint64_t)(seen->starts + seen->exits),
	      "%llu delivered, %ld starts and %ld exits seen", statistics.delivered, seen->starts,
	      seen->exits);
	check(!seen->lost && !seen->disorders && !seen->nameless,
	      "%ld lost, %ld out of order, %ld without a name", seen->lost, seen->disorders,
	      seen->nameless);
	check(!procobsrv_close(seen->monitor), "closing: %s", procobsrv_explain());
	end_server(scene);
}

/* Starts and exits, each frame with a pair. */
static void append_pairs(struct pipe_server *server, uint32_t first, uint32_t count)
{
	for (uint32_t pid = first; pid < first + count; pid++) {
		pipe_server_start(server, pid);
		pipe_server_exit(server, pid, pid & 0xff);
		pipe_server_end_frame(server);
	}
}

/* ---- what is read ---- */

#define PAIRS 2000

/* In pieces that are no frames, of a size that is no multiple of anything. */
static void serve_events(struct pipe_server *server)
{
	struct service_hello hello;

	if (!pipe_server_greet(server, &hello))
		return;
	check(!(hello.flags & SERVICE_RESUME), "it wants to go on where it never was");
	check(hello.record_version == RECORD_VERSION && hello.kinds & 1u << RECORD_START &&
		  hello.kinds & 1u << RECORD_EXIT,
	      "hello asks for version %u, kinds %x", hello.record_version, hello.kinds);
	append_pairs(server, FIRST_PID, PAIRS - 1);
	server->piece = 4099;
	pipe_server_flush(server);
	/* Observed before it stopped, so it is delivered: also if it comes after the question. */
	append_pairs(server, FIRST_PID + PAIRS - 1, 1);
	pipe_server_settle(server);
	pipe_server_flush(server);
	pipe_server_expect_end(server);
}

static void test_events(void)
{
	struct scene scene = {0};

	if (!begin(&scene, serve_events))
		return;
	wait_for(&scene.seen.exits, PAIRS - 1);
	const char *limits = procobsrv_backend_limits(scene.seen.monitor);
	check(strcmp(procobsrv_backend(scene.seen.monitor), "service") == 0, "it is %s",
	      procobsrv_backend(scene.seen.monitor));
	check(limits && strstr(limits, "Tuesdays"), "the limits of the service are not told: %s",
	      limits ? limits : "none");
	check(scene.seen.existing == 1, "%ld existed", scene.seen.existing);
	end(&scene);
	check(scene.seen.exits == PAIRS, "%ld exits", scene.seen.exits);
}

/* The service ends within a frame, and is back: what was cut off comes again, whole. */
static void serve_cut_off(struct pipe_server *server)
{
	struct service_request request;
	struct service_hello hello;

	if (!pipe_server_greet(server, &hello))
		return;
	append_pairs(server, FIRST_PID, 3);
	pipe_server_flush(server);
	append_pairs(server, FIRST_PID + 3, 1);
	struct buffer whole = server->output;
	server->output = BUFFER_EMPTY;
	pipe_server_send(server, whole.data, whole.size / 2);
	if (pipe_server_hang_up(server) && pipe_server_accept(server) &&
	    pipe_server_expect(server, SERVICE_HELLO, &request)) {
		const struct service_cursor *cursor = &request.body.hello.cursor;
		check(request.body.hello.flags & SERVICE_RESUME, "it does not want to go on");
		check(cursor->position == 6 && cursor->number == 6,
		      "it goes on after position %llu, number %llu", cursor->position,
		      cursor->number);
		/* In one piece: it is not waited for more before that is told. */
		pipe_server_welcome(server, "");
		buffer_append(&server->output, whole.data, whole.size);
		pipe_server_flush(server);
		pipe_server_settle(server);
		pipe_server_expect_end(server);
	}
	buffer_free(&whole);
}

static void test_cut_off(void)
{
	struct scene scene = {0};

	if (!begin(&scene, serve_cut_off))
		return;
	wait_for(&scene.seen.exits, 4);
	end(&scene);
}

/* ---- what is not ---- */

static void serve_oversized(struct pipe_server *server)
{
	const struct service_frame frame = {
	    .magic = SERVICE_MAGIC,
	    .version = SERVICE_VERSION,
	    .kind = SERVICE_RECORDS,
	    .size = SERVICE_ANSWER_MOST + 8,
	};
	struct service_hello hello;

	if (!pipe_server_greet(server, &hello))
		return;
	append_pairs(server, FIRST_PID, 1);
	pipe_server_flush(server);
	pipe_server_send(server, &frame, sizeof(frame));
	pipe_server_expect_end(server);
}

static void serve_error(struct pipe_server *server)
{
	struct service_hello hello;

	if (!pipe_server_greet(server, &hello))
		return;
	append_pairs(server, FIRST_PID, 1);
	service_write_error(&server->output, PROCOBSRV_ERROR_STATE, "it is Tuesday");
	pipe_server_flush(server);
	pipe_server_expect_end(server);
}

/* Observing ends with this error, and what came before it has been told. */
static void expect_end(void (*serve)(struct pipe_server *), int wanted, const char *words)
{
	struct scene scene = {0};

	if (!begin(&scene, serve))
		return;
	int error = procobsrv_wait(scene.seen.monitor, -1);
	check(error == wanted && strstr(procobsrv_explain(), words),
	      "it ends with %d instead of %d: %s", error, wanted, procobsrv_explain());
	note("%s", procobsrv_explain());
	end(&scene);
	check(scene.seen.exits == 1, "%ld exits", scene.seen.exits);
}

static void test_oversized(void)
{
	expect_end(serve_oversized, PROCOBSRV_ERROR_CORRUPT, "262152 bytes");
}

static void test_error(void)
{
	expect_end(serve_error, PROCOBSRV_ERROR_STATE, "the service refuses: it is Tuesday");
}

/* The monitor is not started, for this reason. */
static void expect_refusal(int wanted, const char *words)
{
	struct seen seen = {0};

	if (!open_monitor(&seen))
		return;
	int error = procobsrv_start(seen.monitor);
	check(error == wanted && strstr(procobsrv_explain(), words), "error %d instead of %d: %s",
	      error, wanted, procobsrv_explain());
	note("%s", procobsrv_explain());
	procobsrv_close(seen.monitor);
}

static void serve_refusal(struct pipe_server *server)
{
	struct service_request request;

	if (!pipe_server_accept(server) || !pipe_server_expect(server, SERVICE_HELLO, &request))
		return;
	service_write_error(&server->output, PROCOBSRV_ERROR_PERMISSION, "not for you");
	pipe_server_flush(server);
	pipe_server_expect_end(server);
}

static void serve_nobody(struct pipe_server *server)
{
	struct service_request request;

	/* Earlier the reader might not have asked yet, and would say that it cannot. */
	if (pipe_server_accept(server) && pipe_server_expect(server, SERVICE_HELLO, &request))
		pipe_server_hang_up(server);
}

static void test_refusals(void)
{
	struct scene refuses = {0}, leaves = {0};

	if (begin_server(&refuses, PIPE, NULL, serve_refusal)) {
		expect_refusal(PROCOBSRV_ERROR_PERMISSION, "the service refuses: not for you");
		end_server(&refuses);
	}
	if (begin_server(&leaves, PIPE, NULL, serve_nobody)) {
		expect_refusal(PROCOBSRV_ERROR_SYSTEM, "the service closed the connection");
		end_server(&leaves);
	}
}

static void test_names(void)
{
	SetEnvironmentVariableW(VARIABLE, L"\\\\.\\pipe\\procobsrv-nobody");
	expect_refusal(PROCOBSRV_ERROR_NOT_FOUND, "sc start procobsrvd");
	SetEnvironmentVariableW(VARIABLE, L"\\\\elsewhere\\pipe\\procobsrvd");
	expect_refusal(PROCOBSRV_ERROR_ARGUMENT, "does not name a pipe of this machine");
	SetEnvironmentVariableW(VARIABLE, L"C:\\windows\\win.ini");
	expect_refusal(PROCOBSRV_ERROR_ARGUMENT, "does not name a pipe of this machine");
	SetEnvironmentVariableW(VARIABLE, L"\\\\.\\pipe\\");
	expect_refusal(PROCOBSRV_ERROR_ARGUMENT, "does not name a pipe of this machine");
}

/* ---- whose pipe it is ---- */

static void serve_brief(struct pipe_server *server)
{
	struct service_hello hello;

	if (!pipe_server_greet(server, &hello))
		return;
	pipe_server_settle(server);
	pipe_server_expect_end(server);
}

/* Whoever made it hears nothing, not even a hello. */
static void serve_unheard(struct pipe_server *server)
{
	char byte;
	DWORD size;

	if (pipe_server_accept(server))
		check(!ReadFile(server->pipe, &byte, 1, &size, NULL) &&
			  GetLastError() == ERROR_BROKEN_PIPE,
		      "something was said to a stranger");
}

static void expect_stranger(const wchar_t *name, const wchar_t *rights, const wchar_t *variable)
{
	struct scene scene = {0};

	if (!begin_server(&scene, name, rights, serve_unheard))
		return;
	SetEnvironmentVariableW(VARIABLE, variable);
	expect_refusal(PROCOBSRV_ERROR_PERMISSION, "is not the service's");
	end_server(&scene);
}

static void expect_trust(const wchar_t *name, const wchar_t *rights, const wchar_t *variable)
{
	struct scene scene = {0};

	if (!begin_server(&scene, name, rights, serve_brief))
		return;
	SetEnvironmentVariableW(VARIABLE, variable);
	if (start_monitor(&scene.seen))
		end(&scene);
}

#define ANYBODY L"D:(A;;GA;;;WD)"

static void test_owners(void)
{
	/* Of everybody, of the user, of the system, of administrators. */
	expect_stranger(STANDARD, L"O:WD" ANYBODY, NULL);
	expect_stranger(PIPE, L"O:WD" ANYBODY, PIPE);
	expect_stranger(STANDARD, NULL, NULL);
	expect_trust(STANDARD, L"O:SY" ANYBODY, NULL);
	expect_trust(STANDARD, L"O:BA" ANYBODY, NULL);
	expect_trust(PIPE, L"O:BA" ANYBODY, PIPE);
}

/* ---- times ---- */

static void serve_late(struct pipe_server *server)
{
	if (!pipe_server_accept(server))
		return;
	Sleep(300);
	if (pipe_server_hang_up(server))
		serve_brief(server);
}

/* All instances are taken for a while. */
static void test_busy(void)
{
	struct scene scene = {0};

	if (!begin_server(&scene, PIPE, NULL, serve_late))
		return;
	/* Before the server can be asleep. */
	uint64_t begun_ns = os_monotonic_ns();
	HANDLE first = CreateFileW(PIPE, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
	check(first != INVALID_HANDLE_VALUE, "it cannot be opened: error %lu", GetLastError());
	if (start_monitor(&scene.seen)) {
		check(os_monotonic_ns() - begun_ns >= 200000000, "nothing was waited for");
		end(&scene);
	}
	CloseHandle(first);
}

static void serve_stopped(struct pipe_server *server)
{
	struct service_hello hello;

	if (!pipe_server_greet(server, &hello))
		return;
	append_pairs(server, FIRST_PID, 100);
	pipe_server_flush(server);
	pipe_server_expect_end(server);
}

/* A handler may stop its own monitor; no event comes after that, and closing ends the connection.
 */
static void test_stop_from_handler(void)
{
	struct scene scene = {.seen = {.stops = true}};

	if (!begin(&scene, serve_stopped))
		return;
	int error = procobsrv_wait(scene.seen.monitor, -1);
	check(!error, "it ends with %d: %s", error, procobsrv_explain());
	check(scene.seen.stopped == 1, "stopping returned %ld", scene.seen.stopped - 1);
	check(!procobsrv_close(scene.seen.monitor), "closing: %s", procobsrv_explain());
	check(scene.seen.starts == 1 && scene.seen.exits == 0, "%ld starts and %ld exits",
	      scene.seen.starts, scene.seen.exits);
	end_server(&scene);
}

static void serve_mute(struct pipe_server *server)
{
	if (pipe_server_accept(server))
		pipe_server_expect_end(server);
}

/* The source waits for ten seconds; this is what it waits with. */
static void test_mute(void)
{
	const struct service_hello hello = {.record_version = RECORD_VERSION};
	struct service_connection connection;
	struct service_welcome welcome;
	struct scene scene = {0};

	if (!begin_server(&scene, PIPE, NULL, serve_mute))
		return;
	uint64_t begun_ns = os_monotonic_ns();
	int error = service_connection_open(&hello, 300000000, &connection, &welcome);
	uint64_t passed_ms = (os_monotonic_ns() - begun_ns) / 1000000;
	check(error == PROCOBSRV_ERROR_TIMEOUT &&
		  strstr(procobsrv_explain(), "sc query procobsrvd"),
	      "error %d: %s", error, procobsrv_explain());
	check(passed_ms >= 250 && passed_ms < 10000, "it waits for %llu ms",
	      (unsigned long long)passed_ms);
	check(!connection.channel, "there is a connection");
	end_server(&scene);
}

static const struct tap_case cases[] = {
    {"events", test_events},
    {"cut_off", test_cut_off},
    {"oversized", test_oversized},
    {"error", test_error},
    {"refusals", test_refusals},
    {"names", test_names},
    {"owners", test_owners},
    {"busy", test_busy},
    {"stop_from_handler", test_stop_from_handler},
    {"mute", test_mute},
    {NULL, NULL},
};

int main(int count, char **arguments)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	return tap_run(cases, count > 1 ? arguments[1] : NULL);
}
