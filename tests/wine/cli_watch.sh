#!/bin/sh
# SPDX-License-Identifier: MIT
# watch, run, list and tree, and that nothing is left of the driver that they have loaded.
. "$(dirname "$0")/cli.sh"

# Starts consctl in the background, as $pid, and waits until it watches.
begin() {
	: >"$work/err"
	# What a shell without job control starts in the background ignores Ctrl-C.
	env --default-signal=INT "$here/wine" --prefix "$prefix" --keep --limit "$limit" \
		'C:\test\consctl.exe' "$@" >"$work/out" 2>"$work/err" </dev/null &
	pid=$!
	wait_for "$work/err" '^watching '
}

# The console's Ctrl-C is a signal to the program itself, behind its wrappers.
interrupt() {
	program=$pid
	while child=$(pgrep -P "$program"); do program=$child; done
	kill -INT "$program"
}

# If the inner shell is gone before it can be told: once more.
for _ in 1 2 3 4 5 6 7 8; do
	check 'watch: listens' begin watch -j --count 4
	check 'watch: through the driver' err '^watching \(driver\)'
	observed cmd /c 'cmd /c exit 5' 2>"$work/forward"
	told_too_late "$work/forward" || break
	interrupt
	finish
done
finish
check 'watch --count: ends by itself' ended_with 0
check 'watch: two starts' [ "$(grep -c '"kind":"start"' "$work/out")" -eq 2 ]
check 'watch: two exits' [ "$(grep -c '"kind":"exit"' "$work/out")" -eq 2 ]
check 'watch: the exit code' out '"kind":"exit".*"exit":\{"code":5,'
check 'watch: the program' out '"kind":"start".*"exe":"C:\\\\windows\\\\system32\\\\cmd.exe"'
check 'watch: its arguments' out '"kind":"start".*"argv":\["cmd","/c","exit","5"\]'
check 'watch: its user' out '"kind":"start".*"sid":"S-1-5-'
check 'watch: who started it' out '"parent":\{"pid":[0-9]+,"id":"[^"]+","name":"cmd.exe"\}'
check 'watch: nothing was lost' err '^observed 4 delivered 4 filtered 0 lost 0'
check 'watch: the driver is gone' is_gone

try consctl watch --duration 1
check 'watch --duration: status 0' ended_with 0
check 'watch --duration: the driver is gone' is_gone

check 'watch, Ctrl-C: listens' begin watch
interrupt
finish
check 'watch, Ctrl-C: status 0' ended_with 0
check 'watch, Ctrl-C: the last line' err '^observed 0 delivered 0 filtered 0 lost 0'
check 'watch, Ctrl-C: the driver is gone' is_gone

# Two at once: the driver stays until the second one has gone.
check 'two: the one listens' begin watch --count 2
one=$pid
cp "$work/err" "$work/one"
try consctl watch --duration 1
check 'two: the other comes and goes' ended_with 0
observed cmd /c exit 0
pid=$one
finish
check 'two: the one has seen its two events' ended_with 0
check 'two: the driver is gone' is_gone

# A reader that closes its end, of which Wine tells whoever writes; nothing more is written here.
consctl watch -j --duration 3 2>"$work/err" </dev/null | head -1 >"$work/out"
check 'a closed pipe: the reader got the beginning' out '"kind":"begin"'
check 'a closed pipe: the driver is gone' is_gone

# The command goes on for a second: what stands in for the kernel tells ends a little late, and on a
# busy machine later than that.
for seconds in 1 5 25; do
	try observed_consctl run -- \
		cmd /c "cmd /c exit 4 & ping -n $((seconds + 1)) 127.0.0.1 >nul & exit 9"
	! out ' exit .* exit 4 ' || break
done
check "run: its command's status" ended_with 9
check 'run: the program below it' out ' exit .* exit 4 '
check 'run: the driver is gone' is_gone
# Of who has ended before it can be opened only the pid is told.
rm -f "$prefix/drive_c/test/run.jsonl"
for _ in 1 2 3 4 5 6 7 8; do
	try consctl run --backend job -j --output 'C:\test\run.jsonl' -- \
		cmd /c 'cmd /c exit 4 & exit 6'
	! grep -q '"code":4,' "$prefix/drive_c/test/run.jsonl" || break
done
check 'run --backend job: status' ended_with 6
check 'run --backend job: the program below it' \
	grep -q '"kind":"exit".*"exit":{"code":4,' "$prefix/drive_c/test/run.jsonl"
try consctl run -- no-such-program-anywhere
check 'run: no such program: 127' ended_with 127

try consctl list
check 'list: status 0' ended_with 0
check 'list: itself' out 'consctl\.exe" list'
try consctl list -j
check 'list -j: an object' out '^\{"schema":1,"kind":"existing",.*services\.exe'
try consctl tree
check 'tree: status 0' ended_with 0
check 'tree: who hosts the helper, below who started it' out '^ +[0-9]+ .*- .*winedevice\.exe'
check 'list and tree: the driver is gone' is_gone

done_testing
