# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2034 # some are for who reads this file in
# What the cli_*.sh have in common: `. tap.sh` with the path of consctl as $1. Each check is a line
# of TAP; what it looked at is shown if it fails. Statuses, standard output and standard error of the
# last command are in $status, $work/out and $work/err.

# Signals that whoever started the tests ignores (nohup) would stay ignored in what they start.
if [ -z "${SIGNALS_ARE_DEFAULT-}" ] && env --default-signal true 2>/dev/null; then
	SIGNALS_ARE_DEFAULT=1
	export SIGNALS_ARE_DEFAULT
	exec env --default-signal "$0" "$@"
fi

consctl=$1
count=0
failed=0
status=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# Runs a command to its end.
try() {
	status=0
	"$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
}

# result NAME CODE: one check.
result() {
	count=$((count + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $count - $1"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count - $1"
	echo "# status $status"
	sed 's/^/# out: /' "$work/out" | head -20
	sed 's/^/# err: /' "$work/err" | head -20
}

# check NAME COMMAND...: the command is true.
check() {
	name=$1
	shift
	if "$@" >/dev/null 2>&1; then result "$name" 0; else result "$name" 1; fi
}

ended_with() { [ "$status" -eq "$1" ]; }
# out and err hold a line that matches an extended regular expression.
out() { grep -Eq -- "$1" "$work/out"; }
err() { grep -Eq -- "$1" "$work/err"; }
err_lines() { [ "$(wc -l <"$work/err")" -eq "$1" ]; }
out_lines() { [ "$(wc -l <"$work/out")" -eq "$1" ]; }

# Waits until a command is true, at most half a minute; who is in time waits no longer for that.
comes_true() {
	tries=0
	until "$@" 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || return 1
		sleep 0.05
	done
}

# Waits until a file holds a line that matches.
wait_for() { comes_true grep -Eq -- "$2" "$1"; }

# Starts consctl in the background as $pid, with its output in $work/out and $work/err, and waits
# until it watches.
start() {
	: >"$work/err"
	# What a shell without job control starts in the background ignores Ctrl-C.
	env --default-signal=INT "$consctl" "$@" >"$work/out" 2>"$work/err" </dev/null &
	pid=$!
	wait_for "$work/err" '^watching '
}

# Waits for what start started.
finish() {
	status=0
	wait "$pid" || status=$?
}

# Waits until a pid is gone; who has ended and is nobody's affair yet is.
is_gone() { ! kill -0 "$1" || grep -q '^State:.*Z' "/proc/$1/status"; }
gone() { comes_true is_gone "$1"; }

done_testing() {
	echo "1..$count"
	[ "$failed" -eq 0 ]
}
