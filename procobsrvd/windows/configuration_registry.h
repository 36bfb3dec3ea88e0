/* SPDX-License-Identifier: MIT */
/*
 * The configuration as a key of the registry below HKEY_LOCAL_MACHINE: each section a key in it,
 * each setting a value in that. Texts and numbers are as in procobsrvd.conf(5) (REG_SZ; numbers
 * also REG_DWORD or REG_QWORD), lists REG_MULTI_SZ. Of a sink that there is several times, each is
 * a key in the section's.
 */
#ifndef PROCOBSRVD_WINDOWS_CONFIGURATION_REGISTRY_H
#define PROCOBSRVD_WINDOWS_CONFIGURATION_REGISTRY_H

#include "configuration.h"

/* Where Windows has the settings of a service. */
#define CONFIGURATION_KEY "SYSTEM\\CurrentControlSet\\Services\\procobsrvd\\Parameters"

#endif
