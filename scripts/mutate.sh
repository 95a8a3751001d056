#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# mutate.sh: makes the mistakes of tests/mutations.txt in copies, one at a time, and says which test
# finds each. ONLY="NAME|FILE...": some of them. SERIES (the newest). KEXEC="...": the scenarios for
# those that nothing else finds; none if it is empty.
#
# The cheapest tests come first. On the host there is one copy of the checkout. In the kernel there
# is a copy of the core, with suites of its own, for each mistake, so that one kernel does for all:
# each boot runs the suites of one. What C calls, and C itself, cannot be there twice: they get a
# kernel each.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

NAME=${SERIES:-$NEWEST}
TREE=$CACHE/tree/$NAME
COPY=$CACHE/mutate
KEXEC=${KEXEC-basic parallel mass-1000 sample-notes}
# Seconds, for a mistake without end.
LIMIT=300
HOST_FILES='abi/*|refs.rs|state.rs'
MODEL_FILES='refs.rs|state.rs'
SINGLE_FILES='ffi.rs|shim.c'
# Of each mistake its file, and what has found it; the names in order.
declare -A FILE=() FOUND=()
NAMES=()

# select_mistakes: those that ONLY names.
select_mistakes() {
	local name file list

	list=$("$TOP/scripts/mutation.py" list)
	while read -r name file; do
		[ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $name "* ]] ||
			[[ " $ONLY " == *" $file "* ]] || continue
		NAMES+=("$name")
		FILE[$name]=$file
	done <<<"$list"
	[ "${#NAMES[@]}" -gt 0 ] ||
		die "ONLY: there is no mistake '$ONLY'" "names are in tests/mutations.txt"
}

# open PATTERNS [NOT]: the mistakes that nothing has found yet in files that match, and not NOT.
open() {
	local name

	for name in "${NAMES[@]}"; do
		# shellcheck disable=SC2053 # patterns
		if [ -z "${FOUND[$name]:-}" ] && [[ ${FILE[$name]} == @($1) ]] &&
		   [[ ${FILE[$name]} != @(${2:-}) ]]; then
			printf '%s\n' "$name"
		fi
	done
}

# found NAME TEST: says so, if there is a test.
found() {
	[ -n "$2" ] || return 0
	FOUND[$1]=$2
	printf '%s: caught by %s\n' "$1" "$2"
}

# copy_checkout: what a person has there now, committed or not, as new as a build has to take it for
# that comes after one with a mistake.
copy_checkout() {
	rm -rf "$COPY" && mkdir -p "$COPY" &&
		tar -C "$TOP" --exclude=./.git --exclude=./target -c . | tar -C "$COPY" -xm
}

# make_mistake NAME, unmake NAME: in the copy. Builds go by times.
make_mistake() {
	"$TOP/scripts/mutation.py" apply "$1" "$COPY"
}

unmake() {
	cp "$TOP/${FILE[$1]}" "$COPY/${FILE[$1]}"
}

# cargo_tests CRATE WHAT: prints the first test that fails.
cargo_tests() {
	local log=$RUN/$1-$2.log rc=0

	(cd "$COPY" && CARGO_TARGET_DIR=$CACHE/mutate-host CARGO_TERM_COLOR=never \
		timeout "$LIMIT" cargo test -p "$1") >"$log" 2>&1 </dev/null || rc=$?
	[ "$rc" -ne 0 ] || return 0
	grep -q '^running ' "$log" || die "$2 does not compile" "see $log"
	awk -v none="no end of $1" '
		/^test .* \.\.\. FAILED$/ { none = $2; exit }
		END { print none }' "$log"
}

# host CRATE FILES: those in the files, by the tests of a crate, which find nothing without one.
host() {
	local name test

	nothing_found cargo_tests "$1" none
	for name in $(open "$2"); do
		make_mistake "$name"
		test=$(cargo_tests "$1" "$name")
		unmake "$name"
		found "$name" "$test"
	done
}

# build KIND LOG: a kernel of the copy.
build() {
	GNUMAKEFLAGS=-k "$COPY/scripts/build.sh" "$NAME" "$1" >"$2" 2>&1
}

# first_failure: of the lines of a group of tests.
first_failure() {
	awk '$1 == "FAIL" && !name { name = $2 } END { print name }'
}

# surely COMMAND...: prints the test that fails. Unless it is a case of a suite, it has to do so
# twice: a guest may be too slow on a busy host.
surely() {
	local test

	test=$("$@") || true
	case $test in
	'' | kunit-*/*/*) ;;
	*) test=$("$@") || true ;;
	esac
	printf '%s\n' "$test"
}

# suites GLOB: prints the first test that fails in one boot.
suites() {
	FLB_SUITES=$1 FLB_TIMEOUT=60 "$COPY/scripts/test-kunit.sh" "$TREE" 2>&1 </dev/null |
		first_failure
}

# scenarios: prints the first that fails.
scenarios() {
	# shellcheck disable=SC2086 # scenarios
	"$COPY/scripts/test-kexec.sh" "$NAME" rust,rust $KEXEC 2>&1 | first_failure
}

# nothing_found COMMAND...: without a mistake; or else what is found with one would show nothing.
nothing_found() {
	local test

	test=$(surely "$@")
	[ -z "$test" ] || die "$test fails without a mistake" "see $RUN"
}

# add_core NAME NUMBER: to the copy, a core that exports nothing, with a mistake unless it is none.
add_core() {
	local dir=$COPY/mutants/m$2

	mkdir -p "$dir/tests"
	cp -r "$TOP"/*.rs "$TOP/abi" "$TOP/raw" "$dir"
	cp -r "$TOP/tests/kunit" "$dir/tests"
	[ "$1" = none ] || "$TOP/scripts/mutation.py" apply "$1" "$dir"
	mv "$dir/luo_flb.rs" "$dir/m$2.rs"
	sed -i '/#\[no_mangle\]/d' "$dir/ffi.rs"
	find "$dir/tests" -name '*.rs' -exec sed -i "s/kunit_tests(luo_flb_/kunit_tests(m$2_/" {} +
	printf 'obj-y += mutants/m%s/m%s.o\n' "$2" "$2" >>"$COPY/Kbuild"
	# shellcheck disable=SC2016 # make's
	printf '$(obj)/mutants/m%s/m%s.o: $(obj)/bindings_generated.rs\n' "$2" "$2" \
		>>"$COPY/Kbuild"
}

# drop_cores: takes those out again.
drop_cores() {
	rm -rf "$COPY/mutants"
	cp "$TOP/Kbuild" "$COPY/Kbuild"
	cp "$TOP/scripts/overlay.sh" "$COPY/scripts/overlay.sh"
}

# together: a core for each, in one kernel, and one without a mistake, in which nothing is found.
together() {
	local name names number=0 test log=$RUN/build-together.log

	mapfile -t names < <(open '*' "$SINGLE_FILES")
	[ "${#names[@]}" -gt 0 ] || return 0
	names=(none "${names[@]}")
	sed -i "s#^PATTERNS=(#&'mutants/**/*.rs' #" "$COPY/scripts/overlay.sh"
	for name in "${names[@]}"; do
		add_core "$name" "$number"
		number=$((number + 1))
	done
	build kunit "$log" || die "$(tail -n 1 "$log")" "see $RUN"
	nothing_found suites 'm0_*'
	for ((number = 1; number < ${#names[@]}; number++)); do
		test=$(surely suites "m${number}_*")
		found "${names[number]}" "${test/m${number}_/luo_flb_}"
	done
	drop_cores
}

# single: a kernel for each.
single() {
	local name test

	[ -n "$(open "$SINGLE_FILES")" ] || return 0
	build kunit "$RUN/build.log" || die "$(tail -n 1 "$RUN/build.log")" "see $RUN"
	nothing_found suites 'luo_flb*'
	for name in $(open "$SINGLE_FILES"); do
		make_mistake "$name"
		build kunit "$RUN/build.log" || die "$name does not compile" "see $RUN"
		test=$(surely suites 'luo_flb*')
		unmake "$name"
		found "$name" "$test"
	done
}

# kexec: a kernel for each.
kexec() {
	local name test

	[ -n "$(open '*')" ] || return 0
	"$COPY/scripts/guest.sh" >/dev/null
	build rust "$RUN/build.log" || die "$(tail -n 1 "$RUN/build.log")" "see $RUN"
	nothing_found scenarios
	for name in $(open '*'); do
		make_mistake "$name"
		build rust "$RUN/build.log" || die "$name does not compile" "see $RUN"
		test=$(surely scenarios)
		unmake "$name"
		found "$name" "$test"
	done
}

# restore: the tree in the cache is that of this checkout again.
restore() {
	"$TOP/scripts/overlay.sh" apply "$TREE" >/dev/null 2>&1 || true
}

export FLB_RUN=$CACHE/run/mutate
RUN=$FLB_RUN
select_mistakes
cache_dir run/mutate mutate
lock test
[ -f "$TREE/.flb-version" ] || "$TOP/scripts/fetch.sh" "$NAME" >/dev/null
trap restore EXIT
copy_checkout
host luo-flb-host-tests "$HOST_FILES"
together
single
host luo-flb-model "$MODEL_FILES"
[ -z "$KEXEC" ] || kexec
for name in $(open '*'); do
	printf '%s: SURVIVED\n' "$name"
done
printf '%s of %s caught\n' "${#FOUND[@]}" "${#NAMES[@]}"
[ "${#FOUND[@]}" -eq "${#NAMES[@]}" ]
