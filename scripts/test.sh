#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test.sh: all tests on all kernel series, each one line; the last line counts them.
# SERIES, KDIR and ONLY narrow it down. FLB_DEADLINE: seconds after which optional groups are
# skipped, by name.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"

ALL='overlay host lint kunit kexec interop selftests kexec-c'
OPTIONAL='kexec-c'
SERIES=${SERIES:-7.1}
ONLY=${ONLY:-$ALL}
DEADLINE=${FLB_DEADLINE:-3600}
declare -A BUILT=()
TREES=()

wanted() {
	[[ " $ONLY " == *" $1 "* ]]
}

# count PATTERN: of the results so far.
count() {
	grep -cE "^$1 " "$RESULTS" || true
}

# report RESULT...: one result of our own.
report() {
	result "$@" | tee -a "$RESULTS"
}

# group NAME COMMAND...: the tests of a group. That its script fails by itself is a failure too.
group() {
	local name=$1 kind=${1%%:*} rc=0 err
	shift

	wanted "$kind" || return 0
	if [[ " $OPTIONAL " == *" $kind "* ]] && [ "$SECONDS" -gt "$DEADLINE" ]; then
		report SKIP "$name" 0 "optional, and $SECONDS s have passed"
		return 0
	fi
	err=$RUN/group-${name//:/-}.err
	"$@" 2>"$err" </dev/null | tee -a "$RESULTS" || rc=$?
	[ "$rc" -eq 0 ] || report FAIL "$name" 0 "$(log_reason "$err")"
}

# build TREE KIND: once; succeeds when there is something to boot.
build() {
	local name=${1##*/}-$2

	if [ -z "${BUILT[$name]:-}" ]; then
		BUILT[$name]=yes
		if ! "$TOP/scripts/build.sh" "$1" "$2"; then
			BUILT[$name]=no
			report FAIL "build-$name" 0 "does not build; see $RUN"
		fi
	fi
	[ "${BUILT[$name]}" = yes ]
}

# builds TREE GROUP KIND...: does the group run, and are its kernels there?
builds() {
	local tree=$1 kind ok=yes

	wanted "$2" || return 1
	shift 2
	for kind in "$@"; do
		build "$tree" "$kind" || ok=no
	done
	[ "$ok" = yes ]
}

guest() {
	if [ -z "${BUILT[guest]:-}" ]; then
		BUILT[guest]=yes
		if ! "$TOP/scripts/guest.sh"; then
			BUILT[guest]=no
			report FAIL build-guest 0 "does not build; see $RUN"
		fi
	fi
	[ "${BUILT[guest]}" = yes ]
}

# selftests TREE: the tree's own programs over the core in Rust and the one in C.
selftests() {
	local tree=$1 core

	"$TOP/scripts/selftests.sh" "$tree" >&2 || return 1
	for core in rust c; do
		"$TOP/scripts/test-kexec.sh" "${tree##*/}" "$core,$core" --selftests || return 1
	done
}

# on_tree TREE: what needs a kernel.
on_tree() {
	local tree=$1 name=${1##*/} kexec=$TOP/scripts/test-kexec.sh

	if builds "$tree" lint c rust; then
		group "lint:$name" "$TOP/scripts/test-lint.sh" "$tree"
	fi
	if builds "$tree" 'kunit' kunit; then
		group "kunit:$name" "$TOP/scripts/test-kunit.sh" "$tree"
	fi
	if wanted kexec || wanted interop || wanted selftests || wanted kexec-c; then
		guest || return 0
	fi
	! builds "$tree" kexec rust || group "kexec:$name" "$kexec" "$name" rust,rust
	if builds "$tree" interop c rust; then
		group "interop:$name:c-rust" "$kexec" "$name" c,rust
		group "interop:$name:rust-c" "$kexec" "$name" rust,c
	fi
	! builds "$tree" selftests c rust || group "selftests:$name" selftests "$tree"
	! builds "$tree" kexec-c c || group "kexec-c:$name" "$kexec" "$name" c,c
}

# find_trees: every series, or the one tree of KDIR. One that cannot be had is a skipped test.
find_trees() {
	local series found err=$RUN/fetch.err rc

	[ -z "${KDIR:-}" ] || SERIES=KDIR
	for series in $SERIES; do
		rc=0
		found=$("$TOP/scripts/fetch.sh" "$series" 2>"$err") || rc=$?
		case $rc in
		0) TREES+=("${found% *}"); printf 'Linux %s: %s\n' "${found##* }" "${found% *}" ;;
		77) report SKIP "series-$series" 0 "$(tail -n 1 "$err")" ;;
		*) tail -n 1 "$err" >&2; report FAIL "series-$series" 0 "$(tail -n 1 "$err")" ;;
		esac
	done
	[ "${#TREES[@]}" -gt 0 ] || report FAIL series 0 "no kernel source could be had"
}

# summary: the last line, and the exit status.
summary() {
	local failed skipped passed

	passed=$(($(count ok) + $(count xfail)))
	failed=$(count FAIL)
	skipped=$(count SKIP)
	if [ "$failed" -gt 0 ]; then
		printf '\nFailed (after %s s):\n' "$SECONDS"
		grep '^FAIL ' "$RESULTS"
	fi
	printf '%s passed, %s failed' "$passed" "$failed"
	[ "$skipped" -eq 0 ] || printf ', %s skipped' "$skipped"
	printf '\n'
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

for name in $ONLY; do
	[[ " $ALL " == *" $name "* ]] || die "ONLY: '$name' is no group" "one or more of: $ALL"
done
for name in $SERIES; do
	"$TOP/scripts/fetch.sh" --check "$name"
done
export FLB_RUN=$CACHE/run/test
RUN=$FLB_RUN
RESULTS=$RUN/results
cache_dir run/test
need_cache
lock test
: 2>/dev/null >"$RESULTS" || die "cannot write to $RUN" "free some space"
"$TOP/scripts/setup.sh"
find_trees
if [ "${#TREES[@]}" -gt 0 ]; then
	group overlay "$TOP/scripts/test-overlay.sh" "${TREES[0]}"
fi
group host "$TOP/scripts/test-host.sh"
for tree in ${TREES[@]+"${TREES[@]}"}; do
	on_tree "$tree"
done
summary
