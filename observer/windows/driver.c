/* SPDX-License-Identifier: MIT */
/* The driver's load and unload. */
#include "driver.h"

#include "os.h"
#include "status.h"

_Static_assert(OBSERVER_OK == STATUS_SUCCESS, "the kernel's code");
_Static_assert(OBSERVER_PENDING == STATUS_PENDING, "the kernel's code");
_Static_assert(OBSERVER_INVALID_LENGTH == STATUS_INFO_LENGTH_MISMATCH, "the kernel's code");
_Static_assert(OBSERVER_INVALID_PARAMETER == STATUS_INVALID_PARAMETER, "the kernel's code");
_Static_assert(OBSERVER_INVALID_REQUEST == STATUS_INVALID_DEVICE_REQUEST, "the kernel's code");
_Static_assert(OBSERVER_BUFFER_TOO_SMALL == STATUS_BUFFER_TOO_SMALL, "the kernel's code");
_Static_assert(OBSERVER_NAME_COLLISION == STATUS_OBJECT_NAME_COLLISION, "the kernel's code");
_Static_assert(OBSERVER_SHARING_VIOLATION == STATUS_SHARING_VIOLATION, "the kernel's code");
_Static_assert(OBSERVER_REVISION_MISMATCH == STATUS_REVISION_MISMATCH, "the kernel's code");
_Static_assert(OBSERVER_NO_MEMORY == STATUS_INSUFFICIENT_RESOURCES, "the kernel's code");
_Static_assert(OBSERVER_CANCELLED == STATUS_CANCELLED, "the kernel's code");
_Static_assert(OBSERVER_INVALID_STATE == STATUS_INVALID_DEVICE_STATE, "the kernel's code");
_Static_assert(OBSERVER_DEVICE_BUSY == STATUS_DEVICE_BUSY, "the kernel's code");
_Static_assert(OBSERVER_NOT_FOUND == STATUS_NOT_FOUND, "the kernel's code");

struct driver driver;

static FAST_MUTEX handles;

DRIVER_INITIALIZE DriverEntry;

/* PASSIVE_LEVEL, as the next. */
void handles_acquire(void)
{
	EXPECT_IRQL(PASSIVE_LEVEL);
	KeEnterCriticalRegion();
	ExAcquireFastMutexUnsafe(&handles);
}

void handles_release(void)
{
	EXPECT_IRQL(PASSIVE_LEVEL);
	ExReleaseFastMutexUnsafe(&handles);
	KeLeaveCriticalRegion();
}

static HANDLE open_key(HANDLE parent, PUNICODE_STRING name)
{
	OBJECT_ATTRIBUTES attributes;
	HANDLE key;

	InitializeObjectAttributes(&attributes, name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
				   parent, NULL);
	return NT_SUCCESS(ZwOpenKey(&key, KEY_QUERY_VALUE, &attributes)) ? key : NULL;
}

/* The service's value Parameters\RingSize, a REG_DWORD of bytes; 0: it has none. PASSIVE_LEVEL. */
static uint64_t configured_ring_size(PUNICODE_STRING service_path)
{
	union {
		KEY_VALUE_PARTIAL_INFORMATION information;
		UCHAR room[FIELD_OFFSET(KEY_VALUE_PARTIAL_INFORMATION, Data) + sizeof(ULONG)];
	} value;
	UNICODE_STRING parameters, name;
	uint64_t size = 0;
	ULONG length;

	RtlInitUnicodeString(&parameters, L"Parameters");
	RtlInitUnicodeString(&name, L"RingSize");
	HANDLE service = open_key(NULL, service_path);
	HANDLE key = service ? open_key(service, &parameters) : NULL;
	if (key &&
	    NT_SUCCESS(ZwQueryValueKey(key, &name, KeyValuePartialInformation, &value, sizeof value,
				       &length)) &&
	    value.information.Type == REG_DWORD && value.information.DataLength == sizeof(ULONG))
		size = *(ULONG *)value.information.Data;
	if (key)
		ZwClose(key);
	if (service)
		ZwClose(service);
	return size;
}

/* PASSIVE_LEVEL. No handle is open any more (Windows), or none will be used again. */
static VOID NTAPI unload(PDRIVER_OBJECT object)
{
	UNREFERENCED_PARAMETER(object);
	handles_acquire();
	observer_destroy(driver.observer);
	driver.observer = NULL;
	handles_release();
	device_remove();
}

/* PASSIVE_LEVEL. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT object, PUNICODE_STRING service_path)
{
	EXPECT_IRQL(PASSIVE_LEVEL);
	ExInitializeFastMutex(&handles);
	os_prepare();
	NTSTATUS status = registration_prepare();
	if (!NT_SUCCESS(status))
		return status;

	uint32_t flags = sizeof(void *) == 4 ? IOCTL_DRIVER_32_BIT : 0;
	if (registration_is_extended())
		flags |= IOCTL_DRIVER_HAS_COMMAND_LINE;
	driver.observer = observer_create(configured_ring_size(service_path), flags);
	if (!driver.observer)
		return STATUS_INSUFFICIENT_RESOURCES;

	object->MajorFunction[IRP_MJ_CREATE] = dispatch_create;
	object->MajorFunction[IRP_MJ_CLEANUP] = dispatch_cleanup;
	object->MajorFunction[IRP_MJ_CLOSE] = dispatch_close;
	object->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch_control;
	object->DriverUnload = unload;

	status = device_create(object);
	if (!NT_SUCCESS(status)) {
		observer_destroy(driver.observer);
		driver.observer = NULL;
	}
	return status;
}
