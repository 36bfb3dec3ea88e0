/* SPDX-License-Identifier: MIT */
/*
 * Takes secrets out of arguments and variables before anybody sees them. A secret is known by the
 * name that stands before it: --password=x, --password x, PASSWORD=x, "Authorization: x",
 * /password:x, in an argument of its own or within one (a script of sh -c); and as the password of
 * a URL, user:x@host.
 */
#ifndef PROCOBSRV_LIB_REDACT_H
#define PROCOBSRV_LIB_REDACT_H

#include "image.h"

#include <stddef.h>

/* What stands for a secret, or as much of it as the secret is long. */
#define REDACTED "***"

/* The names that "default" stands for, ended by NULL: globs of lower case, '-' for '_'. */
extern const char *const redact_default_names[];

struct redaction;

/*
 * `names`, ended by NULL: globs for whole names, in any case, '-' and '_' being one; "default"
 * stands for redact_default_names. Copied. 0 or PROCOBSRV_ERROR_MEMORY.
 */
int redaction_create(const char *const *names, struct redaction **redaction);
void redaction_free(struct redaction *redaction); /* NULL is allowed */

/* Redacts in place; what follows a name alone may stand in the next argument. Any thread. */
void redact_arguments(const struct redaction *redaction, char *const *arguments, size_t count);

/* argv, env and the command line of an image that nobody else has seen. NULL redaction: nothing. */
void redact_image(const struct redaction *redaction, struct image *image);

#endif
