#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test-kexec.sh NAME CHAIN [--selftests]: every scenario of the guest, or every selftest of the
# kernel tree, over the kernels of CHAIN (like c,rust; repeated as often as needed) of tree NAME.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"
# shellcheck source=scripts/faults.sh
. "$TOP/scripts/faults.sh"

EXPECTED=$TOP/tests/expected/c-core.txt

# label_at HOP: which kernel runs there.
label_at() {
	local labels

	IFS=, read -ra labels <<<"$CHAIN"
	printf '%s' "${labels[$1 % ${#labels[@]}]}"
}

# full_chain HOPS: a label for each.
full_chain() {
	local hop chain=''

	for ((hop = 0; hop < $1; hop++)); do
		chain=${chain:+$chain,}$(label_at "$hop")
	done
	printf '%s' "$chain"
}

# known_defect SCENARIO: its name, when the table has one for the C core of this series at a hop
# that is C here.
known_defect() {
	local scenario defect hop series

	while read -r scenario defect hop series _; do
		series=,${series#series=},
		if [ "$scenario" = "$1" ] && [ "$(label_at "${hop#hop=}")" = c ] &&
		   [[ $series == ,all, || $series == *,${NAME%%-*},* ]]; then
			printf '%s' "$defect"
			return
		fi
	done < <(grep -v '^#' "$EXPECTED")
}

# verdict LOG: empty when the run passed, else the reason.
verdict() {
	local log=$1 faults

	if ! grep -aqE '^FLB-RESULT pass' "$log"; then
		grep -a -m 1 '^FLB-CHECK FAIL' "$log" | tr -d '\r' | grep . ||
			echo "no result, last line: $(tail -n 1 "$log")" | tr -d '\r'
	elif ! faults=$(log_faults "$log"); then
		head -n 1 <<<"$faults"
	fi
}

# run_one MODE SCENARIO HOPS: boot, judge, and print the line.
run_one() {
	local mode=$1 scenario=$2 hops=$3 log=$RUN/$GROUP-$2.log name=$GROUP/$2
	local defect='' start why out

	start=$(now_ms)
	[ "$mode" != scenario ] || defect=$(known_defect "$scenario")
	if out=$("$TOP/scripts/boot.sh" "$CACHE/image/$NAME-$(label_at 0)" "$INITRD" "$log" \
			"flb.mode=$mode" "flb.scenario=$scenario" \
			"flb.chain=$(full_chain "$hops")" 2>&1); then
		why=$(verdict "$log")
	else
		why=$out defect=''
	fi
	if [ -n "$defect" ] && [ -z "$why" ]; then
		result FAIL "$name" "$(seconds_since "$start")" "passes, but C has $defect"
	elif [ -n "$defect" ] && grep -aq '^FLB-RESULT fail' "$log"; then
		result xfail "$name" "$(seconds_since "$start")" "$defect"
	elif [ -n "$why" ]; then
		result FAIL "$name" "$(seconds_since "$start")" "$why; see $log"
	else
		result ok "$name" "$(seconds_since "$start")"
	fi
}

# labels: those that the chain uses, with their images.
images() {
	local label

	for label in $(tr ',' '\n' <<<"$CHAIN" | sort -u); do
		printf '%s=%s\n' "$label" "$CACHE/image/$NAME-$label"
	done
}

# list: mode, name and number of kernels of each test.
list() {
	if [ -n "$SELFTESTS" ]; then
		find "$CACHE/selftests/$NAME" -type f -printf 'selftest %f 2\n' | sort
	else
		"$CACHE/guest/init" --list | awk '{ print "scenario", $1, $2 }'
	fi
}

if [ "${1:-}" = --one ]; then
	run_one "$2" "$3" "$4"
	exit
fi
[ $# -ge 2 ] || die "usage: test-kexec.sh NAME CHAIN [--selftests]"
export NAME=$1 CHAIN=$2 SELFTESTS=${3:-}
export GROUP=kexec-$NAME-${CHAIN//,/-}${SELFTESTS:+-selftests}
export INITRD=$RUN/$GROUP.initrd
mapfile -t files < <(images)
if [ -n "$SELFTESTS" ]; then
	files+=("$CACHE/selftests/$NAME"/*)
fi
cache_dir run
mkdir -p "$RUN"
"$TOP/scripts/initrd.sh" "$INITRD" "${files[@]}"
# As many guests at a time as there are processors; each has its own line when it ends.
list | xargs -r -P "$JOBS" -L 1 "$0" --one || exit 1
