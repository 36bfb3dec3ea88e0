#!/bin/sh
# SPDX-License-Identifier: MIT
# Where watch's lines go, and what happens when they cannot go there.
. "$(dirname "$0")/tap.sh"

summary='^observed [0-9]+ delivered [0-9]+ filtered [0-9]+ lost [0-9]+( pending [0-9]+)?$'

# Processes to be seen, while the watcher that was started last runs; `true` as a program.
noise() {
	while kill -0 "$pid" 2>/dev/null; do
		env true
		sleep 0.02
	done
}

start watch -j --count 5
noise
finish
check '--count: status 0' ended_with 0
check '--count: exactly so many events' [ "$(grep -vcE '"kind":"(begin|end)"' "$work/out")" -eq 5 ]
check '--count: begins with begin' sh -c "head -1 '$work/out' | grep -q '\"kind\":\"begin\"'"
check '--count: ends with end' sh -c "tail -1 '$work/out' | grep -q '\"kind\":\"end\"'"
check '--count: the last line' sh -c "tail -1 '$work/err' | grep -Eq '$summary'"
check '--count: two lines on standard error' err_lines 2
cp "$work/out" "$work/file"
try "$consctl" verify "$work/file"
check '--count: verify finds it complete' ended_with 0

try "$consctl" watch --duration 0.3
check '--duration: status 0' ended_with 0
check '--duration: the last line' err "$summary"
check '--duration: no escape sequences where no terminal is' sh -c "! grep -q '$(printf '\033')' '$work/out'"

start watch --match "kind == \"exec\" && process.name == \"env\" && process.ppid == $$" --count 1
noise
finish
check 'text: users are named' out "^[0-9:.]+ exec +[0-9]+ +[0-9]+ +$(id -un | cut -c 1-5)"

TMPDIR=/nowhere
export TMPDIR
try "$consctl" watch --duration 0.1
check 'a TMPDIR that cannot be used: told at the start' err 'watching \(.*lost: cannot .*/nowhere'
check 'a TMPDIR that cannot be used: watches' ended_with 0
unset TMPDIR
try "$consctl" watch --duration 0.1
check 'a TMPDIR that can be used: nothing is told of it' sh -c "! grep -q 'will be lost' '$work/err'"

umask 000
start watch -j --output "$work/new"
env true
check '--output: flushed while it runs' wait_for "$work/new" '"kind":"exec"'
kill -TERM "$pid"
finish
check '--output: SIGTERM ends it with 0' ended_with 0
check '--output: nothing on standard output' out_lines 0
check '--output: a new file is for its owner alone' [ "$(stat -c %a "$work/new")" = 600 ]
umask 022
try "$consctl" verify "$work/new"
check '--output: complete' ended_with 0
lines=$(wc -l <"$work/new")
printf '{"schema":1,"kind":"st' >>"$work/new"
try "$consctl" watch -j -o "$work/new" --duration 0.1
check '--output: an existing file is appended to' [ "$(wc -l <"$work/new")" -ge $((lines + 3)) ]
check '--output: half a line is ended first' sh -c "sed -n $((lines + 1))p '$work/new' | grep -q '\"kind\":\"st\$'"
ln -s new "$work/link"
try "$consctl" watch -o "$work/link" --duration 0.1
check '--output: a symbolic link is refused' ended_with 1
check '--output: says why' err 'symbolic link'
check '--output: in one line' err_lines 1
try "$consctl" watch -o "$work/none/file" --duration 0.1
check '--output: no such directory: status 1' ended_with 1
check '--output: no such directory: said in one line' err_lines 1

start watch -j -o "$work/log"
number=0
while [ "$number" -lt 5 ]; do
	env true
	mv "$work/log" "$work/log.$number"
	kill -HUP "$pid"
	wait_for "$work/log" '"kind":"begin"'
	number=$((number + 1))
done
env true
kill -TERM "$pid"
finish
check 'SIGHUP: ends with 0' ended_with 0
try "$consctl" verify "$work/log.0" "$work/log.1" "$work/log.2" "$work/log.3" "$work/log.4" "$work/log"
check 'SIGHUP: the parts together are complete' ended_with 0
try "$consctl" verify "$work/log.1"
check 'SIGHUP: a part alone is not' ended_with 3
start watch -j -o "$work/log"
mv "$work/log" "$work/moved"
mkdir "$work/log"
kill -HUP "$pid"
check 'SIGHUP: a file that cannot be opened is told' wait_for "$work/err" 'Is a directory'
env true
kill -TERM "$pid"
finish
check 'SIGHUP: and the old one stays in use' grep -q '"kind":"end"' "$work/moved"

for format in text json; do
	start watch --format "$format" --output /dev/full
	noise
	finish
	check "full disk, $format: status 1" ended_with 1
	check "full disk, $format: said once" [ "$(grep -c 'No space left' "$work/err")" -eq 1 ]
	check "full disk, $format: the last line" err "$summary"
done
try sh -c "'$consctl' watch -j --duration 0.2 >/dev/full"
check 'full standard output: status 1' ended_with 1
check 'full standard output: said' err 'cannot write to standard output: No space left'
try sh -c "'$consctl' watch -j --duration 0.2 >&-"
check 'closed standard output: status 1' ended_with 1
check 'closed standard output: said' err 'cannot write to standard output: Bad file descriptor'
try sh -c "'$consctl' list >/dev/full"
check 'list, full standard output: status 1' ended_with 1
check 'list, full standard output: said in one line' err_lines 1

try sh -c "{ '$consctl' watch -j; echo \$? >'$work/code'; } | head -1"
check 'closed pipe: one line came' out_lines 1
check 'closed pipe: status 0' [ "$(cat "$work/code")" = 0 ]
check 'closed pipe: no complaint, the last line' err_lines 2
try sh -c "{ '$consctl' watch --match 'process.pid == 1'; echo \$? >'$work/code'; } | true"
check 'closed pipe of a quiet stream: ends' [ "$(cat "$work/code")" = 0 ]
try sh -c "{ '$consctl' tree; echo \$? >'$work/code'; } | true"
check 'closed pipe of tree: no complaint' err_lines 0

try "$consctl" watch --count 1 --spill-directory "$work/none"
check 'no spill directory: told before anything is lost' ended_with 1
check 'no spill directory: says which' err "$work/none.*No such file"

done_testing
