# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2154 # work, machine, root: run has them
# A machine of Debian 12 in $machine, without an init, with a bpffs of its own.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/procobsrv/debootstrap

# Made once; what it installs later is kept beside it.
make_base() {
	local mirror
	mirror=$("$root/tools/debian-mirror") || return
	mkdir -p "$cache/archives/partial" || return
	debootstrap --variant=minbase --include=systemd bookworm "$work/base" "$mirror" || return
	chroot "$work/base" apt-get -q update || return
	rm -rf "$work/base/var/cache/apt"/*.bin "$work/base/var/cache/apt/archives"/*.deb \
		"$work/base/usr/share"/{doc,locale,man}/*
	# For those who come after, whole or not at all.
	tar -C "$work/base" -cf "$cache/bookworm.tar.$$" . && mv "$cache/bookworm.tar.$$" "$cache/bookworm.tar" || return
	rm -rf "$work/base"
}

make_machine() {
	[ -s "$cache/bookworm.tar" ] || make_base || return
	mkdir "$machine" && tar -C "$machine" -xf "$cache/bookworm.tar" || return
	cp /etc/resolv.conf "$machine/etc/resolv.conf" || return
	# The disk of a machine that is thrown away need not be waited for.
	echo force-unsafe-io >"$machine/etc/dpkg/dpkg.cfg.d/unsafe-io" || return
	mkdir -p "$machine/packages" "$machine/var/cache/apt/archives" "$cache/archives/partial" || return
	mount --bind "$cache/archives" "$machine/var/cache/apt/archives" &&
		mount --rbind /proc "$machine/proc" &&
		mount -t sysfs sysfs "$machine/sys" &&
		mount -t bpf -o mode=0700 bpf "$machine/sys/fs/bpf" &&
		mount --bind /sys/fs/cgroup "$machine/sys/fs/cgroup" &&
		mount --rbind /dev "$machine/dev" &&
		mount -t tmpfs -o mode=0755 tmpfs "$machine/run"
}

# The last one first.
unmount_machine() {
	awk -v below="$machine/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | tac | xargs -r umount
}

# A command on the machine.
on() {
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive ${http_proxy:+"http_proxy=$http_proxy"} chroot "$machine" "$@" </dev/null
}

# install DIRECTORY PACKAGE...: of our own packages, with what they need from Debian.
install() {
	local directory=$1 package files=()
	shift
	for package; do
		cp "$work/$directory/${package}_"*.deb "$machine/packages/" || return
		files+=("/packages/$(cd "$work/$directory" && echo "${package}_"*.deb)")
	done
	# The lists that came with the machine may be out of date by now.
	on apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-confold "${files[@]}" ||
		{ on apt-get -q update && on apt-get install -y -q --no-install-recommends \
			-o Dpkg::Options::=--force-confold "${files[@]}"; }
}

# What bears our name anywhere on the machine, but for what the test itself and Debian's tools keep.
traces() {
	find "$machine" -xdev \( -path "$machine/packages" -o -path "$machine/var/log/apt" -o \
		-path "$machine/var/cache" -o -path "$machine/var/log/dpkg.log" \) -prune -o \
		-iname '*procobsrv*' -print -o -name 'consctl*' -print
	find "$machine/run" "$machine/sys/fs/bpf" -xdev -iname '*procobsrv*'
}

version_of() { # PACKAGE
	on dpkg-query --show --showformat='${Version}' "$1"
}
