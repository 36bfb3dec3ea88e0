/* SPDX-License-Identifier: MIT */
#include "helper_client.h"

#include "service.h"
#include "tap.h"

#include <string.h>

static HANDLE device = INVALID_HANDLE_VALUE;

uint32_t helper_begin(const wchar_t *path)
{
	DWORD error;

	/* Of a test that was killed. */
	service_remove(HELPER_SERVICE_NAME);
	error = service_create(HELPER_SERVICE_NAME, path);
	if (error)
		return error;
	error = service_start(HELPER_SERVICE_NAME);
	return error ? error : helper_open();
}

uint32_t helper_open(void)
{
	device = CreateFileW(HELPER_CLIENT_PATH, GENERIC_READ | GENERIC_WRITE, 0, NULL,
			     OPEN_EXISTING, 0, NULL);
	return device == INVALID_HANDLE_VALUE ? GetLastError() : 0;
}

void helper_end(void)
{
	if (device != INVALID_HANDLE_VALUE)
		CloseHandle(device);
	device = INVALID_HANDLE_VALUE;
	service_remove(HELPER_SERVICE_NAME);
}

static DWORD control(DWORD code, const void *in, DWORD in_size, void *out, DWORD out_size)
{
	DWORD written;

	if (!DeviceIoControl(device, code, (void *)(uintptr_t)in, in_size, out, out_size, &written,
			     NULL))
		return GetLastError();
	return 0;
}

void helper_set_conditions(uint32_t flags)
{
	struct helper_conditions conditions = {.flags = flags};
	DWORD error = control(HELPER_SET_CONDITIONS, &conditions, sizeof(conditions), NULL, 0);

	check(error == 0, "the helper's conditions %#x: error %lu", flags, error);
}

struct helper_state helper_query(void)
{
	struct helper_state state = {0};
	DWORD error = control(HELPER_QUERY, NULL, 0, &state, sizeof(state));

	check(error == 0, "the helper's state: error %lu", error);
	return state;
}

bool helper_inject(const struct helper_injection *injection, struct helper_state *before)
{
	DWORD error;

	if (before)
		*before = helper_query();
	error = control(HELPER_INJECT, injection, sizeof(*injection), NULL, 0);
	return check(error == 0, "an injection: error %lu", error);
}

bool helper_wait(uint32_t limit_ms)
{
	ULONGLONG end = GetTickCount64() + limit_ms;

	while (helper_query().running > 0) {
		if (GetTickCount64() >= end)
			return check(false, "the injection did not end within %u ms", limit_ms);
		Sleep(5);
	}
	return true;
}

void helper_halt(void)
{
	DWORD error = control(HELPER_HALT, NULL, 0, NULL, 0);

	check(error == 0, "halting the injection: error %lu", error);
}

uint32_t helper_forward(const struct helper_process *process, const wchar_t *image,
			const wchar_t *command_line)
{
	static unsigned char buffer[sizeof(*process) + 0x20000];
	struct helper_process *request = (struct helper_process *)buffer;

	*request = *process;
	request->image_length = image ? (uint32_t)(wcslen(image) * sizeof(wchar_t)) : 0;
	request->command_line_length =
	    command_line ? (uint32_t)(wcslen(command_line) * sizeof(wchar_t)) : 0;
	if (request->image_length > 0xfffe || request->command_line_length > 0xfffe)
		return ERROR_INVALID_PARAMETER;
	memcpy(request + 1, image ? image : L"", request->image_length);
	memcpy((unsigned char *)(request + 1) + request->image_length,
	       command_line ? command_line : L"", request->command_line_length);
	return control(HELPER_FORWARD, buffer,
		       (DWORD)sizeof(*request) + request->image_length +
			   request->command_line_length,
		       NULL, 0);
}
