/* SPDX-License-Identifier: MIT */
/* The log of the service. */
#ifndef PROCOBSRVD_LOG_H
#define PROCOBSRVD_LOG_H

/* The numbers are those of syslog, which systemd takes. */
enum log_priority {
	PRIORITY_ERROR = 3,
	PRIORITY_WARNING = 4,
	PRIORITY_NOTICE = 5,
};

/*
 * A line of the log; bytes that a terminal or the journal should not see are replaced, and what is
 * longer than 2 KiB is cut. Any thread.
 */
void service_log(enum log_priority priority, const char *format, ...)
    __attribute__((format(PRINTF_FORMAT, 2, 3)));

/*
 * What each system supplies: brings a line, without a line end, to where the log goes. Linux:
 * standard error, with the priority as systemd reads it. Windows: the event log of a service, else
 * standard error. Any thread.
 */
void log_write(enum log_priority priority, const char *line);

#endif
