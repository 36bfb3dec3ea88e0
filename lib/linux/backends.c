/* SPDX-License-Identifier: MIT */
#include "backends.h"

#include "service_source.h"

#include <stddef.h>

/* The more a source tells and the less it costs, the earlier it stands. */
const struct source_operations *const source_backends[] = {
    &bpf_source_operations,	&connector_source_operations, &ptrace_source_operations,
    &service_source_operations, &proc_source_operations,      NULL,
};
