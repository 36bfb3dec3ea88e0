/* SPDX-License-Identifier: MIT */
#ifndef PROCOBSRVD_RUN_H
#define PROCOBSRVD_RUN_H

/* Runs the service until SIGTERM or SIGINT: 0; or it could not start, or ended by itself: an error,
 * which has been logged. */
int run_service(const char *file);

#endif
