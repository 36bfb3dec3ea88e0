/* SPDX-License-Identifier: MIT */
/* The device, which SYSTEM and administrators may open and nobody else. */
#include "driver.h"

/* S-1-5-18 and S-1-5-32-544, as the kernel stores them. */
static const struct {
	UCHAR revision, count, authority[6];
	ULONG parts[1];
} system_sid = {1, 1, {0, 0, 0, 0, 0, 5}, {18}};
static const struct {
	UCHAR revision, count, authority[6];
	ULONG parts[2];
} administrators_sid = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 544}};

/* PASSIVE_LEVEL. */
NTSTATUS protection_build(struct protection *protection, ACCESS_MASK system_access,
			  ACCESS_MASK administrators_access)
{
	PACL list = &protection->dacl.list;
	NTSTATUS status = RtlCreateAcl(list, sizeof protection->dacl, ACL_REVISION);

	if (NT_SUCCESS(status))
		status =
		    RtlAddAccessAllowedAce(list, ACL_REVISION, system_access, (PSID)&system_sid);
	if (NT_SUCCESS(status))
		status = RtlAddAccessAllowedAce(list, ACL_REVISION, administrators_access,
						(PSID)&administrators_sid);
	if (NT_SUCCESS(status))
		status = RtlCreateSecurityDescriptor(&protection->descriptor,
						     SECURITY_DESCRIPTOR_REVISION);
	if (NT_SUCCESS(status))
		status = RtlSetDaclSecurityDescriptor(&protection->descriptor, TRUE, list, FALSE);
	return status;
}

/* Before anybody can open it: while DO_DEVICE_INITIALIZING is set. PASSIVE_LEVEL. */
static NTSTATUS protect(PDEVICE_OBJECT device)
{
	struct protection protection;
	HANDLE handle;
	NTSTATUS status = protection_build(&protection, FILE_ALL_ACCESS, FILE_ALL_ACCESS);

	if (!NT_SUCCESS(status))
		return status;
	status = ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL, KernelMode,
				       &handle);
	if (!NT_SUCCESS(status))
		return status;
	status = ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &protection.descriptor);
	ZwClose(handle);
	return status;
}

/* PASSIVE_LEVEL. */
NTSTATUS device_create(PDRIVER_OBJECT object)
{
	UNICODE_STRING name, link;
	NTSTATUS status;

	EXPECT_IRQL(PASSIVE_LEVEL);
	RtlInitUnicodeString(&name, PROCOBSRV_DEVICE_NAME);
	RtlInitUnicodeString(&link, PROCOBSRV_LINK_NAME);
	status = IoCreateDevice(object, 0, &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN,
				FALSE, &driver.device);
	if (!NT_SUCCESS(status))
		return status;
	status = protect(driver.device);
	if (NT_SUCCESS(status))
		status = IoCreateSymbolicLink(&link, &name);
	if (!NT_SUCCESS(status)) {
		IoDeleteDevice(driver.device);
		driver.device = NULL;
		return status;
	}
	driver.device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
	return STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. */
void device_remove(void)
{
	UNICODE_STRING link;

	RtlInitUnicodeString(&link, PROCOBSRV_LINK_NAME);
	IoDeleteSymbolicLink(&link);
	IoDeleteDevice(driver.device);
	driver.device = NULL;
}
