#!/bin/sh
# SPDX-License-Identifier: MIT
# service_kernels.sh CONSCTL PROCOBSRVD: what of the service depends on the kernel, with no program that a small
# machine lacks: observe, record, read along, reload, be killed and go on. With STEP_CLOCK=yes the machine's
# clock is set, too: for a machine that is only there for this.
. "$(dirname "$0")/service_room.sh"

record=$work/record.sqlite
answer=$work/answer
watched=$work/watched
port=9467
mark=mark$$

# Extra lines of the section observer, and of the file, are its arguments.
configure() {
	cat >"$configuration" <<-END
		observer:
		  max-args: 1M
		$1
		record:
		  path: $record
		  keep: 1h
		readers:
		  socket: /run/procobsrvd/socket
		  group: root
		metrics:
		  listen: 127.0.0.1:$port
		$2
	END
}

run_tagged() {
	number=0
	while [ "$number" -lt "$2" ]; do
		env true "$mark-$1-$number-"
		number=$((number + 1))
	done
}

# asked OPTIONS...: what the record answers, in $answer.
asked() {
	try "$consctl" history --record "$record" -j --output "$answer.part" "$@"
	mv "$answer.part" "$answer"
}
answers() { grep -Eq -- "$1" "$answer"; }
answers_no() { ! answers "$1"; }

# recorded TAG COUNT: within some time there are so many, and not more.
has_recorded() {
	asked --name true
	found=$(grep -Ec "\"kind\":\"exec\".*\"argv\":\\[\"true\",\"$mark-$1-" "$answer")
	[ "$found" -ge "$2" ]
}
recorded() { comes_true has_recorded "$@" && [ "$found" -eq "$2" ]; }

# tells PATH PATTERN: the metrics or the health do, within some time.
says() { wget -q -O - "http://127.0.0.1:$port$1" | grep -Eq -- "$2"; }
tells() { comes_true says "$@"; }

# set_clock SECONDS: since 1970; waits until what runs is told with that time.
is_set() {
	env true "$mark-clock-$1"
	asked --since -1h --until -0s
	answers "\"true\",\"$mark-clock-$1\""
}
set_clock() { date -s "@$1" >/dev/null && comes_true is_set "$1"; }

read_along() {
	: >"$work/said"
	"$consctl" watch --backend service -j --kinds exec,exit,lost >"$watched" 2>"$work/said" &
	watcher=$!
	wait_for "$work/said" '^watching '
}

read_no_more() {
	kill -TERM "$watcher"
	wait "$watcher"
	cat "$work/said"
}

reload() {
	: >"$log"
	kill -HUP "$pid"
	wait_for "$log" 'the configuration in .* is in force'
}

mkdir /run/procobsrvd
configure '' ''
check 'it observes' serve
check 'a reader' read_along
run_tagged first 20
sh -c 'exit 7' "$mark-failed"
check 'the record has what ran, once' recorded first 20
asked --failed --name sh
check 'and how it ended' answers '"kind":"exit".*"code":7'
check 'the reader has it too' wait_for "$watched" "\"true\",\"$mark-first-19-"
check 'metrics: all is counted, nothing lost' tells /metrics '^procobsrv_lost_events_total 0$'
check 'health: is well' tells /health '^ok$'
read_no_more

run_tagged second 20 &
runs=$!
ended KILL
run_tagged third 5
wait "$runs"
check 'it starts after a kill' serve
check 'a kill costs nothing' recorded second 20
check 'nor does what happened while it was away' recorded third 5
check 'nothing is told twice' recorded first 20
check 'a reader after that' read_along
run_tagged fourth 1
check 'has what happens then' wait_for "$watched" "\"true\",\"$mark-fourth-0-"
read_no_more

# Another program in the kernel: some kernels let only those load it who have more rights than the service kept.
configure "  env: [MARK]" ''
check 'another observer' reload
if grep -q 'but for its section observer' "$log"; then
	echo "# refused: $(grep '^<3>observer: ' "$log")"
	check 'refused: the log says why, and what to do' wait_for "$log" '^<3>observer: .*restart of the service'
	check 'refused: health mentions it' tells /health 'the last reload failed'
	check 'refused: metrics do' tells /metrics '^procobsrv_config_last_reload_successful 0$'
	run_tagged fifth 5
	check 'refused: it goes on as before' recorded fifth 5
	ended TERM
	check 'refused: it ends' ended_with 0
	check 'refused: a restart takes it' serve
else
	check 'taken: metrics say so' tells /metrics '^procobsrv_config_last_reload_successful 1$'
	run_tagged fifth 5
	check 'taken: nothing is missed' recorded fifth 5
fi
MARK=$mark-seen env true "$mark-sixth-"
check 'and it takes the variable' recorded sixth 1
check 'which is in the record' answers "MARK=$mark-seen"

configure "  env: [MARK]
  buffer-size: 1M" ''
check 'another size of the ring' reload
check 'is told' wait_for "$log" 'another buffer-size is taken when'
configure "  env: [MARK]
  buffer-size: 1M" "on:
- name: react
  run: [/bin/true]
  user: nobody"
echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >"$work/passwd"
cat /etc/passwd >>"$work/passwd"
mount --bind "$work/passwd" /etc/passwd
check 'the first command for another user' reload
check 'is refused, and told' wait_for "$log" '^<3>sink react: .*restart it'
check 'metrics say so' tells /metrics '^procobsrv_sink_up[{].*"react".* 0$'
run_tagged seventh 5
check 'the rest goes on' recorded seventh 5

if [ "${STEP_CLOCK-}" = yes ]; then
	now=$(date +%s)
	year=31536000
	check 'a clock a year ahead' set_clock $((now + year))
	run_tagged ahead 5
	check 'a clock a year ahead: what runs then is on record' recorded ahead 5
	sleep 3
	check 'a clock a year ahead: what ran before still is' recorded first 20
	asked --since -1h
	check 'a clock a year ahead: the last hour has what runs' answers "\"true\",\"$mark-ahead-4-"
	check 'a clock a year ahead: and only that' answers_no "\"true\",\"$mark-first-"
	check 'a clock that is set back' set_clock $((now + 20))
	run_tagged back 5
	check 'set back: what runs is on record' recorded back 5
	asked --since -1h --until -0s
	check 'set back: the last hour has what ran before' answers "\"true\",\"$mark-first-0-"
	check 'set back: and what runs' answers "\"true\",\"$mark-back-4-"
	check 'set back: not what ran in a year' answers_no "\"true\",\"$mark-ahead-"
	asked --name true
	check 'no process ran for a year' answers_no '"duration_ns":[0-9]{16}'
	sleep 2
	check 'and nothing is gone' recorded first 20
fi

ended TERM
check 'SIGTERM: status 0' ended_with 0
umount -l /etc/passwd
try "$consctl" status
check 'the observer stays' out '^resident observer'
check 'its numbers add up' ended_with 0
try "$consctl" uninstall
check 'until it is removed' ended_with 0
done_testing
