#!/bin/sh
# SPDX-License-Identifier: MIT
# install, status, watch --resume, uninstall.
. "$(dirname "$0")/cli.sh"

try consctl status
check 'status: nothing is installed' out '^no resident observer'
check 'status: which is fine' ended_with 0
try consctl watch --resume --duration 1
check 'watch --resume: without a resident observer it fails' ended_with 1
check 'watch --resume: and says why' err '^consctl: '
try consctl uninstall
check 'uninstall: of nothing fails' ended_with 1

try consctl install
check 'install: status 0' ended_with 0
check 'install: the driver is in its folder' \
	test -e "$prefix/drive_c/windows/system32/drivers/ProcObsrv.sys"
check 'install: byte by byte' \
	cmp "$prefix/drive_c/windows/system32/drivers/ProcObsrv.sys" "$3"
try consctl install
check 'install: a second time fails' ended_with 1
try consctl status
check 'status: installed' out '^resident observer +version '
check 'status: adds up' out '^adds up +observed = read'
check 'status: status 0' ended_with 0

# Nobody listens.
for code in 11 12 13; do
	observed cmd /c "exit $code"
done
try consctl status
check 'status: six events wait' out '^pending +6'
try consctl watch --resume -j --count 6
check 'watch --resume: status 0' ended_with 0
check 'watch --resume: all three, in order' sh -c "
	grep -o '\"exit\":{\"code\":[0-9]*' '$work/out' | tr -dc '0-9\n' | tr '\n' ' ' |
		grep -q '^11 12 13 \$'"
check 'watch --resume: nothing was lost' err ' lost 0'
try consctl status
check 'status: all were read' out '^read +6 '
check 'status: none waits' out '^pending +0'

# A watcher comes and goes beside it.
try consctl watch --duration 1
check 'watch: beside the resident observer' ended_with 0
try consctl status
check 'watch: does not end it' out '^resident observer'

try consctl uninstall
check 'uninstall: status 0' ended_with 0
check 'uninstall: the driver is gone' is_gone
check 'uninstall: its file is gone' \
	test ! -e "$prefix/drive_c/windows/system32/drivers/ProcObsrv.sys"
# Asked for: the file that Wine keeps it in is as old as half a minute.
try windows reg query 'HKLM\SYSTEM\CurrentControlSet\Services'
check 'uninstall: the registry tells services' out 'Services.ObsrvTest'
check 'uninstall: none is in the registry' sh -c "! grep -qi 'Services.ProcObsrv' '$work/out'"
try consctl status
check 'status: nothing is installed any more' out '^no resident observer'

# Somebody else's service of that name is reported and left as it is.
try windows sc create ProcObsrv type= kernel 'binPath= C:\windows\other.sys'
try consctl install
check 'a foreign service: install fails' ended_with 1
check 'a foreign service: named' err 'other\.sys'
try consctl uninstall
check 'a foreign service: uninstall fails' ended_with 1
try windows sc delete ProcObsrv
check 'a foreign service: it was left' ended_with 0

done_testing
