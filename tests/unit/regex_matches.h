/* SPDX-License-Identifier: MIT */
#ifndef PROCOBSRV_TESTS_REGEX_MATCHES_H
#define PROCOBSRV_TESTS_REGEX_MATCHES_H

#include <stdbool.h>

/* Whether the pattern, which must compile, matches; whole and in pieces, which must agree. */
bool regex_matches(const char *pattern, const char *text);

#endif
