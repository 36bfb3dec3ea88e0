/* SPDX-License-Identifier: MIT */
#include "setup_lock.h"

#include "failure.h"
#include "rights.h"

#include <aclapi.h>
#include <stdbool.h>

#define LOCK_NAME    L"Global\\ProcObsrvSetup"
#define LOCK_SHOWN   "Global\\ProcObsrvSetup"
#define LOCK_WAIT_MS 30000

static bool belongs_to_administrators(HANDLE lock)
{
	PSECURITY_DESCRIPTOR descriptor = NULL;
	PSID owner = NULL;
	bool belongs = GetSecurityInfo(lock, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, &owner,
				       NULL, NULL, NULL, &descriptor) == ERROR_SUCCESS &&
		       rights_is_administrators(owner);

	if (descriptor)
		LocalFree(descriptor);
	return belongs;
}

static int squatted(void)
{
	return error_set(PROCOBSRV_ERROR_PERMISSION,
			 "the name " LOCK_SHOWN
			 ", by which programs that set up the driver wait for each other, is held "
			 "by a program that is not run by an administrator: find that program "
			 "(handle.exe lists names), end it, try again");
}

static int refused(DWORD error)
{
	if (error == ERROR_ACCESS_DENIED && rights_administrator())
		return squatted();
	/* Who is none cannot give it to the administrators either. */
	if (error == ERROR_ACCESS_DENIED || error == ERROR_INVALID_OWNER)
		return error_set(PROCOBSRV_ERROR_PERMISSION,
				 "the driver is for administrators alone: run this as "
				 "administrator (from a command line that was opened so)");
	/* Another kind of object has the name. */
	if (error == ERROR_INVALID_HANDLE)
		return squatted();
	return error_set_windows(error, "cannot make the mutex " LOCK_SHOWN);
}

int setup_lock_take(HANDLE *lock)
{
	struct rights_administrators rights;

	if (!rights_administrators_init(&rights))
		return error_set_windows(GetLastError(), "cannot describe who may use the driver");
	SetLastError(ERROR_SUCCESS);
	HANDLE mutex = CreateMutexW(&rights.attributes, FALSE, LOCK_NAME);
	DWORD error = GetLastError();
	rights_administrators_free(&rights);
	if (!mutex)
		return refused(error);
	if (error == ERROR_ALREADY_EXISTS && !belongs_to_administrators(mutex)) {
		CloseHandle(mutex);
		return squatted();
	}
	switch (WaitForSingleObject(mutex, LOCK_WAIT_MS)) {
	case WAIT_OBJECT_0:
	case WAIT_ABANDONED: /* whoever held it died: what it left is looked at anew */
		*lock = mutex;
		return 0;
	case WAIT_TIMEOUT:
		CloseHandle(mutex);
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "another program has been setting the driver up or removing it "
				 "for %d s: wait for it, or end it",
				 LOCK_WAIT_MS / 1000);
	default:
		error = GetLastError();
		CloseHandle(mutex);
		return error_set_windows(error, "cannot wait for the mutex " LOCK_SHOWN);
	}
}

void setup_lock_release(HANDLE lock)
{
	ReleaseMutex(lock);
	CloseHandle(lock);
}
