#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# demo.sh: a live update in QEMU, told for a person. SERIES (the newest that can be had), or
# KDIR=TREE; FLB=rust|c; SAMPLE=notes: of the sample driver in place of memfds.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# find_tree: sets TREE and VERSION. Who names a series gets that one or nothing.
find_tree() {
	local series found rc

	[ -z "${KDIR:-}" ] || SERIES=KDIR
	for series in ${SERIES:-$(tac -s ' ' <<<"$SUPPORTED ")}; do
		rc=0
		found=$("$TOP/scripts/fetch.sh" "$series") || rc=$?
		TREE=${found% *} VERSION=${found##* }
		[ "$rc" -ne 0 ] || return 0
		[ "$rc" -eq 77 ] || exit "$rc"
	done
	exit 1
}

tools() {
	"$TOP/scripts/setup.sh" && "$TOP/scripts/guest.sh"
}

demo() {
	local image words=(flb.mode=demo "flb.chain=$FLB,$FLB" ${SAMPLE:+"flb.sample=$SAMPLE"})

	aside tools
	FLB_ASIDE=1 find_tree
	join
	"$TOP/scripts/build.sh" "$TREE" "$FLB"
	image=$CACHE/image/$(variant "${TREE##*/}" "$FLB")
	"$TOP/scripts/initrd.sh" "$RUN/initrd" "$FLB=$image"
	printf 'Linux %s %s\n\n' "$VERSION" "$ARCH"
	"$TOP/scripts/boot.sh" "$image" "$RUN/initrd" "$RUN/console.log" "${words[@]}"
	echo
	grep -aq '^FLB-RESULT pass' "$RUN/console.log" || die "the demo failed: $(
		grep -a -m 1 'FLB-CHECK FAIL' "$RUN/console.log" | tr -d '\r' || echo no result
	)" "log: $RUN/console.log"
}

FLB=${FLB:-rust}
[[ $FLB =~ ^(rust|c)$ ]] || die "FLB=$FLB is neither rust nor c"
[[ ${SAMPLE:-notes} == notes ]] ||
	die "SAMPLE=$SAMPLE is no sample" "leave it out or use SAMPLE=notes"
export FLB_RUN=$CACHE/run/demo FLB_STORY=1
RUN=$FLB_RUN
"$TOP/scripts/fetch.sh" --check "${SERIES:-$NEWEST}"
cache_dir run/demo
need_cache 4000
lock demo
"$TOP/scripts/setup.sh" --packages
as_group demo
