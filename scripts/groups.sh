#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced by test.sh: what the test groups need and run.

KEXEC=$TOP/scripts/test-kexec.sh
MODULES=(module-preserved module-handed-over module-absent)
declare -A TREE=() BUILT=()

wanted() {
	[[ " $ONLY " == *" $1 "* ]]
}

# starts GROUP NAME: is it wanted, and is there time for it? What is optional has less.
starts() {
	local why='' last=$((DEADLINE + GRACE))

	wanted "$1" || return 1
	[ "$OPTIONAL" = no ] || why='optional, and ' last=$DEADLINE
	[ "$SECONDS" -gt "$last" ] || return 0
	report SKIP "$1-$2" 0 "$why$SECONDS s have passed"
	return 1
}

# report RESULT...: one result of our own.
report() {
	result "$@" | tee -a "$RESULTS"
}

# group NAME COMMAND...: the tests of a group. That its script fails by itself is a failure too.
group() {
	local name=$1 rc=0 err
	shift

	err=$RUN/group-$name.err
	"$@" 2>"$err" </dev/null | tee -a "$RESULTS" || rc=$?
	[ "$rc" -eq 0 ] || report FAIL "$name" 0 "$(log_reason "$err")"
}

# build TREE KIND: once; succeeds when there is something to boot. The tools and the guest's
# userspace are such kinds too, of no tree.
build() {
	local name command

	case $2 in
	setup|guest) name=$(arch_name "$2") command=("$TOP/scripts/$2.sh") ;;
	*) name=$(variant "${1##*/}" "$2") command=("$TOP/scripts/build.sh" "$1" "$2") ;;
	esac
	if [ -z "${BUILT[$name]:-}" ]; then
		BUILT[$name]=yes
		if ! "${command[@]}"; then
			BUILT[$name]=no
			report FAIL "build-$name" 0 "failed; see $RUN"
		fi
	fi
	[ "${BUILT[$name]}" = yes ]
}

# builds TREE KIND...: are they all there?
builds() {
	local tree=$1 kind ok=yes
	shift

	build "$tree" setup || return 1
	for kind in "$@"; do
		build "$tree" "$kind" || ok=no
	done
	[ "$ok" = yes ]
}

# What is judged from the text alone is judged once.
run_lint() {
	local option=''

	builds "$1" c rust || return 0
	[ -z "${BUILT[lint]:-}" ] || option=--kernel
	BUILT[lint]=yes
	group "lint-$2" "$TOP/scripts/test-lint.sh" "$1" $option
}

run_compile-fail() {
	! builds "$1" rust || group "compile-fail-$2" "$TOP/scripts/test-compile-fail.sh" "$1"
}

run_kunit() {
	! builds "$1" kunit || group "kunit-$2" "$TOP/scripts/test-kunit.sh" "$1"
	! builds "$1" c || group "kunit-$2-c" "$TOP/scripts/test-kunit.sh" "$1" c
}

# kexec TREE: all scenarios, and those that only kernels with the core in Rust can run.
kexec() {
	"$KEXEC" "${1##*/}" rust,rust || return 1
	"$KEXEC" "${1##*/}" rust,rust "${MODULES[@]}"
}

run_kexec() {
	! builds "$1" guest rust || group "kexec-$2" kexec "$1"
}

run_interop() {
	builds "$1" guest c rust || return 0
	group "interop-$2-c-rust" "$KEXEC" "${1##*/}" c,rust
	group "interop-$2-rust-c" "$KEXEC" "${1##*/}" rust,c
}

run_kexec-c() {
	! builds "$1" guest c || group "kexec-c-$2" "$KEXEC" "${1##*/}" c,c
}

run_chain() {
	! builds "$1" guest c rust || group "chain-$2" "$KEXEC" "${1##*/}" c,rust chain-20
}

run_soak() {
	! builds "$1" guest rust || group "soak-$2" "$TOP/scripts/test-soak.sh" "${1##*/}"
}

run_hostile() {
	! builds "$1" guest rust ||
		group "hostile-$2" "$TOP/scripts/test-hostile.sh" "${1##*/}"
}

# capacity TREE: more FLBs than C can register, to a kernel of either core.
capacity() {
	local chain

	for chain in rust,rust rust,c; do
		"$KEXEC" "${1##*/}" "$chain" mass-1000 mass-10000 mass-fewer mass-most || return 1
	done
}

run_capacity() {
	! builds "$1" guest c rust || group "capacity-$2" capacity "$1"
}

# selftests TREE: the tree's own programs over the core in Rust and the one in C.
selftests() {
	local core

	"$TOP/scripts/selftests.sh" "$1" >&2 || return 1
	for core in rust c; do
		"$KEXEC" "${1##*/}" "$core,$core" --selftests || return 1
	done
}

run_selftests() {
	! builds "$1" guest c rust || group "selftests-$2" selftests "$1"
}

pages64k() {
	local -x FLB_FLAVOR=64k
	local chain

	"$TOP/scripts/test-kunit.sh" "$1" || return 1
	for chain in rust,rust c,rust rust,c; do
		"$KEXEC" "${1##*/}" "$chain" matrix || return 1
	done
}

run_pages64k() {
	! builds "$1" guest c64k rust64k kunit64k || group "pages64k-$2" pages64k "$1"
}

# debug TREE: the suites and one scenario, or all, which takes long, where mistakes are looked for.
debug() {
	local -x FLB_FLAVOR=debug FLB_TIMEOUT=900

	"$TOP/scripts/test-kunit.sh" "$1" || return 1
	if [ -n "$DEBUG" ]; then
		kexec "$1"
	else
		"$KEXEC" "${1##*/}" rust,rust three-kexecs
	fi
}

run_debug() {
	! builds "$1" guest rustdebug || group "debug-$2" debug "$1"
}

# kcsan TREE: processors of a guest have to run at the same time to race. One guest at a time has
# those of the host for itself.
kcsan() {
	local -x FLB_FLAVOR=kcsan FLB_ACCEL=tcg FLB_SMP=4 FLB_TIMEOUT=900 JOBS=1

	"$TOP/scripts/test-kunit.sh" "$1" || return 1
	kexec "$1"
}

run_kcsan() {
	! builds "$1" guest rustkcsan || group "kcsan-$2" kcsan "$1"
}

# on SERIES GROUP...: these groups, for ARCH, if there is a tree.
on() {
	local tree=${TREE[$1]:-} group name
	shift

	[ -n "$tree" ] || return 0
	name=$(arch_name "${tree##*/}")
	for group in "$@"; do
		! starts "$group" "$name" || "run_$group" "$tree" "$name"
	done
}

# matrix SERIES...: of all whose kernels are there.
matrix() {
	local series trees=()

	[ $# -gt 0 ] && starts matrix "$ARCH" || return 0
	for series in $(printf '%s\n' "$@" | sort -V); do
		[ -n "${TREE[$series]:-}" ] || continue
		! builds "${TREE[$series]}" guest c rust || trees+=("${TREE[$series]}")
	done
	[ "${#trees[@]}" -eq 0 ] || group "matrix-$ARCH" "$TOP/scripts/test-matrix.sh" "${trees[@]}"
}

# overlays: all cases on the first tree, the others are only looked at.
overlays() {
	local series option=''

	wanted overlay || return 0
	for series in $(printf '%s\n' "${!TREE[@]}" | sort -V); do
		group "overlay-${TREE[$series]##*/}" "$TOP/scripts/test-overlay.sh" \
			"${TREE[$series]}" $option
		option=--brief
	done
}
