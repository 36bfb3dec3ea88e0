/* SPDX-License-Identifier: MIT */
/* Start, reload and stop. Main thread. */
#include "service_private.h"

#include "error.h"
#include "monitor.h"
#include "observer.h"
#include "os.h"
#include "privileges.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 * What a stop may take. Nobody reads the kernel's ring meanwhile, which a storm fills within
 * seconds; and what is not written is told again in the next run.
 */
#define DRAIN_MS	 1000
#define FLUSH_NS	 UINT64_C(3000000000)
#define FLUSH_FAILING_NS UINT64_C(1000000000)

/* ---- the monitor ---- */

static int open_backend(struct service *service, const struct configuration_observer *observer,
			const char *backend)
{
	const struct procobsrv_options options = {
	    .size = sizeof(options),
	    .handler = {service_on_event, service},
	    .kinds = observer->kinds,
	    .backend = backend,
	    .flags =
		service->choice.flags | (observer->kernel_threads ? PROCOBSRV_KERNEL_THREADS : 0u),
	    .match = observer->match,
	    .queue_size = observer->queue_size,
	    .spill_directory = observer->spill_directory,
	    .spill_size = observer->spill_size,
	    .max_args = observer->max_args,
	    .env = observer->env,
	    .redact = observer->redact,
	};
	struct procobsrv *monitor;
	int error = procobsrv_open(&options, &monitor);

	if (error)
		return error;
	monitor_set_between(monitor, service_between, service);
	atomic_store(&service->behind_size, observer->behind_size);
	atomic_store(&service->run_first, atomic_load(&service->ordinal) + 1);
	atomic_store(&service->came_round_ns, os_monotonic_ns());
	/* Its handler may be called before this returns. */
	pthread_rwlock_wrlock(&service->monitor_lock);
	service->monitor = monitor;
	pthread_rwlock_unlock(&service->monitor_lock);
	error = procobsrv_start(monitor);
	if (!error) {
		const char *limits = procobsrv_backend_limits(monitor);
		if (limits)
			service_log(PRIORITY_WARNING, "%s", limits);
		return 0;
	}
	char explanation[ERROR_TEXT_SIZE];
	error_save(explanation);
	pthread_rwlock_wrlock(&service->monitor_lock);
	service->monitor = NULL;
	pthread_rwlock_unlock(&service->monitor_lock);
	procobsrv_close(monitor);
	error_restore(explanation);
	return error;
}

static int open_monitor(struct service *service, const struct configuration_observer *observer)
{
	const char *const *backend = service->choice.backends;
	int error;

	while ((error = open_backend(service, observer, *backend)) && *++backend)
		service_log(PRIORITY_WARNING, "observer: %s; trying \"%s\"", procobsrv_explain(),
			    *backend);
	return error;
}

static void release_sinks(struct service *service, bool release)
{
	atomic_store(&service->released, release);
	for (size_t place = 0; place < SERVICE_SINKS_MAX; place++) {
		struct sink_runner *runner = atomic_load(&service->sinks[place]);
		if (runner && release)
			sink_runner_release(runner);
		else if (runner)
			sink_runner_resume(runner);
	}
}

static void forget_what_passed(struct service *service)
{
	for (size_t place = SERVICE_DURABLE_FROM; place < SERVICE_SINKS_MAX; place++) {
		struct sink_runner *runner = atomic_load(&service->sinks[place]);
		if (runner)
			sink_runner_forget(runner);
	}
}

/* One that fails is given little: its events wait for the next run, or are lost in any case. */
static void flush_sinks(struct service *service)
{
	uint64_t end = os_monotonic_ns() + FLUSH_NS;

	for (size_t place = SERVICE_SINKS_MAX; place--;) {
		struct sink_runner *runner = atomic_load(&service->sinks[place]);
		struct sink_runner_statistics statistics;
		uint64_t now = os_monotonic_ns();
		uint64_t left = end > now ? end - now : 0;

		if (!runner)
			continue;
		sink_runner_statistics(runner, &statistics);
		if ((statistics.failing || statistics.is_behind) && left > FLUSH_FAILING_NS)
			left = FLUSH_FAILING_NS;
		if (sink_runner_flush(runner, left))
			continue;
		sink_runner_statistics(runner, &statistics);
		service_log(
		    PRIORITY_WARNING, "sink %s: %" PRIu64 " events could not be written: %s",
		    statistics.name, statistics.waiting,
		    statistics.durable ? "they are told again in the next run" : "they are lost");
	}
}

/* The next run may begin before what this one has handed on. */
static void note_repeats(struct service *service)
{
	uint64_t stream = service->monitor->dispatch.stream;

	if (stream && stream != service->repeat_stream) {
		service->repeat_stream = stream;
		service->repeat_position = 0;
	}
	/* If this one had not told all of the one before, that is told yet again. */
	if (service->handed_position > service->repeat_position)
		service->repeat_position = service->handed_position;
}

/* What was observed until now is handed on, written, and acknowledged: as far as time allows. */
static void close_monitor(struct service *service)
{
	struct procobsrv *monitor = service->monitor;

	if (!monitor)
		return;
	monitor_request_stop(monitor, PROCOBSRV_STOP_DRAIN);
	bool drained = !procobsrv_wait(monitor, DRAIN_MS);
	/* What passed a sink by is told to it again by the next run, no more by this one. */
	release_sinks(service, true);
	if (!drained)
		procobsrv_stop(monitor, PROCOBSRV_STOP_DISCARD);
	service_between(service); /* who asked last */
	flush_sinks(service);
	service_acknowledge(service);
	forget_what_passed(service);
	note_repeats(service);
	pthread_rwlock_wrlock(&service->monitor_lock);
	service->monitor = NULL;
	pthread_rwlock_unlock(&service->monitor_lock);
	procobsrv_close(monitor);
}

/* ---- start ---- */

static struct service *create(void)
{
	struct service *service = calloc(1, sizeof(*service));

	if (!service)
		return NULL;
	service->instance_lock = OBSERVER_UNLOCKED;
	service->calls_end = &service->calls;
	service->started_ns = os_wall_ns();
	atomic_store(&service->reloaded_ns, service->started_ns);
	if (pthread_mutex_init(&service->places_lock, NULL) ||
	    pthread_mutex_init(&service->safe_lock, NULL) ||
	    pthread_mutex_init(&service->calls_lock, NULL) ||
	    pthread_rwlock_init(&service->monitor_lock, NULL)) {
		free(service);
		return NULL;
	}
	return service;
}

/* In the reverse order of service_start(), whatever of it was done. */
static void end(struct service *service)
{
	close_monitor(service);
	for (size_t place = SERVICE_SINKS_MAX; place--;) {
		struct sink_runner *runner = atomic_load(&service->sinks[place]);
		pthread_mutex_lock(&service->places_lock);
		atomic_store(&service->sinks[place], NULL);
		pthread_mutex_unlock(&service->places_lock);
		if (runner)
			sink_runner_stop(runner);
	}
	for (size_t index = SERVICE_PARTS_MAX; index--;)
		service_remove_part(service, index);
	service_between(service); /* calls that a part asked for while it ended */
	procobsrv_event_unref(service->handed);
	observer_unlock(service->instance_lock);
	configuration_unref(service->configuration);
	configuration_unref(service->observing);
	pthread_mutex_destroy(&service->places_lock);
	pthread_mutex_destroy(&service->safe_lock);
	pthread_mutex_destroy(&service->calls_lock);
	pthread_rwlock_destroy(&service->monitor_lock);
	free(service);
}

int service_start(const struct configuration *configuration, struct service **started)
{
	struct service *service = create();
	int error;

	if (!service)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the service");
	service->configuration = configuration_ref(configuration);
	service->observing = configuration_ref(configuration);
	if ((error = observer_lock(&service->instance_lock)) ||
	    (error = observer_prepare(&configuration->observer, &service->choice)) ||
	    /* Threads have the rights of who started them: from here on there are some. */
	    (error = privileges_drop(configuration)) ||
	    (error = service_take_parts(service, configuration, true)))
		goto failed;
	service_take_sinks(service, configuration);
	if ((error = open_monitor(service, &configuration->observer)))
		goto failed;
	*started = service;
	return 0;

	char explanation[ERROR_TEXT_SIZE];
failed:
	error_save(explanation);
	end(service);
	error_restore(explanation);
	return error;
}

/* ---- reload ---- */

static bool same_list(const char *const *one, const char *const *other)
{
	if (!one || !other)
		return one == other;
	while (*one && *other && !strcmp(*one, *other)) {
		one++;
		other++;
	}
	return !*one && !*other;
}

static bool same_text(const char *one, const char *other)
{
	return one == other || (one && other && !strcmp(one, other));
}

static bool same_observer(const struct configuration_observer *one,
			  const struct configuration_observer *other)
{
	return one->kinds == other->kinds && one->kernel_threads == other->kernel_threads &&
	       one->buffer_size == other->buffer_size && one->max_args == other->max_args &&
	       one->spill_size == other->spill_size && one->queue_size == other->queue_size &&
	       same_list(one->env, other->env) && same_list(one->redact, other->redact) &&
	       same_text(one->match, other->match) &&
	       same_text(one->spill_directory, other->spill_directory);
}

static int observe_anew(struct service *service, const struct configuration_observer *wanted)
{
	close_monitor(service);
	release_sinks(service, false);
	int error = observer_prepare(wanted, &service->choice);
	return error ? error : open_monitor(service, wanted);
}

/*
 * The observer goes on in the kernel meanwhile, so that nothing is missed. One that cannot be had
 * (before Linux 6.2 the right to load another was given up, and what it spills to may not exist)
 * leaves the one before in force.
 */
static int change_observer(struct service *service, const struct configuration *configuration)
{
	const struct configuration_observer *before = &service->observing->observer;
	const struct configuration_observer *wanted = &configuration->observer;
	char explanation[ERROR_TEXT_SIZE];

	if (before->buffer_size != wanted->buffer_size)
		service_log(PRIORITY_NOTICE,
			    "observer: another buffer-size is taken when the observer "
			    "is installed anew: stop the service, \"consctl "
			    "uninstall\", start it");
	int error = observe_anew(service, wanted);
	if (!error)
		return 0;
	error_save(explanation);
	service_log(PRIORITY_ERROR,
		    "observer: %s; the observer that was in force stays (a restart of the "
		    "service has more rights: systemctl restart procobsrvd)",
		    explanation);
	if (observe_anew(service, before))
		service_log(PRIORITY_ERROR, "observer: %s; the service ends", procobsrv_explain());
	error_restore(explanation);
	return error;
}

int service_reload(struct service *service, const struct configuration *configuration)
{
	int error = 0;

	service_take_parts(service, configuration, false);
	service_take_sinks(service, configuration);
	atomic_store(&service->behind_size, configuration->observer.behind_size);
	if (!same_observer(&service->observing->observer, &configuration->observer))
		error = change_observer(service, configuration);
	configuration_unref(service->configuration);
	service->configuration = configuration_ref(configuration);
	if (error) {
		service_reload_failed(service);
		return error;
	}
	configuration_unref(service->observing);
	service->observing = configuration_ref(configuration);
	atomic_fetch_add(&service->reloads, 1);
	atomic_store(&service->reload_is_failed, false);
	atomic_store(&service->reloaded_ns, os_wall_ns());
	return 0;
}

void service_reload_failed(struct service *service)
{
	atomic_fetch_add(&service->reload_failures, 1);
	atomic_store(&service->reload_is_failed, true);
}

/* ---- while it runs, and the end ---- */

bool service_tend(struct service *service)
{
	service_acknowledge(service);
	if (atomic_exchange(&service->tells_anew, false) &&
	    observe_anew(service, &service->observing->observer))
		return false;
	int error = service->monitor ? procobsrv_wait(service->monitor, 0) : 0;
	if (!error)
		error_set(PROCOBSRV_ERROR_ENDED, "the observer does not tell anything any more");
	/* Any other one says why it ended. */
	return error == PROCOBSRV_ERROR_TIMEOUT;
}

void service_stop(struct service *service)
{
	end(service);
}
