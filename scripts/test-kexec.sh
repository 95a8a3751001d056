#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test-kexec.sh NAME CHAIN [--selftests|SCENARIO...]: every scenario of the guest, or every selftest
# of the kernel tree, or these scenarios, over the kernels of CHAIN (like c,rust; repeated as often
# as needed) of tree NAME. FLB_FLAVOR=64k|debug|kcsan: over such kernels.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"

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
		   [[ $series == ,all, || $series == *,$SERIES,* ]]; then
			printf '%s' "$defect"
			return
		fi
	done < <(grep -v '^#' "$EXPECTED")
}

# A kernel that looks for mistakes stops at the first that it finds.
WORDS=()
case ${FLB_FLAVOR:-} in
debug) WORDS=(panic_on_warn=1 flb.timeout=300 flb.leaks=1) ;;
kcsan) WORDS=(panic_on_warn=1 flb.timeout=300) ;;
esac

# stood_still LOG WHY: did QEMU hang, and not the guest? It does at times, see accel.sh, and in one
# of thousands of boots however it runs. A guest that hangs says so after flb.timeout, long before
# QEMU is ended.
stood_still() {
	[[ $2 == *'did not end within'* ]] &&
		! grep -aq '^FLB-CHECK FAIL' "$1" && log_faults "$1" >/dev/null
}

# run_one MODE SCENARIO HOPS: boot, judge, and print the line.
run_one() {
	local mode=$1 scenario=$2 hops=$3 log=$RUN/$GROUP-$2.log name=$GROUP/$2
	local defect='' start why note=''

	start=$(now_ms)
	[ "$mode" != scenario ] || defect=$(known_defect "$scenario")
	set -- "$log" "$(image "$(label_at 0)")" "$INITRD" "$hops" "flb.mode=$mode" \
		"flb.scenario=$scenario" "flb.chain=$(full_chain "$hops")" "${WORDS[@]}"
	if ! why=$(run_guest "$@"); then
		if stood_still "$log" "$why"; then
			mv "$log" "$log.hung"
			note="second boot, QEMU hung in the first; see $log.hung"
			why=$(run_guest "$@") || defect=''
		else
			defect=''
		fi
	fi
	if [ -n "$defect" ] && [ -z "$why" ]; then
		result FAIL "$name" "$(seconds_since "$start")" "passes, but C has $defect"
	elif [ -n "$defect" ] && grep -aq '^FLB-RESULT fail' "$log"; then
		result xfail "$name" "$(seconds_since "$start")" "$defect${note:+; $note}"
	elif [ -n "$why" ]; then
		result FAIL "$name" "$(seconds_since "$start")" "$why; see $log"
	else
		result ok "$name" "$(seconds_since "$start")" "$note"
	fi
}

# image LABEL: the kernel that it stands for.
image() {
	printf '%s' "$CACHE/image/$(variant "$NAME" "$1${FLB_FLAVOR:-}")"
}

# images: the labels that the chain uses, with their images.
images() {
	local label

	for label in $(tr ',' '\n' <<<"$CHAIN" | sort -u); do
		printf '%s=%s\n' "$label" "$(image "$label")"
	done
}

# list [--selftests|SCENARIO...]: mode, name and number of kernels of each test. Those that want a
# chain of their own run only when they are named.
list() {
	if [ "${1:-}" = --selftests ]; then
		find "$SELFTESTS" -type f -printf 'selftest %f 2\n' | sort
	elif [ $# -eq 0 ]; then
		"$CACHE/guest/init" --list | awk '{ print "scenario", $1, $2 }'
	else
		{ "$CACHE/guest/init" --list && "$CACHE/guest/init" --list-special; } |
			awk -v names=" $* " 'index(names, " " $1 " ") { print "scenario", $1, $2 }'
	fi
}

# check_known: those that are named have to be there.
check_known() {
	local name known

	known=$(list "$@" | cut -d ' ' -f 2)
	[ "${1:-}" != --selftests ] || return 0
	for name in "$@"; do
		grep -qxF -e "$name" <<<"$known" ||
			{ result FAIL "$GROUP/$name" 0 'there is no such scenario'; return 1; }
	done
}

if [ "${1:-}" = --one ]; then
	run_one "$2" "$3" "$4"
	exit
fi
[ $# -ge 2 ] || die "usage: test-kexec.sh NAME CHAIN [--selftests|SCENARIO...]"
export NAME=$1 CHAIN=$2
shift 2
GROUP=kexec-$(variant "$NAME" "${CHAIN//,/-}")${FLB_FLAVOR:+-$FLB_FLAVOR}
SELFTESTS=$CACHE/selftests/$(arch_name "$NAME")
SERIES=$(cat "$CACHE/tree/$NAME/.flb-version")
SERIES=${SERIES%.*}
mapfile -t files < <(images)
if [ "${1:-}" = --selftests ]; then
	GROUP+=-selftests
	files+=("$SELFTESTS"/*)
fi
export GROUP SERIES INITRD=$RUN/$GROUP.initrd
cache_dir run
mkdir -p "$RUN"
"$TOP/scripts/initrd.sh" "$INITRD" "${files[@]}"
check_known "$@" || exit 1
# As many guests at a time as there are processors; each has its own line when it ends.
list "$@" | xargs -r -P "$JOBS" -L 1 "$0" --one || exit 1
