#!/bin/sh
# SPDX-License-Identifier: MIT
# Wrong usage, help, version, doctor.
. "$(dirname "$0")/cli.sh"

# wrong STATUS PATTERN ARGUMENT...: that status, one line on standard error, nothing else.
wrong() {
	expected=$1
	pattern=$2
	shift 2
	try consctl "$@"
	check "'$*' ends with $expected" ended_with "$expected"
	check "'$*' says so in one line" err_lines 1
	check "'$*' says what" err "^consctl: .*$pattern"
	check "'$*' writes nothing else" out_lines 0
}

wrong 2 "needs a verb"
wrong 2 "'wacth'; did you mean 'watch'" wacth
wrong 2 "no option '--bogus'" watch --bogus
wrong 2 "unknown 'yaml'" watch --format yaml
wrong 2 "unknown 'bpf'" watch --backend bpf
wrong 2 "number from 1" watch --count 0
wrong 125 "needs a command" run
wrong 125 "no option '--bogus'" run --bogus true

for arguments in --help 'watch --help' 'run --help' 'demo --help' 'install --help' 'doctor --help'; do
	# shellcheck disable=SC2086
	try consctl $arguments
	check "'$arguments' is fine" ended_with 0
	check "'$arguments' is an answer, not a complaint" err_lines 0
	check "'$arguments' tells the usage" out '^Usage: consctl '
done
try consctl --version
check '--version is fine' ended_with 0
check '--version tells the version' out '^consctl [0-9]+\.[0-9]+\.[0-9]+'
check '--version tells the backends' out '^backends: driver job service snapshot'

try consctl doctor
check 'doctor: status 0' ended_with 0
check 'doctor: tells of the driver' out '^ok +driver +works'
check 'doctor: tells what is taken' out "'watch' would take driver"
try consctl doctor -j
check 'doctor -j: one object' out '^\{"schema":1,"kind":"doctor",'
check 'doctor: the driver is gone' is_gone

done_testing
