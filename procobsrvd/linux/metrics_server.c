/* SPDX-License-Identifier: MIT */
#include "metrics_server.h"

#include "error.h"
#include "loopback.h"
#include "metrics_connections.h"
#include "service.h"
#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Those that make room are there until libmicrohttpd has run. */
#define CONNECTIONS_MAX		(4 * METRICS_CONNECTIONS_KEPT)
#define CONNECTION_SECONDS	10u
#define CONNECTION_BYTES	((size_t)16 << 10)
#define LOOK_AT_SOCKET_EVERY_MS 1000

struct metrics_server {
	struct metrics_server_pages pages;
	struct configuration_metrics where; /* its texts are owned */
	char *group;			    /* owned, or NULL */
	struct unix_socket listening;	    /* inode and device: of a Unix socket only */
	struct MHD_Daemon *daemon;	    /* NULL: its socket is gone, and could not be made */
	struct metrics_connections connections; /* the daemon's */
	int wake;				/* an event here ends the thread */
	pthread_t thread;
	bool complained; /* that the socket cannot be made: said once */
};

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status,
			     struct buffer *text)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	if (text->failed) {
		buffer_free(text);
		return MHD_NO; /* out of memory: the connection is closed */
	}
	response = MHD_create_response_from_buffer(text->size, text->data, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		buffer_free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"text/plain; version=0.0.4; charset=utf-8");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(void *param, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **request)
{
	struct metrics_server *server = param;
	const struct metrics_server_pages *pages = &server->pages;
	struct buffer text = BUFFER_EMPTY;
	unsigned status = MHD_HTTP_OK;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)request;
	metrics_connections_used(&server->connections, connection);
	if (strcmp(path, "/metrics") != 0 && strcmp(path, "/health") != 0) {
		status = MHD_HTTP_NOT_FOUND;
		buffer_append_text(&text, "there is /metrics and /health\n");
	} else if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
		   strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
		buffer_append_text(&text, "only GET and HEAD\n");
	} else if (strcmp(path, "/metrics") == 0) {
		pages->metrics(&text, pages->param);
	} else if (!pages->health(&text, pages->param)) {
		status = MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	return reply(connection, status, &text);
}

/* Has the listening socket answered. */
static int start_daemon(struct metrics_server *server)
{
	/* The daemon closes what it is given. */
	int descriptor = fcntl(server->listening.descriptor, F_DUPFD_CLOEXEC, 0);

	if (descriptor < 0)
		return error_set_errno(errno, "cannot serve metrics");
	server->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL, 0, NULL, NULL, answer, server, MHD_OPTION_LISTEN_SOCKET, descriptor,
	    MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
	    CONNECTION_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
	    MHD_OPTION_NOTIFY_CONNECTION, metrics_connections_notify, &server->connections,
	    MHD_OPTION_END);
	if (server->daemon != NULL)
		return 0;
	close(descriptor);
	return error_set(PROCOBSRV_ERROR_SYSTEM,
			 "cannot serve metrics: libmicrohttpd does not start");
}

static void stop_listening(struct metrics_server *server)
{
	if (server->daemon != NULL)
		MHD_stop_daemon(server->daemon);
	server->daemon = NULL;
	if (server->where.socket != NULL)
		unix_socket_close(&server->listening, server->where.socket);
	else if (server->listening.descriptor >= 0)
		close(server->listening.descriptor);
	server->listening = UNIX_SOCKET_NONE;
}

static int begin_listening(struct metrics_server *server)
{
	const struct configuration_metrics *where = &server->where;
	int status;

	if (where->socket != NULL)
		status = unix_socket_listen(where->socket, 0660, server->group, &server->listening);
	else
		status =
		    loopback_listen(where->address, where->port, &server->listening.descriptor);
	if (status == 0)
		status = start_daemon(server);
	if (status != 0)
		stop_listening(server);
	return status;
}

/* A Unix socket whose path is gone is reached by nobody. */
static void mend_socket(struct metrics_server *server)
{
	const char *path = server->where.socket;

	if (path == NULL ||
	    (server->daemon != NULL && unix_socket_is_there(&server->listening, path)))
		return;
	if (server->daemon != NULL)
		service_log(PRIORITY_WARNING,
			    "metrics: the socket '%s' was removed: making it again", path);
	stop_listening(server);
	if (begin_listening(server) == 0) {
		service_log(PRIORITY_NOTICE, "metrics: the socket '%s' is there again", path);
		server->complained = false;
	} else if (!server->complained) {
		service_log(PRIORITY_ERROR, "metrics: %s; trying again every second",
			    procobsrv_explain());
		server->complained = true;
	}
}

static int milliseconds_to_wait(struct metrics_server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	if (server->daemon != NULL && MHD_get_timeout(server->daemon, &timeout) == MHD_YES &&
	    timeout < LOOK_AT_SOCKET_EVERY_MS)
		return (int)timeout;
	return LOOK_AT_SOCKET_EVERY_MS;
}

/* Where connections have made room, a run closes them, and the next one takes who waits. */
static void run_daemon(struct metrics_server *server)
{
	for (int runs = 1; runs > 0; runs--) {
		server->connections.shut = false;
		MHD_run(server->daemon);
		if (server->connections.shut)
			runs = 3;
	}
}

static void *serve(void *param)
{
	struct metrics_server *server = param;
	struct pollfd waits[2] = {{.fd = server->wake, .events = POLLIN}, {.events = POLLIN}};

	while (waits[0].revents == 0) {
		waits[1].fd =
		    server->daemon != NULL
			? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd
			: -1;
		if (poll(waits, 2, milliseconds_to_wait(server)) < 0)
			waits[0].revents = 0;
		if (server->daemon != NULL)
			run_daemon(server);
		mend_socket(server);
	}
	return NULL;
}

/* With all signals blocked: they are the main thread's. */
static int start_thread(struct metrics_server *server)
{
	sigset_t all;
	sigset_t before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&server->thread, NULL, serve, server);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0 ? 0 : error_set_errno(error, "cannot start a thread for the metrics");
}

static bool copy_text(const char *text, char **copy)
{
	*copy = text != NULL ? strdup(text) : NULL;
	return text == NULL || *copy != NULL;
}

static void free_server(struct metrics_server *server)
{
	free((char *)server->where.socket);
	free((char *)server->where.address);
	free(server->group);
	if (server->wake >= 0)
		close(server->wake);
	free(server);
}

static struct metrics_server *create(const struct configuration_metrics *where, const char *group,
				     const struct metrics_server_pages *pages)
{
	struct metrics_server *server = calloc(1, sizeof(*server));
	char *socket = NULL;
	char *address = NULL;

	if (server == NULL)
		return NULL;
	server->pages = *pages;
	server->where = *where;
	server->listening = UNIX_SOCKET_NONE;
	server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	bool whole = copy_text(where->socket, &socket) && copy_text(where->address, &address) &&
		     copy_text(group, &server->group) && server->wake >= 0;

	server->where.socket = socket;
	server->where.address = address;
	if (whole)
		return server;
	free_server(server);
	return NULL;
}

int metrics_server_open(const struct configuration_metrics *where, const char *group,
			const struct metrics_server_pages *pages, struct metrics_server **server)
{
	struct metrics_server *made = create(where, group, pages);
	int status;

	if (made == NULL)
		return error_set(PROCOBSRV_ERROR_MEMORY, "no memory to serve metrics");
	status = begin_listening(made);
	if (status == 0) {
		status = start_thread(made);
		if (status != 0)
			stop_listening(made);
	}
	if (status != 0) {
		free_server(made);
		return status;
	}
	*server = made;
	return 0;
}

static bool same_text(const char *one, const char *other)
{
	return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

bool metrics_server_is_at(const struct metrics_server *server,
			  const struct configuration_metrics *where, const char *group)
{
	if (!same_text(server->where.socket, where->socket))
		return false;
	if (where->socket != NULL)
		return same_text(server->group, group);
	return same_text(server->where.address, where->address) &&
	       server->where.port == where->port;
}

void metrics_server_close(struct metrics_server *server)
{
	uint64_t one = 1;

	if (write(server->wake, &one, sizeof(one)) < 0) {
		/* The counter is full: it wakes all the same. */
	}
	pthread_join(server->thread, NULL);
	stop_listening(server);
	free_server(server);
}
