#!/bin/sh
# SPDX-License-Identifier: MIT
# The article's demonstration: ten programs start and end, ten times in a row.
. "$(dirname "$0")/cli.sh"

starts() { grep -cE ' start +[0-9]+  notepad\.exe' "$work/out"; }
ends() { grep -cE ' end +[0-9]+  notepad\.exe  status [0-9]+ ' "$work/out"; }

for round in 1 2 3 4 5 6 7 8 9 10; do
	try observed_consctl demo
	check "demo $round: status 0" ended_with 0
	check "demo $round: by the driver" err '^watching \(driver\)'
	check "demo $round: ten starts" [ "$(starts)" -eq 10 ]
	check "demo $round: ten ends" [ "$(ends)" -eq 10 ]
	check "demo $round: the last line" \
		out '^10 of 10 starts and 10 of 10 ends seen, 0 lost.?$'
	check "demo $round: the driver is gone" is_gone
done

try observed_consctl demo -n 3 -- cmd /c exit 7
check 'demo: programs that end by themselves' ended_with 0
check 'demo: their status' out ' end .*  cmd\.exe  status 7 '
try observed_consctl demo -- no-such-program-anywhere
check 'demo: no such program: status 1' ended_with 1
check 'demo: no such program: said' err "cannot start 'no-such-program-anywhere'"
check 'demo: and the driver is gone' is_gone

done_testing
