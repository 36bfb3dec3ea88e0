#!/bin/sh
# SPDX-License-Identifier: MIT
# Signals end watch cleanly; several watchers do not disturb each other; nothing stays loaded.
. "$(dirname "$0")/tap.sh"

summary='^observed [0-9]+ delivered [0-9]+ filtered [0-9]+ lost [0-9]+( pending [0-9]+)?$'
# The numbers of the eBPF programs that a process holds. Other watchers may run on the machine.
programs_of() {
	cat /proc/"$1"/fdinfo/* 2>/dev/null | sed -n 's/^prog_id:[[:space:]]*//p' | sort -un
}

if ! command -v bpftool >/dev/null; then
	echo 'Bail out! bpftool is missing'
	exit 1
fi
programs=

for signal in TERM INT HUP; do
	start watch
	programs="$programs $(programs_of "$pid")"
	env true
	kill -"$signal" "$pid"
	finish
	check "SIG$signal: status 0" ended_with 0
	check "SIG$signal: the last line" sh -c "tail -1 '$work/err' | grep -Eq '$summary'"
	check "SIG$signal: two lines on standard error" err_lines 2
done

: >"$work/err"
nohup "$consctl" watch >"$work/out" 2>"$work/err" </dev/null &
pid=$!
wait_for "$work/err" '^watching '
kill -HUP "$pid"
sleep 0.2
check 'nohup: SIGHUP does not end it' kill -0 "$pid"
kill -TERM "$pid"
finish
check 'nohup: SIGTERM does' ended_with 0

start watch -j
first=$pid
cp "$work/err" "$work/err1"
"$consctl" watch -j >"$work/out2" 2>"$work/err2" </dev/null &
second=$!
wait_for "$work/err2" '^watching '
check 'two at once: each has programs of its own' [ "$(programs_of "$first")" != "$(programs_of "$second")" ]
programs="$programs $(programs_of "$first") $(programs_of "$second")"
tag=cli-signals-$$
env true "$tag"
wait_for "$work/out" "\"argv\":\\[\"true\",\"$tag\"\\]"
kill -TERM "$first"
pid=$first
finish
check 'two at once: the first ends with 0' ended_with 0
env true "$tag-later"
check 'two at once: the second goes on' wait_for "$work/out2" "\"$tag-later\""
kill -TERM "$second"
pid=$second
finish
check 'two at once: the second ends with 0' ended_with 0
mv "$work/out" "$work/out1"
for file in out1 out2; do
	check "two at once: $file saw the exec once" [ "$(grep -c "\"kind\":\"exec\".*\"argv\":\\[\"true\",\"$tag\"\\]" "$work/$file")" -eq 1 ]
	try "$consctl" verify "$work/$file"
	check "two at once: $file is complete" ended_with 0
done

start watch
programs="$programs $(programs_of "$pid")"
kill -KILL "$pid"
finish
check 'SIGKILL: ends so' ended_with 137

# Reading nothing keeps the writer waiting: the first signal waits for it, a later one does not.
mkfifo "$work/fifo"
exec 3<>"$work/fifo"
: >"$work/err"
"$consctl" watch -j --kinds existing,exec --kernel-threads >"$work/fifo" 2>"$work/err" </dev/null &
pid=$!
wait_for "$work/err" '^watching '
number=0
while [ "$number" -lt 20 ]; do
	env true "$(printf '%020000d' 0)"
	number=$((number + 1))
done
kill -TERM "$pid"
sleep 1.5
check 'a writer that waits: the first signal waits with it' kill -0 "$pid"
# One that comes less than a second after the first was taken counts as the same.
ends_by_another() {
	kill -TERM "$pid"
	is_gone "$pid"
}
check 'a writer that waits: a later one ends it' comes_true ends_by_another
kill -KILL "$pid" 2>/dev/null
exec 3>&-
finish

# The kernel takes its time to free them.
nothing_stays() {
	for program in $programs; do
		! bpftool prog show id "$program" >/dev/null || return 1
	done
}
check 'there were programs' [ "$(echo "$programs" | wc -w)" -ge 12 ]
check 'nothing stays loaded' comes_true nothing_stays

done_testing
