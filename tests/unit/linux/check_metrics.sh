#!/bin/sh
# SPDX-License-Identifier: MIT
# Prometheus' own program has nothing to say about our metrics: $1 prints a sample, $2 is promtool.
set -eu
text=$("$1" --sample)
[ -n "$text" ]
printf '%s\n' "$text" | "$2" check metrics
