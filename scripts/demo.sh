#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# demo.sh: a live update in QEMU, told for a person. SERIES (the newest that can be had), or
# KDIR=TREE; FLB=rust|c; SAMPLE=notes: of the sample driver in place of memfds.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

FLB=${FLB:-rust}
case $FLB in
rust|c) ;;
*) die "FLB=$FLB is neither rust nor c" ;;
esac
case ${SAMPLE:-} in
''|notes) ;;
*) die "SAMPLE=$SAMPLE is no sample" "leave it out or use SAMPLE=notes" ;;
esac
# find_tree: sets TREE and VERSION. Who names a series gets that one or nothing.
find_tree() {
	local series found rc

	[ -z "${KDIR:-}" ] || SERIES=KDIR
	for series in ${SERIES:-$(tac -s ' ' <<<"$SUPPORTED ")}; do
		rc=0
		found=$("$TOP/scripts/fetch.sh" "$series") || rc=$?
		if [ "$rc" -eq 0 ]; then
			TREE=${found% *} VERSION=${found##* }
			return
		fi
		[ "$rc" -eq 77 ] || exit "$rc"
	done
	exit 1
}

export FLB_RUN=$CACHE/run/demo FLB_STORY=1
RUN=$FLB_RUN
"$TOP/scripts/fetch.sh" --check "${SERIES:-$NEWEST}"
cache_dir run/demo
need_cache 4000
lock demo

"$TOP/scripts/setup.sh"
find_tree
IMAGE=$CACHE/image/$(variant "${TREE##*/}" "$FLB")
"$TOP/scripts/build.sh" "$TREE" "$FLB"
"$TOP/scripts/guest.sh"
"$TOP/scripts/initrd.sh" "$RUN/initrd" "$FLB=$IMAGE"
printf 'Linux %s %s\n\n' "$VERSION" "$ARCH"
"$TOP/scripts/boot.sh" "$IMAGE" "$RUN/initrd" "$RUN/console.log" \
	flb.mode=demo "flb.chain=$FLB,$FLB" ${SAMPLE:+"flb.sample=$SAMPLE"}
echo
grep -aq '^FLB-RESULT pass' "$RUN/console.log" ||
	die "the demo failed: $(grep -a -m 1 'FLB-CHECK FAIL' "$RUN/console.log" | tr -d '\r' ||
		echo no result)" "log: $RUN/console.log"
