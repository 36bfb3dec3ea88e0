/* SPDX-License-Identifier: MIT */
/*
 * Events from threads of the helper's own. Wine dispatches one control code at a time: within one,
 * no reader could run beside us.
 */
#include "helper.h"

#define LINE_CHARACTERS (4096 / sizeof(WCHAR) + 64)

struct worker {
	ULONG number;
	HANDLE handle;
	WCHAR image[96];
	WCHAR command_line[LINE_CHARACTERS];
};

static struct worker workers[HELPER_THREADS_MAX];
static struct helper_injection current;
static ULONG worker_count;
static volatile LONG running;
static volatile LONG halting;

/* Appends; the buffers are made for what comes. */
static USHORT append(WCHAR *text, USHORT length, const WCHAR *what)
{
	while (*what)
		text[length++] = *what++;
	return length;
}

static USHORT append_number(WCHAR *text, USHORT length, ULONG number)
{
	WCHAR digits[10];
	USHORT count = 0;

	do {
		digits[count++] = (WCHAR)(L'0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (count > 0)
		text[length++] = digits[--count];
	return length;
}

static void name_it(struct worker *worker, struct occurrence *occurrence, ULONG process)
{
	USHORT length;

	length = append(worker->image, 0, L"\\Device\\HarddiskVolume1\\made up\\thread-");
	length = append_number(worker->image, length, worker->number);
	length = append(worker->image, length, L"\\program-");
	length = append_number(worker->image, length, process);
	length = append(worker->image, length, L".exe");
	occurrence->image.Buffer = worker->image;
	occurrence->image.Length = occurrence->image.MaximumLength =
	    (USHORT)(length * sizeof(WCHAR));

	length = append(worker->command_line, 0, L"program.exe --process ");
	length = append_number(worker->command_line, length, process);
	while (length * sizeof(WCHAR) < current.string_length)
		worker->command_line[length++] = L'.';
	occurrence->command_line.Buffer = worker->command_line;
	occurrence->command_line.Length = occurrence->command_line.MaximumLength =
	    (USHORT)(length * sizeof(WCHAR));
}

/* An object that exists: a process, or what no process can be opened by. */
static PEPROCESS some_object(void)
{
	if (current.flags & HELPER_OPENABLE)
		return PsGetCurrentProcess();
	return (PEPROCESS)helper_device();
}

static void inject(struct worker *worker, ULONG event)
{
	bool both = current.kinds == ((1u << HELPER_START) | (1u << HELPER_EXIT));
	ULONG process = both ? event / 2 : event;
	struct occurrence occurrence = {
	    .kind = both ? (enum helper_kind)(event % 2)
			 : (current.kinds & 1u ? HELPER_START : HELPER_EXIT),
	    .process = some_object(),
	    .pid = HELPER_PID(current.first_pid, worker->number, process),
	    .parent = current.parent,
	    .creator = current.parent,
	};

	if (occurrence.kind == HELPER_START)
		name_it(worker, &occurrence, process);
	callbacks_call(&occurrence);
}

static void NTAPI work(void *context)
{
	struct worker *worker = context;

	for (ULONG event = 0; event < current.events && !halting; event++) {
		inject(worker, event);
		if (current.burst && (event + 1) % current.burst == 0) {
			LARGE_INTEGER pause = {.QuadPart = -10000LL * current.pause_ms};

			KeDelayExecutionThread(KernelMode, FALSE, &pause);
		}
	}
	InterlockedDecrement(&running);
	PsTerminateSystemThread(STATUS_SUCCESS);
}

static void reap(void)
{
	for (; worker_count > 0; worker_count--) {
		ZwWaitForSingleObject(workers[worker_count - 1].handle, FALSE, NULL);
		ZwClose(workers[worker_count - 1].handle);
	}
}

void injection_halt(void)
{
	InterlockedExchange(&halting, 1);
	reap();
	InterlockedExchange(&halting, 0);
}

ULONG injection_running(void)
{
	return (ULONG)running;
}

NTSTATUS injection_start(const struct helper_injection *injection)
{
	NTSTATUS status = STATUS_SUCCESS;

	if (injection->threads == 0 || injection->threads > HELPER_THREADS_MAX ||
	    injection->events == 0 || injection->events > HELPER_EVENTS_MAX ||
	    injection->kinds == 0 || injection->kinds >= 1u << HELPER_KINDS ||
	    injection->string_length > 4096)
		return STATUS_INVALID_PARAMETER;
	if (running)
		return STATUS_DEVICE_BUSY;
	reap();
	current = *injection;
	while (worker_count < injection->threads && NT_SUCCESS(status)) {
		struct worker *worker = &workers[worker_count];

		worker->number = worker_count;
		InterlockedIncrement(&running);
		status = PsCreateSystemThread(&worker->handle, THREAD_ALL_ACCESS, NULL, NULL, NULL,
					      work, worker);
		if (NT_SUCCESS(status))
			worker_count++;
		else
			InterlockedDecrement(&running);
	}
	if (!NT_SUCCESS(status))
		injection_halt();
	return status;
}
