/* SPDX-License-Identifier: MIT */
/* The options of history. */
#include "consctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool take_text(const char *option, const char *value, const char **text)
{
	if (!*value) {
		complain("--%s: needs a value", option);
		return false;
	}
	*text = value;
	return true;
}

static bool take_record(struct settings *settings, const char *value)
{
	return take_text("record", value, &settings->history.record);
}

static bool take_since(struct settings *settings, const char *value)
{
	return take_text("since", value, &settings->history.since);
}

static bool take_until(struct settings *settings, const char *value)
{
	return take_text("until", value, &settings->history.until);
}

static bool take_name(struct settings *settings, const char *value)
{
	return take_text("name", value, &settings->history.name);
}

static bool take_exe(struct settings *settings, const char *value)
{
	if (*value != '/') {
		complain("--exe %s: must be a whole path as /usr/bin/ssh; --name takes a name",
			 value);
		return false;
	}
	settings->history.exe = value;
	return true;
}

static bool take_user(struct settings *settings, const char *value)
{
	return take_text("user", value, &settings->history.user);
}

static bool take_pid(struct settings *settings, const char *value)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;
	if (!number || errno || *end || number > UINT32_MAX) {
		complain("--pid %s: must be the number of a process", value);
		return false;
	}
	settings->history.pid = (uint32_t)number;
	return true;
}

static bool take_tree(struct settings *settings, const char *value)
{
	return take_text("tree", value, &settings->history.tree);
}

static bool take_ancestors(struct settings *settings, const char *value)
{
	return take_text("ancestors", value, &settings->history.ancestors);
}

static bool take_failed(struct settings *settings, const char *value)
{
	(void)value;
	settings->history.failed = true;
	return true;
}

static bool take_forks(struct settings *settings, const char *value)
{
	(void)value;
	settings->history.forks = true;
	return true;
}

static bool take_running(struct settings *settings, const char *value)
{
	(void)value;
	settings->history.running = true;
	return true;
}

static bool take_reverse(struct settings *settings, const char *value)
{
	(void)value;
	settings->history.reverse = true;
	return true;
}

static bool take_limit(struct settings *settings, const char *value)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = *value >= '0' && *value <= '9' ? strtoull(value, &end, 10) : 0;
	if (!number || errno || *end || number > 1000000000) {
		complain("--limit %s: must be a number from 1 to 1000000000", value);
		return false;
	}
	settings->history.limit = number;
	return true;
}

const struct option option_record = {"record", 0, "FILE",
				     "the record to ask (default: that of procobsrvd,\n"
				     "/var/lib/procobsrv/record.sqlite)",
				     take_record};
const struct option option_since = {
    "since", 0, "TIME",
    "what began at TIME or later: yesterday, 10:30, '2 hours ago', -2h,\n"
    "'2026-11-22 06:13', 2026-11-22T06:13:00Z",
    take_since};
const struct option option_until = {"until", 0, "TIME", "what began before TIME", take_until};
const struct option option_name = {"name", 0, "NAME", "what bore this name, as ps -o comm has it",
				   take_name};
const struct option option_exe = {"exe", 0, "PATH", "runs of this program", take_exe};
const struct option option_user = {"user", 0, "USER", "runs by this user, a name or a number",
				   take_user};
const struct option option_pid = {"pid", 0, "PID", "what ran under this pid", take_pid};
const struct option option_tree = {"tree", 0, "PID|ID",
				   "the process and all that descend from it; of several that\n"
				   "bore the pid, the last one that began before --until",
				   take_tree};
const struct option option_ancestors = {
    "ancestors", 0, "PID|ID", "who started it, who started that, ...; the same goes for the pid",
    take_ancestors};
const struct option option_failed = {
    "failed", 0, NULL,
    "what ended by a signal or with another status than 0; --since and\n"
    "--until are then about its end",
    take_failed};
const struct option option_forks = {"forks", 0, NULL,
				    "also processes that ran no program of their own", take_forks};
const struct option option_running = {
    "running", 0, NULL, "also what began before --since and still ran then", take_running};
const struct option option_limit = {"limit", 'n', "N", "the last N of them", take_limit};
const struct option option_reverse = {"reverse", 'r', NULL, "the newest first", take_reverse};
