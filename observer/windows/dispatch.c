/* SPDX-License-Identifier: MIT */
/* What the I/O manager hands us; each runs at PASSIVE_LEVEL in the thread of who asks. */
#include "driver.h"

#include "os.h"
#include "requests.h"

static NTSTATUS complete(PIRP irp, NTSTATUS status, ULONG_PTR written)
{
	irp->IoStatus.Status = status;
	irp->IoStatus.Information = written;
	IoCompleteRequest(irp, IO_NO_INCREMENT);
	return status;
}

/* NULL for a handle whose IRP_MJ_CREATE has failed, where a system opens it nevertheless. */
static struct client *client_of(PIRP irp)
{
	return IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;
}

NTSTATUS NTAPI dispatch_create(PDEVICE_OBJECT device, PIRP irp)
{
	uint32_t pid = (uint32_t)(ULONG_PTR)PsGetCurrentProcessId();
	struct client *client = NULL;

	UNREFERENCED_PARAMETER(device);
	handles_acquire();
	if (driver.observer)
		client = observer_open(driver.observer, pid);
	handles_release();
	IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext = client;
	return complete(irp, client ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES, 0);
}

/* The last handle is gone; requests may still be under way, and one may wait: it ends here. */
NTSTATUS NTAPI dispatch_cleanup(PDEVICE_OBJECT device, PIRP irp)
{
	struct client *client = client_of(irp);

	UNREFERENCED_PARAMETER(device);
	handles_acquire();
	if (client && driver.observer)
		observer_detach(driver.observer, client);
	handles_release();
	return complete(irp, STATUS_SUCCESS, 0);
}

/* All requests have ended. There may have been no IRP_MJ_CLEANUP. */
NTSTATUS NTAPI dispatch_close(PDEVICE_OBJECT device, PIRP irp)
{
	struct client *client = client_of(irp);

	UNREFERENCED_PARAMETER(device);
	handles_acquire();
	IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext = NULL;
	if (client && driver.observer)
		observer_close(driver.observer, client);
	handles_release();
	return complete(irp, STATUS_SUCCESS, 0);
}

NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT device, PIRP irp)
{
	PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
	struct client *client = client_of(irp);
	struct request request = {
	    .code = stack->Parameters.DeviceIoControl.IoControlCode,
	    .buffer = irp->AssociatedIrp.SystemBuffer,
	    .input_size = stack->Parameters.DeviceIoControl.InputBufferLength,
	    .output_size = stack->Parameters.DeviceIoControl.OutputBufferLength,
	    .read = (struct os_read *)irp,
	};
	size_t written;

	UNREFERENCED_PARAMETER(device);
	EXPECT_IRQL(PASSIVE_LEVEL);
	if (!client || !driver.observer)
		return complete(irp, STATUS_INVALID_DEVICE_STATE, 0);
	NTSTATUS status = request_serve(driver.observer, client, &request, &written);
	if (status == STATUS_PENDING)
		return status; /* the request is no longer ours */
	return complete(irp, status, written);
}
