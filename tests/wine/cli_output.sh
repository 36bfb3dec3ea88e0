#!/bin/sh
# SPDX-License-Identifier: MIT
# Where lines go, and what happens when they cannot go there.
. "$(dirname "$0")/cli.sh"

file=$prefix/drive_c/test/output.jsonl
rm -f "$file"

try consctl watch -j --backend snapshot --duration 0.3 -o 'C:\test\output.jsonl'
check 'a new file: status 0' ended_with 0
check 'a new file: begins with begin' sh -c "head -1 '$file' | grep -q '\"kind\":\"begin\"'"
check 'a new file: is nothing to others' [ -z "$(find "$file" -perm /007)" ]
try consctl watch -j --backend snapshot --duration 0.3 -o 'C:\test\output.jsonl'
check 'a file that is there: appended to' [ "$(grep -c '"kind":"begin"' "$file")" -eq 2 ]
check 'line ends are those of every system' sh -c "! grep -q '$(printf '\r')' '$file'"
try consctl verify 'C:\test\output.jsonl'
check 'verify: both runs are complete' ended_with 0

printf '{"half' >"$file"
try consctl watch -j --backend snapshot --duration 0.3 -o 'C:\test\output.jsonl'
check 'a file that was cut off: goes on with a line of its own' [ "$(head -1 "$file")" = '{"half' ]
check 'a file that was cut off: is written to its end' \
	sh -c "tail -1 '$file' | grep -q '\"kind\":\"end\"'"
try consctl verify 'C:\test\output.jsonl'
check 'a file that was cut off: verify tells' ended_with 3

try consctl watch -j --backend snapshot --duration 0.3 -o 'Z:\dev\full'
check 'a full disk: status 1' ended_with 1
check 'a full disk: says what and why' err "^consctl: cannot write to 'Z:.dev.full': Disk full$"
try consctl watch -j --backend snapshot --duration 0.3 -o 'C:\no\such\place'
check 'no such folder: status 1' ended_with 1
check 'no such folder: says so' err "^consctl: cannot write to 'C:.no.such.place': Path not found$"
try consctl verify 'C:\test\none.jsonl'
check 'verify of no file: status 1' ended_with 1
check 'verify of no file: says so' err "^consctl: cannot read 'C:.test.none.jsonl': File not found$"
try consctl verify 'C:\test'
check 'verify of a folder: says so' err "^consctl: cannot read 'C:.test': Is a directory$"

status=0
consctl list >/dev/full 2>"$work/err" || status=$?
check 'standard output is full: status 1' ended_with 1
check 'standard output is full: says so' err '^consctl: cannot write to standard output: Disk full'

# The writer learns that its reader has gone when it writes: programs that start make it, the second at
# the latest, should the first be told together with the beginning. They must live until they are seen.
{ consctl watch -j --backend snapshot --duration 150 2>"$work/err" || :; : >"$work/ended"; } |
	head -1 >"$work/out" &
wait_for "$work/err" '^watching '
begun=$(date +%s)
for seconds in 1 1 1 1 1 2 4 8 16 32; do
	[ ! -e "$work/ended" ] || break
	windows ping -n $((seconds + 1)) 127.0.0.1 >/dev/null 2>&1
done
wait
check 'nobody reads any more: ends long before its time' [ $(($(date +%s) - begun)) -lt 120 ]
check 'nobody reads any more: the last line' err '^observed [0-9]+ delivered [0-9]+ '

try consctl list -j --backend snapshot
check 'list: users are known by their SID' \
	sh -c "grep 'consctl' '$work/out' | grep -q '\"sid\":\"S-1-'"
# Whoever has just ended has none.
check 'list: all of them, or it says so' \
	sh -c "! grep -v '\"sid\":\"S-1-\|{\"field\":\"sid\"' '$work/out'"
try consctl tree --backend snapshot
check 'tree: into a pipe it is drawn in ASCII' out '\|- .*\.exe'

done_testing
