/* SPDX-License-Identifier: MIT */
#include "observer.h"

#include "failure.h"
#include "log.h"
#include "resident.h"
#include "rights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <windows.h>

#define LOCK_NAME L"Global\\procobsrvd"

static int complain_held(const struct resident_status *status)
{
	return error_set(
	    PROCOBSRV_ERROR_BUSY,
	    "the resident observer is being read by %s (pid %" PRIu32 "): stop that one first",
	    *status->holder_name ? status->holder_name : "another process", status->holder);
}

/* A driver is an administrator's to install: without it the service takes what the library finds.
 */
int observer_prepare(const struct configuration_observer *observer, struct observer_choice *choice)
{
	/* Never the service, which this is. */
	static const char *const resident[] = {"driver", NULL};
	static const char *const any[] = {"driver", "snapshot", NULL};
	struct resident_status *status = calloc(1, sizeof(*status));
	int error = 0;

	(void)observer;
	if (!status)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the observer");
	*choice = (struct observer_choice){0, any};
	if (resident_status(status))
		service_log(PRIORITY_WARNING, "observer: %s", procobsrv_explain());
	if (status->installed && status->holder)
		error = complain_held(status);
	else if (status->installed)
		*choice =
		    (struct observer_choice){PROCOBSRV_RESIDENT | PROCOBSRV_ACKNOWLEDGE, resident};
	else
		service_log(PRIORITY_WARNING,
			    "observer: the driver is not installed, so that nothing is observed "
			    "while the service does not run: \"consctl install\" installs it");
	free(status);
	return error;
}

/* ---- one service at a time ---- */

int observer_lock(intptr_t *lock)
{
	struct rights_administrators rights;
	bool administrators = rights_administrator() && rights_administrators_init(&rights);

	SetLastError(ERROR_SUCCESS);
	HANDLE mutex = CreateMutexW(administrators ? &rights.attributes : NULL, FALSE, LOCK_NAME);
	DWORD error = GetLastError();
	if (administrators)
		rights_administrators_free(&rights);
	if (mutex && error == ERROR_ALREADY_EXISTS) {
		CloseHandle(mutex);
		mutex = NULL;
	}
	if (!mutex && (error == ERROR_ALREADY_EXISTS || error == ERROR_ACCESS_DENIED))
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "procobsrvd runs already: one service observes a machine; stop "
				 "that one first (sc stop procobsrvd)");
	if (!mutex)
		return error_set_windows(error, "cannot make the mutex Global\\procobsrvd");
	*lock = (intptr_t)mutex;
	return 0;
}

void observer_unlock(intptr_t lock)
{
	if (lock != OBSERVER_UNLOCKED)
		CloseHandle((HANDLE)lock);
}
