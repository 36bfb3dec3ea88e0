# shellcheck shell=sh disable=SC2034
# SPDX-License-Identifier: MIT
# For tests that begin with ". service_room.sh", called with CONSCTL PROCOBSRVD: tap.sh, and a service of
# their own in a mount namespace with a bpffs, /run and /var/lib of its own, so that it meets no other.
if [ -z "${IN_ROOM-}" ]; then
	[ "$(id -u)" -eq 0 ] || { echo '1..0 # SKIP needs root'; exit 0; }
	IN_ROOM=1
	export IN_ROOM
	exec unshare --mount --propagation private "$0" "$@"
fi
. "$(dirname "$0")/tap.sh"

procobsrvd=$2
configuration=$work/procobsrvd.conf
log=$work/log
mkdir "$work/lib"
mount -t bpf bpf /sys/fs/bpf && mount -t tmpfs tmpfs /run && mount --bind "$work/lib" /var/lib || exit 1
pid=
leave() {
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
	"$consctl" uninstall >/dev/null 2>&1
	umount --lazy /var/lib
	rm -rf "$work"
}
trap leave EXIT

# Starts the service as $pid, and waits until it observes.
serve() {
	: >"$log"
	"$procobsrvd" --config "$configuration" 2>>"$log" </dev/null &
	pid=$!
	wait_for "$log" ' observes$'
}

# ended SIGNAL: sends it, and waits for the end.
ended() {
	status=0
	kill "-$1" "$pid"
	wait "$pid" 2>/dev/null || status=$?
	pid=
}
