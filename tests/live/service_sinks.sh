#!/bin/sh
# SPDX-License-Identifier: MIT
# service_sinks.sh CONSCTL PROCOBSRVD: JSON lines over kills and rotations, and commands that would run for
# ever if their own doings counted. In a mount namespace with a bpffs, /run and /var/lib of its own.
. "$(dirname "$0")/service_room.sh"

events=$work/log.d/events.jsonl

# Others on the machine run tests too: theirs are told by the mark.
mark=mark$$

# Runs so many processes whose arguments bear the tag.
run_tagged() {
	number=0
	while [ "$number" -lt "$2" ]; do
		env true "$mark-$1-$number-"
		number=$((number + 1))
	done
}

all_files() { find "$work/log.d" -name 'events.jsonl*' | sort | { read -r first; cat; echo "$first"; }; }
count_execs() { all_files | xargs grep -h '"kind":"exec"' | grep -c "\"argv\":\\[\"true\",\"$mark-$1-"; }
fired() { [ "$(wc -l <"$work/fired")" -eq "$1" ]; }
daemons() {
	[ "$(all_files | xargs grep -h '"kind":"exec"' | grep -c "\"argv\":\[\"true\",\"$mark-of-a-daemon")" -eq "$1" ]
}
has_execs() { [ "$(count_execs "$1")" -ge "$2" ]; }

# What each command does matches too: at once, in a child, in one that has lost its parent, and in a daemon.
cat >"$work/react" <<END
#!/bin/sh
echo "\$2 \$PROCOBSRV_PPID \$(wc -c)" >>"\$1"
env true $mark-of-a-child
(env true $mark-of-a-child)
(sleep 0.2; env true $mark-of-an-orphan; setsid sh -c 'sleep 0.2; env true $mark-of-a-daemon' &) &
END
chmod 755 "$work/react"
cat >"$configuration" <<END
json-lines:
  path: $events
  rotate-size: 20K
  keep: 10000
on:
  match: process.name == "true" && process.argv ~ "$mark-*"
  kinds: [exec]
  run: [$work/react, $work/fired, '{process.pid}']
  rate: 1000/s
  burst: 1000
  at-most: 50
END
check 'it observes' serve
run_tagged first 5
check 'a command for each event' comes_true fired 5
# The last that each of them does. If that started one more, it would have before the next event does.
check 'what the commands do is seen' comes_true daemons 5
run_tagged next 1
check 'and what the next one does' comes_true daemons 6
check 'a command for none of its own' fired 6
# shellcheck disable=SC2016 # awk's own
check 'with the event on its standard input' awk '$3 < 300 { exit 1 }' "$work/fired"

# ---- kills ----

run_tagged second 100 &
storm=$!
sleep 0.2
ended KILL
wait "$storm"
check 'it observes after a kill' serve
run_tagged third 100 &
storm=$!
sleep 0.2
ended KILL
wait "$storm"
check 'it observes after another' serve
run_tagged fourth 100
comes_true has_execs fourth 100
ended TERM
check 'there is more than one file' test -n "$(find "$work/log.d" -name 'events.jsonl-*')"
for tag in second third fourth; do
	found=$(count_execs "$tag")
	check "each exec once: $tag ($found)" test "$found" -eq 100
done
# shellcheck disable=SC2046 # names without blanks
try "$consctl" verify $(all_files)
check 'consctl verify: complete' ended_with 0
check 'consctl verify: says so' out '^complete: [0-9]+ events$'

# ---- what is wrong is told, and the rest goes on ----

cat >"$configuration" <<END
json-lines:
  format: xml
on:
- run: [/bin/echo, '{process.name}']
END
try "$procobsrvd" --config "$configuration" --check-config
check 'settings that make no sense: status 1' ended_with 1
check 'a format' out "^$configuration:2:11: format: 'xml' is not json or ecs"
check 'an argument that could become an option' out "^$configuration:4:8: run: .*option"

cat >"$configuration" <<END
json-lines:
  path: $work/other.d/events.jsonl
on:
- name: wrong
  run: [/nonexistent]
- name: right
  match: process.name == "true" && process.argv ~ "$mark-*"
  kinds: [exec]
  run: [$work/react, $work/fired, x]
journal:
END
check 'it observes with sinks that fail' serve
run_tagged fifth 1
check 'a program that is not there' wait_for "$log" 'sink wrong: .*/nonexistent.*No such file'
check 'no journal' wait_for "$log" 'sink journal: .*start systemd-journald'
check 'the others go on' wait_for "$work/other.d/events.jsonl" '"true","mark[0-9]*-fifth-0-"'
check 'commands too' wait_for "$work/fired" '^x '
ended TERM
done_testing
