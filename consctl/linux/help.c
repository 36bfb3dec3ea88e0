/* SPDX-License-Identifier: MIT */
/* What --help says on Linux. */
#include "../platform.h"

const char platform_backend_argument[] = "auto|bpf|connector|ptrace|service|proc";

const char platform_manual[] = "man consctl";

const char platform_kinds_help[] =
    "which events: existing, start, exec, exec_failed, exit, lost, with\n"
    "commas between them (default: start,exec,exit,lost; exec_failed\n"
    "slows every system call of the machine a little)";

const char platform_match_help[] =
    "only what matches, e.g. 'process.uid != 0 && process.exe ~ \"/tmp/*\"'";

const char platform_output_help[] =
    "write there instead of standard output: a new file is made for its\n"
    "owner alone (mode 0600), an existing one is appended to, a symbolic\n"
    "link is refused; SIGHUP opens it anew";

const char platform_spill_directory_help[] =
    "where events wait that do not fit into that memory (default: TMPDIR\n"
    "or /tmp; with --resume /var/lib/procobsrv)";

const char platform_watch_help[] =
    "Reports every process that starts, runs a program or ends, from the line\n"
    "\"watching (BACKEND)...\" on standard error until Ctrl-C, SIGTERM, --duration or --count.\n"
    "The last line tells whether anything was lost; the status is then 3.\n";

const char platform_run_help[] =
    "Runs COMMAND and reports every process of its tree and none else; returns when the tree\n"
    "has ended, with the status of COMMAND (128 + signal if it was killed). Events go to\n"
    "standard output between those of COMMAND itself: --output FILE keeps them apart.\n"
    "The status is 125 if consctl itself failed, 126 and 127 if COMMAND could not be run.\n";

const char platform_install_help[] =
    "Loads an observer that stays in the kernel and goes on observing while nobody reads, until\n"
    "uninstall or the next boot. \"consctl watch --resume\" reads it from where its last reader\n"
    "stopped. What it takes (arguments, environment, kinds) is settled here.\n";
