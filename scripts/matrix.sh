#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# matrix.sh: live updates in every pairing, as make test has them, and their tables put into the
# page. SERIES, KDIR and ARCH narrow it down.
set -euo pipefail
ARCHES=${ARCH:-x86_64 arm64}
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/page.sh
. "$TOP/scripts/page.sh"

PAGE=$TOP/Documentation/matrix.rst
RUN=$CACHE/run/test

# whole ARCH: has this run the table with all that belongs there, and no failure?
whole() {
	local table=$RUN/matrix-$1.rst series want=$SUPPORTED

	[ -f "$table" ] && ! grep -qw FAIL "$table" || return 1
	[ "$1" = x86_64 ] || want=$NEWEST
	for series in $want; do
		grep -q "^- $(ARCH=$1 arch_name "$series"): " "$table" || return 1
	done
}

rm -f "$RUN"/matrix-{x86_64,arm64}.rst
rc=0
ARCH=$ARCHES ONLY=matrix "$TOP/scripts/test.sh" || rc=$?
for arch in x86_64 arm64; do
	if whole "$arch"; then
		put_table "$PAGE" "$arch" "$RUN/matrix-$arch.rst"
	else
		note "${PAGE##*/}: the table of $arch stays, as this run has none that is whole"
	fi
done
exit "$rc"
