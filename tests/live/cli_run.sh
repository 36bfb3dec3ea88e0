#!/bin/sh
# SPDX-License-Identifier: MIT
# run: the command's status, its tree and none else, signals, what is left behind.
. "$(dirname "$0")/tap.sh"

try "$consctl" run -j true
check 'true: 0' ended_with 0
try "$consctl" run -j false
check 'false: 1' ended_with 1
try "$consctl" run -j sh -c 'exit 42'
check 'exit 42: 42' ended_with 42
# shellcheck disable=SC2016
try "$consctl" run -j sh -c 'kill -9 $$'
check 'killed: 137' ended_with 137
try "$consctl" run -j -- no-such-program-anywhere
check 'no such program: 127' ended_with 127
check 'no such program: said' err "cannot run 'no-such-program-anywhere'"
try "$consctl" run -j -- /etc/passwd
check 'no program: 126' ended_with 126
try "$consctl" run -j --output "$work/none/file" true
check 'unwritable output: 125' ended_with 125
try "$consctl" run -j --output /dev/full true
check 'full disk: 125' ended_with 125
check 'full disk: said' err 'No space left'
try sh -c "'$consctl' run -j sh -c 'exit 5' | true"
check 'closed pipe: no complaint' err_lines 2

tag=cli-run-$$
env true "$tag-before"
env sleep 30 &
stranger=$!
try "$consctl" run -j -o "$work/file" -- sh -c "env true $tag; (sleep 0.5; env true $tag-orphan) & exit 3"
kill "$stranger"
check 'tree: status of the command' ended_with 3
check 'tree: a process of it' grep -q "\"argv\":\[\"true\",\"$tag\"\]" "$work/file"
check 'tree: an orphan of it' grep -q "\"argv\":\[\"true\",\"$tag-orphan\"\]" "$work/file"
check 'tree: as many ends as starts' [ "$(grep -c '"kind":"start"' "$work/file")" -eq "$(grep -c '"kind":"exit"' "$work/file")" ]
check 'tree: nothing of what ran before' sh -c "! grep -q '$tag-before' '$work/file'"
try "$consctl" verify "$work/file"
check 'tree: verify finds it complete' ended_with 0

"$consctl" run -j -o "$work/other" -- sh -c "sleep 1; env true $tag-other" >/dev/null 2>&1 &
other=$!
try "$consctl" run -j -o "$work/mine" -- sh -c "sleep 1; env true $tag-mine"
wait "$other"
check 'two at once: mine is mine' grep -q "$tag-mine" "$work/mine"
check 'two at once: the other is not' sh -c "! grep -q '$tag-other' '$work/mine'"
check 'two at once: nor the other way round' sh -c "! grep -q '$tag-mine' '$work/other'"

# Ends only when what it leaves has run its program, and sleeps: what comes later is not reported.
try "$consctl" run -j --wait command -- sh -c \
	'sleep 200 & until grep -q "(sleep) S" "/proc/$!/stat"; do sleep 0.02; done; exit 4'
check '--wait command: its status' ended_with 4
left=$(sed -n 's/.*"kind":"exec".*"process":{"pid":\([0-9]*\).*"argv":\["sleep","200"\].*/\1/p' "$work/out")
check '--wait command: what it left still runs' kill -0 "$left"
kill "$left"

: >"$work/err"
start run -j -- sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
wait_for "$work/out" '^ready$'
kill -TERM "$pid"
finish
check 'SIGTERM: forwarded, the status is what the command made of it' ended_with 9
start run -j -- sleep 30
wait_for "$work/out" '"kind":"exec".*"argv":\["sleep","30"\]'
kill -INT "$pid"
finish
check 'SIGINT: forwarded' ended_with 130
check 'SIGINT: the last line' err '^observed '
start run -j -- sh -c 'echo "I am $$"; sleep 300 & exit 0'
wait_for "$work/out" '"kind":"exec".*"argv":\["sleep","300"\]'
wait_for "$work/out" '^I am '
gone "$(sed -n 's/^I am //p' "$work/out")"
kill -TERM "$pid"
finish
check 'SIGTERM when only the tree is left: ends' ended_with 0
left=$(sed -n 's/.*"kind":"exec".*"process":{"pid":\([0-9]*\).*"argv":\["sleep","300"\].*/\1/p' "$work/out")
check 'SIGTERM when only the tree is left: leaves it alone' kill "$left"
mkfifo "$work/go"
# shellcheck disable=SC2016 # for that shell
start run -j -- sh -c 'echo "I am $$"; sleep 301 & read -r go <"$0"' "$work/go"
wait_for "$work/out" '"kind":"exec".*"argv":\["sleep","301"\]'
kill -STOP "$pid"
echo >"$work/go"
gone "$(sed -n 's/^I am //p' "$work/out")"
kill -TERM "$pid"
kill -CONT "$pid"
check 'SIGTERM before it knows that only the tree is left: ends' gone "$pid"
left=$(sed -n 's/.*"kind":"exec".*"process":{"pid":\([0-9]*\).*"argv":\["sleep","301"\].*/\1/p' "$work/out")
kill "$left"
finish

# The command finds signals, descriptors and its input as without consctl.
try "$consctl" run -o "$work/text" -- sh -c 'grep -E "^Sig(Blk|Ign)" /proc/self/status; ls /proc/self/fd | wc -l'
cp "$work/out" "$work/with"
try sh -c 'grep -E "^Sig(Blk|Ign)" /proc/self/status; ls /proc/self/fd | wc -l'
check 'the command finds signals and descriptors as without' cmp "$work/out" "$work/with"
echo hello >"$work/in"
status=0
"$consctl" run -o "$work/text" -- cat <"$work/in" >"$work/out" 2>"$work/err" || status=$?
check 'the command reads our input' out '^hello$'
check 'run in text: lines for people' grep -Eq ' exec +[0-9]+ .* cat$' "$work/text"

# The rights of who called sudo; only root can give any away.
if [ "$(id -u)" -eq 0 ] && id nobody >/dev/null 2>&1; then
	nobody=$(id -u nobody)
	# shellcheck disable=SC2016
	show='id -u; id -g; id -G; echo "$HOME $USER $LOGNAME $SHELL"; grep CapEff /proc/self/status'
	try env SUDO_UID="$nobody" SUDO_GID="$(id -g nobody)" SUDO_USER=nobody HOME=/root \
		"$consctl" run --user -o "$work/as" -j -- sh -c "$show; kill -0 $$ || echo refused"
	check '--user: ended well' ended_with 0
	check '--user: the user' sh -c "sed -n 1p '$work/out' | grep -qx '$nobody'"
	check '--user: the group' sh -c "sed -n 2p '$work/out' | grep -qx '$(id -g nobody)'"
	check '--user: no group of root' sh -c "! sed -n 3p '$work/out' | grep -qw 0"
	check '--user: the environment' out '^/[^ ]* nobody nobody /'
	check '--user: not that of root' sh -c "! grep -q '^/root ' '$work/out'"
	check '--user: no capabilities' out '^CapEff:.0*$'
	check '--user: may not touch root' out '^refused$'
	check '--user: its execs are observed as that user' grep -q "\"kind\":\"exec\".*\"uid\":$nobody,.*\"euid\":$nobody," "$work/as"
	try "$consctl" run --user=nobody -o "$work/as" -- id -u
	check '--user=NAME' out "^$nobody$"
	try "$consctl" timeline --user=nobody -o "$work/as.html" -- id -u
	check 'timeline --user' out "^$nobody$"
	printf "#!/bin/sh\n" >"$work/secret"
	chmod 700 "$work" "$work/secret"
	try "$consctl" run --user=nobody -o "$work/as" -- "$work/secret"
	check '--user: what that user may not run' ended_with 126
	try env -u SUDO_UID "$consctl" run --user -- true
	check '--user without sudo: 125' ended_with 125
	check '--user without sudo: said' err 'SUDO_UID is not set.*--user=NAME'
	try env SUDO_UID=-1 "$consctl" run --user -- true
	check '--user with nonsense of sudo: 125' ended_with 125
	try "$consctl" run --user=no-such-user -- true
	check '--user: nobody of that name: 125' ended_with 125
	check '--user: nobody of that name: said' err "no user 'no-such-user'"
	try "$consctl" run --user=nobody --backend ptrace -o "$work/as" -- \
		"$consctl" run --user=root --backend ptrace -- true
	check '--user: only root gives rights' err "only root may run a command as 'root'"
fi

# In a container: other pids than the observer in the kernel tells.
inside() {
	try unshare --pid --fork --mount-proc "$consctl" "$@"
}
inside run -j -o "$work/inside" -- sh -c "env true $tag-inside; exit 6"
check 'pid namespace: run ends with the status of the command' ended_with 6
check 'pid namespace: the tree' grep -q "\"argv\":\[\"true\",\"$tag-inside\"\]" "$work/inside"
check 'pid namespace: as many ends as starts' [ "$(grep -c '"kind":"start"' "$work/inside")" -eq "$(grep -c '"kind":"exit"' "$work/inside")" ]
check 'pid namespace: nothing lost' err ' lost 0$'
inside demo -n 3
check 'pid namespace: demo' ended_with 0
check 'pid namespace: demo sees all' out '^3 of 3 starts and 3 of 3 ends seen, 0 lost$'
try unshare --user --map-root-user --pid --fork --mount-proc "$consctl" demo -n 2
check 'user namespace: demo' ended_with 0

done_testing
