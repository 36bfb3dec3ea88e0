#!/bin/sh
# SPDX-License-Identifier: MIT
# Prometheus' own program has nothing to say about our metrics, and the manual names each: $1 prints a
# sample, $2 is promtool, $3 is procobsrvd.8.
set -eu
text=$("$1" --sample)
[ -n "$text" ]
printf '%s\n' "$text" | "$2" check metrics
printf '%s\n' "$text" | sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' | {
	status=0
	while read -r name; do
		grep -Eq "^\.It Li $name([{ ]|\$)" "$3" || {
			echo "procobsrvd.8 does not name $name"
			status=1
		}
	done
	exit $status
}
