#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# demo.sh: a live update in QEMU, told for a person. SERIES (the newest that can be had), or
# KDIR=TREE; FLB=rust|c; SAMPLE=notes|devices: of a sample in place of memfds; SAMPLE=FILE.rs: of a
# driver of yours, with DEVICE=NAME if its source does not say it as samples do, and WRITE=TEXT if
# it wants something else to be written.
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

# said_in FILE PREFIX: the first name that a source gives as a literal with this prefix.
said_in() {
	sed -n "s/^\(.*[^[:alnum:]_]\)\?name: $2\"\([^\"]*\)\".*/\2/p" "$1" | head -n 1
}

# find_driver: a source file of yours, for build.sh, and the words for its story.
find_driver() {
	local name

	FLB_DRIVER=$(realpath -e -q "$SAMPLE") ||
		die "there is no driver $SAMPLE" "give the path of its file"
	name=$(said_in "$FLB_DRIVER" '')
	DEVICE=${DEVICE:-$(said_in "$FLB_DRIVER" c)}
	[ -n "$name" ] || die "$SAMPLE has no module! with a name" "the guide says how"
	[ -n "$DEVICE" ] || die "$SAMPLE does not say what its device is called" "add DEVICE=NAME"
	export FLB_DRIVER
	KIND=${FLB}own
	[ "${#WRITE}" -le 256 ] || die "WRITE= is too long" "give 256 bytes at most"
	WORDS=(flb.sample=own "flb.driver=$name" "flb.device=$DEVICE")
	[ -z "$WRITE" ] || WORDS+=("flb.write=$(printf %s "$WRITE" | od -An -v -tx1 |
		tr -d ' \n')")
}

demo() {
	local image words=(flb.mode=demo "flb.chain=$FLB,$FLB" "${WORDS[@]}")

	aside tools
	FLB_ASIDE=1 find_tree
	join
	"$TOP/scripts/build.sh" "$TREE" "$KIND"
	! has_hugetlb "$TREE" || words+=(hugepages=16)
	image=$CACHE/image/$(variant "${TREE##*/}" "$KIND")
	"$TOP/scripts/initrd.sh" "$RUN/initrd" "$FLB=$image"
	printf 'Linux %s %s\n\n' "$VERSION" "$ARCH"
	"$TOP/scripts/boot.sh" "$image" "$RUN/initrd" "$RUN/console.log" "${words[@]}"
	echo
	grep -aq '^FLB-RESULT pass' "$RUN/console.log" || die "the demo failed: $(
		grep -a -m 1 'FLB-CHECK FAIL' "$RUN/console.log" | tr -d '\r' || echo no result
	)" "log: $RUN/console.log"
}

FLB=${FLB:-rust} WRITE=${WRITE:-}
[[ $FLB =~ ^(rust|c)$ ]] || die "FLB=$FLB is neither rust nor c"
KIND=$FLB WORDS=(${SAMPLE:+"flb.sample=$SAMPLE"})
case ${SAMPLE:-notes} in
notes) ;;
devices) WORDS+=(rust_liveupdate_devices.devices=3) ;;
*.rs) find_driver ;;
*)
	die "SAMPLE=$SAMPLE is no sample" \
		"leave it out or use SAMPLE=notes, SAMPLE=devices, or a file of yours, like mine.rs"
	;;
esac
export FLB_RUN=$CACHE/run/demo FLB_STORY=1
RUN=$FLB_RUN
"$TOP/scripts/fetch.sh" --check "${SERIES:-$NEWEST}"
cache_dir run/demo
need_cache 4000
lock demo
"$TOP/scripts/setup.sh" --packages
as_group demo
