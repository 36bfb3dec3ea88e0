/* SPDX-License-Identifier: MIT */
/*
 * What an operating system supplies to consctl beyond lib/os.h: files for output, signals, a
 * launcher for programs, names of users, and what doctor looks at. One implementation per OS
 * folder.
 */
#ifndef PROCOBSRV_CONSCTL_PLATFORM_H
#define PROCOBSRV_CONSCTL_PLATFORM_H

#include "procobsrv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First thing in main(): a reader that goes away is told by an error, not a signal; descriptors
 * that the caller closed are not taken by something else; main()'s arguments become the ones that
 * were typed, in UTF-8 where the system's own are something else. */
void platform_begin(int *count, char ***arguments);

/* Writes to standard error, as it is. */
void platform_say(const char *text);

/*
 * What an error of this header, or an errno, means. Functions here return errnos; where errno has
 * no word for what the system says, another number that only this function knows. Valid until the
 * thread's next call.
 */
const char *platform_error_text(int error);

/* Files. All return 0 or an error. */

/* Opens to append; a new file is its owner's alone; a symbolic link is refused. */
int platform_file_open(const char *path, intptr_t *file);
/* The same, but what the file held is gone. */
int platform_file_open_anew(const char *path, intptr_t *file);
/* Opens to read; "-" is standard input. */
int platform_file_open_to_read(const char *path, intptr_t *file);
intptr_t platform_file_standard_output(void);
/* Writes all of it, however long that takes. EPIPE: nobody reads any more. */
int platform_file_write(intptr_t file, const void *data, size_t size);
/* Reads at most `size` bytes; *got is 0 at the end. */
int platform_file_read(intptr_t file, void *data, size_t size, size_t *got);
int platform_file_close(intptr_t file);
/* Whether opening its path again makes sense: not so for a terminal or a pipe. */
bool platform_file_is_regular(intptr_t file);
/* Whether it ends within a line, since its last writer was cut off. */
bool platform_file_is_torn(intptr_t file);

/* Signals. */

enum control_request {
	CONTROL_TIMEOUT,
	CONTROL_READY,	 /* one of the handles is readable */
	CONTROL_END,	 /* Ctrl-C, SIGTERM: finish */
	CONTROL_REOPEN,	 /* SIGHUP: open the output file anew */
	CONTROL_FORWARD, /* for the command: see control_signal() */
	CONTROL_UNREAD,	 /* nobody reads the standard output any more */
};

enum control_flag {
	CONTROL_HANGUP_REOPENS = 1u << 0, /* else it ends */
	CONTROL_FORWARDS = 1u << 1,	  /* Ctrl-C is the command's own, the rest is forwarded */
};

/*
 * Takes the signals that end or steer consctl away from their default actions, before any thread is
 * made; control_wait() tells them. 0 or an error. One at a time.
 */
struct control;
int control_open(unsigned flags, struct control **control);
/* Waits for a request, or a readable handle (-1: none), at most timeout_ms (-1: for ever). */
enum control_request control_wait(struct control *control, intptr_t handle, int timeout_ms);
/* The signal to forward; 0: the terminal has sent it to the command as well. */
int control_signal(const struct control *control);
/* From a second later on a signal to end ends at once: for who waits for what may never come. */
void control_give_back(struct control *control);
void control_close(struct control *control); /* NULL is allowed */

/*
 * A launcher: a process between consctl and the programs that it starts, whose descendants are
 * exactly those programs and their children. Orphans among these become its children, so that it
 * knows when the last has ended, whatever the observer may have missed.
 */
struct launcher;

enum launcher_flag {
	LAUNCHER_KILLS = 1u << 0, /* at its end, kill the programs that are left; tells no news */
};

enum launcher_message {
	LAUNCHER_ENDED,	     /* a program that it started: see pid and status */
	LAUNCHER_HAD_ENDED,  /* the program that a signal was for; LAUNCHER_ENDED came before */
	LAUNCHER_TREE_ENDED, /* no descendant is left */
	LAUNCHER_GONE,	     /* the launcher itself died */
};

struct launcher_news {
	enum launcher_message message;
	uint32_t pid;
	int status; /* as a shell tells it: 128 + signal for who was killed */
};

/*
 * Whose rights the program shall have. `name` empty: of who called consctl through sudo, or of
 * consctl's own user if that is not root. False: `why` tells why not, and what to do; `user` is
 * untouched then.
 */
struct launcher_user;
bool launcher_user_find(const char *name, struct launcher_user **user, char *why, size_t size);
void launcher_user_free(struct launcher_user *user); /* NULL is allowed */

/*
 * Makes a launcher for one program; must precede control_open() and any thread. arguments: ended by
 * NULL, borrowed, as `user` is; NULL: the program has the rights of consctl. 0 or an error.
 */
int launcher_open(char *const *arguments, unsigned flags, const struct launcher_user *user,
		  struct launcher **launcher);
uint32_t launcher_pid(const struct launcher *launcher);
/* Starts the program once more. 0 and *pid, or the error why it cannot be run. */
int launcher_start(struct launcher *launcher, uint32_t *pid);
/* Sends a signal of control_signal() to a program; if that has ended, it is news. */
void launcher_forward(struct launcher *launcher, uint32_t pid, int signal);
/* Asks a program to end; `force` makes it. */
void launcher_end(struct launcher *launcher, uint32_t pid, bool force);
/* Readable while launcher_read() has something to say. */
intptr_t launcher_handle(const struct launcher *launcher);
struct launcher_news launcher_read(struct launcher *launcher);
/* Ends it. NULL is allowed. */
void launcher_close(struct launcher *launcher);
/* What error of launcher_start() means "there is no such program". */
bool launcher_not_found(int error);

/* The program that the demonstration starts, with its arguments, ended by NULL. */
char *const *platform_demo_program(void);
/* Why that program may have ended before it was told to; NULL: no reason is known. */
extern const char *const platform_demo_hint;

/* Whether `process` is the one that this system calls `pid` here (in the caller's pid namespace).
 */
bool platform_process_is(const struct procobsrv_process *process, uint32_t pid);
/* The pid as commands typed here would name it; 0: it cannot be named here. */
uint32_t platform_local_pid(const struct procobsrv_process *process);

/* Whose process it is, for people; the number if it has no name. */
void platform_user_name(const struct procobsrv_process *process, char *text, size_t size);
/* Local time of day, or the date if it was not today. */
void platform_short_time(int64_t time_ns, char *text, size_t size);
/* Whether standard output shows UTF-8. */
bool platform_shows_utf8(void);
/* Whether a terminal behind standard output understands colours. */
bool platform_shows_color(void);

/* What doctor looks at. */

enum check_verdict {
	CHECK_GOOD,
	CHECK_NEUTRAL, /* for information */
	CHECK_BAD,     /* stands in the way of a backend */
};

struct check {
	const char *name;
	enum check_verdict verdict;
	char value[160];
	char note[256]; /* what it means, what to do; may be empty */
};

#define CHECKS_MAX 32
/* Fills `checks`, returns how many. */
size_t platform_check(struct check checks[CHECKS_MAX]);

/* What --help says differently from system to system. Lines are broken by '\n'. */
extern const char platform_backend_argument[]; /* the backends' names, with '|' between them */
extern const char platform_manual[];	       /* where more is told */
extern const char platform_kinds_help[];
extern const char platform_match_help[];
extern const char platform_output_help[];
extern const char platform_spill_directory_help[];
extern const char platform_watch_help[]; /* of verbs: each line ended */
extern const char platform_run_help[];
extern const char platform_install_help[];

/* Versions of what was compiled in beside the library, "libbpf 1.1.2"; false: nothing to tell. */
bool platform_versions(char *text, size_t size);

#endif
