# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the checks of packages have in common: each is a line, and what it looked at is shown if it fails.
passed=0
failed=0
skipped=0

# check NAME COMMAND...: the command is true. What it says goes to $work/said.
check() {
	local name=$1
	shift
	if "$@" >"$work/said" 2>&1; then
		passed=$((passed + 1))
		echo "passed   $name"
	else
		failed=$((failed + 1))
		echo "failed   $name"
		tail -n 30 "$work/said" | sed 's/^/         /'
		return 1
	fi
}

# What the last check said at its end: its figures.
tell() {
	tail -n 1 "$work/said" | sed 's/^/         /'
}

# same NAME WANTED FOUND: two texts.
same() {
	check "$1" diff <(printf '%s\n' "$2") <(printf '%s\n' "$3")
}

# Waits until a command is true, at most thirty seconds.
wait_until() {
	local until=$((SECONDS + 30))
	while [ "$SECONDS" -lt "$until" ]; do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	"$@"
}

finish() {
	[ -z "${TALLY:-}" ] || echo "$passed $failed $skipped" >>"$TALLY"
	echo
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}
