/* SPDX-License-Identifier: MIT */
/* The sources of this system. */
#ifndef PROCOBSRV_LIB_LINUX_BACKENDS_H
#define PROCOBSRV_LIB_LINUX_BACKENDS_H

#include "source.h"

extern const struct source_operations bpf_source_operations;
extern const struct source_operations connector_source_operations;
extern const struct source_operations ptrace_source_operations;
extern const struct source_operations proc_source_operations;

#endif
