/* SPDX-License-Identifier: MIT */
#include "service_error.h"

#include "failure.h"

#include <windows.h>

/* Some headers hide it from programs for old systems. */
#ifndef ERROR_INVALID_IMAGE_HASH
#define ERROR_INVALID_IMAGE_HASH 577
#endif

struct advice {
	DWORD error;
	int code;
	const char *why; /* and what to do */
};

static const struct advice advices[] = {
    {ERROR_ACCESS_DENIED, PROCOBSRV_ERROR_PERMISSION,
     "access denied (5): drivers are for administrators alone; run this as administrator, from a "
     "command line that was opened so"},
    {ERROR_FILE_NOT_FOUND, PROCOBSRV_ERROR_NOT_FOUND,
     "its file is not there (2): put ProcObsrv.sys beside the program, on a local disk"},
    {ERROR_PATH_NOT_FOUND, PROCOBSRV_ERROR_NOT_FOUND,
     "the system does not find its folder (3): drivers are not loaded from a network; put the "
     "program and ProcObsrv.sys on a local disk"},
    {ERROR_BAD_EXE_FORMAT, PROCOBSRV_ERROR_UNSUPPORTED,
     "the file is no driver for this processor (193): take ProcObsrv.sys from the package for "
     "this Windows, 32 or 64 bits"},
    {ERROR_INVALID_IMAGE_HASH, PROCOBSRV_ERROR_PERMISSION,
     "Windows does not accept its signature (577): it loads drivers that Microsoft has signed; for "
     "a test, sign it with a certificate of your own, turn Secure Boot off, run \"bcdedit /set "
     "testsigning on\" and restart"},
    {ERROR_DRIVER_BLOCKED, PROCOBSRV_ERROR_PERMISSION,
     "a policy of this machine blocks it (1275): memory integrity, the list of blocked drivers or "
     "application control forbid it; whoever administers the policy must allow it"},
    {ERROR_SERVICE_DISABLED, PROCOBSRV_ERROR_STATE,
     "the service is disabled (1058): run \"sc config ProcObsrv start= demand\", try again"},
    {ERROR_SERVICE_MARKED_FOR_DELETE, PROCOBSRV_ERROR_BUSY,
     "a service of that name is being removed and some program still has it open (1072): close "
     "the Services window, Task Manager and other consoles, else restart Windows"},
    {ERROR_SERVICE_EXISTS, PROCOBSRV_ERROR_BUSY,
     "another program has just registered it (1073): try again"},
    {ERROR_SERVICE_CANNOT_ACCEPT_CTRL, PROCOBSRV_ERROR_BUSY,
     "it is about to start or to stop (1061): a program has the driver open and keeps it from "
     "that; end that program, or restart Windows"},
    {ERROR_GEN_FAILURE, PROCOBSRV_ERROR_SYSTEM,
     "the driver did not begin (31): it needs memory for its ring and a free place among the "
     "routines that Windows calls for each process; another observer may have to go"},
};

int service_error(unsigned long error, const char *what)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++)
		if (advices[i].error == error)
			return error_set(advices[i].code, "%s: %s", what, advices[i].why);
	return error_set_windows(error, "%s", what);
}

int service_error_pending(const char *what)
{
	return error_set(PROCOBSRV_ERROR_BUSY,
			 "%s: the driver is being stopped and does not end, since some program "
			 "still has it open: end the programs that watch (consctl among them), or "
			 "restart Windows",
			 what);
}
