#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test-matrix.sh TREE...: a live update from the C and the Rust kernel of each tree to those of
# each; one line for each pair, then the table, which is left in $RUN/matrix-ARCH.rst too.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"

# formats TREE: what its headers call its handover. Kernels with the same understand each other.
formats() {
	awk '$1 == "#define" && $2 ~ /^(KHO_FDT|LUO[A-Z_]*|MEMFD_LUO_FH)_COMPATIBLE$/ {
			gsub(/"/, "", $3); print $3
		}' "$1"/include/linux/kho/abi/{kexec_handover,luo,memfd}.h | sort | paste -sd ' '
}

# kernels: label and formats of each.
kernels() {
	local tree core

	for tree in "${TREES[@]}"; do
		for core in c rust; do
			printf '%s %s\n' "$(variant "${tree##*/}" "$core")" "$(formats "$tree")"
		done
	done
}

# pairs: two labels, and what is to be seen.
pairs() {
	local from to format other

	while read -r from format; do
		while read -r to other; do
			[ "$format" = "$other" ] && echo "$from $to matrix" ||
				echo "$from $to matrix-refused"
		done < <(kernels)
	done < <(kernels)
}

# run_pair FROM TO SCENARIO: its line, and the word for the table.
run_pair() {
	local from=$1 to=$2 scenario=$3 log=$RUN/matrix-$1-to-$2.log word=yes start why

	start=$(now_ms)
	why=$(run_guest "$log" "$CACHE/image/$from" "$INITRD" 2 flb.mode=scenario \
		"flb.scenario=$scenario" "flb.chain=$from,$to") || true
	[ "$scenario" = matrix ] || word=refused
	if [ -z "$why" ]; then
		result ok "matrix/$from-to-$to" "$(seconds_since "$start")" "${word#yes}"
	else
		word=FAIL
		result FAIL "matrix/$from-to-$to" "$(seconds_since "$start")" "$why; see $log"
	fi
	echo "$word" >"$WORDS/$from-to-$to"
}

# row WIDTH WORD...: in columns of that width.
row() {
	local width=$1 line
	shift

	line=$(printf "%-${width}s  " "$@")
	printf '%s\n' "${line%"${line##*[! ]}"}"
}

# table: from the words, as reStructuredText.
table() {
	local labels rule from to words width

	mapfile -t labels < <(kernels | cut -d ' ' -f 1)
	width=$(printf '%s\n' 'from / to' "${labels[@]}" | wc -L)
	rule=$(printf "%${width}s" '')
	mapfile -t rule < <(printf "${rule// /=}\n%.0s" from "${labels[@]}")
	row "$width" "${rule[@]}"
	row "$width" 'from / to' "${labels[@]}"
	row "$width" "${rule[@]}"
	for from in "${labels[@]}"; do
		words=()
		for to in "${labels[@]}"; do
			words+=("$(cat "$WORDS/$from-to-$to" 2>/dev/null || echo FAIL)")
		done
		row "$width" "$from" "${words[@]}"
	done
	row "$width" "${rule[@]}"
}

# releases: what was behind the labels.
releases() {
	local tree

	for tree in "${TREES[@]}"; do
		printf -- '- %s: Linux %s (%s)\n' "$(arch_name "${tree##*/}")" \
			"$(cat "$tree/.flb-version")" "$(formats "$tree")"
	done
}

export WORDS=$RUN/matrix-$ARCH INITRD=$RUN/matrix-$ARCH.initrd
if [ "${1:-}" = --one ]; then
	run_pair "$2" "$3" "$4"
	exit
fi
[ $# -ge 1 ] || die "usage: test-matrix.sh TREE..."
TREES=("$@")
rm -rf "$WORDS" "$WORDS.rst"
mkdir -p "$WORDS" 2>/dev/null || die "cannot write to $RUN" "free some space"
mapfile -t images < <(kernels | sed "s,\([^ ]*\) .*,\1=$CACHE/image/\1,")
"$TOP/scripts/initrd.sh" "$INITRD" "${images[@]}"
pairs | xargs -r -P "$JOBS" -L 1 "$0" --one || exit 1
{ echo && table && echo && releases && echo; } | tee "$WORDS.rst"
