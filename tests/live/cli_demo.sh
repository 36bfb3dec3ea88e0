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
# (Nor does demo end them where the machine is slow.)
try env --ignore-signal=TERM "$consctl" demo -n 3 -- sh -c 'exit 7'
check 'demo: programs that end by themselves' ended_with 0
check 'demo: their status' out ' end .*  sh  status 7 '
try env --ignore-signal=TERM "$consctl" demo -n 2 -- sleep 50
check 'demo: programs that do not want to end are made to' out ' end .*  sleep  signal 9 '
try "$consctl" demo -- no-such-program-anywhere
check 'demo: no such program: status 1' ended_with 1
check 'demo: no such program: said' err "cannot start 'no-such-program-anywhere': No such file"

# Programs that ignore SIGTERM keep demo busy for two seconds: time to disturb it. Who was too late tries again.
have_started() { [ "$(grep -c ' start ' "$work/out")" -eq 20 ]; }
for signal in INT TERM KILL; do
	for _ in 1 2 3 4 5; do
		: >"$work/out"
		env --default-signal=INT --ignore-signal=TERM "$consctl" demo -n 20 -- sleep 50 \
			>"$work/out" 2>"$work/err" </dev/null &
		pid=$!
		comes_true have_started
		programs=$(sed -n 's/.* start *\([0-9]*\) .*/\1/p' "$work/out")
		kill -"$signal" "$pid" 2>/dev/null
		finish
		[ "$status" -eq 0 ] || break
	done
	check "demo, SIG$signal: fails" [ "$status" -ne 0 ]
	left=0
	for program in $programs; do
		gone "$program" || left=$((left + 1))
	done
	check "demo, SIG$signal: leaves no program behind" [ "$left" -eq 0 ]
done

sh -c 'sleep 1618; :' &
shell=$!
comes_true pgrep -P "$shell" -f '^sleep 1618$' >/dev/null
try "$consctl" list
check 'list: status 0' ended_with 0
check 'list: a process with its arguments' out "^ *[0-9]+ +$shell .* sleep 1618$"
check 'list: no kernel threads' sh -c "! grep -q '\[kthreadd\]$' '$work/out'"
try "$consctl" list --kernel-threads
check 'list --kernel-threads: has them' out '\[kthreadd\]$'
try "$consctl" list --match "process.ppid == $shell"
check 'list --match: what matches' out ' sleep 1618$'
check 'list --match: and nothing else' out_lines 2
try "$consctl" list --match 'process.pid =='
check 'list --match: a mistake is wrong usage' ended_with 2
try "$consctl" list -j --match 'process.argv =~ "^sleep 1618"'
check 'list -j: an object' out '^\{"schema":1,"kind":"existing",.*"argv":\["sleep","1618"\].*\}$'
try "$consctl" list -j
check 'list -j: in the order of their start' sh -c "grep -o '\"start\":\"[^\"]*\"' '$work/out' | LC_ALL=C sort -c"
try "$consctl" tree --match 'process.argv =~ "^sleep 1618"'
check 'tree --match: what matches' out ' sleep 1618$'
check 'tree --match: below its parent' out "^ *$shell +[^ ]+ +[0-9.]+ [a-z ]*(└─ |.- )?sh -c"
try env LC_ALL=C.UTF-8 "$consctl" tree
check 'tree: lines in UTF-8' out '└─ '
try env LC_ALL=C "$consctl" tree
check 'tree: lines in ASCII' sh -c "! LC_ALL=C grep -q '└' '$work/out' && grep -q '\`- ' '$work/out'"
kill "$(pgrep -P "$shell")"

try "$consctl" doctor
check 'doctor: status 0' ended_with 0
check 'doctor: looks at the machine' out '^.. +BTF '
check 'doctor: tries the backends' out '^ok +bpf +works, complete'
check 'doctor: tells what is taken' out "'watch' would take bpf"
try "$consctl" doctor -j
check 'doctor -j: status 0' ended_with 0
check 'doctor -j: one object' out '^\{"schema":1,"kind":"doctor","complete":true,'

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	# Where that user can reach it.
	cp "$consctl" "$work/copy"
	chmod 711 "$work" "$work/copy"
	chmod a+r "$work/copy"
	try setpriv --reuid=65534 --regid=65534 --clear-groups "$work/copy" watch --backend bpf --duration 0.1
	check 'without rights: status 1' ended_with 1
	check 'without rights: one line' err_lines 1
	check 'without rights: says what to do' err 'root|sudo|CAP_'
	try setpriv --reuid=65534 --regid=65534 --clear-groups "$work/copy" doctor
	check 'without rights: doctor ends' sh -c "[ $status -le 1 ]"
	check 'without rights: doctor says what is missing' out '^no +CAP_BPF +no'
fi

done_testing
