#!/bin/sh
# SPDX-License-Identifier: MIT
# A tree of daemons, two forks and a setsid each, while a second one grows beside it: all of the one, none
# of the other. Besides consctl: the programs orphans and storm_child. TREE_COUNT daemons (10,000).
orphans=$2
child=$3
. "$(dirname "$0")/tap.sh"

number=${TREE_COUNT-10000}
"$orphans" 1000000 "$child" foreign-$$ &
other=$!
try "$consctl" run -j -o "$work/lines" -- "$orphans" "$number" "$child" mine-$$
kill "$other"
check 'status of the command' ended_with 0
check 'nothing lost' err ' lost 0$'
tail -n 2 "$work/err" | sed 's/^/# /'
check 'every daemon ran its program' [ "$(grep '"kind":"exec"' "$work/lines" | grep -c "\"mine-$$\",\"[0-9]*\"\\]")" -eq "$number" ]
check 'each of them once' [ "$(grep '"kind":"exec"' "$work/lines" | grep -o "\"mine-$$\",\"[0-9]*\"\\]" | sort -u | wc -l)" -eq "$number" ]
check 'every fork was told' [ "$(grep -c '"kind":"start"' "$work/lines")" -eq $((2 * number + 1)) ]
check 'and every end' [ "$(grep -c '"kind":"exit"' "$work/lines")" -eq $((2 * number + 1)) ]
check 'none of the other tree' sh -c "! grep -q 'foreign-$$' '$work/lines'"
try "$consctl" verify "$work/lines"
check 'complete' ended_with 0

done_testing
