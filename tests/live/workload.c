/* SPDX-License-Identifier: MIT */
/* Programs to observe. */
#include "observe.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Only what may be called between fork and exec of a program with threads. */
static void become(const char *path, const char *const *argv, int note)
{
	/* dup2() of a descriptor onto itself would leave it close-on-exec. */
	if (note == NOTE_DESCRIPTOR)
		note = dup(note);
	if (dup2(note, NOTE_DESCRIPTOR) != NOTE_DESCRIPTOR)
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execve(path, (char *const *)argv, environ);
	_exit(127);
}

void workload_start(struct workload *workload, const char *path, const char *const *argv)
{
	int note = memfd_create("note", MFD_CLOEXEC);

	EXPECT(note >= 0 && !ftruncate(note, sizeof(struct note)), "memfd: %s", strerror(errno));
	workload->note =
	    mmap(NULL, sizeof(struct note), PROT_READ | PROT_WRITE, MAP_SHARED, note, 0);
	EXPECT(workload->note != MAP_FAILED, "mmap: %s", strerror(errno));
	if (!path)
		path = live_program("live_worker");
	workload->before_ns = live_boot_ns();
	workload->pid = fork();
	if (!workload->pid)
		become(path, argv, note);
	workload->forked_ns = live_boot_ns();
	EXPECT(workload->pid > 0, "fork: %s", strerror(errno));
	close(note);
}

void workload_wait_stage(const struct workload *workload, uint32_t stage)
{
	int status;

	while (atomic_load(&workload->note->stage) < stage) {
		EXPECT(waitpid(workload->pid, &status, WNOHANG) == 0,
		       "the workload ended with status %#x before its stage %u", status, stage);
		live_sleep_ms(1);
	}
}

void workload_permit(const struct workload *workload, uint32_t stage)
{
	atomic_store(&workload->note->permission, stage);
}

void workload_wait(struct workload *workload)
{
	while (wait4(workload->pid, &workload->status, 0, &workload->usage) < 0)
		EXPECT(errno == EINTR, "wait4: %s", strerror(errno));
	workload->ended_ns = live_boot_ns();
}

void workload_expect_code(const struct workload *workload, int code)
{
	EXPECT(WIFEXITED(workload->status) && WEXITSTATUS(workload->status) == code,
	       "the workload itself ended with wait status %#x, not with code %d",
	       (unsigned)workload->status, code);
}

void workload_free(struct workload *workload)
{
	munmap(workload->note, sizeof(struct note));
	workload->note = NULL;
}

void run_workload(struct run *run, uint32_t more_kinds, const char *const *argv)
{
	memset(run, 0, sizeof(*run));
	observe_start_kinds(&run->observation, more_kinds);
	workload_start(&run->workload, NULL, argv);
	workload_wait(&run->workload);
	observe_stop(&run->observation);
	tree_of(&run->observation, run->workload.pid, &run->tree);
}

void run_free(struct run *run)
{
	tree_free(&run->tree);
	workload_free(&run->workload);
	observe_free(&run->observation);
}
