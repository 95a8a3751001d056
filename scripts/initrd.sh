#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# initrd.sh OUT LABEL=IMAGE... [SELFTEST...]: an initramfs with /init, /bin/luoctl, /kernels/LABEL,
# /selftests/*, and /modules/LABEL.ko if the kernel has a module.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# stage ARGUMENT...: lay out what goes in.
stage() {
	local arg

	mkdir -p "$ROOT"/{bin,kernels,modules,selftests,proc,sys,dev,tmp} &&
		cp "$GUEST/init$SUFFIX" "$ROOT/init" &&
		cp "$GUEST/luoctl$SUFFIX" "$ROOT/bin/luoctl" || return 1
	for arg in "$@"; do
		case $arg in
		*=*) cp "${arg#*=}" "$ROOT/kernels/${arg%%=*}" ;;
		*) cp "$arg" "$ROOT/selftests/" ;;
		esac || return 1
		[ ! -f "${arg#*=}.ko" ] ||
			cp "${arg#*=}.ko" "$ROOT/modules/${arg%%=*}.ko" || return 1
	done
}

[ $# -ge 1 ] || die "usage: initrd.sh OUT LABEL=IMAGE... [SELFTEST...]"
OUT=$1
shift
GUEST=$CACHE/guest SUFFIX=
[ "$ARCH" = x86_64 ] || SUFFIX=-$ARCH
have cpio || die "cpio is missing" "apt-get install cpio"
[ -x "$GUEST/init$SUFFIX" ] || die "no guest userspace" "run scripts/guest.sh"
ROOT=$(mktemp -d "$OUT.XXXXXX" 2>/dev/null) || die "cannot write to ${OUT%/*}" "free some space"
trap 'rm -rf "$ROOT" "$OUT.tmp"' EXIT
trap 'exit 143' INT TERM HUP
stage "$@" || die "cannot lay out the initramfs in $ROOT" "free some space"
(cd "$ROOT" && find . -mindepth 1 | sort | cpio --quiet -o -H newc -R 0:0 --reproducible) \
	2>/dev/null >"$OUT.tmp" || die "cannot write $OUT" "free some space"
mv "$OUT.tmp" "$OUT"
