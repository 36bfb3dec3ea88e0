/* SPDX-License-Identifier: MIT */
#include "connector_socket.h"

#include "error.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/connector.h>
#include <linux/netlink.h>

#define ROOM_DEFAULT (64ull << 20)

/* The numbers that the kernel gives the first namespaces (include/uapi/linux/nsfs.h). */
#define FIRST_PID_NAMESPACE  0xeffffffcu
#define FIRST_USER_NAMESPACE 0xeffffffdu

static bool is_first_namespace(const char *path, uint32_t number)
{
	struct stat status;

	return stat(path, &status) || status.st_ino == number;
}

static bool may_administer_network(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	return !syscall(SYS_capget, &header, data) &&
	       data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
}

static int check_rights(void)
{
	/* Since 6.6 everybody may listen, but with a socket too small for a busy machine, and
	 * without a look at other users' programs. */
	if (!may_administer_network())
		return error_set(PROCOBSRV_ERROR_PERMISSION,
				 "the proc connector needs root (CAP_NET_ADMIN)");
	if (is_first_namespace("/proc/self/ns/pid", FIRST_PID_NAMESPACE) &&
	    is_first_namespace("/proc/self/ns/user", FIRST_USER_NAMESPACE))
		return 0;
	return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
			 "the proc connector answers only in the machine's first pid and user "
			 "namespace, and this is a container; run it on the host");
}

/* Asks for much room and takes what it gets. */
static uint64_t set_room(int descriptor, uint64_t size)
{
	int wanted = size > INT32_MAX / 2 ? INT32_MAX / 2 : (int)size;
	int granted = 0;
	socklen_t length = sizeof granted;

	if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted))
		setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
	/* The kernel doubles it, for its own book-keeping. */
	getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &granted, &length);
	return (uint64_t)granted / 2;
}

int connector_socket_open(uint64_t size, int *opened, uint64_t *room)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int error = check_rights();

	if (error)
		return error;
	int descriptor =
	    socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
	if (descriptor < 0)
		return errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT
			   ? error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				       "this kernel or network namespace has no connector "
				       "(CONFIG_CONNECTOR); run it on the host, or use another "
				       "backend")
			   : error_set_errno(errno, "cannot open a connector socket");
	uint64_t granted = set_room(descriptor, size ? size : ROOM_DEFAULT);
	if (bind(descriptor, (struct sockaddr *)&address, sizeof address) ||
	    connect(descriptor, (struct sockaddr *)&kernel, sizeof kernel)) {
		error = error_set_errno(errno, "cannot listen to the proc connector");
		close(descriptor);
		return error;
	}
	*opened = descriptor;
	*room = granted;
	return 0;
}

bool connector_socket_send(int descriptor, enum proc_cn_mcast_op operation, uint32_t id)
{
	const struct nlmsghdr netlink = {
	    .nlmsg_len = NLMSG_LENGTH(sizeof(struct cn_msg) + sizeof(uint32_t)),
	    .nlmsg_type = NLMSG_DONE,
	};
	const struct cn_msg connector = {
	    .id = {CN_IDX_PROC, CN_VAL_PROC},
	    .ack = id,
	    .len = sizeof(uint32_t),
	};
	const uint32_t payload = operation;
	char message[sizeof netlink + sizeof connector + sizeof payload];
	ssize_t sent;

	memcpy(message, &netlink, sizeof netlink);
	memcpy(message + sizeof netlink, &connector, sizeof connector);
	memcpy(message + sizeof netlink + sizeof connector, &payload, sizeof payload);
	do
		sent = send(descriptor, message, sizeof message, 0);
	while (sent < 0 && errno == EINTR);
	return sent == sizeof message;
}
