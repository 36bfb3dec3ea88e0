/* SPDX-License-Identifier: MIT */
/* ObsrvTest.sys: its device, and what clients ask for. See helper_ioctl.h. */
#include "helper.h"

#include "../../../observer/windows/ioctl.h"

static DRIVER_OBJECT *self;
static DEVICE_OBJECT *device;
static DEVICE_OBJECT *taken_device;
static bool taken_link;

/* IoCreateDevice and its like want a string that may be written to. */
#define STRING(name, text)                                                                         \
	static WCHAR name##_text[] = text;                                                         \
	UNICODE_STRING name = {sizeof(name##_text) - sizeof(WCHAR), sizeof(name##_text),           \
			       name##_text}

DEVICE_OBJECT *helper_device(void)
{
	return device;
}

static void leave_link(void)
{
	STRING(link, PROCOBSRV_LINK_NAME);

	if (taken_link)
		IoDeleteSymbolicLink(&link);
	taken_link = false;
}

static void leave_device(void)
{
	if (taken_device)
		IoDeleteDevice(taken_device);
	taken_device = NULL;
}

static NTSTATUS take_device(void)
{
	STRING(name, PROCOBSRV_DEVICE_NAME);

	if (taken_device)
		return STATUS_SUCCESS;
	return IoCreateDevice(self, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &taken_device);
}

static NTSTATUS take_link(void)
{
	STRING(link, PROCOBSRV_LINK_NAME);
	STRING(target, HELPER_DEVICE_NAME);
	NTSTATUS status = STATUS_SUCCESS;

	if (!taken_link)
		status = IoCreateSymbolicLink(&link, &target);
	taken_link = NT_SUCCESS(status);
	return status;
}

static NTSTATUS set_conditions(const struct helper_conditions *conditions)
{
	ULONG flags = conditions->flags;
	NTSTATUS status = hide_extended(flags & HELPER_HIDE_EXTENDED);

	callbacks_refuse(flags & HELPER_REFUSE_REGISTRATION);
	if (!(flags & HELPER_TAKE_DEVICE))
		leave_device();
	else if (NT_SUCCESS(status))
		status = take_device();
	if (!(flags & HELPER_TAKE_LINK))
		leave_link();
	else if (NT_SUCCESS(status))
		status = take_link();
	return status;
}

static NTSTATUS forward(const struct helper_process *process, ULONG length)
{
	struct occurrence occurrence = {
	    .kind = (enum helper_kind)process->kind,
	    .pid = process->pid,
	    .parent = process->parent,
	    .creator = process->creator,
	};
	WCHAR *strings = (WCHAR *)(process + 1);
	NTSTATUS status;

	if (process->kind >= HELPER_KINDS || process->image_length > 0xfffe ||
	    process->command_line_length > 0xfffe || process->image_length % sizeof(WCHAR) != 0 ||
	    sizeof(*process) + process->image_length + process->command_line_length != length)
		return STATUS_INVALID_PARAMETER;
	occurrence.image.Buffer = strings;
	occurrence.image.Length = occurrence.image.MaximumLength = (USHORT)process->image_length;
	occurrence.command_line.Buffer = strings + process->image_length / sizeof(WCHAR);
	occurrence.command_line.Length = occurrence.command_line.MaximumLength =
	    (USHORT)process->command_line_length;
	status = PsLookupProcessByProcessId((HANDLE)(ULONG_PTR)process->pid, &occurrence.process);
	if (!NT_SUCCESS(status))
		return status;
	callbacks_call(&occurrence);
	ObDereferenceObject(occurrence.process);
	return STATUS_SUCCESS;
}

static void query(struct helper_state *state)
{
	RtlZeroMemory(state, sizeof(*state));
	callbacks_query(state);
	state->running = injection_running();
}

static NTSTATUS control(IRP *irp, const IO_STACK_LOCATION *stack)
{
	ULONG length = stack->Parameters.DeviceIoControl.InputBufferLength;
	void *buffer = irp->AssociatedIrp.SystemBuffer;

	switch (stack->Parameters.DeviceIoControl.IoControlCode) {
	case HELPER_SET_CONDITIONS:
		if (length != sizeof(struct helper_conditions))
			return STATUS_INVALID_PARAMETER;
		return set_conditions(buffer);
	case HELPER_INJECT:
		if (length != sizeof(struct helper_injection))
			return STATUS_INVALID_PARAMETER;
		return injection_start(buffer);
	case HELPER_HALT:
		injection_halt();
		return STATUS_SUCCESS;
	case HELPER_FORWARD:
		if (length < sizeof(struct helper_process))
			return STATUS_INVALID_PARAMETER;
		return forward(buffer, length);
	case HELPER_QUERY:
		if (stack->Parameters.DeviceIoControl.OutputBufferLength !=
		    sizeof(struct helper_state))
			return STATUS_INVALID_PARAMETER;
		query(buffer);
		irp->IoStatus.Information = sizeof(struct helper_state);
		return STATUS_SUCCESS;
	default:
		return STATUS_INVALID_DEVICE_REQUEST;
	}
}

static NTSTATUS NTAPI dispatch(DEVICE_OBJECT *addressed, IRP *irp)
{
	const IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);
	NTSTATUS status = STATUS_SUCCESS;

	irp->IoStatus.Information = 0;
	if (addressed != device)
		status = STATUS_NO_SUCH_DEVICE;
	else if (stack->MajorFunction == IRP_MJ_DEVICE_CONTROL)
		status = control(irp, stack);
	irp->IoStatus.Status = status;
	IoCompleteRequest(irp, IO_NO_INCREMENT);
	return status;
}

static void NTAPI unload(DRIVER_OBJECT *driver)
{
	STRING(link, HELPER_LINK_NAME);

	(void)driver;
	injection_halt();
	leave_link();
	leave_device();
	restore_routines();
	IoDeleteSymbolicLink(&link);
	IoDeleteDevice(device);
}

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
	STRING(name, HELPER_DEVICE_NAME);
	STRING(link, HELPER_LINK_NAME);
	NTSTATUS status;

	(void)path;
	self = driver;
	callbacks_initialize();
	status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
	if (!NT_SUCCESS(status))
		return status;
	status = replace_routines();
	if (!NT_SUCCESS(status))
		goto delete_device;
	driver->MajorFunction[IRP_MJ_CREATE] = dispatch;
	driver->MajorFunction[IRP_MJ_CLOSE] = dispatch;
	driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch;
	driver->DriverUnload = unload;
	status = IoCreateSymbolicLink(&link, &name);
	if (!NT_SUCCESS(status))
		goto restore;
	device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
	return STATUS_SUCCESS;

restore:
	restore_routines();
delete_device:
	IoDeleteDevice(device);
	return status;
}
