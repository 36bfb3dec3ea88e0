-- SPDX-License-Identifier: MIT
-- The record of the service: SQLite, schema 1. Times are nanoseconds of the wall clock since 1970, UTC.
-- Columns that name a text hold texts.id. NULL: not known, or does not exist.

-- "cursor": of the last event in here that has a record of its own in the kernel's stream (its cursor
-- is "stream:position", behind which ":lost" is what that stream had lost by then); it is written in
-- the same transaction as the event. Besides: "created"
-- (time), "version" (of the program that made the file), "hash-key" (16 bytes: sinks/record_hash.h),
-- "believed-time" (time, by which age is told: sinks/record_clock.h),
-- "removed" (rows that retention has removed since texts were last looked through).
CREATE TABLE state (
	name TEXT PRIMARY KEY,
	value NOT NULL
) WITHOUT ROWID;

CREATE TABLE boots (
	id INTEGER PRIMARY KEY,
	boot TEXT NOT NULL UNIQUE, -- the boot id, or the part of it that begins identities
	host TEXT NOT NULL,
	last_ns INTEGER NOT NULL   -- of its last event: who has no end here ran until then, if the boot is over
);

-- Each string once. The bytes as the kernel knows them; argv and env: each string ended by NUL.
CREATE TABLE texts (
	id INTEGER PRIMARY KEY,
	hash INTEGER NOT NULL, -- record_hash() of the bytes: finds them, does not name them
	bytes BLOB NOT NULL
);
CREATE INDEX texts_hash ON texts (hash);

CREATE TABLE processes (
	id INTEGER PRIMARY KEY,
	identity TEXT NOT NULL,   -- process.id of the events
	boot INTEGER NOT NULL,    -- boots.id
	pid INTEGER NOT NULL,
	ppid INTEGER,
	parent INTEGER,           -- processes.id: who ppid named when it started
	creator INTEGER,          -- processes.id: only where another process created it
	origin INTEGER NOT NULL,  -- enum procobsrv_kind of what told of it first; 0: named as a parent only
	start_ns INTEGER,
	name INTEGER,             -- text: the latest known
	exe INTEGER,              -- text: of its last exec, or its parent's when it was forked
	uid INTEGER,              -- the latest known
	end_ns INTEGER,           -- NULL: has not ended, as far as is known; of an earlier boot: not known
	code INTEGER,             -- exit status; NULL with end_ns: not known
	signal INTEGER,           -- 0: none
	core_dumped INTEGER,
	duration_ns INTEGER,
	cpu_ns INTEGER,
	user_ns INTEGER,
	system_ns INTEGER,
	max_rss_bytes INTEGER,
	exec_id INTEGER           -- grows with each exec: tells which of them are in here
);
CREATE UNIQUE INDEX processes_identity ON processes (identity);
CREATE INDEX processes_start ON processes (start_ns);
CREATE INDEX processes_end ON processes (end_ns);
CREATE INDEX processes_pid ON processes (pid, start_ns);
CREATE INDEX processes_parent ON processes (parent);
CREATE INDEX processes_creator ON processes (creator) WHERE creator IS NOT NULL;
CREATE INDEX processes_uid ON processes (uid, start_ns);
CREATE INDEX processes_name ON processes (name, start_ns);
CREATE INDEX processes_failed ON processes (end_ns) WHERE code <> 0 OR signal <> 0;
-- Who ran at some time: those that began within ten seconds before it, and of those that took longer,
-- by the number of digits of how long, the ones that began so long before it.
CREATE INDEX processes_long ON processes (length(end_ns - start_ns), start_ns)
	WHERE end_ns - start_ns > 10000000000;

-- Programs that ran: one row an exec; and one (origin 1) for the program of a process that ran
-- already when observation began.
CREATE TABLE execs (
	id INTEGER PRIMARY KEY,
	process INTEGER NOT NULL, -- processes.id
	origin INTEGER NOT NULL,  -- enum procobsrv_kind: 3 exec, 1 existing
	time_ns INTEGER NOT NULL,
	name INTEGER,             -- these are texts
	exe INTEGER,
	argv INTEGER,
	cwd INTEGER,
	filename INTEGER,
	script INTEGER,
	interpreter INTEGER,
	env INTEGER,
	tty INTEGER,
	cgroup INTEGER,           -- its path
	container INTEGER,
	flags INTEGER NOT NULL,   -- enum procobsrv_process_flag
	uid INTEGER,
	gid INTEGER,
	euid INTEGER,
	egid INTEGER,
	loginuid INTEGER,
	session INTEGER,
	missing INTEGER           -- text: "field=reason" each ended by NUL
);
CREATE INDEX execs_process ON execs (process);
CREATE INDEX execs_time ON execs (time_ns);
CREATE INDEX execs_name ON execs (name, time_ns);
CREATE INDEX execs_exe ON execs (exe, time_ns);
CREATE INDEX execs_uid ON execs (uid, time_ns);

-- Execs that failed.
CREATE TABLE attempts (
	id INTEGER PRIMARY KEY,
	process INTEGER NOT NULL,
	time_ns INTEGER NOT NULL,
	path INTEGER,             -- text
	argv INTEGER,             -- text
	error INTEGER NOT NULL    -- errno
);
CREATE INDEX attempts_time ON attempts (time_ns);
CREATE INDEX attempts_process ON attempts (process);

-- Gaps: what was observed but could not be kept.
CREATE TABLE losses (
	id INTEGER PRIMARY KEY,
	cursor TEXT NOT NULL UNIQUE,
	time_ns INTEGER NOT NULL,
	from_ns INTEGER,
	to_ns INTEGER,
	count INTEGER NOT NULL,
	starts INTEGER NOT NULL,
	execs INTEGER NOT NULL,
	execs_failed INTEGER NOT NULL,
	exits INTEGER NOT NULL,
	unknown INTEGER NOT NULL,
	stage TEXT NOT NULL,
	reason TEXT NOT NULL
);
CREATE INDEX losses_time ON losses (time_ns);
