/* SPDX-License-Identifier: MIT */
/* Which of its routines the kernel calls us by, and since when. */
#include "driver.h"

#include "os.h"

typedef NTSTATUS(NTAPI *set_plain)(PCREATE_PROCESS_NOTIFY_ROUTINE routine, BOOLEAN remove);
typedef NTSTATUS(NTAPI *set_extended)(PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine, BOOLEAN remove);

/* Neither is imported: no system before Vista has the extended one. */
static set_extended extended;
static set_plain plain;

/* PASSIVE_LEVEL. */
NTSTATUS registration_prepare(void)
{
	extended = (set_extended)system_routine(L"PsSetCreateProcessNotifyRoutineEx");
	plain = (set_plain)system_routine(L"PsSetCreateProcessNotifyRoutine");
	return extended || plain ? STATUS_SUCCESS : STATUS_PROCEDURE_NOT_FOUND;
}

/* Any IRQL. */
bool registration_is_extended(void)
{
	return extended != NULL;
}

/* PASSIVE_LEVEL. Removal waits for calls that are under way. */
int32_t os_observe(bool on)
{
	EXPECT_IRQL(PASSIVE_LEVEL);
	return extended ? extended(notify_extended, !on) : plain(notify_plain, !on);
}
