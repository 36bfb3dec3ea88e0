/* SPDX-License-Identifier: MIT */
/*
 * What holds for every stream of events, whatever is observed: the order within a process, parents
 * before children, nothing twice, numbers that grow.
 */
#ifndef PROCOBSRV_TESTS_LIVE_LAWS_H
#define PROCOBSRV_TESTS_LIVE_LAWS_H

#include "seen.h"

struct laws;

struct laws *laws_create(void);
void laws_free(struct laws *laws);
void laws_feed(struct laws *laws, const struct seen *seen);
/* The first breach in words, or NULL. Valid until laws_free(). */
const char *laws_breach(const struct laws *laws);
/* Events that were lost, as `lost` events told. */
uint64_t laws_lost(const struct laws *laws);

#endif
