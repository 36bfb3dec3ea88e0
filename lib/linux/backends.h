/* SPDX-License-Identifier: MIT */
/* The sources of this system. */
#ifndef PROCOBSRV_LIB_LINUX_BACKENDS_H
#define PROCOBSRV_LIB_LINUX_BACKENDS_H

#include "source.h"

extern const struct source_operations bpf_source_operations;

#endif
