/* SPDX-License-Identifier: MIT */
#include "cancel.h"

#include "lookup.h"

/* Since Windows Vista. */
typedef BOOL(WINAPI *cancel_function)(HANDLE handle, LPOVERLAPPED overlapped);

void cancel_pending(HANDLE handle)
{
	cancel_function cancel_all = (cancel_function)lookup("kernel32.dll", "CancelIoEx");

	if (cancel_all)
		cancel_all(handle, NULL);
	else
		CancelIo(handle);
}
