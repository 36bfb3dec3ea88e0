#!/bin/sh
# SPDX-License-Identifier: MIT
# strace_build CONSCTL SOURCE: a real build of this project, under consctl run and strace at once.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
meson setup "$work/build" "$2" -Dtests=disabled -Dbench=disabled -Dstatic=disabled >/dev/null
python3 "$(dirname "$0")/compare_strace.py" "$1" -- ninja -C "$work/build" -j2 lib/libprocobsrv_internal.a
