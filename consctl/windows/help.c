/* SPDX-License-Identifier: MIT */
/* What --help says on Windows. */
#include "../platform.h"

const char platform_backend_argument[] = "auto|driver|job|service|snapshot";

const char platform_manual[] = "README.txt";

const char platform_kinds_help[] =
    "which events: existing, start, exit, lost, with commas between them\n"
    "(default: start,exit,lost; a start names the program that runs, and\n"
    "there are no events of the kinds exec and exec_failed)";

const char platform_match_help[] =
    "only what matches, e.g. \"process.session != 0 && process.name ~ \\\"note*\\\"\"";

const char platform_output_help[] =
    "write there instead of standard output: a new file is made for this\n"
    "user alone, an existing one is appended to, a symbolic link is refused";

const char platform_spill_directory_help[] =
    "where events wait that do not fit into that memory (default: TMP;\n"
    "with --resume the ProcObsrv folder of ProgramData)";

const char platform_watch_help[] =
    "Reports every process that starts or ends, from the line \"watching (BACKEND)...\" on\n"
    "standard error until Ctrl-C, Ctrl-Break, --duration or --count. Loads the driver, and "
    "unloads\n"
    "it at its end unless it is installed; that takes an administrator. The last line tells\n"
    "whether anything was lost; the status is then 3.\n";

const char platform_run_help[] =
    "Runs COMMAND and reports every process of its tree and none else; returns when the tree\n"
    "has ended, with the status of COMMAND. Events go to standard output between those of COMMAND\n"
    "itself: --output FILE keeps them apart. Without the driver it observes a job object.\n"
    "The status is 125 if consctl itself failed, 126 and 127 if COMMAND could not be run.\n";

const char platform_install_help[] =
    "Copies the driver to the system's folder of drivers, registers and loads it: it goes on\n"
    "observing while nobody reads, until uninstall or the next start of Windows. \"consctl watch\n"
    "--resume\" reads it from where its last reader stopped.\n";
