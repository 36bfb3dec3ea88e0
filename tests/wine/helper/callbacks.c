/* SPDX-License-Identifier: MIT */
#include "helper.h"

#define PLACES 64 /* as Windows has */

struct place {
	void *routine; /* NULL: free */
	bool extended;
	LONG calls; /* that run */
};

static struct place places[PLACES];
static KSPIN_LOCK lock;
static bool refuse_all;
static volatile LONG64 heard[HELPER_KINDS];
static volatile LONG64 unheard[HELPER_KINDS];
static LONG refused_integrity, refused_twice, refused_full, accepted;
static volatile LONG vetoed;

/* ntoskrnl has both, the headers have neither. */
PVOID NTAPI RtlPcToFileHeader(PVOID address, PVOID *base);
PIMAGE_NT_HEADERS NTAPI RtlImageNtHeader(PVOID base);

#ifndef IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY
#define IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY 0x0080
#endif

void callbacks_initialize(void)
{
	KeInitializeSpinLock(&lock);
}

void callbacks_refuse(bool refuse)
{
	refuse_all = refuse;
}

static bool has_integrity_bit(void *routine)
{
	void *base;
	PIMAGE_NT_HEADERS headers;

	if (!RtlPcToFileHeader(routine, &base))
		return false;
	headers = RtlImageNtHeader(base);
	return headers && (headers->OptionalHeader.DllCharacteristics &
			   IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY);
}

static NTSTATUS add(void *routine, bool extended)
{
	struct place *vacant = NULL;
	NTSTATUS status = STATUS_SUCCESS;
	KIRQL irql;

	KeAcquireSpinLock(&lock, &irql);
	for (ULONG index = 0; index < PLACES; index++) {
		struct place *place = &places[index];

		if (place->routine == routine && place->extended == extended) {
			status = STATUS_INVALID_PARAMETER;
			refused_twice++;
		} else if (!place->routine && place->calls == 0 && !vacant) {
			vacant = place;
		}
	}
	if (NT_SUCCESS(status) && (!vacant || refuse_all)) {
		status = STATUS_INVALID_PARAMETER;
		refused_full++;
	}
	if (NT_SUCCESS(status)) {
		vacant->routine = routine;
		vacant->extended = extended;
		accepted++;
	}
	KeReleaseSpinLock(&lock, irql);
	return status;
}

/* Returns when no call of the routine runs any more, as Windows does. */
static bool take_away(void *routine, bool extended)
{
	struct place *found = NULL;
	KIRQL irql;

	KeAcquireSpinLock(&lock, &irql);
	for (ULONG index = 0; index < PLACES && !found; index++)
		if (places[index].routine == routine && places[index].extended == extended)
			found = &places[index];
	if (found)
		found->routine = NULL;
	KeReleaseSpinLock(&lock, irql);
	if (!found)
		return false;
	while (InterlockedCompareExchange(&found->calls, 0, 0) != 0) {
		LARGE_INTEGER moment = {.QuadPart = -10000}; /* 1 ms */

		KeDelayExecutionThread(KernelMode, FALSE, &moment);
	}
	return true;
}

NTSTATUS NTAPI set_notify_routine(PCREATE_PROCESS_NOTIFY_ROUTINE routine, BOOLEAN remove)
{
	if (!remove)
		return add((void *)routine, false);
	return take_away((void *)routine, false) ? STATUS_SUCCESS : STATUS_PROCEDURE_NOT_FOUND;
}

NTSTATUS NTAPI set_notify_routine_extended(PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine,
					   BOOLEAN remove)
{
	if (remove)
		return take_away((void *)routine, true) ? STATUS_SUCCESS
							: STATUS_PROCEDURE_NOT_FOUND;
	if (!has_integrity_bit((void *)routine)) {
		refused_integrity++;
		return STATUS_ACCESS_DENIED;
	}
	return add((void *)routine, true);
}

static void call_extended(PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine,
			  const struct occurrence *occurrence)
{
	/* Of each callback's own: it may write into it. */
	PS_CREATE_NOTIFY_INFO information;
	HANDLE pid = (HANDLE)(ULONG_PTR)occurrence->pid;

	if (occurrence->kind == HELPER_EXIT) {
		routine(occurrence->process, pid, NULL);
		return;
	}
	RtlZeroMemory(&information, sizeof(information));
	information.Size = sizeof(information);
	information.FileOpenNameAvailable = 1;
	information.ParentProcessId = (HANDLE)(ULONG_PTR)occurrence->parent;
	information.CreatingThreadId.UniqueProcess = (HANDLE)(ULONG_PTR)occurrence->creator;
	information.CreatingThreadId.UniqueThread = PsGetCurrentThreadId();
	information.ImageFileName = occurrence->image.Length ? &occurrence->image : NULL;
	information.CommandLine =
	    occurrence->command_line.Length ? &occurrence->command_line : NULL;
	information.CreationStatus = STATUS_SUCCESS;
	routine(occurrence->process, pid, &information);
	if (!NT_SUCCESS(information.CreationStatus))
		InterlockedIncrement(&vetoed);
}

static void call_one(void *routine, bool extended, const struct occurrence *occurrence)
{
	if (extended)
		call_extended((PCREATE_PROCESS_NOTIFY_ROUTINE_EX)routine, occurrence);
	else
		((PCREATE_PROCESS_NOTIFY_ROUTINE)routine)((HANDLE)(ULONG_PTR)occurrence->parent,
							  (HANDLE)(ULONG_PTR)occurrence->pid,
							  occurrence->kind == HELPER_START);
}

void callbacks_call(const struct occurrence *occurrence)
{
	bool somebody = false;

	for (ULONG index = 0; index < PLACES; index++) {
		struct place *place = &places[index];
		void *routine;
		bool extended;
		KIRQL irql;

		if (!*(void *volatile *)&place->routine)
			continue;
		KeAcquireSpinLock(&lock, &irql);
		routine = place->routine;
		extended = place->extended;
		if (routine)
			InterlockedIncrement(&place->calls);
		KeReleaseSpinLock(&lock, irql);
		if (!routine)
			continue;
		call_one(routine, extended, occurrence);
		InterlockedDecrement(&place->calls);
		somebody = true;
	}
	InterlockedIncrement64(somebody ? &heard[occurrence->kind] : &unheard[occurrence->kind]);
}

void callbacks_query(struct helper_state *state)
{
	KIRQL irql;

	KeAcquireSpinLock(&lock, &irql);
	for (ULONG index = 0; index < PLACES; index++) {
		state->registered += places[index].routine != NULL;
		state->registered_extended += places[index].routine && places[index].extended;
	}
	for (ULONG kind = 0; kind < HELPER_KINDS; kind++) {
		state->injected[kind] = (uint64_t)heard[kind];
		state->unheard[kind] = (uint64_t)unheard[kind];
	}
	state->refused_integrity = (uint32_t)refused_integrity;
	state->refused_twice = (uint32_t)refused_twice;
	state->refused_full = (uint32_t)refused_full;
	state->registrations_so_far = (uint32_t)accepted;
	state->vetoed = (uint32_t)vetoed;
	KeReleaseSpinLock(&lock, irql);
}
