#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# demo.sh: a live update in QEMU, told for a person. SERIES (the newest that can be had), or
# KDIR=TREE; FLB=rust|c; SAMPLE=notes|devices: of a sample in place of memfds; SAMPLE=FILE.rs: of a
# driver of yours, with DEVICE=NAME if its source does not say it as samples do, and WRITE=TEXT if
# it wants something else to be written. VM=yes: of a virtual machine, which the emulated one runs.
# NEXT=rust|c: the FLB of the second kernel, if it is another.
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
	KIND=own
	[ "${#WRITE}" -le 256 ] || die "WRITE= is too long" "give 256 bytes at most"
	WORDS=(flb.sample=own "flb.driver=$name" "flb.device=$DEVICE")
	[ -z "$WRITE" ] || WORDS+=("flb.write=$(printf %s "$WRITE" | od -An -v -tx1 |
		tr -d ' \n')")
}

demo() {
	local cores=("$FLB") core image kernels=()
	local words=(flb.mode=demo "flb.chain=$FLB,$NEXT" "${WORDS[@]}")

	aside tools
	FLB_ASIDE=1 find_tree
	join
	[ "$NEXT" = "$FLB" ] || cores+=("$NEXT")
	for core in "${cores[@]}"; do
		"$TOP/scripts/build.sh" "$TREE" "$core$KIND"
		image=$CACHE/image/$(variant "${TREE##*/}" "$core$KIND")
		kernels+=("$core=$image")
	done
	! has_hugetlb "$TREE" || words+=("hugepages=$([ "$VM" = yes ] && echo 40 || echo 16)")
	"$TOP/scripts/initrd.sh" "$RUN/initrd" "${kernels[@]}"
	printf 'Linux %s %s\n\n' "$VERSION" "$ARCH"
	"$TOP/scripts/boot.sh" "${kernels[0]#*=}" "$RUN/initrd" "$RUN/console.log" "${words[@]}"
	echo
	grep -aq '^FLB-RESULT pass' "$RUN/console.log" || die "the demo failed: $(
		grep -a -m 1 'FLB-CHECK FAIL' "$RUN/console.log" | tr -d '\r' || echo no result
	)" "log: $RUN/console.log"
}

FLB=${FLB:-rust} WRITE=${WRITE:-} VM=${VM:-no}
NEXT=${NEXT:-$FLB}
[[ $FLB =~ ^(rust|c)$ ]] || die "FLB=$FLB is neither rust nor c"
[[ $NEXT =~ ^(rust|c)$ ]] || die "NEXT=$NEXT is neither rust nor c"
KIND='' WORDS=(${SAMPLE:+"flb.sample=$SAMPLE"})
case ${SAMPLE:-notes} in
notes) ;;
devices) WORDS+=(rust_liveupdate_devices.devices=3) ;;
*.rs) find_driver ;;
*)
	die "SAMPLE=$SAMPLE is no sample" \
		"leave it out or use SAMPLE=notes, SAMPLE=devices, or a file of yours, like mine.rs"
	;;
esac
case $VM${SAMPLE:+ $SAMPLE} in
yes)
	[ "$ARCH" = x86_64 ] || die "VM=yes is for x86_64" "leave ARCH=$ARCH out"
	WORDS=(flb.sample=vm flb.icount=1)
	;;
no*) ;;
yes*) die "VM=yes is a story of its own" "leave SAMPLE=$SAMPLE out" ;;
*) die "VM=$VM is neither yes nor no" ;;
esac
export FLB_RUN=$CACHE/run/demo FLB_STORY=1
RUN=$FLB_RUN
"$TOP/scripts/fetch.sh" --check "${SERIES:-$NEWEST}"
cache_dir run/demo
need_cache 4000
lock demo
"$TOP/scripts/setup.sh" --packages
as_group demo
