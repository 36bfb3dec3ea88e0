#!/bin/sh
# SPDX-License-Identifier: MIT
# service.sh CONSCTL PROCOBSRVD: the service as an administrator meets it: what it says of its configuration,
# what a broken one does at a reload, how it ends, and that nothing is missed while it is away. In a mount
# namespace with a bpffs, /run and /var/lib of its own, so that it meets no other service.
. "$(dirname "$0")/service_room.sh"

events=$work/events.jsonl

configure() {
	cat >"$configuration"
}

# Others on the machine run tests too: ours are told by the mark.
mark=mark$$

run_tagged() {
	number=0
	while [ "$number" -lt "$2" ]; do
		env true "$mark-$1-$number-"
		number=$((number + 1))
	done
}

# count_record TAG: execs in the record with an argument that begins so.
count_record() {
	python3 - "$work/record.sqlite" "$mark-$1" <<-'END'
		import sqlite3, sys
		record = sqlite3.connect(sys.argv[1])
		print(record.execute(
		    "SELECT count(*) FROM execs JOIN texts ON texts.id = execs.argv "
		    "WHERE instr(texts.bytes, ?) = 1", (b"true\0" + sys.argv[2].encode(),)).fetchone()[0])
	END
}

# recorded TAG COUNT: soon there are so many, and not more.
has_recorded() { [ "$(count_record "$1")" -ge "$2" ]; }
recorded() { comes_true has_recorded "$@" && [ "$(count_record "$1")" -eq "$2" ]; }

# ---- the command line ----

try "$procobsrvd" --version
check '--version' ended_with 0
check '--version: says so' out '^procobsrvd [0-9]'
try "$procobsrvd" --help
check '--help: names the options' out '--check-config'
try "$procobsrvd" --nonsense
check 'an unknown option: status 2' ended_with 2
try "$procobsrvd" more
check 'a word too many: status 2' ended_with 2
try "$procobsrvd" --config "$work/none" --check-config
check 'no such file: status 1' ended_with 1
check 'no such file: it is named' err "$work/none"

configure <<END
observer:
  kinds: [start, exce]
json-lines:
  paht: $events
record:
  keep: 30x
END
try "$procobsrvd" --config "$configuration" --check-config
check 'a wrong file: status 1' ended_with 1
check 'a wrong file: three lines' out_lines 3
check 'a wrong file: a kind' out "^$configuration:2:10: .*'exec'"
check 'a wrong file: a name' out "^$configuration:4:3: .*'path'"
check 'a wrong file: a duration' out "^$configuration:6:9: .*a number with ms, s, m, h or d"
try "$procobsrvd" --config "$configuration"
check 'it does not start with it' ended_with 1

# ---- at work ----

configure <<END
record:
  path: $work/record.sqlite
json-lines:
  path: $events
END
try "$procobsrvd" --config "$configuration" --check-config
check 'a right file: status 0' ended_with 0
check 'a right file: not a word' out_lines 0
check 'it observes' serve
run_tagged first 50
check 'the record has what ran' recorded first- 50
check 'JSON lines too' wait_for "$events" '"true","mark[0-9]*-first-49-"'

# cap_chown, cap_dac_read_search, cap_sys_ptrace, cap_perfmon, cap_bpf
check 'few capabilities are left' grep -Eq '^CapEff:[[:space:]]+0*c000080005$' "/proc/$pid/status"
check 'nor more for what it runs' grep -Eq '^CapBnd:[[:space:]]+0*c000080005$' "/proc/$pid/status"
check 'a seccomp filter' grep -Eq '^Seccomp:[[:space:]]+2$' "/proc/$pid/status"
check 'no new privileges' grep -Eq '^NoNewPrivs:[[:space:]]+1$' "/proc/$pid/status"

try "$procobsrvd" --config "$configuration"
check 'a second one: status 1' ended_with 1
check 'a second one: names the first' err "runs already \\(pid $pid\\)"

# ---- reloads ----

cp "$configuration" "$work/right"
printf 'nonsense: 1\n' >>"$configuration"
kill -HUP "$pid"
check 'a broken file at a reload: its line' wait_for "$log" "^<3>$configuration:5:1: .*nonsense"
check 'a broken file at a reload: what was in force stays' wait_for "$log" 'in force stays'
run_tagged second 20
check 'it goes on' recorded second- 20

mv "$events" "$work/rotated"
cp "$work/right" "$configuration"
kill -HUP "$pid"
check 'a right file: is in force' wait_for "$log" 'is in force$'
run_tagged third 1
check 'files are opened anew' wait_for "$events" '"mark[0-9]*-third-0-"'
check 'those before are left alone' sh -c "! grep -q third-0- '$work/rotated'"

sed "s,events.jsonl,other.jsonl," "$work/right" >"$configuration"
printf 'observer:\n  env: [MARK]\n' >>"$configuration"
: >"$log"
run_tagged fourth 50 &
runs=$!
kill -HUP "$pid"
check 'another observer: is in force' wait_for "$log" 'is in force$'
wait "$runs"
MARK=seen env true "$mark-fifth-0-"
check 'another file' wait_for "$work/other.jsonl" '"mark[0-9]*-fifth-0-"'
check 'another observer: takes the variable' wait_for "$work/other.jsonl" '"MARK=seen"'
check 'another observer: nothing is missed meanwhile' recorded fourth- 50

cp "$configuration" "$work/another"
sed -i 's,^observer:,observer:\n  max-args: 500,' "$configuration"
mount -o remount,bind,ro /sys/fs/bpf
: >"$log"
kill -HUP "$pid"
check 'an observer that cannot be had: is told' wait_for "$log" '^<3>observer: .*that was in force stays'
check 'an observer that cannot be had: the last word' wait_for "$log" 'but for its section observer$'
MARK=still env true "$mark-further-0-"
check 'it goes on with the one before' wait_for "$work/other.jsonl" '"MARK=still"'
mount -o remount,bind,rw /sys/fs/bpf
cp "$work/another" "$configuration"

# ---- the end, and what happens while it is away ----

ended TERM
check 'SIGTERM: status 0' ended_with 0
check 'SIGTERM: the last line' sh -c "tail -1 '$log' | grep -q 'has ended'"
run_tagged sixth 50
check 'it starts again' serve
check 'what happened meanwhile is on record' recorded sixth- 50
run_tagged seventh 50 &
runs=$!
ended KILL
check 'SIGKILL: ends so' ended_with 137
run_tagged eighth 20
check 'it starts after that' serve
wait "$runs"
check 'a kill costs nothing' recorded seventh- 50
check 'nor does what was away' recorded eighth- 20
check 'nothing is told twice' recorded first- 50
# ---- a record that cannot be written holds the stream back, and a reload repairs it ----

sed "s,$work/record.sqlite,$work/no/record.sqlite," "$work/right" >"$configuration"
sed -i 's,^record:,record:\n  queue: 10,' "$configuration"
: >"$log"
kill -HUP "$pid"
check 'a place that does not exist: is told' wait_for "$log" "^<3>sink record: .*$work/no"
run_tagged ninth 30
cp "$work/right" "$configuration"
kill -HUP "$pid"
check 'a reload repairs it' wait_for "$log" 'sink record: works again'
check 'nothing is missed' recorded ninth- 30

sed "s,$work/record.sqlite,$work/no/record.sqlite," "$work/right" >"$configuration"
sed -i 's,^record:,record:\n  queue: 10,' "$configuration"
: >"$log"
kill -HUP "$pid"
wait_for "$log" '^<3>sink record: '
run_tagged tenth 30
cp "$work/right" "$configuration"
printf 'observer:\n  max-args: 1000\n' >>"$configuration"
kill -HUP "$pid"
check 'also together with another observer' recorded tenth- 30

sed "s,$work/record.sqlite,$work/no/record.sqlite," "$work/right" >"$configuration"
: >"$log"
kill -HUP "$pid"
wait_for "$log" '^<3>sink record: '
run_tagged eleventh 30
ended INT
check 'SIGINT, and what could not be written: status 0' ended_with 0
cp "$work/right" "$configuration"
check 'the next one starts' serve
check 'and has it' recorded eleventh- 30
ended TERM

try "$consctl" status
check 'the observer stays' out '^resident observer'
check 'its numbers add up' ended_with 0
try "$consctl" uninstall
check 'until it is removed' ended_with 0
try test ! -e /sys/fs/bpf/procobsrv
check 'which leaves nothing' ended_with 0

done_testing
