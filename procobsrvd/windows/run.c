/* SPDX-License-Identifier: MIT */
/* The main thread while the service runs. */
#include "run.h"

#include "error.h"
#include "notice.h"
#include "service.h"

#define TEND_MS 100

static void log_complaint(unsigned line, unsigned column, const char *text, void *param)
{
	(void)line;
	(void)column;
	service_log(PRIORITY_ERROR, "HKLM\\%s\\%s", (const char *)param, text);
}

static void log_notice(const char *line)
{
	service_log(PRIORITY_WARNING, "%s", line);
}

static int read_configuration(const char *key, const struct configuration **configuration)
{
	return configuration_read(key, service_sinks, log_complaint, (void *)(uintptr_t)key,
				  configuration);
}

static void reload(struct service *service, const char *key)
{
	const struct configuration *configuration;

	if (read_configuration(key, &configuration)) {
		service_log(PRIORITY_ERROR, "%s: the configuration that was in force stays",
			    procobsrv_explain());
		service_reload_failed(service);
		return;
	}
	service_reload(service, configuration);
	configuration_unref(configuration);
	service_log(PRIORITY_NOTICE, "the configuration in HKLM\\%s is in force", key);
}

static int loop(const struct run_control *control, struct service *service)
{
	const HANDLE events[] = {control->stop, control->reload};

	for (;;) {
		DWORD set = WaitForMultipleObjects(2, events, FALSE, TEND_MS);
		if (set == WAIT_OBJECT_0)
			return 0;
		if (set == WAIT_OBJECT_0 + 1)
			reload(service, control->key);
		if (!service_tend(service)) {
			service_log(PRIORITY_ERROR, "%s", procobsrv_explain());
			return PROCOBSRV_ERROR_ENDED;
		}
	}
}

static void say_what_observes(struct service *service)
{
	struct procobsrv *monitor = service_borrow_monitor(service);

	service_log(PRIORITY_NOTICE, "procobsrvd %s observes (%s)", procobsrv_version(),
		    monitor ? procobsrv_backend(monitor) : "nothing");
	if (monitor)
		service_return_monitor(service);
}

int run_service(const struct run_control *control)
{
	const struct configuration *configuration;
	struct service *service;
	int error = read_configuration(control->key, &configuration);

	if (!error) {
		notice_to(log_notice);
		error = service_start(configuration, &service);
		configuration_unref(configuration);
	}
	if (error) {
		service_log(PRIORITY_ERROR, "%s", procobsrv_explain());
		return error;
	}
	say_what_observes(service);
	if (control->ready)
		control->ready();
	error = loop(control, service);
	service_stop(service);
	service_log(PRIORITY_NOTICE, "procobsrvd has ended");
	return error;
}
