#!/bin/sh
# SPDX-License-Identifier: MIT
# What run passes on, waits for and ends with; that demo leaves nothing behind.
. "$(dirname "$0")/cli.sh"

# Arguments reach Windows programs in the locale's character set.
export LC_ALL=C.UTF-8

file=$prefix/drive_c/test/run.jsonl

# The exact values in the JSON lines, which grep would see escaped: an expression of Python.
events() {
	python3 - "$file" "$1" <<-'END'
		import json, sys
		with open(sys.argv[1], encoding="utf-8") as lines:
		    events = [json.loads(line) for line in lines]
		starts = [event["process"] for event in events if event["kind"] == "start"]
		codes = [event["exit"]["code"] for event in events if event["kind"] == "exit"]
		sys.exit(not eval(sys.argv[2]))
	END
}

# run_job ARGUMENT...: with its events in $file alone.
run_job() {
	rm -f "$file"
	try consctl run -j --backend job -o 'C:\test\run.jsonl' -- "$@"
}

run_job cmd /c 'exit 123456'
check 'the exit event has all bits of the status' events 'codes == [123456]'
check 'the status of consctl is that of the command' ended_with $((123456 % 256))
try consctl verify 'C:\test\run.jsonl'
check 'verify: complete' ended_with 0

# A program that needs more than a second to be set up is told without them.
for _ in 1 2 3 4 5; do
	# shellcheck disable=SC1003 # a backslash at the end is meant
	run_job 'C:\test\consctl.exe' --version 'a b' 'q"uote' 'back\slash\' 'both\"' '' 'ümlaut☺' '*'
	! events '"argv" in starts[0]' || break
done
check 'each argument arrives as it was given' events \
	'starts[0]["argv"][2:] == ["a b", "q\"uote", "back\\slash\\", "both\\\"", "", "ümlaut☺", "*"]'

begun=$(date +%s)
run_job cmd /c 'start /b ping -n 4 127.0.0.1 >NUL & exit 4'
check 'the whole tree is waited for' [ $(($(date +%s) - begun)) -ge 2 ]
check 'the status is the command'"'"'s, not the last one'"'"'s' ended_with 4
begun=$(date +%s)
try consctl run --backend job --wait command -- cmd /c 'start /b ping -n 100 127.0.0.1 >NUL & exit 5'
check '--wait command: does not wait for the tree' [ $(($(date +%s) - begun)) -lt 90 ]
check '--wait command: the status' ended_with 5

run_job Script.BAT 'x&calc'
check 'a script: status 126' ended_with 126
check 'a script: says how it is run' err 'cmd /c SCRIPT'
printf 'no program' >"$prefix/drive_c/test/text.exe"
run_job 'C:\test\text.exe'
check 'a file that is no program: status 126' ended_with 126

kill_consctl() {
	for pid in $(pgrep -x consctl.exe); do
		if grep -qz -x "WINEPREFIX=$prefix" "/proc/$pid/environ"; then kill -KILL "$pid"; fi
	done
}

# Killed, it leaves no program: the job ends them.
try consctl demo -n 2 --backend job -- ping -n 40 127.0.0.1
check 'demo: of programs without windows' ended_with 0
: >"$work/out"
windows 'C:\test\consctl.exe' demo -n 3 --backend job -- ping -n 2000 127.0.0.1 >"$work/out" 2>"$work/err" &
wait_for "$work/out" ' start '
kill_consctl
wait
lists_none() {
	try consctl list --backend snapshot
	ended_with 0 && ! out 'ping.* -n 2000'
}
# Wine hears of the end in its own time.
check 'demo, killed: leaves none of its programs' comes_true lists_none

# Killed, it leaves the driver loaded, and whoever uses that next removes it.
: >"$work/err"
windows 'C:\test\consctl.exe' watch --backend driver --duration 50 >"$work/out" 2>"$work/err" &
wait_for "$work/err" '^watching '
kill_consctl
wait
check 'watch, killed: the driver hears of it' comes_true is_unheard
try consctl watch --backend driver --duration 0.3
check 'watch after one that was killed: status 0' ended_with 0
check 'watch after one that was killed: the driver is gone' is_gone

done_testing
