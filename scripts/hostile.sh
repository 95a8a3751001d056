#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# hostile.sh: damaged handovers on the core in Rust and on that in C, side by side, put into the
# page. SERIES and KDIR narrow it down.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/page.sh
. "$TOP/scripts/page.sh"

PAGE=$TOP/Documentation/hostile.rst
export FLB_RUN=$CACHE/run/hostile
RUN=$FLB_RUN

# cell WIDTH TEXT
cell() {
	printf '%-*s  ' "$1" "$2"
}

# rows NAME FORMAT: what was done, and what each core made of it.
rows() {
	local name about core

	"$CACHE/guest/init" --list-hostile "$2" | while read -r name about; do
		cell 18 "$name"
		cell 41 "$about"
		for core in rust c; do
			cell 60 "$(cat "$RUN/hostile-$1-$core/$name")"
		done
		echo
	done
}

# table NAME FORMAT
table() {
	local rule

	rule=$(printf '%s  %s  %s  %s' "$(printf '=%.0s' {1..18})" "$(printf '=%.0s' {1..41})" \
		"$(printf '=%.0s' {1..60})" "$(printf '=%.0s' {1..60})")
	printf '\nLinux %s:\n\n%s\n' "$(cat "$CACHE/tree/$1/.flb-version")" "$rule"
	cell 18 case
	cell 41 'what is damaged'
	cell 60 'core in Rust'
	cell 60 'core in C'
	printf '\n%s\n' "$rule"
	rows "$1" "$2"
	printf '%s\n\n' "$rule"
}

# both NAME: all cases on both cores.
both() {
	"$TOP/scripts/test-hostile.sh" "$1" && "$TOP/scripts/test-hostile.sh" "$1" c
}

# series NAME: the page's part for it.
series() {
	local found tree name format=structure

	found=$("$TOP/scripts/fetch.sh" "$1")
	tree=${found% *}
	name=${tree##*/}
	"$TOP/scripts/setup.sh"
	"$TOP/scripts/build.sh" "$tree" c
	"$TOP/scripts/build.sh" "$tree" rust
	"$TOP/scripts/guest.sh"
	step "Damage handovers of $name" both "$name"
	! grep '^FAIL' "$RUN/damage-handovers-of-$name.log" || exit 1
	! grep -qw LUO_FDT_FLB_NODE_NAME "$tree/include/linux/kho/abi/luo.h" || format=tree
	table "$name" "$format" | sed 's/ *$//' >"$RUN/hostile-$name.rst"
	if grep -q "^\.\. begin $name\$" "$PAGE"; then
		put_table "$PAGE" "$name" "$RUN/hostile-$name.rst"
	else
		cat "$RUN/hostile-$name.rst"
	fi
}

[ "$ARCH" = x86_64 ] || die "the page is about x86_64" "leave ARCH out"
cache_dir run/hostile
lock test
if [ -n "${KDIR:-}" ]; then
	series KDIR
else
	for name in ${SERIES:-$SUPPORTED}; do
		series "$name"
	done
fi
