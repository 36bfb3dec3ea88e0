#!/bin/sh
# SPDX-License-Identifier: MIT
# Wrong usage: one line that says what is wrong, and the right status.
. "$(dirname "$0")/tap.sh"

# wrong STATUS PATTERN ARGUMENT...: that status, one line on standard error, nothing else.
wrong() {
	expected=$1
	pattern=$2
	shift 2
	try "$consctl" "$@"
	check "'$*' ends with $expected" ended_with "$expected"
	check "'$*' says so in one line" err_lines 1
	check "'$*' says what" err "^consctl: .*$pattern"
	check "'$*' writes nothing else" out_lines 0
}

wrong 2 "needs a verb"
wrong 2 "no verb 'rat'; see 'consctl --help'" rat
wrong 2 "did you mean 'install'" instal
wrong 2 "'wacth'; did you mean 'watch'" wacth
wrong 2 "'zzz'; see 'consctl --help'" zzz
wrong 2 "did you mean '--version'" --verison
wrong 2 "did you mean '--help'" help
wrong 2 "did you mean '--version'" version
wrong 2 "no option '-j' before the verb; see" -j
wrong 2 "did you mean '--format'" watch --fromat json
wrong 2 "no option '-q'" watch -q
wrong 2 "no option '--wait'" watch --wait tree
wrong 2 "unknown 'yaml' \(known: text, json" watch --format yaml
wrong 2 "did you mean 'exit'" watch --kinds start,exti
wrong 2 "unknown ''" watch --kinds ''
wrong 2 "unknown ''" watch --kinds start,
wrong 2 "needs LIST" watch --kinds
wrong 2 "takes no argument" watch --json=yes
wrong 2 "takes no operand" watch everything
wrong 2 "unknown 'bfp', did you mean 'bpf'" watch --backend bfp
wrong 2 "number of bytes" watch --buffer-size 1T
wrong 2 "number of bytes" watch --buffer-size -1
wrong 2 "number of bytes" watch --buffer-size 99999999999G
wrong 2 "at least 4K" watch --buffer-size 1
wrong 125 "at least 4K" run --buffer-size 4095 true
wrong 2 "number of bytes" watch --max-args 0
wrong 2 "number from 1" watch --count 0
wrong 2 "number from 1" watch --count 18446744073709551616
wrong 2 "seconds" watch --duration 0
wrong 2 "seconds" watch --duration 1s
wrong 2 "consctl run --backend ptrace -- COMMAND" watch --backend ptrace
wrong 2 "consctl run --backend ptrace -- COMMAND" list --backend ptrace
wrong 2 "the match expression is empty" watch --match ''
wrong 2 "the match expression is empty" tree --match ' '
wrong 2 "names of variables" watch --env PATH,,HOME
wrong 2 "names of variables" watch --env PATH=x
wrong 2 "number from 1 to 10000" demo -n 10001
wrong 2 "needs a file" verify
wrong 2 "number of bytes" watch --max-args "$(printf '1\033[31m')"
check "control characters do not reach the terminal" err '1\?\[31m'
wrong 125 "needs a command" run
wrong 125 "no option '--bogus'" run --bogus true
wrong 125 "unknown 'forest'" run --wait forest true
wrong 125 '--user is about observing' timeline --from x --user
wrong 2 '--backend is about observing' tree --at 10:00 --backend proc

# expression PATTERN EXPRESSION: the mistake, the expression, and a caret.
for expression in 'process.pid ==' 'kind = "exec"' '(kind == "exec"' 'process.nmae == "x"' \
	'kind =~ "("' 'process.pid == "x"'; do
	try "$consctl" watch --match "$expression"
	check "--match '$expression' ends with 2" ended_with 2
	check "--match '$expression' shows the place" err '^ *\^'
	check "--match '$expression' shows the expression" grep -qF -- "$expression" "$work/err"
done
try "$consctl" run --match 'kind =' true
check "a wrong expression makes run end with 125" ended_with 125

for arguments in --help -h 'watch --help' 'run --help' 'demo -h' 'list --help' 'tree --help' \
	'doctor --help' 'verify --help' 'watch -j --help'; do
	# shellcheck disable=SC2086
	try "$consctl" $arguments
	check "'$arguments' is fine" ended_with 0
	check "'$arguments' is an answer, not a complaint" err_lines 0
	check "'$arguments' tells the usage" out '^Usage: consctl '
done
try "$consctl" --version
check "--version is fine" ended_with 0
check "--version tells the version" out '^consctl [0-9]+\.[0-9]+\.[0-9]+$'
check "--version tells the backends" out '^backends: '
try sh -c "'$consctl' --help >/dev/full"
check "an answer that cannot be written is a failure" ended_with 1
check "an answer that cannot be written is told" err 'No space left'

done_testing
