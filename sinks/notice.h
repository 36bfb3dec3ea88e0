/* SPDX-License-Identifier: MIT */
/* What sinks tell administrators beside their errors: for the log of the service. */
#ifndef PROCOBSRV_SINKS_NOTICE_H
#define PROCOBSRV_SINKS_NOTICE_H

#define NOTICE_SIZE 512

/* A line without its end; longer ones are cut. Any thread. */
void notice(const char *format, ...) __attribute__((format(PRINTF_FORMAT, 1, 2)));

/*
 * Who takes the lines, from any thread; NULL: standard error, as at the beginning. To be called
 * while no sink is open.
 */
void notice_to(void (*take)(const char *line));

#endif
