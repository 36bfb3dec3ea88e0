/* SPDX-License-Identifier: MIT */
/* What the service tells of itself: the text for Prometheus, its health, and who may ask. */
#include "harness.h"

#include "error.h"
#include "loopback.h"
#include "metrics.h"
#include "metrics_server.h"
#include "os.h"
#include "unix_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HALF_OPEN 40

/* What the service itself has. */
const char *service_stage_name(enum service_stage stage)
{
	static const char *const names[] = {"kernel", "queue", "spill", "monitor", "other"};

	return names[stage];
}

static const struct sink_runner_statistics sample_sinks[] = {
    {
	.name = "record",
	.durable = true,
	.taken = 7,
	.filtered = 1,
	.lost = {[0] = 2, [PROCOBSRV_START] = 3},
	.waiting = 4,
	.behind = 3,
	.waiting_most = 4096,
	.failures = 5,
	.lag_ns = 1500000000,
	.sink = {.written = 6, .bytes_used = 4096, .oldest_ns = 1000000000000000001},
    },
    {
	.name = "a \"quoted\\ \n name\xff",
	.failing = true,
	.error = "cannot write: No space left on device",
    },
};

static struct metrics sample(void)
{
	struct metrics metrics = {
	    .version = "1.2.3",
	    .backend = "bpf",
	    .alive = true,
	    .cpu_ns = 2000000001,
	    .observer = {.observed = 100,
			 .delivered = 60,
			 .filtered = 25,
			 .lost = 10,
			 .pending = 5,
			 .ring_size = 1048576},
	    .has_readers = true,
	    .readers = {.readers = 3},
	    .sinks = sample_sinks,
	    .sink_count = 2,
	};

	metrics.service.events[PROCOBSRV_EXEC] = UINT64_MAX;
	metrics.service.lost[SERVICE_STAGE_SPILL][PROCOBSRV_EXIT] = 9;
	metrics.service.started_ns = 1700000000123456789;
	return metrics;
}

/* The text, ended by NUL; the caller frees it. */
static char *written(const struct metrics *metrics)
{
	struct buffer out = BUFFER_EMPTY;

	metrics_write(metrics, &out);
	buffer_append_character(&out, '\0');
	assert_false(out.failed);
	return out.data;
}

static void has_line(const char *text, const char *line)
{
	size_t length = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[length] == '\n')
			return;
	fail_msg("there is no line '%s' in\n%s", line, text);
}

static void figures(void **state)
{
	(void)state;
	struct metrics metrics = sample();
	char *text = written(&metrics);

	has_line(text, "# TYPE procobsrv_events_total counter");
	has_line(text, "procobsrv_events_total{kind=\"exec\"} 18446744073709551615");
	has_line(text, "procobsrv_events_total{kind=\"lost\"} 0");
	has_line(text, "procobsrv_losses_total{stage=\"spill\",kind=\"exit\"} 9");
	has_line(text, "procobsrv_losses_total{stage=\"kernel\",kind=\"unknown\"} 0");
	has_line(text, "procobsrv_build_info{version=\"1.2.3\",backend=\"bpf\"} 1");
	has_line(text, "process_start_time_seconds 1700000000.123456789");
	has_line(text, "process_cpu_seconds_total 2.000000001");
	has_line(text, "procobsrv_ring_size_bytes 1048576");
	has_line(text, "procobsrv_observing 1");
	has_line(text, "procobsrv_readers 3");
	has_line(text, "procobsrv_sink_lag_seconds{sink=\"record\"} 1.500000000");
	has_line(text, "procobsrv_sink_taken_events_total{sink=\"record\"} 7");
	has_line(text, "procobsrv_sink_lost_events_total{sink=\"record\",kind=\"start\"} 3");
	has_line(text, "procobsrv_sink_up{sink=\"record\"} 1");
	has_line(text, "procobsrv_sink_behind_events{sink=\"record\"} 3");
	has_line(text, "procobsrv_sink_holds_back{sink=\"record\"} 0");
	has_line(text, "procobsrv_sink_oldest_event_timestamp_seconds{sink=\"record\"} "
		       "1000000000.000000001");
	free(text);
}

static uint64_t value_of(const char *text, const char *name)
{
	char line[128];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(text, line);
	if (at == NULL)
		fail_msg("there is no %s", name);
	return strtoull(at + strlen(line), NULL, 10);
}

static void what_was_observed_adds_up(void **state)
{
	(void)state;
	struct metrics metrics = sample();
	char *text = written(&metrics);

	assert_int_equal(value_of(text, "procobsrv_observed_events_total"), 100);
	assert_int_equal(value_of(text, "procobsrv_delivered_events_total") +
			     value_of(text, "procobsrv_filtered_events_total") +
			     value_of(text, "procobsrv_lost_events_total") +
			     value_of(text, "procobsrv_pending_events"),
			 100);
	free(text);
}

static void labels_are_escaped(void **state)
{
	(void)state;
	struct metrics metrics = sample();
	char *text = written(&metrics);

	has_line(text, "procobsrv_sink_up{sink=\"a \\\"quoted\\\\ \\n name\xef\xbf\xbd\"} 0");
	free(text);
}

static void what_is_not_configured_is_left_out(void **state)
{
	(void)state;
	struct metrics metrics = sample();

	metrics.has_readers = false;
	metrics.sink_count = 0;
	char *text = written(&metrics);

	assert_null(strstr(text, "procobsrv_reader"));
	assert_null(strstr(text, "procobsrv_sink"));
	free(text);
}

static bool health(const struct metrics *metrics, const char *expected)
{
	struct buffer out = BUFFER_EMPTY;
	bool healthy = metrics_write_health(metrics, &out);

	buffer_append_character(&out, '\0');
	assert_string_equal(out.data, expected);
	buffer_free(&out);
	return healthy;
}

static void health_says_why(void **state)
{
	(void)state;
	struct metrics metrics = sample();

	metrics.sink_count = 1;
	assert_true(health(&metrics, "ok\n"));
	metrics.service.reload_failed = true;
	assert_true(health(&metrics, "ok\nconfiguration: the last reload failed, an earlier "
				     "configuration is in use\n"));
	metrics.service.reload_failed = false;
	metrics.sinks = &sample_sinks[1];
	assert_false(health(&metrics,
			    "sink a \"quoted\\ \n name\xff: cannot write: No space left on "
			    "device\n"));
	/* Told as it is while it fails, while it is told again, and while nobody gets on. */
	struct sink_runner_statistics behind = {
	    .name = "record", .failing = true, .error = "locked", .is_behind = true};
	static const char passed[] = "sink record: events passed it by, and are told to it when it "
				     "works; the others go on\n";
	char expected[256];
	metrics.sinks = &behind;
	snprintf(expected, sizeof(expected), "sink record: locked\n%s", passed);
	assert_false(health(&metrics, expected));
	behind.failing = false;
	snprintf(expected, sizeof(expected), "ok\n%s", passed);
	assert_true(health(&metrics, expected));
	behind.holds_back = true;
	assert_false(health(&metrics, "sink record: no more may pass it by, all others wait until "
				      "it has caught up\n"));
	metrics.sink_count = 0;
	metrics.alive = false;
	assert_false(health(&metrics, "observer: no events come; the service's log says why\n"));
}

static void measures_itself(void **state)
{
	(void)state;
	struct metrics metrics = {0};

	metrics_measure_process(&metrics);
	assert_true(metrics.cpu_ns > 0);
	assert_true(metrics.resident_bytes > 100000);
}

static void only_this_machine(void **state)
{
	(void)state;
	static const char *const others[] = {"0.0.0.0",	   "::",    "192.168.1.1",     "128.0.0.1",
					     "126.0.0.1",  "::2",   "localhost",       "",
					     "127.0.0.1 ", "127.1", "::ffff:127.0.0.1"};
	int descriptor = -2;

	assert_true(loopback_is("127.0.0.1"));
	assert_true(loopback_is("127.255.255.254"));
	assert_true(loopback_is("::1"));
	for (size_t index = 0; index < sizeof(others) / sizeof(*others); index++) {
		assert_false(loopback_is(others[index]));
		assert_int_equal(loopback_listen(others[index], 0, &descriptor),
				 PROCOBSRV_ERROR_ARGUMENT);
		assert_int_equal(descriptor, -2);
		assert_non_null(strstr(procobsrv_explain(), "is no loopback address"));
	}
}

/* A directory for sockets, gone with the test. */
struct place {
	char directory[64];
	char path[96];
};

static void place_make(struct place *place)
{
	snprintf(place->directory, sizeof(place->directory), "/tmp/metrics-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->path, sizeof(place->path), "%s/socket", place->directory);
}

static void place_remove(const struct place *place)
{
	unlink(place->path);
	assert_int_equal(rmdir(place->directory), 0);
}

static void sockets(void **state)
{
	(void)state;
	struct place place;
	struct unix_socket first;
	struct unix_socket second;
	struct stat status;

	place_make(&place);
	assert_int_equal(unix_socket_listen(place.path, 0660, NULL, &first), 0);
	assert_int_equal(stat(place.path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	assert_true(unix_socket_is_there(&first, place.path));
	assert_int_equal(unix_socket_listen(place.path, 0660, NULL, &second), PROCOBSRV_ERROR_BUSY);

	/* Left behind by a process that died. */
	close(first.descriptor);
	assert_int_equal(unix_socket_listen(place.path, 0600, NULL, &second), 0);
	assert_true(unix_socket_is_there(&second, place.path));
	unlink(place.path);
	assert_false(unix_socket_is_there(&second, place.path));
	assert_int_equal(unix_socket_listen(place.path, 0600, NULL, &first), 0);
	assert_false(unix_socket_is_there(&second, place.path));
	close(second.descriptor);
	second = first;
	unix_socket_close(&second, place.path);
	assert_int_equal(access(place.path, F_OK), -1);

	/* Another file stays as it is. */
	close(open(place.path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(unix_socket_listen(place.path, 0660, NULL, &first),
			 PROCOBSRV_ERROR_ARGUMENT);
	assert_int_equal(access(place.path, F_OK), 0);
	unlink(place.path);

	assert_int_equal(unix_socket_listen(place.path, 0660, "no-such-group", &first),
			 PROCOBSRV_ERROR_NOT_FOUND);
	assert_int_equal(access(place.path, F_OK), -1);
	place_remove(&place);
}

static void page(struct buffer *out, void *param)
{
	(void)param;
	buffer_append_text(out, "figures\n");
}

static bool health_page(struct buffer *out, void *param)
{
	const bool *healthy = param;

	buffer_append_text(out, *healthy ? "ok\n" : "sink record: disk full\n");
	return *healthy;
}

/* Sends a request and reads all of the answer into text; the server has been told to close. */
static void ask(int descriptor, const char *request, char text[2048])
{
	char whole[512];
	size_t size = 0;
	ssize_t got;

	snprintf(whole, sizeof(whole), "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		 request);
	assert_int_equal(send(descriptor, whole, strlen(whole), MSG_NOSIGNAL),
			 (ssize_t)strlen(whole));
	while ((got = recv(descriptor, text + size, 2047 - size, 0)) > 0)
		size += (size_t)got;
	text[size] = '\0';
	close(descriptor);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int tries = 0; tries < 1500; tries++) {
		if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0)
			return descriptor;
		usleep(20000);
	}
	fail_msg("nobody answers at %s", path);
	return -1;
}

static void answers(void **state)
{
	(void)state;
	bool healthy = true;
	struct place place;
	struct metrics_server *server;
	struct metrics_server_pages pages = {page, health_page, &healthy};
	struct configuration_metrics where = {.enabled = true};
	char text[2048];

	place_make(&place);
	where.socket = place.path;
	assert_int_equal(metrics_server_open(&where, NULL, &pages, &server), 0);
	ask(connect_to(place.path), "GET /metrics", text);
	assert_non_null(strstr(text, "HTTP/1.1 200 OK"));
	assert_non_null(strstr(text, "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(text, "\r\n\r\nfigures\n"));
	ask(connect_to(place.path), "HEAD /metrics", text);
	assert_non_null(strstr(text, "HTTP/1.1 200 OK"));
	assert_null(strstr(text, "figures"));
	ask(connect_to(place.path), "GET /health", text);
	assert_non_null(strstr(text, "HTTP/1.1 200 OK"));
	healthy = false;
	ask(connect_to(place.path), "GET /health", text);
	assert_non_null(strstr(text, "HTTP/1.1 503 "));
	assert_non_null(strstr(text, "sink record: disk full"));
	ask(connect_to(place.path), "GET /metrics/", text);
	assert_non_null(strstr(text, "HTTP/1.1 404 "));
	ask(connect_to(place.path), "POST /metrics", text);
	assert_non_null(strstr(text, "HTTP/1.1 405 "));
	assert_non_null(strstr(text, "Allow: GET, HEAD"));

	/* Removed while it runs. */
	assert_int_equal(unlink(place.path), 0);
	ask(connect_to(place.path), "GET /metrics", text);
	assert_non_null(strstr(text, "figures"));
	assert_true(metrics_server_is_at(server, &where, NULL));
	assert_false(metrics_server_is_at(server, &where, "another"));
	metrics_server_close(server);
	place_remove(&place);
}

/* Who connects and says half a request, or nothing, keeps nobody waiting. */
static void answers_beside_half_open(void **state)
{
	(void)state;
	bool healthy = true;
	struct place place;
	struct metrics_server *server;
	struct metrics_server_pages pages = {page, health_page, &healthy};
	struct configuration_metrics where = {.enabled = true};
	int silent[HALF_OPEN];
	char text[2048];

	place_make(&place);
	where.socket = place.path;
	assert_int_equal(metrics_server_open(&where, NULL, &pages, &server), 0);
	uint64_t before = os_monotonic_ns();
	for (int i = 0; i < HALF_OPEN; i++) {
		silent[i] = connect_to(place.path);
		if (i % 2)
			send(silent[i], "GET /metr", 9, MSG_NOSIGNAL);
	}
	for (int i = 0; i < 3; i++) {
		ask(connect_to(place.path), "GET /metrics", text);
		assert_non_null(strstr(text, "\r\n\r\nfigures\n"));
	}
	/* Their time is 10 s. */
	assert_true(os_monotonic_ns() - before < 9000000000u);

	/* The last of them has its turn still, the first has made room. */
	assert_int_equal(send(silent[HALF_OPEN - 1], "ics HTTP/1.0\r\n\r\n", 16, MSG_NOSIGNAL), 16);
	assert_int_equal(recv(silent[HALF_OPEN - 1], text, 12, MSG_WAITALL), 12);
	assert_memory_equal(text + 9, "200", 3);
	assert_int_equal(recv(silent[0], text, 1, 0), 0);
	for (int i = 0; i < HALF_OPEN; i++)
		close(silent[i]);
	metrics_server_close(server);
	place_remove(&place);
}

static int connect_to_port(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
	return descriptor;
}

static uint16_t port_of(int descriptor)
{
	struct sockaddr_in address = {0};
	socklen_t length = sizeof(address);

	assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
	return ntohs(address.sin_port);
}

static void answers_at_a_port(void **state)
{
	(void)state;
	bool healthy = true;
	struct metrics_server *server;
	struct metrics_server_pages pages = {page, health_page, &healthy};
	struct configuration_metrics where = {.enabled = true, .address = "127.0.0.1"};
	char text[2048];
	int descriptor = -1;
	int error = PROCOBSRV_ERROR_BUSY;

	/* One that is free; as long as it is taken, the server says so. Once it is free again, some
	 * other program may be given it: then the next one. */
	for (int tries = 0; tries < 20 && error == PROCOBSRV_ERROR_BUSY; tries++) {
		assert_int_equal(loopback_listen("127.0.0.1", 0, &descriptor), 0);
		where.port = port_of(descriptor);
		assert_int_equal(metrics_server_open(&where, NULL, &pages, &server),
				 PROCOBSRV_ERROR_BUSY);
		close(descriptor);
		error = metrics_server_open(&where, NULL, &pages, &server);
	}
	assert_int_equal(error, 0);
	ask(connect_to_port(where.port), "GET /metrics?name=x", text);
	assert_non_null(strstr(text, "\r\n\r\nfigures\n"));
	metrics_server_close(server);

	where.address = "0.0.0.0";
	assert_int_equal(metrics_server_open(&where, NULL, &pages, &server),
			 PROCOBSRV_ERROR_ARGUMENT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(figures),
	    cmocka_unit_test(what_was_observed_adds_up),
	    cmocka_unit_test(labels_are_escaped),
	    cmocka_unit_test(what_is_not_configured_is_left_out),
	    cmocka_unit_test(health_says_why),
	    cmocka_unit_test(measures_itself),
	    cmocka_unit_test(only_this_machine),
	    cmocka_unit_test(sockets),
	    cmocka_unit_test(answers),
	    cmocka_unit_test(answers_beside_half_open),
	    cmocka_unit_test(answers_at_a_port),
	};

	/* For promtool, which checks what no test of ours knows. */
	if (argc > 1 && strcmp(argv[1], "--sample") == 0) {
		struct metrics metrics = sample();
		struct buffer out = BUFFER_EMPTY;

		metrics_write(&metrics, &out);
		fwrite(out.data, 1, out.size, stdout);
		buffer_free(&out);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
