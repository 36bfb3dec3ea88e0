/* SPDX-License-Identifier: MIT */
#include "loopback.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

/* The length of the address; 0: it is not one of this machine alone. */
static socklen_t parse(const char *text, uint16_t port, union address *address)
{
	*address = (union address){0};
	if (inet_pton(AF_INET, text, &address->four.sin_addr) == 1) {
		address->four.sin_family = AF_INET;
		address->four.sin_port = htons(port);
		if (ntohl(address->four.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET)
			return sizeof(address->four);
	} else if (inet_pton(AF_INET6, text, &address->six.sin6_addr) == 1) {
		address->six.sin6_family = AF_INET6;
		address->six.sin6_port = htons(port);
		if (IN6_IS_ADDR_LOOPBACK(&address->six.sin6_addr))
			return sizeof(address->six);
	}
	return 0;
}

bool loopback_is(const char *address)
{
	union address parsed;

	return parse(address, 0, &parsed) > 0;
}

int loopback_listen(const char *address, uint16_t port, int *descriptor)
{
	static const int on = 1;
	union address parsed;
	socklen_t length = parse(address, port, &parsed);
	int listening;
	int error;

	if (length == 0)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "'%s' is no loopback address: what is served here is for this "
				 "machine alone; give 127.0.0.1 or ::1",
				 address);
	listening = socket(parsed.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listening < 0)
		return error_set_errno(errno, "cannot make a socket for '%s'", address);
	/* So that what a service before this one has closed is no obstacle. */
	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listening, &parsed.any, length) == 0 && listen(listening, BACKLOG) == 0) {
		*descriptor = listening;
		return 0;
	}
	error = errno;
	close(listening);
	if (error == EADDRINUSE)
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "another program listens on port %u of '%s': end it, or give "
				 "another port",
				 port, address);
	return error_set_errno(error, "cannot listen on port %u of '%s'", port, address);
}
