# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2154 # work, here, started: run has them
# procobsrvd on the machine, started and stopped as its unit and the packages' scripts would.
service=0

# Ready when this returns.
start_service() {
	rm -f "$work/state"
	on /bin/true || return
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$here/start_notified" "$work/state" \
		chroot "$machine" /usr/sbin/procobsrvd --config /etc/procobsrv/procobsrvd.conf >>"$work/service.log" 2>&1 &
	service=$!
	started+=("$service")
	wait_until service_settled
	[ -s "$work/state" ] || { cat "$work/service.log"; return 1; }
}

# Ready, or ended.
service_settled() {
	[ -s "$work/state" ] || ! kill -0 "$service"
}

# Its status.
stop_service() {
	kill "$service"
	wait "$service"
}

# What postinst has systemd do.
restart_service() {
	stop_service && start_service
}
