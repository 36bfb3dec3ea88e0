#!/bin/sh
# SPDX-License-Identifier: MIT
# verify against files made by hand: what is complete, and each way not to be.
. "$(dirname "$0")/tap.sh"

begin='{"schema":1,"kind":"begin","time":"2026-11-22T06:13:00.000000000Z","host":"h","boot":"b","backend":"bpf","version":"0.1.0"}'
event() { printf '{"schema":1,"kind":"start","seq":%d,"cursor":"c%d","process":{"pid":1,"id":"x","name":"a"}}\n' "$1" "$1"; }
events() {
	number=$1
	while [ "$number" -le "$2" ]; do
		event "$number"
		number=$((number + 1))
	done
}
# end SEQ OBSERVED DELIVERED FILTERED LOST
end() { printf '{"schema":1,"kind":"end","seq":%d,"observed":%d,"delivered":%d,"filtered":%d,"lost":%d}\n' "$@"; }

# verify STATUS WHAT: of $work/file.
verify() {
	try "$consctl" verify "$work/file"
	check "$2: status $1" ended_with "$1"
}

{ echo "$begin"; events 1 5; end 5 5 5 0 0; } >"$work/file"
verify 0 'a whole run'
check 'a whole run: says so' out '^complete: 5 events$'

{ echo "$begin"; events 1 3; end 3 3 3 0 0; echo "$begin"; events 11 2; end 0 0 0 0 0; } >"$work/file"
verify 0 'two runs in one file, one of them empty'

{ echo "$begin"; event 1; event 4; event 5; end 9 9 3 6 0; } >"$work/file"
verify 0 'holes that a filter made'

{ echo "$begin"; events 1 2; events 4 5; end 5 5 5 0 0; } >"$work/file"
verify 3 'a line that was removed'
check 'a line that was removed: names the hole' out 'missing: seq 3 to 3'

{ echo "$begin"; events 1 2; events 6 9; end 9 9 8 1 0; } >"$work/file"
verify 3 'a hole greater than the filter made'
check 'a hole greater than the filter made: counts it' out 'missing: 2 events'

{ echo "$begin"; events 1 5; end 8 8 8 0 0; } >"$work/file"
verify 3 'lines missing at the end'
check 'lines missing at the end: names the hole' out 'missing: seq 6 to 8'

{ echo "$begin"; events 1 5; } >"$work/file"
verify 3 'no end line'
check 'no end line: says so' out 'cut off'

{ events 1 5; end 5 5 5 0 0; } >"$work/file"
verify 3 'no begin line'

lost='{"schema":1,"kind":"lost","seq":7,"first":6,"count":2,"start":1,"exit":1,"stage":"kernel","reason":"ring full","from":"T1","to":"T2"}'
{ echo "$begin"; events 1 5; echo "$lost"; event 8; end 8 8 6 0 2; } >"$work/file"
verify 3 'a gap that was told'
check 'a gap that was told: named' out 'lost: seq 6 to 7 \(2 events\).*ring full'
check 'a gap that was told: nothing else is wrong' out ' 0 missing, 0 things'

{ echo "$begin"; events 1 5; event 8; end 8 8 6 0 2; } >"$work/file"
verify 3 'a gap that only the end tells'
check 'a gap that only the end tells: counted' out 'lost: 2 events'

{ echo "$begin"; events 1 5; echo "$lost" | sed 's/"count":2/"count":3/'; event 8; end 8 8 6 0 2; } >"$work/file"
verify 3 'a lost line that does not agree with itself'
{ echo "$begin"; events 1 5; echo "$lost" | sed 's/"count":2/"count":99/'; event 8; end 8 8 6 0 2; } >"$work/file"
verify 3 'a lost line of more than there were'
check 'a lost line of more than there were: counts for nothing' out '^not complete: 6 events, 2 lost, '

{ echo "$begin"; events 1 3; event 2; event 4; end 4 4 4 0 0; } >"$work/file"
verify 0 'a repeat with the same cursor'

{ echo "$begin"; events 1 3; event 2 | sed 's/"c2"/"other"/'; event 4; end 4 4 4 0 0; } >"$work/file"
verify 3 'a number twice with another cursor'
check 'a number twice with another cursor: said' out 'seq 2 comes after seq 3'

{ echo "$begin"; events 1 2; event 3 | head -c 40; echo; event 4; end 4 4 4 0 0; } >"$work/file"
verify 3 'half a line'
check 'half a line: says which' out 'line 4: is no line'

{ echo "$begin"; events 1 3; end 3 3 3 0 0 | tr -d '\n'; } >"$work/file"
verify 3 'a last line without its end'

{ echo "$begin"; events 1 3; end 3 9 3 0 0; } >"$work/file"
verify 3 'counters that do not add up'
{ echo "$begin"; events 1 5; end 5 7 5 2 0; } >"$work/file"
verify 3 'a filter that left no hole'
check 'a filter that left no hole: said' out 'the end tells 2 filtered, but the lines make it 0'
{ echo "$begin"; event 1; event 4; end 4 9 2 3 0 | sed 's/}$/,"pending":4}/'; } >"$work/file"
verify 0 'a filter that was ahead of the last line'

{ echo "$begin"; events 1 3; printf '{"schema":1,"kind":"start","seq":3,"synthetic":true}\n'
	printf '{"schema":1,"kind":"brand_new","seq":3,"synthetic":true,"x":[{"y":null}]}\n'
	end 3 3 3 0 0; } >"$work/file"
verify 0 'synthetic events, and kinds that are not known'

{ echo "$begin" | sed 's/"schema":1/"schema":2/'; } >"$work/file"
verify 1 'a newer schema'
echo hello >"$work/file"
verify 1 'a file of something else'
: >"$work/file"
verify 3 'an empty file'
try "$consctl" verify "$work/none"
check 'no such file: status 1' ended_with 1
check 'no such file: says so' err 'No such file'

{ echo "$begin"; events 1 4; } >"$work/one"
{ echo "$begin" | sed 's/"kind":"begin"/&,"seq":4/'; events 5 7; end 7 7 7 0 0; } >"$work/two"
try "$consctl" verify "$work/one" "$work/two"
check 'two parts of one run: complete' ended_with 0
{ echo "$begin" | sed 's/"kind":"begin"/&,"seq":6/'; events 7 8; end 8 8 6 2 0; } >"$work/three"
try "$consctl" verify "$work/one" "$work/three"
check 'a filter between two parts: complete' ended_with 0
try "$consctl" verify "$work/two"
check 'the second part alone: status 3' ended_with 3
check 'the second part alone: says what is missing' out 'seq 1 to 4'
try sh -c "cat '$work/one' '$work/two' | '$consctl' verify -j -"
check 'standard input, JSON: status 0' ended_with 0
check 'standard input, JSON: one object' out '^\{"schema":1,"kind":"verify","complete":true,"runs":1,"events":7,"lost":0,"missing":0,"faults":0\}$'


# A reader of the resident observer that was cut off, and one that went on.
# Rotated before the first event: both begin lines are the same.
echo "$begin" >"$work/one"
{ echo "$begin"; events 1 3; end 3 3 3 0 0; } >"$work/two"
try "$consctl" verify "$work/one" "$work/two"
check 'rotated before the first event: complete' ended_with 0

resumed() { echo "$begin" | sed "s/\"kind\":\"begin\"/&,\"seq\":$1/; s/06:13:00/06:14:00/"; }
{ echo "$begin"; events 1 6; resumed 4; events 5 9; end 9 5 5 0 0; } >"$work/file"
verify 0 'another reader went on, with repeats'
check 'another reader went on: events counted once' out '^complete: 9 events$'
check 'another reader went on: says so' out 'line 8: another reader went on'
{ echo "$begin"; events 1 6; resumed 6; events 7 9; end 9 3 3 0 0; } >"$work/file"
verify 0 'another reader went on, without repeats'
{ echo "$begin"; events 1 6; resumed 4; event 5; end 5 1 1 0 0; } >"$work/file"
verify 0 'another reader went on, not as far'
{ echo "$begin"; events 1 6; resumed 4 | sed 's/"boot":"b"/"boot":"other"/'; events 5 9; end 9 5 5 0 0; } >"$work/file"
verify 3 'another reader of another boot'
check 'another reader of another boot: two faults' out 'cut off: .* after seq 6 is not known'
check 'another reader of another boot: both said' out 'missing: seq 1 to 4 are in an earlier part'
{ echo "$begin"; events 1 6; resumed 0 | sed 's/"boot":"b"/"boot":"other"/'; events 11 9; end 0 0 0 0 0; } >"$work/file"
verify 3 'another boot from its beginning'
gap=$(echo "$lost" | sed 's/"seq":7/&,"cursor":"gap"/')
{ echo "$begin"; events 1 5; echo "$gap"; event 8; resumed 5; echo "$gap"; events 8 9; end 9 4 2 0 2; } >"$work/file"
verify 3 'another reader went on, and tells of a gap again'
check 'another reader went on, and tells of a gap again: counted once' out '^not complete: 7 events, 2 lost, 0 missing, 0 things'
{ echo "$begin"; events 1 6; end 6 6 6 0 0; resumed 6; events 7 9; end 9 3 3 0 0; } >"$work/file"
verify 0 'another reader went on after a clean end'
{ echo "$begin"; events 1 6; event 7 | head -c 30; echo; resumed 6; events 7 9; end 9 3 3 0 0; } >"$work/file"
verify 0 'another reader went on after half a line'
{ echo "$begin"; events 1 6; event 7 | head -c 30; } >"$work/one"
resumed 6 | head -c 40 >"$work/two"
{ resumed 6; events 7 9; end 9 3 3 0 0; } >"$work/three"
try "$consctl" verify "$work/one" "$work/two" "$work/three"
check 'each reader has a file of its own, two were cut off: complete' ended_with 0
resumed 0 >"$work/one"
{ resumed 0 | sed 's/06:14:00/06:15:00/'; events 1 3; end 3 3 3 0 0; } >"$work/two"
try "$consctl" verify "$work/one" "$work/two"
check 'cut off before the first event, another reader went on: complete' ended_with 0
{ echo "$begin"; echo "$begin" | sed 's/06:13:00/06:15:00/'; events 1 3; end 3 3 3 0 0; } >"$work/two"
try "$consctl" verify "$work/two"
check 'cut off before the first event, another observer: status 3' ended_with 3
{ resumed 0; events 1 6; end 6 6 6 0 0; resumed 0 | sed 's/06:14:00/06:15:00/'
	events 1 3 | sed 's/"c/"d/'; end 3 3 3 0 0; } >"$work/file"
verify 0 'installed anew after a clean end'
{ echo "$begin"; events 1 6; event 7 | head -c 30; } >"$work/one"
resumed 6 | head -c 40 >"$work/two"
printf '\nno line of ours\n' >>"$work/one"
try "$consctl" verify "$work/one" "$work/two" "$work/three"
check 'a line of somebody else is no line that was cut off' ended_with 3
{ echo "$begin"; events 1 6; resumed 8; events 9 9; end 9 1 1 0 0; } >"$work/file"
verify 3 'another reader went on later'
check 'another reader went on later: names the hole' out 'missing: seq 7 to 8'
{ echo "$begin"; events 1 6; resumed 4; events 5 6; event 8; end 8 3 3 0 0; } >"$work/file"
verify 3 'a hole after another reader went on'
check 'a hole after another reader went on: named' out 'missing: seq 7 to 7'

done_testing
