/* SPDX-License-Identifier: MIT */
/*
 * What a client waits with: its named event, and its one read that is pending.
 *
 * One spin lock guards the slots of all clients. A read belongs to whoever has taken its cancel
 * routine away, and is completed after the lock has been released. A read whose cancel routine
 * runs already is left to it: the slot stays taken until then, and a client that is closed
 * meanwhile is forgotten by the read instead.
 */
#include "driver.h"

#include "os.h"
#include "status.h"

struct os_client {
	PIRP read; /* under slot_lock */
	HANDLE handle;
	PKEVENT event;
};

static KSPIN_LOCK slot_lock; /* zero is a free one */

/* Of a pending read, the driver's own places in its request. */
#define OWNER_OF(irp) ((irp)->Tail.Overlay.DriverContext[0]) /* struct os_client, or NULL */
#define NEXT_OF(irp)  ((irp)->Tail.Overlay.DriverContext[1]) /* of a list of finished ones */

#define NAME_CHARACTERS (sizeof PROCOBSRV_EVENT_PREFIX / sizeof(WCHAR) + 10)

/* Prefix and number. Any IRQL. */
static void name_event(WCHAR *name, uint32_t client_id)
{
	static const WCHAR prefix[] = PROCOBSRV_EVENT_PREFIX;
	WCHAR digits[10];
	int count = 0;

	for (const WCHAR *from = prefix; *from; from++)
		*name++ = *from;
	do {
		digits[count++] = (WCHAR)(L'0' + client_id % 10);
		client_id /= 10;
	} while (client_id);
	while (count)
		*name++ = digits[--count];
	*name = 0;
}

/*
 * A new one or none: a name that somebody has taken already would be an event of his. PASSIVE_
 * LEVEL.
 */
static NTSTATUS create_event(struct os_client *client, uint32_t client_id)
{
	struct protection protection;
	OBJECT_ATTRIBUTES attributes;
	WCHAR characters[NAME_CHARACTERS];
	UNICODE_STRING name;
	/* Wine hosts drivers as an administrator, whose right KeSetEvent needs there. */
	NTSTATUS status =
	    protection_build(&protection, EVENT_ALL_ACCESS, SYNCHRONIZE | EVENT_MODIFY_STATE);

	if (!NT_SUCCESS(status))
		return status;
	name_event(characters, client_id);
	RtlInitUnicodeString(&name, characters);
	InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
				   NULL, &protection.descriptor);
	status =
	    ZwCreateEvent(&client->handle, EVENT_ALL_ACCESS, &attributes, NotificationEvent, FALSE);
	if (!NT_SUCCESS(status))
		return status;
	status = ObReferenceObjectByHandle(client->handle, EVENT_MODIFY_STATE, EVENT_TYPE,
					   KernelMode, (PVOID *)&client->event, NULL);
	if (!NT_SUCCESS(status))
		ZwClose(client->handle);
	return status;
}

/* PASSIVE_LEVEL. */
int32_t os_client_open(uint32_t client_id, struct os_client **client)
{
	struct os_client *created = os_allocate(sizeof *created);

	EXPECT_IRQL(PASSIVE_LEVEL);
	if (!created)
		return STATUS_INSUFFICIENT_RESOURCES;
	NTSTATUS status = create_event(created, client_id);
	if (!NT_SUCCESS(status)) {
		os_free(created);
		return status;
	}
	*client = created;
	return STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. */
void os_client_close(struct os_client *client)
{
	KIRQL irql;

	EXPECT_IRQL(PASSIVE_LEVEL);
	KeAcquireSpinLock(&slot_lock, &irql);
	if (client->read) /* its cancel routine is about to run */
		OWNER_OF(client->read) = NULL;
	KeReleaseSpinLock(&slot_lock, irql);
	ObDereferenceObject(client->event);
	ZwClose(client->handle);
	os_free(client);
}

/* DISPATCH_LEVEL. */
void os_client_signal(struct os_client *client, bool readable)
{
	EXPECT_IRQL(DISPATCH_LEVEL);
	if (readable)
		KeSetEvent(client->event, IO_NO_INCREMENT, FALSE);
	else
		KeClearEvent(client->event);
}

/* Called at DISPATCH_LEVEL with the system's cancel lock held, which it releases. */
static VOID NTAPI cancel_read(PDEVICE_OBJECT device, PIRP irp)
{
	KIRQL irql;

	UNREFERENCED_PARAMETER(device);
	IoReleaseCancelSpinLock(irp->CancelIrql);
	KeAcquireSpinLock(&slot_lock, &irql);
	struct os_client *owner = OWNER_OF(irp);
	if (owner)
		owner->read = NULL;
	KeReleaseSpinLock(&slot_lock, irql);
	irp->IoStatus.Status = STATUS_CANCELLED;
	irp->IoStatus.Information = 0;
	IoCompleteRequest(irp, IO_NO_INCREMENT);
}

/* DISPATCH_LEVEL, with slot_lock. */
static int32_t park(struct os_client *client, PIRP irp)
{
	if (client->read)
		return STATUS_DEVICE_BUSY;
	OWNER_OF(irp) = client;
	(void)IoSetCancelRoutine(irp, cancel_read);
	/* If it has been cancelled and the routine is gone, that runs already and waits for us. */
	if (irp->Cancel && IoSetCancelRoutine(irp, NULL))
		return STATUS_CANCELLED;
	IoMarkIrpPending(irp);
	client->read = irp;
	return STATUS_SUCCESS;
}

/* APC_LEVEL. */
int32_t os_client_park(struct os_client *client, struct os_read *read)
{
	KIRQL irql;

	EXPECT_IRQL(APC_LEVEL);
	KeAcquireSpinLock(&slot_lock, &irql);
	int32_t status = park(client, (PIRP)read);
	KeReleaseSpinLock(&slot_lock, irql);
	return status;
}

/* APC_LEVEL. */
struct os_read *os_client_take(struct os_client *client)
{
	PIRP taken = NULL;
	KIRQL irql;

	EXPECT_IRQL(APC_LEVEL);
	KeAcquireSpinLock(&slot_lock, &irql);
	if (client->read && IoSetCancelRoutine(client->read, NULL)) {
		taken = client->read;
		client->read = NULL;
	}
	KeReleaseSpinLock(&slot_lock, irql);
	return (struct os_read *)taken;
}

/* Any IRQL, as the next. */
void *os_read_buffer(const struct os_read *read, size_t *size)
{
	PIRP irp = (PIRP)read;

	*size = IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.OutputBufferLength;
	return irp->AssociatedIrp.SystemBuffer;
}

void os_read_finish(struct os_read *read, int32_t status, size_t written, struct os_read **list)
{
	PIRP irp = (PIRP)read;

	irp->IoStatus.Status = status;
	irp->IoStatus.Information = written;
	NEXT_OF(irp) = *list;
	*list = read;
}

/* DISPATCH_LEVEL. */
void os_reads_complete(struct os_read *list)
{
	EXPECT_IRQL(DISPATCH_LEVEL);
	while (list) {
		PIRP irp = (PIRP)list;

		list = NEXT_OF(irp);
		IoCompleteRequest(irp, IO_NO_INCREMENT);
	}
}
