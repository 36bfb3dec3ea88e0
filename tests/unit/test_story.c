/* SPDX-License-Identifier: MIT */
/* The story that consctl timeline, tree --from and run --summary tell, from JSON lines. */
#include "filter.h"
#include "format.h"
#include "harness.h"
#include "json_scan.h"
#include "line_event.h"
#include "sample_events.h"
#include "story.h"
#include "timeline.h"
#include "wall_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

static int open_story(void **state)
{
	struct story *story = malloc(sizeof(*story));

	if (!story)
		return 1;
	story_open(story);
	*state = story;
	return 0;
}

static int close_story(void **state)
{
	story_close(*state);
	free(*state);
	return 0;
}

static void add(struct story *story, const char *line)
{
	story_add_line(story, line, strlen(line));
	assert_false(story->failed);
}

/* One of process `id` at second `time`; `more` are members that follow. */
static void tell(struct story *story, const char *kind, const char *id, const char *parent,
		 int time, const char *more)
{
	char line[1024];

	snprintf(line, sizeof(line),
		 "{\"schema\":1,\"kind\":\"%s\",\"seq\":1,\"time\":\"2026-11-22T06:13:%02dZ\","
		 "\"process\":{\"pid\":%d,\"id\":\"%s\",\"name\":\"%s\",\"argv\":[\"%s\",\"x "
		 "y\"]},\"parent\":{\"pid\":1,\"id\":\"%s\"}%s}",
		 kind, time, id[0], id, id, id, parent, more);
	add(story, line);
}

static void exits(struct story *story, const char *id, const char *parent, int time)
{
	tell(story, "exit", id, parent, time,
	     ",\"exit\":{\"code\":0,\"signal\":0,\"cpu_ns\":500,\"max_rss_bytes\":4096}");
}

/* a runs from 0 to 10; b from 1 to 4, c from 2 to 9, d of c from 3 to 8. */
static void tell_family(struct story *story)
{
	tell(story, "start", "a", "0", 0, "");
	tell(story, "exec", "a", "0", 0, "");
	tell(story, "start", "b", "a", 1, "");
	tell(story, "start", "c", "a", 2, "");
	tell(story, "start", "d", "c", 3, "");
	exits(story, "b", "a", 4);
	exits(story, "d", "c", 8);
	exits(story, "c", "a", 9);
	exits(story, "a", "0", 10);
}

static void families(void **state)
{
	struct story *story = *state;

	tell_family(story);
	assert_int_equal(story->count, 4);
	assert_int_equal(story->processes[0].parent, STORY_NONE);
	assert_int_equal(story->processes[1].parent, 0);
	assert_int_equal(story->processes[3].parent, 2);
	assert_int_equal(story->processes[0].program_count, 2);
	assert_string_equal(story_program(&story->processes[3])->command, "d 'x y'");
	assert_int_equal(story_process_ns(story, &story->processes[3]), 5 * SECOND);
	assert_int_equal(story->end_ns - story->begin_ns, 10 * SECOND);
	assert_int_equal(story_root(story), 0);
	assert_int_equal(story->processes[0].cpu_ns, 500);
}

/* Who is re-parented stays with whom created it. */
static void orphans(void **state)
{
	struct story *story = *state;

	tell(story, "start", "a", "0", 0, "");
	tell(story, "start", "b", "a", 1, "");
	exits(story, "a", "0", 2);
	exits(story, "b", "0", 3);
	assert_int_equal(story->processes[1].parent, 0);
}

static void lanes_below_parents(void **state)
{
	struct story *story = *state;
	size_t lanes[4];

	tell_family(story);
	assert_int_equal(story_lanes(story, lanes), 4);
	assert_int_equal(lanes[0], 0);
	assert_int_equal(lanes[1], 1);
	assert_int_equal(lanes[2], 2);
	assert_int_equal(lanes[3], 3);
}

static void lanes_are_used_again(void **state)
{
	struct story *story = *state;
	size_t lanes[3];

	tell(story, "start", "a", "0", 0, "");
	tell(story, "start", "b", "a", 1, "");
	exits(story, "b", "a", 2);
	tell(story, "start", "c", "a", 2, "");
	exits(story, "c", "a", 3);
	assert_int_equal(story_lanes(story, lanes), 2);
	assert_int_equal(lanes[2], 1);
}

static void critical_path(void **state)
{
	static const struct {
		size_t process;
		int from;
		int to;
	} wanted[] = {{0, 0, 1}, {1, 1, 2}, {2, 2, 3}, {3, 3, 8}, {2, 8, 9}, {0, 9, 10}};
	struct story *story = *state;
	struct story_step *steps;
	size_t count;

	/* b ends before c begins to matter: it is on the path only if it ended before c began. */
	tell(story, "start", "a", "0", 0, "");
	tell(story, "start", "b", "a", 1, "");
	exits(story, "b", "a", 2);
	tell(story, "start", "c", "a", 2, "");
	tell(story, "start", "d", "c", 3, "");
	exits(story, "d", "c", 8);
	exits(story, "c", "a", 9);
	exits(story, "a", "0", 10);
	steps = story_critical_path(story, &count);
	assert_non_null(steps);
	assert_int_equal(count, sizeof(wanted) / sizeof(*wanted));
	for (size_t index = 0; index < count; index++) {
		assert_int_equal(steps[index].process, wanted[index].process);
		assert_int_equal(steps[index].from_ns - story->begin_ns,
				 wanted[index].from * SECOND);
		assert_int_equal(steps[index].to_ns - story->begin_ns, wanted[index].to * SECOND);
	}
	free(steps);
}

/* The clock was set back while b ran: who ended before it began has not been waited for. */
static void critical_path_of_a_clock_set_back(void **state)
{
	struct story *story = *state;
	struct story_step *steps;
	size_t count;

	tell(story, "start", "a", "0", 0, "");
	tell(story, "start", "b", "a", 6, "");
	exits(story, "b", "a", 3);
	exits(story, "a", "0", 10);
	steps = story_critical_path(story, &count);
	assert_non_null(steps);
	assert_int_equal(count, 1);
	assert_int_equal(steps[0].process, 0);
	free(steps);
}

static void figures(void **state)
{
	struct story *story = *state;
	struct story_figures figures;

	tell_family(story);
	tell(story, "exec_failed", "a", "0", 10, "");
	tell(story, "start", "e", "a", 10, "");
	tell(story, "exit", "e", "a", 11, ",\"exit\":{\"code\":0,\"signal\":9}");
	add(story, "{\"schema\":1,\"kind\":\"lost\",\"seq\":9,\"count\":7,\"time\":"
		   "\"2026-11-22T06:13:11Z\"}");
	assert_true(story_figures(story, &figures));
	assert_int_equal(figures.processes, 5);
	assert_int_equal(figures.peak, 4);
	assert_int_equal(figures.killed, 1);
	assert_int_equal(figures.failed, 0);
	assert_int_equal(figures.failed_execs, 1);
	assert_int_equal(figures.cpu_ns, 2000);
	assert_int_equal(figures.slowest[0], 0);
	assert_int_equal(figures.slowest[1], 2);
	assert_string_equal(figures.totals[0].name, "a");
	assert_int_equal(figures.totals[0].runs, 2);
	assert_int_equal(figures.totals[0].wall_ns, 10 * SECOND);
	assert_int_equal(story->lost, 7);
	story_figures_free(&figures);
}

static void others_lines(void **state)
{
	struct story *story = *state;

	add(story, "");
	add(story, "{}");
	add(story, "{\"schema\":1,\"kind\":\"start\"");
	add(story, "[1]");
	assert_int_equal(story->foreign, 4);
	add(story, "{\"schema\":1,\"kind\":\"weather\",\"process\":{\"id\":\"q\"}}");
	assert_int_equal(story->foreign, 4);
	assert_int_equal(story->count, 0);
	assert_false(story->newer);
	add(story, "{\"schema\":2,\"kind\":\"start\"}");
	assert_true(story->newer);
}

static void many_processes(void **state)
{
	struct story *story = *state;
	char id[16];

	for (int number = 0; number < 5000; number++) {
		snprintf(id, sizeof(id), "%d", number);
		tell(story, "start", id, "0", number % 60, "");
	}
	for (int number = 0; number < 5000; number++) {
		snprintf(id, sizeof(id), "%d", number);
		exits(story, id, "0", 59);
	}
	assert_int_equal(story->count, 5000);
	for (int number = 0; number < 5000; number++)
		assert_true(story->processes[number].end_ns);
}

/* Nothing that a process can be called ends the script or becomes an element. */
static void hostile_names(void **state)
{
	struct story *story = *state;
	struct buffer page = BUFFER_EMPTY;
	const char *data;
	const char *end;

	tell(story, "start", "</script><img src=x onerror=alert(1)>", "0", 0, "");
	tell(story, "start", "<!--<script>", "0", 0, "");
	timeline_append_html(story, "<b>&title", &page);
	buffer_append_character(&page, '\0');
	assert_false(page.failed);
	assert_null(strstr(page.data, "<img"));
	assert_null(strstr(page.data, "<b>"));
	assert_non_null(strstr(page.data, "<title>&lt;b&gt;&amp;title</title>"));
	data = strstr(page.data, "type=\"application/json\">");
	assert_non_null(data);
	end = strstr(data, "</script>");
	assert_non_null(end);
	assert_null(memchr(data, '<', (size_t)(end - data)));
	assert_non_null(strstr(data, "\\u003c/script>\\u003cimg"));
	buffer_free(&page);
}

static void decoded(const char *text, const char *wanted)
{
	const struct json_piece piece = {text, strlen(text), JSON_STRING};
	struct buffer buffer = BUFFER_EMPTY;

	json_piece_decode(&piece, &buffer);
	buffer_append_character(&buffer, '\0');
	assert_string_equal(buffer.data, wanted);
	buffer_free(&buffer);
}

static void json_strings(void **state)
{
	(void)state;
	decoded("plain", "plain");
	decoded("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t");
	decoded("a\\u00e4\\u20acb", "a\xc3\xa4\xe2\x82\xac"
				    "b");
	decoded("\\ud83d\\ude00", "\xf0\x9f\x98\x80");
	decoded("\\ud83dx", "\xef\xbf\xbdx");
	decoded("\\ude00", "\xef\xbf\xbd");
	decoded("\\ud83d\\u0041", "\xef\xbf\xbd"
				  "A");
	decoded("\\u0000", "\xef\xbf\xbd");
}

static void time_is(const char *text, int64_t wanted)
{
	int64_t time_ns = 0;

	assert_true(wall_time_read(text, strlen(text), &time_ns));
	assert_true(time_ns == wanted);
}

static void times(void **state)
{
	static const char *const wrong[] = {"",
					    "2026-11-22",
					    "2026-11-22T06:13Z",
					    "2026-13-22T06:13:00Z",
					    "2026-02-29T06:13:00Z",
					    "2100-02-29T06:13:00Z",
					    "2026-04-31T06:13:00Z",
					    "2026-11-00T06:13:00Z",
					    "2026-11-22T24:13:00Z",
					    "2026-11-22T06:13:00",
					    "2026-11-22T06:13:00.Z",
					    "2026-11-22T06:13:00Zx",
					    "2026-11-22T06:13:00+1:00"};
	int64_t time_ns;

	(void)state;
	time_is("1970-01-01T00:00:00Z", 0);
	time_is("2026-11-22T06:13:00.123456789Z", INT64_C(1795327980123456789));
	time_is("2026-11-22T07:13:00.5+01:00", INT64_C(1795327980500000000));
	time_is("2000-02-29T12:00:00Z", INT64_C(951825600000000000));
	time_is("1969-12-31T23:59:59Z", -SECOND);
	for (size_t index = 0; index < sizeof(wrong) / sizeof(*wrong); index++)
		assert_false(wall_time_read(wrong[index], strlen(wrong[index]), &time_ns));
}

#define NOW INT64_C(1795327980123456789)

static int64_t typed(const char *text)
{
	int64_t time_ns = 0;

	assert_true(wall_time_read_typed(text, NOW, NOW, &time_ns));
	return time_ns;
}

static bool lies_in(int64_t span_ns, int64_t least_hours, int64_t most_hours)
{
	return span_ns >= least_hours * 3600 * SECOND && span_ns <= most_hours * 3600 * SECOND;
}

static void typed_times(void **state)
{
	static const char *const wrong[] = {"",
					    "soon",
					    "06",
					    "-",
					    "-2",
					    "-2x",
					    "2h",
					    "ago",
					    "2 hours",
					    "-2h ago",
					    "2 hoursago",
					    "h ago",
					    "@",
					    "@x",
					    "@1.",
					    "@1x",
					    "today ",
					    "todayx",
					    "today 25:00",
					    "2026-11-22 ",
					    "2026-11-22 6:13",
					    "nowish",
					    "-99999999999999999999w",
					    "99999999999999999999h ago",
					    "@99999999999999999999"};
	int64_t time_ns = 77;

	(void)state;
	for (size_t index = 0; index < sizeof(wrong) / sizeof(*wrong); index++)
		assert_false(wall_time_read_typed(wrong[index], NOW, NOW, &time_ns));
	assert_int_equal(typed("06:13:00.25") % SECOND, SECOND / 4);
	assert_true(typed("2026-11-22 06:13") == typed("2026-11-22T06:13:00"));
	assert_true(typed("2026-11-22") == typed("2026-11-22 00:00"));
	assert_true(typed("now") == NOW);
	assert_true(typed("-2h") == NOW - 7200 * SECOND);
	assert_true(typed("2 hours ago") == typed("-2h"));
	assert_true(typed("1h30m ago") == NOW - 5400 * SECOND);
	assert_true(typed("1 day 2 hours ago") == NOW - 26 * 3600 * SECOND);
	assert_true(typed("-1w") == typed("7 days ago"));
	assert_true(typed("90sec ago") == typed("-1min 30s"));
	assert_true(typed("@1795328000.5") == INT64_C(1795328000500000000));
	/* Whatever the zone: a day has 23 to 25 hours. */
	assert_true(lies_in(NOW - typed("today"), 0, 25));
	assert_true(lies_in(typed("today") - typed("yesterday"), 23, 25));
	assert_true(lies_in(typed("yesterday 10:30") - typed("yesterday"), 9, 12));
	assert_true(typed("today 10:30") == typed("10:30"));
}

/* What the JSON writer wrote is read as what it was written of. */
static void events_of_lines(void **state)
{
	struct line_event event = {0};
	struct buffer line = BUFFER_EMPTY, again = BUFFER_EMPTY;
	size_t same = 0;

	(void)state;
	for (const struct procobsrv_event *const *sample = sample_events; *sample; sample++) {
		line.size = again.size = 0;
		format_json_event(&line, *sample);
		assert_true(line_event_read(&event, line.data, line.size - 1));
		format_json_event(&again, &event.event);
		buffer_append_character(&line, '\0');
		buffer_append_character(&again, '\0');
		/* Of bytes that are no UTF-8 the line has the exact ones besides. */
		if (strstr(line.data, "_base64"))
			continue;
		assert_string_equal(again.data, line.data);
		same++;
	}
	assert_true(same >= 8);
	buffer_free(&line);
	buffer_free(&again);
	line_event_free(&event);
}

static bool matches(const char *expression, const char *line)
{
	struct line_event event = {0};
	struct filter *filter;
	bool matched;

	assert_int_equal(filter_compile(expression, &filter), 0);
	assert_true(line_event_read(&event, line, strlen(line)));
	matched = filter_match(filter, &event.event);
	filter_free(filter);
	line_event_free(&event);
	return matched;
}

/* As of a reader that resumes: what is told lies before its begin. */
static void late_begin(void **state)
{
	static const char *const lines[] = {
	    "{\"schema\":1,\"kind\":\"begin\",\"time\":\"2026-11-22T07:00:00Z\"}",
	    "{\"schema\":1,\"kind\":\"existing\",\"time\":\"2026-11-22T05:00:00Z\","
	    "\"process\":{\"id\":\"a\",\"pid\":1,\"start\":\"2026-11-22T05:00:00Z\"}}",
	    "{\"schema\":1,\"kind\":\"exec\",\"time\":\"2026-11-22T06:00:00Z\","
	    "\"process\":{\"id\":\"b\",\"pid\":2,\"start\":\"2026-11-22T05:59:59Z\"}}",
	    "{\"schema\":1,\"kind\":\"exit\",\"time\":\"2026-11-22T06:30:00Z\","
	    "\"process\":{\"id\":\"b\",\"pid\":2}}",
	};
	struct story *story = *state;
	int64_t exec_ns = 0;

	for (size_t index = 0; index < sizeof(lines) / sizeof(*lines); index++)
		story_add_line(story, lines[index], strlen(lines[index]));
	assert_true(wall_time_read("2026-11-22T06:00:00Z", 20, &exec_ns));
	assert_int_equal(story->begin_ns, exec_ns);
	assert_int_equal(story->end_ns - story->begin_ns, 3600 * SECOND);
}

static void lines_match_expressions(void **state)
{
	static const char exec[] =
	    "{\"schema\":1,\"kind\":\"exec\",\"seq\":3,\"time\":\"2026-11-22T06:13:00Z\","
	    "\"process\":{"
	    "\"pid\":812,\"id\":\"a\",\"name\":\"cc1\",\"argv\":[\"cc1\",\"-E\",\"a.c\"],\"uid\":0,"
	    "\"cgroup\":\"18446744073709551615\",\"setuid\":true,\"unit\":\"x.service\","
	    "\"namespaces\":{\"pid\":7},\"missing\":[{\"field\":\"cwd\",\"reason\":\"gap\"}]},"
	    "\"parent\":{\"pid\":811,\"id\":\"b\",\"name\":\"gcc\"}}";
	static const char exit[] =
	    "{\"kind\":\"exit\",\"process\":{\"id\":\"a\"},\"exit\":{\"code\":3}}";
	struct line_event event = {0};

	(void)state;
	assert_true(matches("kind == \"exec\" && name == \"cc1\" && uid == 0", exec));
	assert_true(matches("argv ~ \"a.c\" && parent.name == \"gcc\" && setuid", exec));
	assert_true(matches("cgroup == 18446744073709551615 && unit ~ \"*.service\"", exec));
	assert_true(matches("namespaces.pid == 7 && missing == \"cwd\"", exec));
	assert_true(matches("time ~ \"2026-11-22T06:13:00*\"", exec));
	assert_false(matches("loginuid == 0", exec)); /* not told */
	assert_false(matches("secure", exec));
	assert_true(matches("exit.code > 2", exit));
	assert_false(matches("exit.code > 3", exit));
	assert_false(matches("exit.code > 2", exec));
	assert_false(line_event_read(&event, "{\"kind\":\"begin\"}", 16));
	assert_false(line_event_read(&event, "{\"kind\":\"exec\"", 14));
	assert_false(line_event_read(&event, "", 0));
	line_event_free(&event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(families, open_story, close_story),
	    cmocka_unit_test_setup_teardown(orphans, open_story, close_story),
	    cmocka_unit_test_setup_teardown(lanes_below_parents, open_story, close_story),
	    cmocka_unit_test_setup_teardown(lanes_are_used_again, open_story, close_story),
	    cmocka_unit_test_setup_teardown(critical_path, open_story, close_story),
	    cmocka_unit_test_setup_teardown(critical_path_of_a_clock_set_back, open_story,
					    close_story),
	    cmocka_unit_test_setup_teardown(figures, open_story, close_story),
	    cmocka_unit_test_setup_teardown(others_lines, open_story, close_story),
	    cmocka_unit_test_setup_teardown(many_processes, open_story, close_story),
	    cmocka_unit_test_setup_teardown(hostile_names, open_story, close_story),
	    cmocka_unit_test_setup_teardown(late_begin, open_story, close_story),
	    cmocka_unit_test(events_of_lines),
	    cmocka_unit_test(lines_match_expressions),
	    cmocka_unit_test(json_strings),
	    cmocka_unit_test(times),
	    cmocka_unit_test(typed_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
