#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# demo.sh: a live update in QEMU, told for a person. SERIES=7.1, or KDIR=TREE; FLB=rust|c.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/faults.sh
. "$TOP/scripts/faults.sh"

FLB=${FLB:-rust}
case $FLB in
rust|c) ;;
*) die "FLB=$FLB is neither rust nor c" ;;
esac
export FLB_RUN=$CACHE/run/demo FLB_STORY=1
RUN=$FLB_RUN
"$TOP/scripts/fetch.sh" --check "${SERIES:-7.1}"
cache_dir run/demo
need_cache
lock demo

"$TOP/scripts/setup.sh"
FOUND=$("$TOP/scripts/fetch.sh" "${SERIES:-7.1}")
TREE=${FOUND% *}
"$TOP/scripts/build.sh" "$TREE" "$FLB"
"$TOP/scripts/guest.sh"
"$TOP/scripts/initrd.sh" "$RUN/initrd" "$FLB=$CACHE/image/${TREE##*/}-$FLB"
echo
"$TOP/scripts/boot.sh" "$CACHE/image/${TREE##*/}-$FLB" "$RUN/initrd" "$RUN/console.log" \
	flb.mode=demo "flb.chain=$FLB,$FLB"
echo
faults=$(log_faults "$RUN/console.log") ||
	die "the kernel complained: $(head -n 1 <<<"$faults")" "log: $RUN/console.log"
grep -aq '^FLB-RESULT pass' "$RUN/console.log" ||
	die "the demo failed: $(grep -a -m 1 'FLB-CHECK FAIL' "$RUN/console.log" | tr -d '\r' ||
		echo no result)" "log: $RUN/console.log"
