#!/bin/sh
# SPDX-License-Identifier: MIT
# demo, list, tree and doctor.
. "$(dirname "$0")/tap.sh"

try "$consctl" demo
check 'demo: status 0' ended_with 0
check 'demo: ten starts' [ "$(grep -cE ' start +[0-9]+  sleep$' "$work/out")" -eq 10 ]
check 'demo: ten ends' [ "$(grep -cE ' end +[0-9]+  sleep  signal 15 ' "$work/out")" -eq 10 ]
check 'demo: the last line' sh -c "tail -1 '$work/out' | grep -q '^10 of 10 starts and 10 of 10 ends seen, 0 lost$'"
try "$consctl" demo -n 200
check 'demo: 200 programs' out '^200 of 200 starts and 200 of 200 ends seen, 0 lost$'
try "$consctl" demo -n 3 -- sh -c 'exit 7'
check 'demo: programs that end by themselves' ended_with 0
check 'demo: their status' out ' end .*  sh  status 7 '
try "$consctl" demo -n 2 -- sh -c 'trap "" TERM; while :; do sleep 0.1; done'
check 'demo: programs that do not want to end are made to' out ' end .*  sh  signal 9 '
try "$consctl" demo -- no-such-program-anywhere
check 'demo: no such program: status 1' ended_with 1
check 'demo: no such program: said' err "cannot start 'no-such-program-anywhere': No such file"

start demo -n 5 -- sleep 3141
wait_for "$work/out" 'start'
kill -INT "$pid"
finish
check 'demo, interrupted: leaves no program behind' sh -c "! pgrep -f '^sleep 3141$'"
"$consctl" demo -n 50 -- sh -c 'trap "" TERM; exec sleep 2718' >"$work/out" 2>"$work/err" </dev/null &
pid=$!
wait_for "$work/err" '^watching '
sleep 0.1
kill -KILL "$pid"
status=0
wait "$pid" || status=$?
tries=0
while pgrep -f 'sleep 2718$' >/dev/null && [ "$tries" -lt 100 ]; do
	tries=$((tries + 1))
	sleep 0.05
done
check 'demo, killed: leaves no program behind' sh -c "! pgrep -f 'sleep 2718$'"

sh -c 'sleep 1618; :' &
shell=$!
sleep 0.2
try "$consctl" list
check 'list: status 0' ended_with 0
check 'list: a process with its arguments' out "^ *[0-9]+ +$shell .* sleep 1618$"
check 'list: no kernel threads' sh -c "! grep -q kthreadd '$work/out'"
try "$consctl" list --kernel-threads
check 'list --kernel-threads: has them' out '\[kthreadd\]$'
try "$consctl" list --match "process.ppid == $shell"
check 'list --match: what matches' out ' sleep 1618$'
check 'list --match: and nothing else' out_lines 2
try "$consctl" list --match 'process.pid =='
check 'list --match: a mistake is wrong usage' ended_with 2
try "$consctl" list -j --match 'process.argv =~ "^sleep 1618"'
check 'list -j: an object' out '^\{"schema":1,"kind":"existing",.*"argv":\["sleep","1618"\].*\}$'
try "$consctl" tree --match 'process.argv =~ "^sleep 1618"'
check 'tree --match: what matches' out ' sleep 1618$'
check 'tree --match: below its parent' out "^ *(└─ |.- )?$shell sh -c"
try env LC_ALL=C.UTF-8 "$consctl" tree
check 'tree: lines in UTF-8' out '└─ '
try env LC_ALL=C "$consctl" tree
check 'tree: lines in ASCII' sh -c "! LC_ALL=C grep -q '└' '$work/out' && grep -q '\`- ' '$work/out'"
pkill -P "$shell"

try "$consctl" doctor
check 'doctor: status 0' ended_with 0
check 'doctor: looks at the machine' out '^.. +BTF '
check 'doctor: tries the backends' out '^ok +bpf +works, complete'
check 'doctor: tells what is taken' out "'watch' would take bpf"
try "$consctl" doctor -j
check 'doctor -j: status 0' ended_with 0
check 'doctor -j: one object' out '^\{"schema":1,"kind":"doctor","complete":true,'

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	try setpriv --reuid=65534 --regid=65534 --clear-groups "$consctl" watch --backend bpf --duration 0.1
	check 'without rights: status 1' ended_with 1
	check 'without rights: one line' err_lines 1
	check 'without rights: says what to do' err 'root|sudo|CAP_'
	try setpriv --reuid=65534 --regid=65534 --clear-groups "$consctl" doctor
	check 'without rights: doctor ends' sh -c "[ $status -le 1 ]"
	check 'without rights: doctor says what is missing' out '^no +CAP_BPF +no'
fi

done_testing
