/* SPDX-License-Identifier: MIT */
/* What the paths of control groups tell, and how their ids become paths. */
#include "cgroup_path.h"
#include "cgroup_table.h"
#include "dispatch.h"
#include "harness.h"
#include "records.h"
#include "resync.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A16 "0123456789abcdef"
#define A64 A16 A16 A16 A16
#define B16 "fedcba9876543210"
#define B64 B16 B16 B16 B16
#define POD "pod2a3b4c5d-1111-2222-3333-444455556666"

/* As they were seen on machines; NULL: the path does not tell. */
static const struct {
	const char *path;
	const char *container_id;
	const char *runtime;
	const char *unit;
} paths[] = {
    {"/", NULL, NULL, NULL},
    {"/init.scope", NULL, NULL, "init.scope"},
    {"/system.slice/cron.service", NULL, NULL, "cron.service"},
    {"/system.slice/system-getty.slice/getty@tty1.service", NULL, NULL, "getty@tty1.service"},
    {"/system.slice/_cpu.service", NULL, NULL, "cpu.service"},
    {"/system.slice/dev-hugepages.mount", NULL, NULL, "dev-hugepages.mount"},
    {"/system.slice/foo.service/workers/one.scope", NULL, NULL, "foo.service"},
    {"/user.slice/user-1000.slice/session-3.scope", NULL, NULL, "session-3.scope"},
    {"/user.slice/user-1000.slice/user@1000.service/init.scope", NULL, NULL, "init.scope"},
    {"/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/"
     "vte-spawn-1.scope",
     NULL, NULL, "vte-spawn-1.scope"},
    {"/user.slice/user-1000.slice/user@1000.service/app.slice/x.service/below/y.scope", NULL, NULL,
     "x.service"},
    {"/user.slice/user-1000.slice/user@1000.service/payload", NULL, NULL, "user@1000.service"},
    /* docker: its own groups, systemd's, rootless, one within another */
    {"/docker/" A64, A64, "docker", NULL},
    {"/docker/" A64 "/init.scope", A64, "docker", NULL},
    {"/docker/" A64 "/docker/" B64, B64, "docker", NULL},
    {"/system.slice/docker-" A64 ".scope", A64, "docker", "docker-" A64 ".scope"},
    {"/system.slice/docker-" A64 ".scope/system.slice/ssh.service", A64, "docker",
     "docker-" A64 ".scope"},
    {"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" A64 ".scope", A64, "docker",
     "docker-" A64 ".scope"},
    {"/system.slice:docker:" A64, A64, "docker", NULL},
    {"/system.slice/docker.service", NULL, NULL, "docker.service"},
    /* podman: as root, rootless, in a pod, split groups; conmon is no container */
    {"/machine.slice/libpod-" A64 ".scope/container", A64, "podman", "libpod-" A64 ".scope"},
    {"/machine.slice/libpod-conmon-" A64 ".scope", NULL, NULL, "libpod-conmon-" A64 ".scope"},
    {"/machine.slice/machine-libpod_pod_" B64 ".slice/libpod-" A64 ".scope", A64, "podman",
     "libpod-" A64 ".scope"},
    {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" A64 ".scope/container", A64,
     "podman", "libpod-" A64 ".scope"},
    {"/libpod_parent/libpod-" A64, A64, "podman", NULL},
    {"/libpod_parent/" A64, A64, "podman", NULL},
    {"/system.slice/web.service/libpod-payload-" A64, A64, "podman", "web.service"},
    /* Kubernetes: by systemd or not, containerd, CRI-O, others that do not tell */
    {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod2a.slice/cri-containerd-" A64
     ".scope",
     A64, "containerd", "cri-containerd-" A64 ".scope"},
    {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod2a.slice/crio-" A64 ".scope",
     A64, "cri-o", "crio-" A64 ".scope"},
    {"/kubepods.slice/kubepods-pod2a.slice/crio-conmon-" A64 ".scope", NULL, NULL,
     "crio-conmon-" A64 ".scope"},
    {"/kubepods/besteffort/" POD "/" A64, A64, NULL, NULL},
    {"/kubepods/burstable/" POD "/crio-" A64, A64, "cri-o", NULL},
    {"/system.slice/containerd.service/kubepods-burstable-pod2a.slice:cri-containerd:" A64, A64,
     "containerd", "containerd.service"},
    {"/docker/" B64 "/kubelet.slice/kubelet-kubepods.slice/cri-containerd-" A64 ".scope", A64,
     "containerd", NULL},
    {"/k8s.io/" A64, A64, "containerd", NULL},
    {"/system.slice/nerdctl-" A64 ".scope", A64, "containerd", "nerdctl-" A64 ".scope"},
    {"/ecs/2a3b4c5d/" A64, A64, NULL, NULL},
    /* LXC of any age, and its monitor */
    {"/lxc.payload.web", "web", "lxc", NULL},
    {"/lxc.payload.web/system.slice/nginx.service", "web", "lxc", NULL},
    {"/lxc.monitor.web", NULL, NULL, NULL},
    {"/lxc.payload/web", "web", "lxc", NULL},
    {"/lxc/101/ns/init.scope", "101", "lxc", NULL},
    {"/home/lxc/101", NULL, NULL, NULL},
    /* what systemd-machined knows */
    {"/machine.slice/machine-deb\\x2d12.scope/payload", "deb-12", "systemd-nspawn",
     "machine-deb\\x2d12.scope"},
    {"/machine.slice/systemd-nspawn@web.service/payload/system.slice/x.service", "web",
     "systemd-nspawn", "systemd-nspawn@web.service"},
    {"/machine.slice/machine-lxc\\x2d7\\x2dweb.scope", "lxc-7-web", "libvirt-lxc",
     "machine-lxc\\x2d7\\x2dweb.scope"},
    {"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt", NULL, NULL,
     "machine-qemu\\x2d1\\x2dvm.scope"},
    /* what looks like it and is not, or means harm */
    {"", NULL, NULL, NULL},
    {"//////", NULL, NULL, NULL},
    {"/docker", NULL, NULL, NULL},
    {"/docker/0123", NULL, NULL, NULL},
    {"/docker/" A64 "0", NULL, NULL, NULL},
    {"/docker/0123456789ABCDEF" A16 A16 A16, NULL, NULL, NULL},
    {"/system.slice/docker-.scope", NULL, NULL, "docker-.scope"},
    {"/system.slice/docker-zz.scope", NULL, NULL, "docker-zz.scope"},
    {"/system.slice/.service", NULL, NULL, NULL},
    {"/.slice/x.service", NULL, NULL, NULL},
    {"/system.slice/a b.service", NULL, NULL, NULL},
    {"/system.slice/a\x1b[31m.service", NULL, NULL, NULL},
    {"/system.slice/\xe9.service", NULL, NULL, NULL},
    {"/:docker:" A64, A64, "docker", NULL},
    {"/:" A64, NULL, NULL, NULL},
    {"/lxc.payload.", NULL, NULL, NULL},
    {"/machine.slice/machine-.scope", NULL, NULL, "machine-.scope"},
    {"/machine.slice/machine-a\\x2.scope", NULL, NULL, "machine-a\\x2.scope"},
    {"/machine.slice/machine-a\\x2f.scope", NULL, NULL, "machine-a\\x2f.scope"},
    {"/machine.slice/machine-a\\x00b.scope", NULL, NULL, "machine-a\\x00b.scope"},
    {"/machine.slice/machine-a\\x0ab.scope", NULL, NULL, "machine-a\\x0ab.scope"},
    {"/machine.slice/machine-a\\", NULL, NULL, NULL},
    {"/systemd-nspawn@.service", NULL, NULL, "systemd-nspawn@.service"},
};

static void expect(const char *path, const char *what, const char *told, const char *expected)
{
	if ((told == NULL) != (expected == NULL) || (told && strcmp(told, expected) != 0))
		fail_msg("%s: the %s is \"%s\", not \"%s\"", path, what, told ? told : "(none)",
			 expected ? expected : "(none)");
}

static void names_in_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		/* Of their exact sizes, so that a checker of memory sees a step beyond. */
		size_t length = strlen(paths[i].path);
		char *path = malloc(length + 1), *room = malloc(CGROUP_PATH_ROOM(length));
		struct cgroup_names names;

		assert_non_null(path);
		assert_non_null(room);
		memcpy(path, paths[i].path, length);
		cgroup_path_names(path, length, room, &names);
		expect(paths[i].path, "container", names.container_id, paths[i].container_id);
		expect(paths[i].path, "runtime", names.runtime, paths[i].runtime);
		expect(paths[i].path, "unit", names.unit, paths[i].unit);
		free(path);
		free(room);
	}
}

static unsigned asked;

static bool tell_path(uint64_t id, struct buffer *path)
{
	asked++;
	if (id % 2)
		return false;
	buffer_append_text(path, "/told/");
	buffer_append_unsigned(path, id);
	return true;
}

static void groups_are_asked_for_once(void **state)
{
	struct cgroup_table table = {.read_path = tell_path};

	(void)state;
	asked = 0;
	for (int round = 0; round < 3; round++) {
		assert_string_equal(cgroup_table_find(&table, 2)->path, "/told/2");
		assert_null(cgroup_table_find(&table, 3)->path);
	}
	assert_int_equal(asked, 2);
	/* Its own record comes late, and is believed. */
	assert_true(cgroup_table_put(&table, 3, "/late", 5));
	assert_string_equal(cgroup_table_find(&table, 3)->path, "/late");
	/* What is known already stays. */
	assert_true(cgroup_table_put(&table, 2, "/other", 6));
	assert_string_equal(cgroup_table_find(&table, 2)->path, "/told/2");
	cgroup_table_free(&table);
}

static void count_group(const struct cgroup *group, void *param)
{
	assert_non_null(group->path);
	++*(size_t *)param;
}

/* Those that are asked for stay, the others go, and who holds one keeps it. */
static void table_is_bounded(void **state)
{
	struct cgroup_table table = {0};
	struct cgroup *held = NULL;
	size_t count = 0;

	(void)state;
	for (uint64_t id = 1; id <= 10 * CGROUP_TABLE_HALF; id++) {
		char path[32];
		size_t length =
		    (size_t)snprintf(path, sizeof path, "/g%llu", (unsigned long long)id);
		assert_true(cgroup_table_put(&table, id, path, length));
		if (id == 2)
			held = cgroup_ref(cgroup_table_find(&table, 2));
		if (id % 1000 == 0)
			assert_string_equal(cgroup_table_find(&table, 1)->path, "/g1");
	}
	cgroup_table_visit(&table, count_group, &count);
	assert_true(count <= 2 * CGROUP_TABLE_HALF);
	assert_true(count >= CGROUP_TABLE_HALF);
	assert_null(cgroup_table_find(&table, 2)->path);
	assert_string_equal(held->path, "/g2");
	cgroup_unref(held);
	cgroup_table_free(&table);
}

/* ---- in the stream ---- */

struct kept {
	struct event *events[8];
	size_t count;
};

static void keep(struct event *event, void *param)
{
	struct kept *kept = param;

	kept->events[kept->count++] = event;
}

static void feed(struct dispatch *dispatch, const void *data, uint32_t size)
{
	struct source_record record = {.data = data, .size = size, .position = 1};

	dispatch_record(dispatch, 1, &record);
}

static void feed_group(struct dispatch *dispatch, uint64_t id, const char *path)
{
	const struct cgroup group = {.id = id, .path = path};
	struct buffer record = BUFFER_EMPTY;
	struct record_header header;

	cgroup_append_record(group.id, group.path, &record);
	memcpy(&header, record.data, sizeof header);
	feed(dispatch, record.data, header.size);
	buffer_free(&record);
}

static void feed_start(struct dispatch *dispatch, struct test_observer *observer, uint32_t pid,
		       uint64_t cgroup)
{
	struct test_record record;

	record_build_start(observer, &record, pid, 100, 1, 1);
	((struct record_body *)(record.data + sizeof(struct record_header)))->cgroup = cgroup;
	feed(dispatch, record.data, record.size);
}

static void events_tell_their_group(void **state)
{
	struct test_observer observer = {0};
	struct dispatch dispatch;
	struct kept kept = {0};
	struct record_header unknown = {sizeof unknown, RECORD_VERSION, RECORD_NOTES + 17};
	struct record_header cut = {sizeof cut, RECORD_VERSION, RECORD_CGROUP};

	(void)state;
	assert_int_equal(dispatch_init(&dispatch), 0);
	dispatch.deliver = keep;
	dispatch.kinds = PROCOBSRV_KINDS_ALL;
	dispatch.param = &kept;
	feed_group(&dispatch, 77, "/system.slice/docker-" A64 ".scope");
	feed(&dispatch, &unknown, sizeof unknown);
	feed_start(&dispatch, &observer, 10, 77);
	feed_start(&dispatch, &observer, 11, 78);
	feed_start(&dispatch, &observer, 12, 0);
	assert_int_equal(kept.count, 3);

	const struct procobsrv_process *process = kept.events[0]->public.process;
	assert_int_equal(process->cgroup_id, 77);
	assert_string_equal(process->cgroup, "/system.slice/docker-" A64 ".scope");
	assert_string_equal(process->container_id, A64);
	assert_string_equal(process->runtime, "docker");
	assert_string_equal(process->unit, "docker-" A64 ".scope");
	assert_int_equal(kept.events[1]->public.process->cgroup_id, 78);
	assert_null(kept.events[1]->public.process->cgroup);
	assert_null(kept.events[2]->public.process->cgroup);

	/* Half a note is a damaged record, and told as one. */
	feed(&dispatch, &cut, sizeof cut);
	assert_int_equal(kept.count, 4);
	assert_int_equal(kept.events[3]->public.kind, PROCOBSRV_LOST);
	dispatch_free(&dispatch);
	assert_string_equal(process->unit, "docker-" A64 ".scope");
	for (size_t i = 0; i < kept.count; i++)
		procobsrv_event_unref(&kept.events[i]->public);
}

/* A snapshot as the service sends it: the note, then who is in the group. */
static int tell_snapshot(struct source *source, source_on_record on_record, void *param,
			 uint64_t *position)
{
	struct buffer note = BUFFER_EMPTY;
	struct record_header header;
	struct test_record record;

	(void)source;
	record_build_existing(&record, 20, 100, 1, 1, 0);
	((struct record_body *)(record.data + sizeof header))->cgroup = 90;
	on_record(record.data, record.size, param);
	cgroup_append_record(91, "/late.scope", &note);
	memcpy(&header, note.data, sizeof header);
	on_record(note.data, header.size, param);
	record_build_existing(&record, 21, 101, 1, 1, 0);
	((struct record_body *)(record.data + sizeof header))->cgroup = 91;
	on_record(record.data, record.size, param);
	buffer_free(&note);
	*position = 1;
	return 0;
}

static void snapshots_tell_groups(void **state)
{
	const struct source_operations operations = {.snapshot = tell_snapshot};
	const struct procobsrv_process **existing;
	struct resync resync = {0};
	struct dispatch dispatch;
	size_t count;

	(void)state;
	assert_int_equal(dispatch_init(&dispatch), 0);
	assert_int_equal(resync_begin(&resync, &operations, NULL), 0);
	assert_int_equal(resync_fill(&resync, &dispatch, NULL, 0, &existing, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(existing[0]->pid, 20);
	assert_null(existing[0]->cgroup);
	assert_int_equal(existing[1]->pid, 21);
	assert_string_equal(existing[1]->cgroup, "/late.scope");
	assert_string_equal(existing[1]->unit, "late.scope");
	for (size_t i = 0; i < count; i++)
		procobsrv_process_unref(existing[i]);
	free(existing);
	resync_free(&resync);
	dispatch_free(&dispatch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_in_paths),	     cmocka_unit_test(groups_are_asked_for_once),
	    cmocka_unit_test(table_is_bounded),	     cmocka_unit_test(events_tell_their_group),
	    cmocka_unit_test(snapshots_tell_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
