/* SPDX-License-Identifier: MIT */
/* The story from JSON lines, as watch and run write them. */
#include "../json_scan.h"
#include "../wall_time.h"
#include "command.h"
#include "format.h"

#include <string.h>

/* What is read of a line. Texts lie in the story's scratch, one after the other; since that may
 * move, they are places in it until all have come. 0: not told. */
struct reader {
	struct story *story;
	struct story_news news;
	bool known; /* the kind */
	bool ended;
	uint64_t schema;
	size_t id;
	size_t parent_id;
	size_t creator_id;
	size_t name;
	size_t exe;
	size_t command;
	size_t cwd;
	struct buffer arguments; /* each ended by NUL */
	size_t argument_count;
};

static size_t take_text(struct reader *reader, const struct json_piece *value)
{
	struct buffer *scratch = &reader->story->scratch;
	size_t place = scratch->size;

	if (value->type != JSON_STRING)
		return 0;
	json_piece_decode(value, scratch);
	buffer_append_character(scratch, '\0');
	return place;
}

/* 0: not told. Nothing was observed before 1970: so the distance of any two times has room. */
static int64_t take_time(const struct json_piece *value)
{
	int64_t time_ns;

	if (value->type != JSON_STRING || !wall_time_read(value->text, value->size, &time_ns))
		return 0;
	return time_ns > 0 ? time_ns : 0;
}

static uint64_t take_number(const struct json_piece *value)
{
	uint64_t number = 0;

	json_piece_unsigned(value, &number);
	return number;
}

static void on_argument(const struct json_piece *value, void *param)
{
	struct reader *reader = param;

	if (value->type != JSON_STRING)
		return;
	json_piece_decode(value, &reader->arguments);
	buffer_append_character(&reader->arguments, '\0');
	reader->argument_count++;
}

static size_t take_command(struct reader *reader, const struct json_piece *value)
{
	struct buffer *scratch = &reader->story->scratch;
	size_t place = scratch->size;

	reader->arguments.size = 0;
	reader->argument_count = 0;
	if (value->type != JSON_ARRAY ||
	    !json_scan_array(value->text, value->size, on_argument, reader) ||
	    !reader->argument_count || reader->arguments.failed)
		return 0;
	story_append_command(reader->story, &reader->arguments, reader->argument_count, scratch);
	buffer_append_character(scratch, '\0');
	return place;
}

static void on_process(const struct json_piece *key, const struct json_piece *value, void *param)
{
	struct reader *reader = param;

	if (json_piece_is(key, "id"))
		reader->id = take_text(reader, value);
	else if (json_piece_is(key, "pid"))
		reader->news.pid = (uint32_t)take_number(value);
	else if (json_piece_is(key, "start"))
		reader->news.start_ns = take_time(value);
	else if (json_piece_is(key, "name"))
		reader->name = take_text(reader, value);
	else if (json_piece_is(key, "exe"))
		reader->exe = take_text(reader, value);
	else if (json_piece_is(key, "argv"))
		reader->command = take_command(reader, value);
	else if (json_piece_is(key, "cwd"))
		reader->cwd = take_text(reader, value);
	else if (json_piece_is(key, "uid")) {
		reader->news.has_uid = true;
		reader->news.uid = (uint32_t)take_number(value);
	}
}

static void on_parent(const struct json_piece *key, const struct json_piece *value, void *param)
{
	struct reader *reader = param;

	if (json_piece_is(key, "id"))
		reader->parent_id = take_text(reader, value);
}

static void on_creator(const struct json_piece *key, const struct json_piece *value, void *param)
{
	struct reader *reader = param;

	if (json_piece_is(key, "id"))
		reader->creator_id = take_text(reader, value);
}

static void on_exit_member(const struct json_piece *key, const struct json_piece *value,
			   void *param)
{
	struct story_news *news = &((struct reader *)param)->news;

	if (json_piece_is(key, "code")) {
		news->has_status = true;
		news->code = (uint32_t)take_number(value);
	} else if (json_piece_is(key, "signal")) {
		news->signal = (uint32_t)take_number(value);
	} else if (json_piece_is(key, "core_dumped")) {
		news->core_dumped = value->type == JSON_TRUE;
	} else if (json_piece_is(key, "cpu_ns")) {
		news->has_usage = true;
		news->cpu_ns = take_number(value);
	} else if (json_piece_is(key, "max_rss_bytes")) {
		news->max_rss_bytes = take_number(value);
	}
}

static void take_kind(struct reader *reader, const struct json_piece *value)
{
	static const struct {
		const char *name;
		enum procobsrv_kind kind; /* 0: of no process */
	} kinds[] = {
	    {"existing", PROCOBSRV_EXISTING},  {"start", PROCOBSRV_START},
	    {"exec", PROCOBSRV_EXEC},	       {"exec_failed", PROCOBSRV_EXEC_FAILED},
	    {"exit", PROCOBSRV_EXIT},	       {"lost", PROCOBSRV_LOST},
	    {"begin", (enum procobsrv_kind)0}, {"end", (enum procobsrv_kind)0},
	};

	for (size_t index = 0; index < sizeof(kinds) / sizeof(*kinds); index++) {
		if (!json_piece_is(value, kinds[index].name))
			continue;
		reader->known = true;
		reader->news.kind = kinds[index].kind;
		reader->ended = !strcmp(kinds[index].name, "end");
		return;
	}
}

static void on_member(const struct json_piece *key, const struct json_piece *value, void *param)
{
	struct reader *reader = param;

	if (json_piece_is(key, "schema"))
		reader->schema = take_number(value);
	else if (json_piece_is(key, "kind"))
		take_kind(reader, value);
	else if (json_piece_is(key, "time"))
		reader->news.time_ns = take_time(value);
	else if (json_piece_is(key, "count"))
		reader->news.lost = take_number(value);
	else if (value->type != JSON_OBJECT)
		return;
	else if (json_piece_is(key, "process"))
		json_scan(value->text, value->size, on_process, reader);
	else if (json_piece_is(key, "parent"))
		json_scan(value->text, value->size, on_parent, reader);
	else if (json_piece_is(key, "creator"))
		json_scan(value->text, value->size, on_creator, reader);
	else if (json_piece_is(key, "exit"))
		json_scan(value->text, value->size, on_exit_member, reader);
}

static const char *text_at(const struct reader *reader, size_t place)
{
	return place ? reader->story->scratch.data + place : NULL;
}

static void tell(struct reader *reader)
{
	struct story_news *news = &reader->news;

	news->id = text_at(reader, reader->id);
	news->parent_id =
	    text_at(reader, reader->creator_id ? reader->creator_id : reader->parent_id);
	news->program = (struct story_program){
	    .name = text_at(reader, reader->name),
	    .exe = text_at(reader, reader->exe),
	    .command = text_at(reader, reader->command),
	    .cwd = text_at(reader, reader->cwd),
	};
	if (news->kind != PROCOBSRV_LOST)
		news->lost = 0;
	/* Who resumes, or asks a record, says begin after what is told. */
	if (news->id && news->kind != PROCOBSRV_EXISTING && news->time_ns &&
	    news->time_ns < reader->story->begin_ns)
		reader->story->begin_ns = news->time_ns;
	story_add(reader->story, news);
}

void story_add_line(struct story *story, const char *line, size_t size)
{
	struct reader reader = {.story = story, .arguments = BUFFER_EMPTY};

	/* Place 0 is no place. */
	story->scratch.size = 0;
	buffer_append_character(&story->scratch, '\0');
	if (!json_scan(line, size, on_member, &reader) || !reader.schema) {
		story->foreign++;
	} else if (reader.schema > FORMAT_SCHEMA) {
		story->newer = true;
	} else if (story->scratch.failed || reader.arguments.failed) {
		story->failed = true;
	} else if (reader.known) {
		/* What another reader had seen before does not belong to the story. */
		story->ended = reader.ended;
		tell(&reader);
	}
	buffer_free(&reader.arguments);
}
