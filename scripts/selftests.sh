#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# selftests.sh TREE: build the tree's own tools/testing/selftests/liveupdate and, where they are,
# some of selftests/mm for huge pages, unmodified, static, against its own headers, to
# $CACHE/selftests/NAME; NAME-ARCH for another ARCH than x86_64.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# Those of all series; a tree has some of them.
PROGRAMS=(liveupdate luo_kexec_simple luo_multi_session luo_stress_files luo_stress_sessions)
MM_PROGRAMS=(hugetlb-madvise hugetlb-mmap)

headers() {
	make -C "$TREE" O="$OUT.hdr" ARCH="$ARCH" -j"$JOBS" \
		INSTALL_HDR_PATH="$OUT.hdr/usr" headers_install
}

# compile_mm: for kernels that hand over files in huge pages.
compile_mm() {
	local mm=${SRC%/*}/mm program

	has_hugetlb "$TREE" || return 0
	for program in "${MM_PROGRAMS[@]}"; do
		"$CC" -static -O2 -Wall -D_GNU_SOURCE= -isystem "$OUT.hdr/usr/include" \
			-I "${SRC%/*}" -I "$TREE/tools/include/uapi" -o "$OUT.tmp/$program" \
			"$mm/$program.c" "$mm/vm_util.c" "$mm/hugepage_settings.c" -lpthread ||
			return 1
	done
}

# The helpers are one file here, a directory of them in other series.
compile() {
	local program helpers=() file

	for file in "$SRC"/luo_test_utils.c "$SRC"/lib/*.c; do
		[ ! -f "$file" ] || helpers+=("$file")
	done
	rm -rf "$OUT.tmp" && mkdir -p "$OUT.tmp" || return 1
	for program in "${PROGRAMS[@]}"; do
		[ -f "$SRC/$program.c" ] || continue
		# The compiler may not replace calls here: the programs are their own small library.
		"$CC" -static -O2 -Wall -Wno-unused-function -fno-builtin -D_GNU_SOURCE= \
			-isystem "$OUT.hdr/usr/include" -I "$TREE/tools/testing/selftests" \
			-I "$SRC" -I "$SRC/lib/include" -o "$OUT.tmp/$program" \
			"$SRC/$program.c" "${helpers[@]}" || return 1
	done
	compile_mm && rm -rf "$OUT" && mv "$OUT.tmp" "$OUT"
}

build() {
	headers && compile
}

[ $# -eq 1 ] || die "usage: selftests.sh TREE"
TREE=$1
NAME=${TREE##*/}
SRC=$TREE/tools/testing/selftests/liveupdate
OUT=$CACHE/selftests/$(arch_name "$NAME")
[ -d "$SRC" ] || die "$TREE has no selftests for live update"
CC=gcc
[ "$ARCH" = x86_64 ] || CC=aarch64-linux-gnu-gcc
have "$CC" || die "$CC is missing" "run scripts/setup.sh"
cache_dir selftests
lock "tree-$NAME"
KEY="$("$CC" -dumpfullversion) $(cat "$TREE/.flb-version" "$0" | sha256sum)"
if [ "$(cat "$OUT.version" 2>/dev/null)" = "$KEY" ] && [[ $NAME != kdir-* ]]; then
	exit 0
fi
step "Selftests of ${OUT##*/}" build || exit 1
printf '%s\n' "$KEY" >"$OUT.version"
