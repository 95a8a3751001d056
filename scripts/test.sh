#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test.sh [--all]: the tests, each one line; the last line counts them. --all: every group on every
# series and architecture. SERIES, KDIR, ARCH and ONLY narrow it down. DEBUG=1: only those of
# kernels that look for mistakes. FLB_DEADLINE: seconds after which optional groups are skipped, by
# name, and a quarter of an hour later all others: a run that is cut off says nothing.
set -euo pipefail
ARCHES=${ARCH:-x86_64 arm64}
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"
# shellcheck source=scripts/groups.sh
. "$TOP/scripts/groups.sh"

ALL='overlay host fuzz lint compile-fail kunit kexec interop hostile selftests matrix chain'
ALL+=' soak capacity pages64k kexec-c debug kcsan'
EVERYTHING=no
DEBUG=${DEBUG:-}
# With DEBUG=1 what looks for mistakes at run time, and all of it; otherwise the rest, and a bit.
if [ "${1:-}" = --all ]; then
	EVERYTHING=yes DEBUG=1 ONLY=${ONLY:-$ALL}
elif [ -n "$DEBUG" ]; then
	ONLY=${ONLY:-debug kcsan}
else
	ONLY=${ONLY:-${ALL% kcsan}}
fi
DEADLINE=${FLB_DEADLINE:-3600}
GRACE=900
OPTIONAL=no

# choose: which series are tested fully, partly, with what takes long, and on arm64.
choose() {
	local series

	FULL=${SERIES:-$OLDEST $NEWEST} PART='' ARM=''
	ARM_GROUPS='kunit kexec selftests'
	if [ -n "${KDIR:-}" ]; then
		FULL=KDIR
	elif [ "$EVERYTHING" = yes ]; then
		FULL=${SERIES:-$SUPPORTED} DEADLINE=1000000
		ARM_GROUPS='kunit kexec interop selftests chain capacity pages64k kexec-c'
	elif [ -z "${SERIES:-}" ]; then
		for series in $SUPPORTED; do
			[[ " $FULL " == *" $series "* ]] || PART+=" $series"
		done
	fi
	LONG=${FULL##* }
	[[ " $FULL " != *" $NEWEST "* ]] || ARM=$NEWEST
	# Who names an architecture and series wants it on these.
	[ "$ARCHES" != arm64 ] || [ -z "${SERIES:-}${KDIR:-}" ] || ARM=$FULL
	[ "$EVERYTHING" = no ] || LONG=$FULL ARM=$FULL
	[[ $ARCHES == *x86_64* ]] || FULL='' PART='' LONG=''
	[[ $ARCHES == *arm64* ]] || ARM=''
}

# The plan: first what must not be left out.
run_required() {
	local series

	export ARCH=x86_64
	for series in $FULL; do
		on "$series" lint compile-fail kunit kexec interop hostile selftests
	done
	# shellcheck disable=SC2086 # series
	matrix $FULL $PART
	for series in $LONG; do
		on "$series" chain soak capacity debug kcsan
	done
	ARCH=arm64
	for series in $ARM; do
		# shellcheck disable=SC2086 # groups
		on "$series" $ARM_GROUPS
	done
	# shellcheck disable=SC2086 # series
	matrix $ARM
}

# Then what is left out when it is late.
run_optional() {
	local series

	OPTIONAL=yes
	export ARCH=x86_64
	for series in $PART; do
		on "$series" kexec interop hostile selftests
	done
	for series in $FULL; do
		on "$series" kexec-c
	done
}

# find_trees SERIES...: one that cannot be had is a skipped test.
find_trees() {
	local series found err=$RUN/fetch.err rc

	for series in "$@"; do
		rc=0
		found=$("$TOP/scripts/fetch.sh" "$series" 2>"$err") || rc=$?
		case $rc in
		0)
			TREE[$series]=${found% *}
			cat "$err" >&2
			printf 'Linux %s: %s\n' "${found##* }" "${found% *}"
			;;
		77) report SKIP "series-$series" 0 "$(tail -n 1 "$err")" ;;
		*) tail -n 1 "$err" >&2; report FAIL "series-$series" 0 "$(tail -n 1 "$err")" ;;
		esac
	done
	[ "${#TREE[@]}" -gt 0 ] || report FAIL series 0 "no kernel source could be had"
}

# count PATTERN: of the results so far.
count() {
	grep -cE "^$1 " "$RESULTS" || true
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
	[ "$skipped" -eq 0 ] || printf '%s skipped\n' "$skipped"
	printf '%s passed, %s failed\n' "$passed" "$failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

for name in $ONLY; do
	[[ " $ALL " == *" $name "* ]] || die "ONLY: '$name' is no group" "one or more of: $ALL"
done
for name in $ARCHES; do
	[[ " x86_64 arm64 " == *" $name "* ]] || die "ARCH: '$name' is not known" "x86_64 or arm64"
done
[ "$ARCHES" != arm64 ] || [ -z "$DEBUG" ] || [ "$EVERYTHING" = yes ] ||
	die "DEBUG=1: there are such kernels of x86_64 only" "leave ARCH out"
choose
for name in $FULL $ARM; do
	"$TOP/scripts/fetch.sh" --check "$name"
done
export FLB_RUN=$CACHE/run/test
RUN=$FLB_RUN
RESULTS=$RUN/results
cache_dir run/test
need_cache 14000
lock test
: 2>/dev/null >"$RESULTS" || die "cannot write to $RUN" "free some space"
LINT=()
! wanted lint || LINT=(--lint)
ARCH=${ARCHES%% *} "$TOP/scripts/setup.sh" "${LINT[@]}"
# shellcheck disable=SC2046,SC2086 # series
find_trees $(printf '%s\n' $FULL $PART $ARM | sort -uV)
overlays
! wanted host || group host "$TOP/scripts/test-host.sh"
! wanted fuzz || group fuzz "$TOP/scripts/fuzz.sh"
run_required
run_optional
summary
