/* SPDX-License-Identifier: MIT */
#ifndef PROCOBSRVD_WINDOWS_RUN_H
#define PROCOBSRVD_WINDOWS_RUN_H

#include <windows.h>

struct run_control {
	const char *key;     /* of the registry, below HKEY_LOCAL_MACHINE */
	HANDLE stop;	     /* an event: end now */
	HANDLE reload;	     /* an event that resets itself: read the configuration again */
	void (*ready)(void); /* called when it listens and observes; may be NULL */
};

/* Runs the service until `stop` is set: 0; or it could not start, or ended by itself: an error,
 * which has been logged. */
int run_service(const struct run_control *control);

#endif
