#!/bin/sh
# SPDX-License-Identifier: MIT
# On a terminal (a pseudo terminal of script(1)): colour, width, Ctrl-C.
. "$(dirname "$0")/tap.sh"

escape=$(printf '\033')
# What is typed into the terminal; open for both, so that neither side waits for the other.
mkfifo "$work/keys"
exec 4<>"$work/keys"

# terminal COMMAND: runs a shell command on a terminal of 60 columns until it ends. `exec` before a
# command that is to be interrupted: a shell that waits for it would die of Ctrl-C itself.
terminal() {
	status=0
	# Where bytes are counted: what others on the machine run may not be ASCII.
	SHELL=/bin/sh TERM=xterm LC_ALL=C script -qefc "stty cols 60 -onlcr -echo; $1" "$work/out" >/dev/null 2>"$work/err" <&4 || status=$?
}
# Presses Ctrl-C once a line of the output matches.
press_control_c() {
	: >"$work/out"
	{
		wait_for "$work/out" "$1"
		printf '\003' >&4
	} &
}
narrow() {
	sed "s/$escape\[[0-9;]*m//g" "$work/out" | grep -v '^Script' |
		awk '/^[0-9:.]+ / && length($0) > 60 { exit 1 }'
}

# watched SETTING OPTIONS: watch on a terminal until it has told of five programs, which are run until then.
watched() {
	terminal "(while :; do env true an-argument-that-is-much-longer-than-the-terminal-is-wide-here; sleep 0.05; done) &
		$1 '$consctl' watch --kinds exec --count 5 $2; status=\$?; kill \$!; exit \$status"
}

watched '' ''
check 'terminal: status 0' ended_with 0
check 'terminal: coloured' grep -q "$escape\[" "$work/out"
check 'terminal: there are events' out '[0-9] [^ ]*exec'
check 'terminal: lines are cut to its width' narrow
watched NO_COLOR=1 ''
check 'NO_COLOR: no colour' sh -c "! grep -q '$escape\[' '$work/out'"
watched NO_COLOR= ''
check 'NO_COLOR that is empty: colour' grep -q "$escape\[" "$work/out"
watched '' '--color never'
check '--color never: no colour' sh -c "! grep -q '$escape\[' '$work/out'"
watched TERM=dumb ''
check 'TERM=dumb: no colour' sh -c "! grep -q '$escape\[' '$work/out'"
terminal "'$consctl' list"
check 'list: cut to the width too' sh -c "awk 'length(\$0) > 60 && !/^Script/ { exit 1 }' '$work/out'"

start watch --color always --count 1
env true
finish
check '--color always: colour in a file' grep -q "$escape\[" "$work/out"
start watch --match 'kind == "exec" && process.name == "env"' --count 1
env true "$(printf 'a\033[31mb\rc\nd\302\233e\342\200\256f')"
finish
check 'arguments cannot steer the terminal' sh -c "! LC_ALL=C grep -q '[$escape$(printf '\r\302\342')]' '$work/out'"
check 'arguments: one line' out_lines 2

press_control_c '^watching'
terminal "exec '$consctl' watch"
check 'Ctrl-C in watch: status 0' ended_with 0
check 'Ctrl-C in watch: the last line' out '^observed '
press_control_c '^working'
terminal "exec '$consctl' run -o '$work/run' -- sh -c 'trap \"exit 11\" INT; echo working; while :; do sleep 0.1; done'"
check "Ctrl-C in run: the command's own affair" ended_with 11
check 'Ctrl-C in run: the last line' out '^observed '
check 'Ctrl-C in run: the end was seen' grep -q ' exit 11 ' "$work/run"

done_testing
