# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# For the tests of examples: waits until one has begun.

# watches FILE: until an example has said there that it does, for half a minute at most.
watches() {
	tries=0
	until grep -q '^watching' "$1"; do
		tries=$((tries + 1))
		if [ $tries -gt 300 ]; then
			echo "the example does not say that it watches, but:" >&2
			cat "$1" >&2
			exit 1
		fi
		sleep 0.1
	done
}
