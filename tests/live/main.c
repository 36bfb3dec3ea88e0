/* SPDX-License-Identifier: MIT */
/* live_tests [--list] [GROUP | TEST]...: runs live tests, and tells their results as TAP does. */
#include "live.h"
#include "live_state.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_DEFAULT 180u

static const struct live_group groups[] = {
    {"threads", threads_tests},	    {"creation", creation_tests}, {"programs", programs_tests},
    {"arguments", arguments_tests}, {"endings", endings_tests},	  {"identity", identity_tests},
    {"existing", existing_tests},   {"storm", storm_tests},	  {"traps", traps_tests},
    {"pull", pull_tests},	    {"watch", watch_tests},	  {"resident", resident_tests},
    {"replace", replace_tests},	    {"refusals", refusals_tests}, {"overflow", overflow_tests},
    {"capture", capture_tests},	    {"scale", scale_tests},	  {"backends", backends_tests},
};
#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
	interrupted = number;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	remove(path);
	return 0;
}

/* Whatever a test left running has come to this process, which is a subreaper. */
static void end_strays(void)
{
	char path[64];
	int pid;
	FILE *children;

	for (int round = 0; round < 1000; round++) {
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			;
		snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
		children = fopen(path, "re");
		if (!children)
			return;
		if (fscanf(children, "%d", &pid) != 1) {
			fclose(children);
			return;
		}
		do {
			kill(pid, SIGKILL);
		} while (fscanf(children, "%d", &pid) == 1);
		fclose(children);
		usleep(1000);
	}
}

static void uninstall(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl(live_program("consctl"), "consctl", "uninstall", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static void clean_up(void)
{
	if (live_state->resident)
		uninstall();
	if (live_state->core_pattern[0] && !live_write_core_pattern(live_state->core_pattern))
		fprintf(stderr, "# cannot restore %s to %s", LIVE_CORE_PATTERN,
			live_state->core_pattern);
	flock(live_state->core_lock, LOCK_UN);
	for (unsigned i = 0; i < live_state->removal_count; i++)
		for (int tries = 0; rmdir(live_state->removals[i]) && errno == EBUSY; tries++) {
			if (tries == 1000)
				break;
			usleep(1000);
		}
	if (live_state->unmount) {
		char path[PATH_MAX + 16];

		snprintf(path, sizeof(path), "%s/cgroup2", live_state->directory);
		umount2(path, MNT_DETACH);
	}
	nftw(live_state->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Waits for the test until its time is over; -1: it is. */
static int wait_test(pid_t pid, unsigned seconds)
{
	int status = -1;

	for (unsigned long turn = 0; turn < seconds * 100ul && !interrupted; turn++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		usleep(turn < 100 ? 1000 : 10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}

/* True: passed, or skipped where that is allowed. */
static bool tell(const struct live_test *test, unsigned number, int status, unsigned seconds)
{
	const char *ci = getenv("CI");
	bool strict = ci && !strcmp(ci, "true");

	if (status < 0)
		printf("not ok %u - %s: %s\n", number, test->name,
		       interrupted ? "interrupted" : "took too long");
	else if (live_state->verdict == LIVE_SKIPPED && !strict)
		printf("ok %u - %s # SKIP %s\n", number, test->name, live_state->why);
	else if (live_state->verdict == LIVE_SKIPPED)
		printf("not ok %u - %s: cannot be run here: %s\n", number, test->name,
		       live_state->why);
	else if (live_state->verdict == LIVE_FAILED)
		printf("not ok %u - %s: %s\n", number, test->name, live_state->why);
	else if (WIFSIGNALED(status))
		printf("not ok %u - %s: killed by signal %d (%s)\n", number, test->name,
		       WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		printf("not ok %u - %s: exit status %d\n", number, test->name, WEXITSTATUS(status));
	else
		printf("ok %u - %s\n", number, test->name);
	if (status < 0)
		printf("# allowed were %u s\n", seconds);
	fflush(stdout);
	return !status || (live_state->verdict == LIVE_SKIPPED && !strict);
}

static bool run_test(const struct live_test *test, unsigned number, int lock)
{
	unsigned seconds = (test->seconds ? test->seconds : SECONDS_DEFAULT) *
			   live_setting("PROCOBSRV_LIVE_PATIENCE", 1);
	const char *where = getenv("TMPDIR");
	char template[PATH_MAX];
	pid_t pid;
	int status;

	memset(live_state, 0, sizeof(*live_state));
	live_state->core_lock = lock;
	snprintf(template, sizeof(template), "%s/procobsrv-live-XXXXXX", where ? where : "/tmp");
	if (!mkdtemp(template) || chmod(template, 0755) ||
	    !realpath(template, live_state->directory)) {
		printf("not ok %u - %s: %s: %s\n", number, test->name, template, strerror(errno));
		return false;
	}
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		test->run();
		exit(0);
	}
	status = pid < 0 ? -1 : wait_test(pid, seconds);
	end_strays();
	clean_up();
	return tell(test, number, status, seconds);
}

static bool wanted(const char *group, const char *test, int argc, char **argv)
{
	if (argc < 2)
		return true;
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], group) || !strcmp(argv[i], test))
			return true;
	return false;
}

/* Calls visit for each test that is wanted; how many there were. */
static unsigned each_test(int argc, char **argv, int lock, unsigned *failed,
			  bool (*visit)(const struct live_test *test, unsigned number, int lock))
{
	unsigned count = 0;

	for (size_t i = 0; i < GROUP_COUNT; i++)
		for (const struct live_test *test = groups[i].tests; test->name; test++) {
			if (!wanted(groups[i].name, test->name, argc, argv) || interrupted)
				continue;
			count++;
			if (visit && !visit(test, count, lock))
				(*failed)++;
		}
	return count;
}

static bool list_test(const struct live_test *test, unsigned number, int lock)
{
	(void)number;
	(void)lock;
	puts(test->name);
	return true;
}

/* False: a word names neither a group nor a test. */
static bool check_words(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *pair[] = {argv[0], argv[i]};
		unsigned failed = 0;

		if (each_test(2, pair, -1, &failed, NULL))
			continue;
		fprintf(stderr, "%s: no such test or group: %s\n", argv[0], argv[i]);
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = interrupt};
	unsigned failed = 0;
	unsigned count;
	int lock;

	if (argc >= 2 && !strcmp(argv[1], "--list"))
		return !each_test(argc - 1, argv + 1, -1, &failed, list_test);
	if (!check_words(argc, argv))
		return 2;
	if (geteuid()) {
		puts("Bail out! The live tests load an observer into the kernel: run them as root");
		return 1;
	}
	live_state = mmap(NULL, sizeof(*live_state), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	lock = open("/tmp/procobsrv-live.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (live_state == MAP_FAILED || lock < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1)) {
		printf("Bail out! %s\n", strerror(errno));
		return 1;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	count = each_test(argc, argv, lock, &failed, NULL);
	printf("TAP version 13\n1..%u\n", count);
	fflush(stdout);
	each_test(argc, argv, lock, &failed, run_test);
	if (failed)
		printf("# %u of %u failed\n", failed, count);
	return failed || interrupted ? 1 : 0;
}
