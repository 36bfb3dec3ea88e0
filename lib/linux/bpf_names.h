/* SPDX-License-Identifier: MIT */
/* Names that the object files, the kernel and the loader share. */
#ifndef PROCOBSRV_LIB_LINUX_BPF_NAMES_H
#define PROCOBSRV_LIB_LINUX_BPF_NAMES_H

#define BPF_NAME_RING	       "ring"
#define BPF_NAME_STATE	       ".bss"
#define BPF_NAME_CONFIGURATION ".rodata"
#define BPF_NAME_TOLD_EXITS    "told_exits"
#define BPF_NAME_CPU_CLOCK     "cpu_clock"
#define BPF_NAME_SNAPSHOT      "tell_existing"

/* The file with the kernel's types; PROCOBSRV_BTF may name another one. */
const char *bpf_names_btf(void);

#endif
