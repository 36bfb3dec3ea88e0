# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # some are for who reads this file in, some are of tap.sh
# What the tests of consctl.exe have in common, beside tap.sh:
# . cli.sh PREFIX CONSCTL DRIVER HELPER FORWARD. The program is installed in the Wine prefix as a user
# would unpack it, and the helper driver is loaded, which tells of the processes of `observed`.
here=$(dirname "$0")
. "$here/../live/tap.sh"

prefix=$1
limit=180
windows() { "$here/wine" --prefix "$prefix" --keep --limit "$limit" "$@"; }
windows_end() { "$here/wine" --prefix "$prefix" --end; }
consctl() { windows 'C:\test\consctl.exe' "$@"; }
helper() { windows "$forward" "$@"; }
# A command whose processes the kernel tells of, that of the command itself among them.
observed() { windows "$forward" -- "$@"; }
observed_consctl() { observed 'C:\test\consctl.exe' "$@"; }
# Neither service nor device nor callback.
is_gone() { helper --gone; }
# Nobody is told of processes any more: the driver has heard that its last client is gone.
is_unheard() { helper --gone | grep -q ' 0 callbacks'; }

# What `observed` said on standard error, kept in a file, tells of a process that had ended before it could
# be told with all its names, as short ones may on a busy machine.
told_too_late() { grep -q '^forward: .* gone before' "$1"; }

forward=$5
rm -f "$prefix/keeper.pid"
if ! windows cmd /c exit 0; then
	echo "Bail out! Wine does not start"
	exit 1
fi
trap 'windows_end; rm -rf "$work"' EXIT
mkdir -p "$prefix/drive_c/test"
cp "$2" "$prefix/drive_c/test/consctl.exe"
cp "$3" "$prefix/drive_c/test/ProcObsrv.sys"
if ! helper --load "$4"; then
	echo "Bail out! the helper driver does not load"
	exit 1
fi
