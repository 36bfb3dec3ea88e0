/* SPDX-License-Identifier: MIT */
/* The configuration of the service: what is taken from it, and what is complained about, where. */
#include "harness.h"

#include "configuration_yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *shipped;
static const char *page;

static const struct setting probe_settings[] = {
    {.name = "path", .type = SETTING_PATH, .required = true},
    {.name = "keep", .type = SETTING_DURATION, .initial = "30d", .least = 1000000000},
    {.name = "size", .type = SETTING_SIZE, .initial = "2G", .most = 1ull << 40},
    {.name = "run", .type = SETTING_LIST},
    {.name = "rate", .type = SETTING_RATE},
    {NULL},
};

static const struct setting plain_settings[] = {{NULL}};

static const struct sink_operations probe = {
    .name = "probe", .settings = probe_settings, .durable = true};
static const struct sink_operations plain = {
    .name = "plain",
    .settings = plain_settings,
    .kinds = PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC),
};

static const struct sink_operations *const sinks[] = {&probe, &plain, NULL};
static const struct sink_operations *const installed[] = {&sink_record, &sink_json_lines,
							  &sink_journal, &sink_command, NULL};

/* What was complained about: "LINE:COLUMN: text" and a line end, each. */
static void complain(unsigned line, unsigned column, const char *text, void *param)
{
	char *all = param;
	size_t used = strlen(all);

	snprintf(all + used, 4096 - used, "%u:%u: %s\n", line, column, text);
}

static const struct configuration *parse(const char *text, char complaints[4096])
{
	const struct configuration *configuration = NULL;
	char own[4096] = "";

	complaints = complaints ? complaints : own;
	*complaints = '\0';
	int error = configuration_parse("file", text, strlen(text), sinks, complain, complaints,
					&configuration);
	if (error && error != PROCOBSRV_ERROR_ARGUMENT)
		fail_msg("error %d: %s", error, procobsrv_explain());
	if ((error == 0) != (*complaints == '\0'))
		fail_msg("error %d with complaints '%s'", error, complaints);
	if (complaints == own && error)
		fail_msg("complaints: %s", complaints);
	return configuration;
}

/* ---- what is right ---- */

static void check_initial(const struct configuration *configuration)
{
	const struct configuration_observer *observer = &configuration->observer;

	assert_int_equal(observer->kinds,
			 PROCOBSRV_KINDS_DEFAULT | PROCOBSRV_KIND_BIT(PROCOBSRV_EXISTING));
	assert_int_equal(observer->kernel_threads, 0);
	assert_int_equal(observer->buffer_size, 0);
	assert_int_equal(observer->max_args, 0);
	assert_true(observer->env == NULL);
	assert_true(observer->match == NULL);
	assert_true(observer->spill_directory == NULL);
	assert_int_equal(observer->spill_size, 1u << 30);
	assert_int_equal(observer->queue_size, 4u << 20);
}

static void test_empty(void **state)
{
	static const char *const texts[] = {"", "# nothing\n", "---\n", "{}", "~"};

	(void)state;
	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
		const struct configuration *configuration = parse(texts[index], NULL);
		check_initial(configuration);
		assert_int_equal(configuration->sink_count, 0);
		assert_false(configuration->readers.enabled);
		assert_false(configuration->metrics.enabled);
		configuration_unref(configuration);
	}
}

static void test_observer(void **state)
{
	const struct configuration *configuration = parse("observer:\n"
							  "  kinds: [start, exec_failed]\n"
							  "  kernel-threads: true\n"
							  "  buffer-size: 64M\n"
							  "  max-args: 4K\n"
							  "  env: [PATH, \"LANG\"]\n"
							  "  redact:\n    - default\n    - 'x-*'\n"
							  "  match: process.uid == 0\n"
							  "  spill-directory: /var/spill\n"
							  "  spill-size: 2G\n"
							  "  queue-size: 8M\n",
							  NULL);
	const struct configuration_observer *observer = &configuration->observer;

	(void)state;
	assert_int_equal(observer->kinds, PROCOBSRV_KIND_BIT(PROCOBSRV_START) |
					      PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC_FAILED));
	assert_true(observer->kernel_threads);
	assert_int_equal(observer->buffer_size, 64u << 20);
	assert_int_equal(observer->max_args, 4096);
	assert_string_equal(observer->env[0], "PATH");
	assert_string_equal(observer->env[1], "LANG");
	assert_true(observer->env[2] == NULL);
	assert_string_equal(observer->redact[1], "x-*");
	assert_string_equal(observer->match, "process.uid == 0");
	assert_string_equal(observer->spill_directory, "/var/spill");
	assert_true(observer->spill_size == 2ull << 30);
	assert_int_equal(observer->queue_size, 8u << 20);
	configuration_unref(configuration);
}

static void test_sinks(void **state)
{
	const struct configuration *configuration = parse("plain:\n"
							  "probe:\n"
							  "  - path: /a\n"
							  "    keep: 12h\n"
							  "    run: [one, 'two words']\n"
							  "    rate: 10/s\n"
							  "    match: process.name == \"sh\"\n"
							  "    kinds: [exit, lost]\n"
							  "    queue: 100\n"
							  "  - path: /b\n"
							  "  - path: /c\n"
							  "    name: third\n",
							  NULL);
	const struct configuration_sink *sink = configuration->sinks;

	(void)state;
	assert_int_equal(configuration->sink_count, 4);
	assert_true(sink[0].operations == &plain);
	assert_string_equal(sink[0].name, "plain");
	assert_int_equal(sink[0].kinds, PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC));
	assert_true(sink[0].match == NULL);

	assert_string_equal(sink[1].name, "probe");
	assert_string_equal(sink[1].values[0].text, "/a");
	assert_true(sink[1].values[1].number == 12 * 3600 * UINT64_C(1000000000));
	assert_true(sink[1].values[2].number == 2ull << 30);
	assert_int_equal(sink[1].values[2].line, 0);
	assert_int_equal(sink[1].values[3].count, 2);
	assert_string_equal(sink[1].values[3].list[1], "two words");
	assert_int_equal(sink[1].values[3].line, 5);
	assert_int_equal(sink[1].values[3].column, 10);
	assert_int_equal(sink[1].values[4].number, 100000000);
	assert_int_equal(sink[1].kinds,
			 PROCOBSRV_KIND_BIT(PROCOBSRV_EXIT) | PROCOBSRV_KIND_BIT(PROCOBSRV_LOST));
	assert_int_equal(sink[1].queue_count, 100);
	assert_string_equal(sink[1].match, "process.name == \"sh\"");

	assert_string_equal(sink[2].name, "probe-2");
	assert_int_equal(sink[2].kinds, PROCOBSRV_KINDS_ALL);
	assert_false(sink[2].values[4].set);
	assert_string_equal(sink[3].name, "third");
	configuration_unref(configuration);
}

static void test_places(void **state)
{
	const struct configuration *configuration =
	    parse("readers:\n  socket: /run/x\n  group: wheel\n  own-processes: true\n"
		  "  memory-size: 8M\n  count: 9\n"
		  "metrics:\n  listen: '[::1]:9100'\n",
		  NULL);

	(void)state;
	assert_true(configuration->readers.enabled && configuration->readers.own_processes);
	assert_string_equal(configuration->readers.socket, "/run/x");
	assert_string_equal(configuration->readers.group, "wheel");
	assert_int_equal(configuration->readers.memory_size, 8u << 20);
	assert_int_equal(configuration->readers.count, 9);
	assert_string_equal(configuration->metrics.address, "::1");
	assert_int_equal(configuration->metrics.port, 9100);
	assert_true(configuration->metrics.socket == NULL);
	configuration_unref(configuration);

	configuration = parse("metrics: {listen: 'unix:/run/m'}", NULL);
	assert_string_equal(configuration->metrics.socket, "/run/m");
	configuration_unref(configuration);
}

static void test_references(void **state)
{
	const struct configuration *configuration = parse("probe: {path: /a}", NULL);

	(void)state;
	assert_true(configuration_ref(configuration) == configuration);
	configuration_unref(configuration);
	assert_string_equal(configuration->sinks[0].values[0].text, "/a");
	configuration_unref(configuration);
	configuration_unref(NULL);
	assert_true(configuration_ref(NULL) == NULL);
}

static void test_equal(void **state)
{
	static const char *const others[] = {
	    "probe: {path: /b, run: [x, y]}",
	    "probe: {path: /a, run: [x, z]}",
	    "probe: {path: /a, run: [x]}",
	    "probe: {path: /a}",
	    "probe: {path: /a, run: [x, y], keep: 1d}",
	    "probe: {path: /a, run: [x, y], kinds: [exec]}",
	    "probe: {path: /a, run: [x, y], queue: 5}",
	    "probe: {path: /a, run: [x, y], match: process.pid == 1}",
	};
	const struct configuration *one = parse("probe: {path: /a, run: [x, y]}", NULL);
	const struct configuration *same = parse("probe: {run: ['x', 'y'], path: \"/a\"}", NULL);

	(void)state;
	assert_true(configuration_sink_equal(one->sinks, same->sinks));
	configuration_unref(same);
	for (size_t index = 0; index < sizeof(others) / sizeof(others[0]); index++) {
		const struct configuration *other = parse(others[index], NULL);
		assert_false(configuration_sink_equal(one->sinks, other->sinks));
		configuration_unref(other);
	}
	configuration_unref(one);
}

/* ---- what is wrong ---- */

struct mistake {
	const char *text;
	const char *complaints; /* all of them, in order */
};

static const struct mistake mistakes[] = {
    {"a: [\n", "2:1: did not find expected node content while parsing a flow node; it must be "
	       "YAML\n"},
    {"observer:\n\t- x\n", NULL},
    {"x\xff", "1:2: invalid leading UTF-8 octet; it must be YAML\n"},
    {"a: 1\n---\nb: 2\n", "1:1: there is no section 'a'; procobsrvd.conf(5) lists those there "
			  "are\n3:1: a second document begins; it must be one document\n"},
    {"- a\n", "1:1: the file must be a mapping: sections, each 'name:' and its settings\n"},
    {"prove: {path: /a}", "1:1: there is no section 'prove'; did you mean 'probe'?\n"},
    {"plain:\nplain:\n", "2:1: the section 'plain' is in line 1 already; it must be there once\n"},
    {"? [a]\n: b\n", "1:3: this is a list; it must be the name of a section\n"},
    {"observer: [kinds]", "1:11: observer must be a mapping: settings, each 'name: value'\n"},
    {"observer:\n  kind: [start]\n",
     "2:3: observer has no setting 'kind'; did you mean 'kinds'?\n"},
    {"observer:\n  kinds: [start]\n  kinds: [exec]\n",
     "3:3: observer has 'kinds' already in line 2; it must be there once\n"},
    {"observer: {kinds: [exce]}",
     "1:19: kinds: 'exce' is no kind of event; did you mean 'exec'?\n"},
    {"observer: {kinds: []}", "1:19: kinds: this list must have at least one entry\n"},
    {"observer: {kinds: exec}", "1:19: kinds: this must be a list: [one, two]\n"},
    {"observer: {env: [[a]]}", "1:18: this is a list; it must be some text\n"},
    {"observer: {env: ['']}", "1:18: env: an entry is empty; it must be some text\n"},
    {"observer: {kernel-threads: yes}", "1:28: kernel-threads: 'yes' is not true or false\n"},
    {"observer: {queue-size: 1}", "1:24: queue-size: '1' is too little; it must be at least 64K\n"},
    {"observer: {spill-directory: tmp}", "1:29: spill-directory: 'tmp' is not an absolute path\n"},
    {"observer: {spill-size: {a: b}}", "1:24: this is a mapping; it must be one value\n"},
    {"observer: {match: \"a\\0b\"}", "1:19: a NUL byte is in this; it must be one value\n"},
    {"observer:\n  match: process.uid ==\n", "2:10: match: column 15: a value is expected here\n"},
    {"probe: {keep: 1d}", "1:8: probe lacks the setting 'path'\n"},
    {"probe:\n  - path: /a\n  - keep: 1d\n", "3:5: probe lacks the setting 'path'\n"},
    {"probe: {path: /a, keep: 30x}",
     "1:25: keep: '30x' is not a number with ms, s, m, h or d at its end\n"},
    {"probe: {path: /a, keep: 10ms}", "1:25: keep: '10ms' is too little; it must be at least 1s\n"},
    {"probe: {path: /a, size: 2T}", "1:25: size: '2T' is too much; it must be at most 1T\n"},
    {"probe: {path: /a, queue: 0}", "1:26: queue: '0' is too little; it must be at least 1\n"},
    {"probe: {path: /a, rate: 0/s}",
     "1:25: rate: '0/s' is not a number from 1 with /s, /m or /h at its end\n"},
    {"probe:\n- {path: /a, name: x}\n- {path: /b, name: x}\n",
     "3:3: the sink in line 2 is called 'x' too; each must have a name of its own (name: ...)\n"},
    {"metrics: {listen: '0.0.0.0:9100'}",
     "1:19: listen: '0.0.0.0:9100' is no place of this machine; it must be unix:/PATH, "
     "127.0.0.1:PORT or [::1]:PORT\n"},
    {"metrics: {listen: '127.0.0.1:0'}", NULL},
    {"metrics: {listen: '127.0.0.1:65536'}", NULL},
    {"metrics: {listen: '127.0.0.1:-1'}", NULL},
    {"metrics: {listen: 'unix:relative'}", NULL},
    {"readers: {count: 0}", "1:18: count: '0' is too little; it must be at least 1\n"},
    {"x: &a [*a]\n", NULL},
    /* All of them, in the order of the file, whatever was found first. */
    {"observer:\n  match: ==\n  kernel-threads: 1\nreaders: {sock: /x}\n",
     "2:10: match: column 1: the name of a field is expected here\n"
     "3:19: kernel-threads: '1' is not true or false\n"
     "4:11: readers has no setting 'sock'; did you mean 'socket'?\n"},
    {"plain: \"\x01\"", NULL},
    {"observer: {\"a\\x1bb\": c}",
     "1:12: observer has no setting 'a?b'; procobsrvd.conf(5) lists those there are\n"},
};

static void test_mistakes(void **state)
{
	char complaints[4096];

	(void)state;
	for (size_t index = 0; index < sizeof(mistakes) / sizeof(mistakes[0]); index++) {
		const struct mistake *mistake = &mistakes[index];
		if (parse(mistake->text, complaints))
			fail_msg("taken: %s", mistake->text);
		if (mistake->complaints && strcmp(mistake->complaints, complaints) != 0)
			fail_msg("%s\nis complained of by\n%snot by\n%s", mistake->text, complaints,
				 mistake->complaints);
	}
}

/* What would take the parser an hour is refused at once: each depth costs it all before. */
static void test_deep(void **state)
{
	static const char *const repeated[] = {"[", "{a: ", "- ", "? "};
	size_t size = 1000000;
	char *text = malloc(size + 1), complaints[4096];

	(void)state;
	assert_non_null(text);
	for (size_t index = 0; index < sizeof(repeated) / sizeof(repeated[0]); index++) {
		size_t length = strlen(repeated[index]);
		for (size_t at = 0; at < size; at++)
			text[at] = repeated[index][at % length];
		text[size] = '\0';
		assert_null(parse(text, complaints));
		assert_non_null(strstr(complaints, "are in each other more than 16 deep\n"));
	}
	free(text);
}

static void test_files(void **state)
{
	const struct configuration *configuration = NULL;
	char complaints[4096] = "", path[] = "/tmp/procobsrv-configuration-XXXXXX";
	int descriptor = mkstemp(path);
	FILE *file = fdopen(descriptor, "w");

	(void)state;
	assert_int_equal(
	    configuration_read("/no/such/file", sinks, complain, complaints, &configuration),
	    PROCOBSRV_ERROR_NOT_FOUND);
	assert_non_null(strstr(procobsrv_explain(), "/no/such/file"));
	assert_true(file != NULL);
	for (int line = 0; line < 200000; line++)
		fputs("# much\n", file);
	fclose(file);
	assert_int_equal(configuration_read(path, sinks, complain, complaints, &configuration),
			 PROCOBSRV_ERROR_ARGUMENT);
	assert_string_equal(complaints, "");
	remove(path);
}

/* The file that is installed says what holds without it, but for what it switches on. */
static void test_shipped(void **state)
{
	const struct configuration *configuration = NULL;
	char complaints[4096] = "";

	(void)state;
	if (configuration_read(shipped, installed, complain, complaints, &configuration))
		fail_msg("%s: %s%s", shipped, procobsrv_explain(), complaints);
	check_initial(configuration);
	assert_true(configuration->readers.enabled);
	assert_int_equal(configuration->sink_count, 1);
	assert_string_equal(configuration->sinks[0].name, "record");
	assert_string_equal(configuration->observer.redact[0], "default");
	configuration_unref(configuration);
}

/* ---- the manual page ---- */

static char *read_page(void)
{
	char *text = calloc(1, 1 << 17);
	FILE *file = fopen(page, "r");

	assert_true(text && file);
	assert_true(fread(text, 1, (1 << 17) - 1, file) > 0);
	fclose(file);
	return text;
}

/* The part of the page about a section; the next one begins at *end. */
static const char *find_section(const char *text, const char *name, const char **end)
{
	char heading[64];

	snprintf(heading, sizeof(heading), "\n.Ss %s\n", name);
	const char *begin = strstr(text, heading);
	if (!begin)
		fail_msg("%s has no section %s", page, name);
	*end = strstr(begin + 1, "\n.Ss ");
	if (!*end)
		*end = begin + strlen(begin);
	return begin;
}

static void check_described(const char *text, const char *section, const char *setting)
{
	const char *end, *begin = find_section(text, section, &end);
	char item[64];

	snprintf(item, sizeof(item), "\n.It Cm %s\n", setting);
	const char *found = strstr(begin, item);
	if (!found || found > end)
		fail_msg("%s does not describe %s of %s", page, setting, section);
}

/* Each setting of each sink is described; and those of the other sections, which test_observer(),
 * test_sinks() and test_places() set. */
static void test_page(void **state)
{
	static const char *const others[][2] = {
	    {"observer", "kinds"},
	    {"observer", "match"},
	    {"observer", "kernel-threads"},
	    {"observer", "buffer-size"},
	    {"observer", "max-args"},
	    {"observer", "env"},
	    {"observer", "redact"},
	    {"observer", "queue-size"},
	    {"observer", "spill-directory"},
	    {"observer", "spill-size"},
	    {"Sinks", "name"},
	    {"Sinks", "match"},
	    {"Sinks", "kinds"},
	    {"Sinks", "queue"},
	    {"readers", "socket"},
	    {"readers", "group"},
	    {"readers", "own-processes"},
	    {"readers", "memory-size"},
	    {"readers", "count"},
	    {"metrics", "listen"},
	};
	char *text = read_page();

	(void)state;
	for (size_t index = 0; index < sizeof(others) / sizeof(others[0]); index++)
		check_described(text, others[index][0], others[index][1]);
	for (size_t index = 0; installed[index]; index++)
		for (const struct setting *setting = installed[index]->settings; setting->name;
		     setting++)
			check_described(text, installed[index]->name, setting->name);
	free(text);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),      cmocka_unit_test(test_observer),
	    cmocka_unit_test(test_sinks),      cmocka_unit_test(test_places),
	    cmocka_unit_test(test_references), cmocka_unit_test(test_equal),
	    cmocka_unit_test(test_mistakes),   cmocka_unit_test(test_deep),
	    cmocka_unit_test(test_files),      cmocka_unit_test(test_shipped),
	    cmocka_unit_test(test_page),
	};

	shipped = argc > 1 ? argv[1] : "packaging/linux/procobsrvd.conf";
	page = argc > 2 ? argv[2] : "docs/man/procobsrvd.conf.5";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
