#!/bin/sh
# SPDX-License-Identifier: MIT
# run --summary, timeline, tree --from: what happened, told as text and as pictures.
. "$(dirname "$0")/tap.sh"

# A child that fails, one that is killed, one that outlives its parent, an exec that fails.
script='sleep 0.2; (sleep 0.1; exit 3); sh -c "kill -9 \$\$"; (sleep 0.6 &); /nonexistent/program; true'

try "$consctl" run --summary -j -o "$work/lines" -- sh -c "$script"
check 'summary: status of the command' ended_with 0
check 'summary: counts' err '^[0-9]+ processes: 2 failed, 1 killed, 0 still running; [1-9][0-9]* failed execs; [0-9] at once at most$'
check 'summary: programs' err '^ +3 +0 +.* sleep$'
check 'summary: the slowest' err '^ +[0-9]+ +([6-9][0-9][0-9]\.[0-9] ms|[0-9.]+ s)  sleep 0\.6$'
check 'summary: takes failed execs' grep -q '"kind":"exec_failed"' "$work/lines"
try env "PATH=/nowhere:/etc:$PATH" "$consctl" run --summary -- true
check 'summary: to look for the command is no failed exec' err '; 0 failed execs; '
try "$consctl" run --summary --kinds start,exit -- true
check 'summary: kinds are as asked for' sh -c "! grep -q exec_failed '$work/out'"
check 'summary: with those it has' err '^1 processes: 0 failed, 0 killed, 0 still running; 0 failed execs; 1 at once at most$'

try "$consctl" run --format ecs --kinds start,exec,exec_failed,exit -- sh -c "$script"
check 'ecs: fields, types and values of the schema' python3 "$(dirname "$0")/check_ecs.py" "$work/out" \
	fork exec end observer-begin observer-end
try "$consctl" list --format ecs
check 'ecs: of events only' ended_with 2

try "$consctl" run -j --redact default,pin --env API_TOKEN -- \
	env API_TOKEN=hunter2 sh -c '/nonexistent --password=hunter2; : --pin swordfish' x --secret hunter2
check 'redact: no secret is left' sh -c "! grep -q 'hunter2\|swordfish' '$work/out'"
check 'redact: arguments' out '"argv":\["sh","-c","/nonexistent --password=\*\*\*; : --pin \*\*\*","x","--secret","\*\*\*"\]'
check 'redact: variables' out '"API_TOKEN=\*\*\*"'
try "$consctl" run -j --redact default --kinds exec_failed -- sh -c '/nonexistent --token hunter2'
check 'redact: failed execs' out '"attempt":.*"--token","\*\*\*"'
try "$consctl" timeline --redact pin --format perfetto -- sh -c ': --pin swordfish'
check 'redact: nor in the title of a picture' sh -c "grep -q 'pin' '$work/out' && ! grep -q swordfish '$work/out'"
echo '{"schema":1,"kind":"exec","process":{"id":"a","pid":7,"argv":["login","--pin","123456","x"]}}' >"$work/secret"
try "$consctl" tree --from "$work/secret" --redact pin
check 'redact: what was observed earlier' out " login --pin '\*\*\*' x\$"
try "$consctl" timeline --from "$work/secret" --redact pin --format perfetto
check 'redact: a picture of it' out "login --pin '\*\*\*' x"
try "$consctl" watch --redact ,
check 'redact: no name, wrong usage' ended_with 2

try "$consctl" tree --from "$work/lines"
check 'tree --from: status 0' ended_with 0
check 'tree --from: a header' out '^ +PID +STARTED +TOOK END +COMMAND$'
check 'tree --from: who was killed' out '^ *[0-9]+ +[^ ]+ +.* signal 9 +.. sh -c|^ *[0-9]+ .* signal 9 '
check 'tree --from: who failed' out '^ *[0-9]+ .* exit 3 '
check 'tree --from: an orphan stays below its creator' out '^ *[0-9]+ .* exit 0 .*(└|`).* sleep 0\.6$'
lines=$(wc -l <"$work/out")
check 'tree --from: everybody' [ "$lines" -eq $(($(grep -c '"kind":"start"' "$work/lines") + 1)) ]
middle=$(sed -n 's/.*"kind":"exec",.*"time":"\([^"]*\)","process":.*"argv":\["sleep","0.1"\].*/\1/p' "$work/lines")
try "$consctl" tree --from "$work/lines" --at "$middle"
check 'tree --at: who ran then' out ' sleep 0\.1$'
check 'tree --at: nobody else' sh -c "! grep -q 'sleep 0\.[26]$' '$work/out'"
"$consctl" tree --from - <"$work/lines" >"$work/out" 2>&1
check 'tree --from -: standard input' [ "$(wc -l <"$work/out")" -eq "$lines" ]

try "$consctl" timeline -o "$work/page.html" -- sh -c 'exit 7'
check 'timeline: status of the command' ended_with 7
check 'timeline: a page' grep -q '^<!DOCTYPE html>' "$work/page.html"
check 'timeline: its owner alone may read it' [ "$(stat -c %a "$work/page.html")" = 600 ]
check 'timeline: no network' sh -c "! grep -Eq 'https?://' '$work/page.html'"
try "$consctl" timeline --from "$work/lines" -o "$work/page.html"
check 'timeline --from: status 0' ended_with 0
check 'timeline --from: the old page is gone' sh -c "! grep -q 'exit 7' '$work/page.html' && [ \$(grep -c DOCTYPE '$work/page.html') = 1 ]"
try "$consctl" timeline --from "$work/lines" --format perfetto
check 'perfetto: status 0' ended_with 0
check 'perfetto: obeys the rules of trace events' python3 "$(dirname "$0")/check_trace.py" "$work/out" "$(grep -c '"kind":"start"' "$work/lines")"
# shellcheck disable=SC1003 # a backslash, not a quote
hostile="$(printf '</script><img src=x onerror=alert(1)>\033[31m\n\302\200\377"\\')"
try "$consctl" timeline --format perfetto -o "$work/trace" -- env true "$hostile"
check 'perfetto: hostile arguments' python3 "$(dirname "$0")/check_trace.py" "$work/trace" 1
try "$consctl" timeline -o "$work/page.html" -- env true "$hostile"
check 'timeline: hostile arguments' sh -c "! grep -q '<img' '$work/page.html'"

# A file whose writer was killed.
{ head -n -3 "$work/lines"; tail -n 3 "$work/lines" | head -c 40; } >"$work/torn"
try "$consctl" timeline --from "$work/lines" --match 'name == "sleep"' --format perfetto
check 'timeline --from --match: status 0' ended_with 0
check 'timeline --from --match: what matches' out '"name": ?"sleep'
check 'timeline --from --match: nothing else' sh -c "! grep -Eq '\"name\": ?\"sh\"' '$work/out'"
try "$consctl" timeline --from "$work/lines" --match 'name == "nobody-is-called-so"' -o "$work/page.html"
check 'timeline --from --match: nothing matches, 125' ended_with 125
check 'timeline --from --match: nothing matches, said' err 'holds no event that matches --match'
try "$consctl" timeline --from "$work/lines" --match 'name ==' -o "$work/page.html"
check 'timeline --from --match: no expression, 125' ended_with 125
ln -s page.html "$work/link"
try "$consctl" timeline --from "$work/lines" -o "$work/link"
check 'timeline: a symbolic link is refused, and said' err 'is a symbolic link, which is refused'
check 'timeline --from: what failed leaves the old page' grep -q DOCTYPE "$work/page.html"
try "$consctl" timeline --from "$work/torn" -o "$work/page.html"
check 'a torn file: what it has' ended_with 0
check 'a torn file: said' err '1 lines of .* are torn'

try "$consctl" timeline -o "$work/nowhere/page" -- touch "$work/touched"
check 'timeline: unwritable, 125' ended_with 125
check 'timeline: unwritable, said' err "cannot write to '.*nowhere/page': No such file"
check 'timeline: unwritable, the command did not run' [ ! -e "$work/touched" ]
try "$consctl" timeline -o /dev/full -- true
check 'timeline: full disk, 125' ended_with 125
try "$consctl" timeline -o "$work/page.html"
check 'timeline: neither command nor file, 125' ended_with 125
try "$consctl" timeline --from "$work/lines" -o "$work/page.html" -- true
check 'timeline: both, 125' ended_with 125
try "$consctl" timeline --from "$work/nothing" -o "$work/page.html"
check 'timeline: no such file, 125' ended_with 125
try "$consctl" timeline --from /dev/null -o "$work/page.html"
check 'timeline: nothing in it, said' err 'holds no events'
try "$consctl" timeline -o "$work/page.html" -- /nonexistent/program
check 'timeline: no such program, 127' ended_with 127
try "$consctl" timeline --format pdf -o "$work/page.html" -- true
check 'timeline: no such format, 125' ended_with 125
try "$consctl" tree --at 06:13 --record "$work/none"
check 'tree --at without a file, and without a record: 1' ended_with 1
try "$consctl" tree --from "$work/lines" --at noon
check 'tree --at noon: wrong usage' ended_with 2
try "$consctl" tree --from "$work/lines" -j
check 'tree --from -j: wrong usage' ended_with 2
try "$consctl" tree --from "$(dirname "$0")/tap.sh"
check 'tree --from of something else: 1' ended_with 1

done_testing
