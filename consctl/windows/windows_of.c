/* SPDX-License-Identifier: MIT */
/*
 * user32 is loaded when it is needed: a program that is linked to it is not told by its console
 * that the user logs off or the machine shuts down.
 */
#include "windows_of.h"

#include <stdbool.h>

#define PATIENCE_MS 5000
#define PAUSE_MS    20

struct user32 {
	HMODULE module;
	DWORD(WINAPI *wait_for_input_idle)(HANDLE process, DWORD wait_ms);
	BOOL(WINAPI *enumerate_windows)(WNDENUMPROC on_window, LPARAM param);
	DWORD(WINAPI *get_window_process)(HWND window, DWORD *pid);
	BOOL(WINAPI *is_window_visible)(HWND window);
	BOOL(WINAPI *post_message)(HWND window, UINT message, WPARAM word, LPARAM param);
};

struct search {
	const struct user32 *user32;
	DWORD pid;
	bool found; /* a window that is shown */
};

static bool load(struct user32 *user32)
{
	HMODULE module = LoadLibraryW(L"user32.dll");

	user32->module = module;
	if (!module)
		return false;
	user32->wait_for_input_idle = (void *)GetProcAddress(module, "WaitForInputIdle");
	user32->enumerate_windows = (void *)GetProcAddress(module, "EnumWindows");
	user32->get_window_process = (void *)GetProcAddress(module, "GetWindowThreadProcessId");
	user32->is_window_visible = (void *)GetProcAddress(module, "IsWindowVisible");
	user32->post_message = (void *)GetProcAddress(module, "PostMessageW");
	return user32->wait_for_input_idle && user32->enumerate_windows &&
	       user32->get_window_process && user32->is_window_visible && user32->post_message;
}

static BOOL CALLBACK close_if_its(HWND window, LPARAM param)
{
	struct search *search = (struct search *)param;
	DWORD pid = 0;

	search->user32->get_window_process(window, &pid);
	/* Those that are not shown belong to the system's own parts in the program. */
	if (pid == search->pid && search->user32->is_window_visible(window)) {
		search->user32->post_message(window, WM_CLOSE, 0, 0);
		search->found = true;
	}
	return TRUE;
}

static void ask_to_close(HANDLE process, struct search *search)
{
	const struct user32 *user32 = search->user32;
	DWORD begun_ms = GetTickCount();

	if (user32->wait_for_input_idle(process, PATIENCE_MS) == WAIT_FAILED)
		return;
	do
		user32->enumerate_windows(close_if_its, (LPARAM)search);
	while (!search->found && GetTickCount() - begun_ms < PATIENCE_MS &&
	       WaitForSingleObject(process, PAUSE_MS) == WAIT_TIMEOUT);
}

void windows_close_of(HANDLE process, uint32_t pid)
{
	struct user32 user32;
	struct search search = {.user32 = &user32, .pid = pid};

	if (load(&user32))
		ask_to_close(process, &search);
	if (user32.module)
		FreeLibrary(user32.module);
}
