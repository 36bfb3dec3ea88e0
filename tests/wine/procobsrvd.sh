#!/bin/sh
# SPDX-License-Identifier: MIT
# procobsrvd.exe: install, start, readers of all kinds, reload, stop, uninstall.
# procobsrvd.sh PREFIX CONSCTL DRIVER HELPER FORWARD PROCOBSRVD READERS_TESTS
. "$(dirname "$0")/cli.sh"

cp "$6" "$prefix/drive_c/test/procobsrvd.exe"
cp "$7" "$prefix/drive_c/test/readers_tests.exe"
service() { windows 'C:\test\procobsrvd.exe' "$@"; }
key='HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\procobsrvd\Parameters'
# Enters lines of a section into the configuration.
configure() {
	section=$1
	shift
	{
		printf 'REGEDIT4\r\n\r\n[%s\\%s]\r\n' "$key" "$section"
		printf '%s\r\n' "$@"
	} >"$prefix/drive_c/test/configuration.reg"
	windows reg import 'C:\test\configuration.reg' >/dev/null 2>&1
}
failed_to() { [ "$status" -ne 0 ]; }
is_in_state() { windows sc query procobsrvd 2>/dev/null | grep -q "STATE .* $1"; }
state_becomes() { comes_true is_in_state "$1"; }

try service --version
check 'procobsrvd: --version' out '^procobsrvd [0-9]'
try service
check 'procobsrvd: alone it is wrong usage' ended_with 2
try service --uninstall
check 'uninstall: of nothing fails' ended_with 1
try service --foreground
check 'foreground: without a configuration it fails' ended_with 1
check 'foreground: and says what makes one' err 'procobsrvd --install'

# Somebody else's service of that name is reported and left as it is.
try windows sc create procobsrvd 'binPath= C:\windows\other.exe'
try service --install
check 'a foreign service: install fails' ended_with 1
check 'a foreign service: named' err 'other\.exe'
try service --uninstall
check 'a foreign service: uninstall fails' ended_with 1
try windows sc delete procobsrvd
check 'a foreign service: it was left' ended_with 0

try service --install --on-demand
check 'install: status 0' ended_with 0
try windows reg query 'HKLM\SYSTEM\CurrentControlSet\Services\procobsrvd' /s
check 'install: starts on demand' out 'Start +REG_DWORD +0x3'
check 'install: readers are configured' out 'Parameters.readers'
configure readers '"count"=dword:000f4240' '"own-process"="true"' "[$key\\record]" '"file"="C:\\record"'
try service --check-config
check 'check-config: status 1' ended_with 1
check 'check-config: names key and value' out 'Parameters\\readers\\count: .*at most 4096'
check 'check-config: what may have been meant' out "readers\\\\own-process: .*'own-processes'"
check 'check-config: what this system lacks' out "record: the section 'record' is not for this system"
configure readers '"count"=dword:00000014' '"own-process"=-' '"memory-size"="4M"' "[-$key\\record]"
rm -f "$prefix"/drive_c/test/events.jsonl*
configure json-lines '"path"="C:\\\\test\\\\events.jsonl"'
try service --check-config
check 'check-config: status 0' ended_with 0

try windows sc start procobsrvd
check 'start: it runs' state_becomes RUNNING
try service --foreground
check 'foreground: not beside the service' ended_with 1
check 'foreground: and says why' err 'procobsrvd runs already'
for _ in 1 2 3 4 5 6 7 8; do
	: >"$work/watch_err"
	consctl watch --backend service -j --count 2 >"$work/watched" 2>"$work/watch_err" &
	watcher=$!
	wait_for "$work/watch_err" '^watching'
	observed cmd /c 'exit 42' 2>"$work/forward"
	wait "$watcher"
	told_too_late "$work/forward" || break
done
check 'watch: the start of a program' grep -q '"kind":"start".*cmd.exe' "$work/watched"
check 'watch: its end' grep -q '"kind":"exit".*"exit":{"code":42' "$work/watched"
check 'watch: nothing is lost' grep -q '"kind":"end".*"lost":0' "$work/watched"
check 'watch: through the driver of the service' \
	grep -q '"kind":"begin".*"backend":"service"' "$work/watched"

try windows 'C:\test\readers_tests.exe'
grep -E '^(not )?ok |^#' "$work/out" >"$work/readers"
while read -r line; do
	case $line in
	'not ok '*) result "readers:${line#*-}" 1 ;;
	'ok '*) result "readers:${line#*-}" 0 ;;
	*) echo "$line" ;;
	esac
done <"$work/readers"
check 'readers: to the end' ended_with 0

# What is wrong is not taken, what is right is.
configure readers '"count"=dword:00000000'
try windows sc control procobsrvd paramchange
check 'reload: a wrong configuration ends nothing' state_becomes RUNNING
configure readers '"count"=dword:0000001e'
try windows sc control procobsrvd paramchange
try windows 'C:\test\readers_tests.exe' welcome
check 'reload: readers are served' ended_with 0

try windows sc stop procobsrvd
check 'stop: it has stopped' state_becomes STOPPED
try windows sc query procobsrvd
check 'stop: as it should' out 'EXIT_CODE +: 0 '
check 'stop: the driver is unloaded' is_gone
try consctl watch --backend service --duration 1
check 'stop: nobody listens' err 'no service listens'
try consctl verify 'C:\test\events.jsonl'
check 'JSON lines: complete' out '^complete: [1-9][0-9]* events'
check 'JSON lines: who ended, and how' \
	grep -q '"kind":"exit".*"exit":{"code":42' "$prefix/drive_c/test/events.jsonl"

# In the foreground, until Ctrl-C: a signal to the program itself, behind its wrappers.
: >"$work/err"
env --default-signal=INT "$here/wine" --prefix "$prefix" --keep --limit "$limit" \
	'C:\test\procobsrvd.exe' --foreground >"$work/out" 2>"$work/err" </dev/null &
pid=$!
check 'foreground: it observes' wait_for "$work/err" 'procobsrvd [0-9.]+ observes \(driver\)'
try_reader() { windows 'C:\test\readers_tests.exe' welcome; }
check 'foreground: it is read' try_reader
program=$pid
while child=$(pgrep -P "$program"); do program=$child; done
kill -INT "$program"
finish
check 'foreground, Ctrl-C: status 0' ended_with 0
check 'foreground, Ctrl-C: it says so' err 'procobsrvd has ended'

# The resident driver tells the next run what happened in between.
try consctl install
try windows sc start procobsrvd
check 'resident: it runs' state_becomes RUNNING
try consctl status
check 'resident: it is the one that reads' out 'procobsrvd'
try windows sc stop procobsrvd
check 'resident: it has stopped' state_becomes STOPPED
try consctl uninstall
check 'resident: it is not held any more' ended_with 0

try service --uninstall
check 'uninstall: status 0' ended_with 0
try windows sc query procobsrvd
check 'uninstall: the service is gone' failed_to
windows_end
check 'uninstall: nothing in the registry' sh -c "
	! grep -qi 'procobsrvd' '$prefix/system.reg'"

done_testing
