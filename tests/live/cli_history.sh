#!/bin/sh
# SPDX-License-Identifier: MIT
# consctl history, timeline --since and tree --at, on a record whose content make_record.py says.
schema=$2
here=$(dirname "$0")
. "$(dirname "$0")/tap.sh"
TZ=UTC
export TZ

record=$work/record.sqlite
python3 "$here/make_record.py" "$schema" "$record" || exit 1
chmod 755 "$work"

ask() { try "$consctl" history --record "$record" "$@"; }
# lists N PATTERN...: N rows below the header, the n-th of which matches the n-th pattern.
lists() {
	[ "$(($(wc -l <"$work/out") - 1))" -eq "$1" ] || return 1
	shift
	row=1
	for pattern; do
		row=$((row + 1))
		sed -n "${row}p" "$work/out" | grep -Eq -- "$pattern" || return 1
	done
}
# bars FILE: how long each bar of a trace is, and whose.
bars() { grep -o '"dur":.*' "$1"; }

ask
check 'all: status 3, since events were lost' ended_with 3
check 'all: how many, said' err '^consctl: 19 events of that time were lost: this is not the whole story$'
check 'all: a header' out '^STARTED +USER +PID +PPID +TOOK END +COMMAND$'
check 'all: a line for each program that ran' lists 10
check 'all: what ran already began before' lists 10 '^2026-10-23 00:00:00 root +1 +0 +- - +/sbin/init$'
check 'all: whose, how long, how it ended' out \
	'^2026-11-21 09:05:00 [^ ]+ +1002 +1001 +999\.0 ms exit 1 +grep -r .two words. \.$'
check 'all: who was killed' out ' 59 min 59 s signal 9 +sleep 1d$'
check 'all: one program in the place of another' out ' 3\.0 ms exec +sh -c .\(exit 3\); exec backup --all.$'

# The examples of the manual.
ask --user 65534 --since 2026-11-21 --until 2026-11-22
check 'what did a user run on that day' lists 3 ' -bash$' ' grep ' ' sleep 1d$'
check 'no losses then: status 0' ended_with 0
check 'what it does not reach back to, said' err '^consctl: the record reaches back to 2026-11-21T06:00:00.000000000Z only$'
ask --since '2026-11-22 10:30' --until '2026-11-22 10:31' --running
check 'what ran during this minute' lists 5 ' /sbin/init$' 'sshd -D' ' sh -c ' ' backup --all$' ' tar '
ask --ancestors 1002
check 'who started this' lists 5 ' 1 .* /sbin/init$' ' 700 .*sshd' ' 1000 .*\(fork\).*sshd' ' 1001 .* -bash$' ' 1002 .* grep '
ask --ancestors 1001 --until '2026-11-22 10:30'
check 'ancestors of that pid then' lists 4 '/sbin/init$' 'sshd' 'fork' ' 1001 .* -bash$'
ask --ancestors 1001
check 'and of who bears it now' lists 3 '/sbin/init$' 'sshd' ' 1001 '
ask --ancestors 1102
check 'ancestors: what they ran when they started it' lists 3 '/sbin/init$' ' backup --all$' ' tar '

ask --since '2026-11-22 10:30' --until '2026-11-22 10:31'
check '--since, --until: what began' lists 3 ' sh -c ' ' backup --all$' ' tar '
ask --until '2026-11-21 12:00'
check '--until alone: from the beginning' lists 5 '/sbin/init$' 'sshd' ' -bash$' ' grep ' ' sleep '
ask --since 2026-11-22T13:00:00Z
check '--since alone: to the end' lists 1 ' ls -l$'
ask --since '2026-11-21 07:00' --until '2026-11-22 11:00'
check 'nothing is missing: nothing is said' err_lines 0
ask --name backup
check '--name' lists 1 ' backup --all$'
ask --name none
check '--name of nobody: only the header' lists 0
ask --exe /usr/bin/dash
check '--exe' lists 1 ' sh -c '
ask --exe /usr/bin/tar --name tar --user root
check 'all that is asked for' lists 1 ' tar '
ask --exe /usr/bin/tar --name ls
check 'and none else' lists 0
ask --pid 1001
check '--pid: each that bore it' lists 2 ' -bash$' ' 12345 '
ask --pid 1001 --until 2026-11-22
check '--pid --until: who bore it before' lists 1 ' -bash$'
ask --failed
check '--failed: in the order of their end' lists 3 ' exit 1 +grep ' ' signal 9 +sleep ' ' exit 2 +tar '
ask --failed --forks
check '--failed --forks' lists 4 ' grep ' ' sleep ' ' 1101 .* exit 3 +\(fork\) sh -c ' ' tar '
ask --failed --since '2026-11-21 10:00' --until 2026-11-22
check '--failed --since: what failed then' lists 1 ' sleep 1d$'
ask --forks --since 2026-11-22 --until '2026-11-22 11:00'
check '--forks' lists 4 ' sh -c ' ' 1101 .*\(fork\)' ' backup ' ' tar '
ask --limit 2
check '--limit: the last ones, in their order' lists 2 ' 12345 ' ' ls -l$'
ask -n 2 -r --since 2026-11-21
check '-n -r: newest first' lists 2 ' ls -l$' ' 12345 '
ask --reverse --until 2026-11-22
check '--reverse' lists 5 ' sleep ' ' grep ' ' -bash$' 'sshd' '/sbin/init$'
ask --tree 1100
check '--tree: all that descend from it' lists 4 ' sh -c ' ' 1101 ' ' backup ' ' tar '
identity=$("$consctl" history --record "$record" -j --pid 1001 --until 2026-11-22 2>/dev/null |
	sed -n 's/.*"kind":"exec".*"process":{"pid":1001,"id":"\([^"]*\)".*/\1/p')
ask --tree "$identity"
check '--tree ID' lists 3 ' -bash$' ' grep ' ' sleep '
ask --tree 700 --name ls
check '--tree --name' lists 1 ' ls -l$'
ask --match 'exit.signal == 9'
check '--match: by what is in its exit' lists 1 ' sleep 1d$'
ask --match 'kind == "exec_failed"'
check '--match: by an exec that failed' lists 1 ' sh -c '
ask --match 'process.argv =~ "two words" && kind == "exec"' --limit 1
check '--match --limit' lists 1 ' grep '

ask --match 'process.runtime == "docker" && process.container_id ~ "0123456789ab*"'
check '--match: by container' lists 1 ' ls -l$'
ask --pid 1001
check 'hostile names are escaped' out "'.x1b\]0;title.x07' .'a.nb' .'.xff.xfe'"
check 'no control character but the line ends' sh -c "! tr -d '\n' <'$work/out' | grep -qP '[\x00-\x1f\x7f]|\xe2\x80\xae'"
ask --pid 1001 -j
check 'the same as JSON: missing, and why' out '"missing":\[\{"field":"argv","reason":"truncated"\}\]'
check 'the same as JSON: bytes' out '"argv_base64":"'

ask -j
check 'json: status 3, since events were lost' ended_with 3
cp "$work/out" "$work/lines"
check 'json: as the schema has it' python3 "$here/validate.py" "$here/../../docs/event.schema.json" "$work/lines"
try "$consctl" verify "$work/lines"
check 'json: adds up but for the losses' out '^not complete: 22 events, 19 lost, 0 missing, 0 things that do not add up$'
check 'json: in the order of time' sh -c "sed -n 's/.*\"time\":\"\([^\"]*\)\",\"process\".*/\1/p' '$work/lines' | sort -c"
check 'json: an exec that failed' grep -q '"kind":"exec_failed".*"attempt":{"path":"/usr/bin/backup".*"ENOENT"' "$work/lines"
ask -j --since 2026-11-21 --until 2026-11-22
check 'json: nothing lost in that time' ended_with 0
try "$consctl" verify - <"$work/out"
ask --tree 1100 -j -o "$work/tree"
try "$consctl" verify "$work/tree"
check 'json: of a tree, into a file' out '^not complete: 10 events, 19 lost, 0 missing'
try "$consctl" tree --from "$work/tree"
check 'tree --from takes it' out ' 1102 .* tar -cf /dev/null /$'
try "$consctl" timeline --from "$work/tree" --format perfetto
check 'timeline --from takes it' out '"name":"backup"'
ask -j --match 'kind == "exit" && exit.code > 0'
check 'json: --match of events' [ "$(grep -c '"kind":"exit"' "$work/out") $(grep -c '"kind":"start"' "$work/out")" = '2 0' ]
ask --format ecs --pid 1002
check 'ecs: fields, types and values of the schema' python3 "$here/check_ecs.py" "$work/out" fork exec end observer-begin observer-end

try "$consctl" tree --record "$record" --at '2026-11-22 10:30:20'
check 'tree --at: who ran then' lists 4 ' 1 ' ' 700 ' ' 1100 .* backup --all$' ' 1102 .* tar '
try "$consctl" tree --record "$record" --at '2026-11-21 09:30'
check 'tree --at: with those that ended since' out ' signal 9 .* sleep 1d$'
try "$consctl" timeline --record "$record" --since 2026-11-22 --until '2026-11-22 11:00' --format perfetto
check 'timeline --since: status 0' ended_with 0
check 'timeline --since: what began then' sh -c "grep -q '\"name\":\"tar\"' '$work/out' && ! grep -q '\"name\":\"grep\"' '$work/out'"
check 'timeline --since: and from whom it descends, from then on' out '"ts":0\.000,.*"name":"systemd"'
check 'timeline --since: obeys the rules of trace events' python3 "$here/check_trace.py" "$work/out" 4
try "$consctl" timeline --record "$record" --since '2026-11-22 10:30:05' --until '2026-11-22 11:00' --format perfetto
check 'timeline --since: begins then, also in the midst of a life' out '"begin":"2026-11-22T10:30:05\.000000000Z"'
try "$consctl" timeline --record "$record" --since 2026-11-22 -o "$work/page.html"
check 'timeline --since: losses are said' err '19 events of that time were lost'
check 'timeline --since: a page' grep -q '^<!DOCTYPE html>' "$work/page.html"
try "$consctl" timeline --record "$record" --since 2026-11-22 --fail-on-loss -o "$work/page.html"
check 'timeline --fail-on-loss: 3' ended_with 3
try "$consctl" timeline --record "$record" --since 2026-11-22 --match 'process.name == "tar"' --format perfetto
check 'timeline --since --match: status 0' ended_with 0
check 'timeline --since --match: what matches, from its start to its end' out '"name":"tar".*"ph":"X"|"ph":"X".*"name":"tar"'
check 'timeline --since --match: nothing else' sh -c "! grep -Eq '\"name\":\"(systemd|backup|ls)\"' '$work/out'"
check 'timeline --since --match: losses are said all the same' err '19 events of that time were lost'
bars "$work/out" >"$work/bars"
ask --since 2026-11-22 --match 'process.name == "tar"' -j -o "$work/tar.jsonl"
try "$consctl" timeline --from "$work/tar.jsonl" --match 'process.name == "tar"' --format perfetto
check 'timeline --from what history wrote: the same bars' [ "$(bars "$work/out")" = "$(cat "$work/bars")" ]
ask --since '2026-11-22 10:30' --until '2026-11-22 10:31' -j -o "$work/minute.jsonl"
try "$consctl" timeline --from "$work/minute.jsonl" --format html
check 'timeline --from what history wrote: ends with --until' out '"duration":60000000000,'
try "$consctl" timeline --record "$record" --since 2026-11-22 --match 'name == "nobody"' --format perfetto
check 'timeline --since --match: nothing matches, 125' ended_with 125
check 'timeline --since --match: nothing matches, said' err 'tells of no event that matches --match in that time'
try "$consctl" timeline --record "$record" --since 2026-11-22 --match 'name ==' --format perfetto
check 'timeline --since --match: no expression, 125' ended_with 125

# Who is not root, as a member of the group would be: may read, and not write beside it.
if [ "$(id -u)" = 0 ]; then
	as_nobody() { try setpriv --reuid 65534 --regid 65534 --clear-groups "$consctl" history --record "$record" "$@"; }
	chmod 640 "$record"
	as_nobody
	check 'no permission: status 1' ended_with 1
	check 'no permission: said, with what to do' err 'is not yours to read: .*adduser USER procobsrv'
	chmod 644 "$record"
	as_nobody --name tar
	check 'a reader who may not write, nobody else has it open' lists 1 ' tar '
	# A writer that stays, with its log.
	python3 - "$record" "$work/go" <<'END' &
import os, sqlite3, sys, time
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE execs SET uid = 7 WHERE name = (SELECT name FROM processes WHERE pid = 1200)")
database.commit()
for suffix in ("-wal", "-shm"):
    os.chmod(sys.argv[1] + suffix, 0o644)
open(sys.argv[2], "w").close()
while os.path.exists(sys.argv[2]):
    time.sleep(0.02)
END
	writer=$!
	while [ ! -e "$work/go" ] && kill -0 "$writer"; do sleep 0.05; done
	as_nobody --user 7
	check 'a reader who may not write, beside a writer: what that has committed' lists 1 ' ls -l$'
	rm "$work/go"
	wait "$writer"
fi

# A clock with ticks: a family of one time.
python3 - "$here" "$schema" "$work/ticks.sqlite" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import make_record
record = make_record.Record(sys.argv[2], sys.argv[3])
parent = None
for pid in range(100, 120):
    parent = record.process(pid, make_record.DAY, parent, pid - 1)
    record.exec(parent, make_record.DAY, ["step", str(pid)], "/usr/bin/step")
record.close()
END
try "$consctl" history --record "$work/ticks.sqlite" -j
check 'of one time: parents before children' [ "$(grep -o '"kind":"start".*"pid":[0-9]*' "$work/out" |
	grep -Eo '"process":.{1}"pid":[0-9]+' | grep -Eo '[0-9]+' | tr '\n' ' ')" = "$(seq -s ' ' 100 119) " ]

# What is wrong.
try "$consctl" history --record "$work/nothing"
check 'no record: status 1' ended_with 1
check 'no record: said, with what to do' err "there is no record '.*nothing': procobsrvd keeps one .*--record FILE"
try "$consctl" history --record "$work/lines"
check 'a foreign file: status 1' ended_with 1
check 'a foreign file: said' err "cannot read the record '.*lines': file is not a database; is it a record that procobsrvd wrote"
try "$consctl" history --record "$work"
check 'a directory: status 1' ended_with 1
check 'a directory: said' err "is no record that procobsrvd wrote, but a directory"
mkfifo "$work/pipe"
try timeout 60 "$consctl" history --record "$work/pipe"
check 'a pipe: is not waited for' ended_with 1
check 'a pipe: said' err "but a pipe or device"
try "$consctl" history --record "$record" --since 2026-02-30
check 'a day that is none: status 2' ended_with 2
head -c 40000 "$record" >"$work/cut.sqlite"
try "$consctl" history --record "$work/cut.sqlite"
check 'a damaged record: status 1' ended_with 1
check 'a damaged record: said' err 'malformed'
cp "$record" "$work/newer.sqlite"
python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("PRAGMA user_version = 9")' "$work/newer.sqlite"
try "$consctl" history --record "$work/newer.sqlite"
check 'a newer schema: status 1' ended_with 1
check 'a newer schema: said' err 'has schema 9, and this version knows 1: it was written by a newer procobsrvd'
ask --user nosuchuser
check 'no such user: status 1' ended_with 1
check 'no such user: said' err '^consctl: --user nosuchuser: there is no such user'
ask --tree 4242
check 'no such pid: status 1' ended_with 1
check 'no such pid: said' err 'tells of no process 4242'
ask --ancestors no-such-id
check 'no such id: status 1' ended_with 1
ask --since soonish
check 'no time: status 2' ended_with 2
check 'no time: said' err "^consctl: --since soonish: must be a time as yesterday, 10:30, '2 hours ago'"
for wrong in '--since 11:00 --until 10:00' '--pid x' '--pid 0' '--limit 0' '--exe tar' '--name=' '--pid 1 --tree 1' \
	'--ancestors 1 --name x' '--running' '--running --since 10:00 --failed' '--match =' '--format html' 'operand'; do
	# shellcheck disable=SC2086 # words
	ask $wrong
	check "wrong: $wrong" ended_with 2
done
try "$consctl" timeline --since 10:00 -- true
check 'timeline: --since takes no command' ended_with 125
try "$consctl" timeline --since 10:00 --from x
check 'timeline: --since or --from' ended_with 125
try "$consctl" tree --at 10:00 --match 'pid > 1'
check 'tree --at takes no --match' ended_with 2
try "$consctl" tree --at soonish
check 'tree --at: no time' ended_with 2
for format in text json; do
	# shellcheck disable=SC2016 # for that shell
	try bash -c 'set -o pipefail; { sleep 0.1; "$0" history --record "$1" --until 2026-11-22 --format "$2"; } | true' "$consctl" "$record" "$format"
	check "nobody reads $format: status 0" ended_with 0
	check "nobody reads $format: nothing is said" err_lines 0
done
ask -o /dev/full
check 'a full disk: status 1' ended_with 1
check 'a full disk: said' err "cannot write to '/dev/full': No space left on device"

done_testing
