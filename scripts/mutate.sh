#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# mutate.sh: makes the mistakes of tests/mutations.txt in a copy of this checkout, one at a time, and
# says which test finds each. ONLY="NAME|FILE...": some of them. SERIES (the newest). KEXEC="...": the
# scenarios for those that nothing else finds.
# The cheapest tests come first: on the host, then in one kernel, then over a kexec.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

NAME=${SERIES:-$NEWEST}
TREE=$CACHE/tree/$NAME
COPY=$CACHE/mutate
KEXEC=${KEXEC-basic parallel mass-64 sample-notes}
# Of a mistake without end.
LIMIT=300
# What has been configured since the start of this run.
CONFIGURED=none

# wanted NAME FILE: does ONLY name it?
wanted() {
	[ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $1 "* ]] || [[ " $ONLY " == *" $2 "* ]]
}

# copy_checkout: what a person has there now, committed or not. Cargo and kbuild go by times.
copy_checkout() {
	rm -rf "$COPY" && mkdir -p "$COPY" &&
		tar -C "$TOP" --exclude=./.git --exclude=./target -c . | tar -C "$COPY" -x
}

# cargo_tests CRATE: prints the first test that fails.
cargo_tests() {
	local log=$RUN/$1.log rc=0

	(cd "$COPY" && CARGO_TARGET_DIR=$CACHE/host CARGO_TERM_COLOR=never \
		timeout "$LIMIT" cargo test -p "$1") >"$log" 2>&1 </dev/null || rc=$?
	[ "$rc" -ne 0 ] || return 0
	if grep -qE '^error(\[E[0-9]+\])?: ' "$log" && ! grep -q '^running ' "$log"; then
		return 1
	fi
	{ sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log"; echo "no end of $1"; } | head -n 1
}

# build KIND: the kernel with the mistake.
build() {
	local configured=''

	[ "$1" != "$CONFIGURED" ] || configured=yes
	FLB_CONFIGURED=$configured "$COPY/scripts/build.sh" "$NAME" "$1" >"$RUN/build.log" 2>&1
}

# first_failure COMMAND...: the first test of a group that fails, in its words.
first_failure() {
	"$@" 2>&1 </dev/null | sed -n 's/^FAIL \([^ ]*\).*/\1/p' | head -n 1
}

# stage NAME: prints the first test that fails there; fails if the mistake does not compile.
stage() {
	case $1 in
	host) cargo_tests luo-flb-host-tests ;;
	model) cargo_tests luo-flb-model ;;
	kunit)
		FLB_TIMEOUT=60 first_failure "$COPY/scripts/test-kunit.sh" "$TREE" ;;
	kexec)
		# shellcheck disable=SC2086 # scenarios
		first_failure "$COPY/scripts/test-kexec.sh" "$NAME" rust,rust $KEXEC ;;
	esac
}

# stages FILE: where a mistake in it can show, the cheapest first.
stages() {
	case $1 in
	abi/*) printf 'host kunit' ;;
	refs.rs|state.rs) printf 'host model kunit' ;;
	*) printf 'kunit' ;;
	esac
	[ -z "$KEXEC" ] || printf ' kexec'
}

# verdict FILE: prints by what the mistake that is in the copy is caught; fails if it does not compile.
verdict() {
	local name found

	for name in $(stages "$1"); do
		case $name in
		kunit) build kunit || return 1 ;;
		kexec) "$COPY/scripts/guest.sh" >/dev/null && build rust || return 1 ;;
		esac
		found=$(stage "$name") || return 1
		if [ -n "$found" ]; then
			printf '%s' "$found"
			return
		fi
	done
}

# mutate NAME FILE: one mistake, and one line.
mutate() {
	local found start=$SECONDS

	"$TOP/scripts/mutation.py" apply "$1" "$COPY"
	total=$((total + 1))
	if ! found=$(verdict "$2"); then
		printf '%s: DOES NOT COMPILE; see %s\n' "$1" "$RUN"
	elif [ -n "$found" ]; then
		caught=$((caught + 1))
		printf '%s: caught by %s (%s s)\n' "$1" "$found" "$((SECONDS - start))"
	else
		printf '%s: SURVIVED (%s s)\n' "$1" "$((SECONDS - start))"
	fi
	# Not as it was, but of now.
	cp "$TOP/$2" "$COPY/$2"
}

# baseline: without a mistake nothing is found.
baseline() {
	local name found

	build kunit || die "the core does not build as it is" "$(tail -n 1 "$RUN/build.log")"
	CONFIGURED=kunit
	for name in host model kunit; do
		found=$(stage "$name") && [ -z "$found" ] ||
			die "${found:-$name} fails without a mistake" "see $RUN"
	done
}

# restore: the tree in the cache is that of this checkout again.
restore() {
	"$TOP/scripts/overlay.sh" apply "$TREE" >/dev/null 2>&1 || true
}

list=$("$TOP/scripts/mutation.py" list)
export FLB_RUN=$CACHE/run/mutate
RUN=$FLB_RUN
cache_dir run/mutate mutate
lock test
[ -f "$TREE/.flb-version" ] || "$TOP/scripts/fetch.sh" "$NAME" >/dev/null
trap restore EXIT
copy_checkout
baseline
total=0 caught=0
while read -r name file <&3; do
	! wanted "$name" "$file" || mutate "$name" "$file"
done 3<<<"$list"
[ "$total" -gt 0 ] || die "ONLY: there is no mistake '$ONLY'" "names are in tests/mutations.txt"
printf '%s of %s caught\n' "$caught" "$total"
[ "$caught" -eq "$total" ]
