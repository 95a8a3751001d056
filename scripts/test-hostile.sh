#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test-hostile.sh NAME [c]: live updates over kernels of tree NAME whose handover is damaged, in
# each way that the guest knows, with the core in Rust or in C. That in Rust has to do what
# tests/expected/hostile.txt says; what either did is in $RUN/hostile-NAME-CORE, a file a case.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"

EXPECTED=$TOP/tests/expected/hostile.txt
INIT=$CACHE/guest/init

# What the orchestrator says when it does not trust what it got.
POLICY='Kernel panic - not syncing: The incoming tree failed to initialize'
# What KHO says of memory that it was not told to preserve.
KHO_WARNS='WARNING: kernel/liveupdate/kexec_handover\.c:'

# field NAME TEXT: the value of NAME=.
field() {
	sed -E "s/.*\b$1=([^ ]*).*/\1/" <<<"$2"
}

# sum A,B,...
sum() {
	printf '%s\n' "$(($(tr ',' '+' <<<"$1")))"
}

# early OUTCOME: did any finish run while one of the sessions was still there?
early() {
	[ "$(sum "$(field early "$1")")" -eq 0 ] || echo ', too early'
}

# ending LOG: what became of the kernel, in words for a table.
ending() {
	local log=$1 outcome got

	outcome=$(grep -a '^FLB-OUTCOME' "$log" | tr -d '\r') || true
	if grep -aqF "$POLICY" "$log"; then
		echo 'panics, as told'
	elif grep -aqE 'Oops|BUG: unable|general protection fault' "$log"; then
		echo 'oopses'
	elif [ -z "$outcome" ]; then
		echo 'does not come to an end'
	else
		got=$(field get "$outcome")
		case $got in
		22,22,22) echo 'clients get -EINVAL' ;;
		61,61,61) echo 'clients get -ENODATA' ;;
		2,2,2) echo 'clients get -ENOENT' ;;
		*) echo "$(sum "$(field retrieve "$outcome")") retrieves," \
			"$(sum "$(field finish "$outcome")") finishes$(early "$outcome")" ;;
		esac
	fi
}

# other_warnings LOG: are there any that neither KHO nor refcount_t has made?
other_warnings() {
	grep -a 'WARNING: ' "$1" | grep -avqE "$KHO_WARNS|WARNING: lib/refcount\.c|refcount_warn"
}

# tell LOG: what the core said, what became of the kernel, and what warned.
tell() {
	local log=$1 line text

	text=$(ending "$log")
	line=$(grep -aoE 'luo_flb: handover refused: [^(]*' "$log" | head -n 1 | tr -d '\r') || true
	[ -z "$line" ] || text="*${line#*refused: }"
	[ -z "$line" ] || text="${text% }*; $(ending "$log")"
	! grep -aqE "$KHO_WARNS" "$log" || text+="; KHO warns"
	! grep -aq 'refcount_t:' "$log" || text+="; count underflows"
	! other_warnings "$log" || text+="; warns"
	printf '%s\n' "$text"
}

# intact LOG: have all files come back, and could they be finished?
intact() {
	grep -aq '^FLB-OUTCOME.* files=2+,1+' "$1"
}

# expected CASE: the line for it in this format, without the name.
expected() {
	awk -v name="$1" -v format="$FORMAT" '
		$1 == name && ($2 == "any" || $2 == format) {
			sub(/^[^ ]+ +[^ ]+ +/, "")
			print
		}
	' "$EXPECTED"
}

# wanted CASE: what tell() has to say. What is refused is refused according to the series.
wanted() {
	local text policy='clients get -EINVAL'

	[ "$FORMAT" = structure ] || policy='panics, as told'
	text=$(expected "$1")
	printf '%s\n' "${text//refused/$policy}"
}

# other_faults LOG: what is in the log beside the policy's panic and KHO's warning.
other_faults() {
	log_faults <(grep -avE "$POLICY|$KHO_WARNS" "$1")
}

# judge CASE LOG: why it is not as expected.
judge() {
	local name=$1 log=$2 want got

	want=$(wanted "$name")
	got=$(tell "$log")
	if [ -z "$want" ]; then
		echo "no line for it in $EXPECTED"
	elif [ "$got" != "$want" ]; then
		echo "$got, not $want; see $log"
	elif ! other_faults "$log"; then
		:
	elif [[ $got != *panics* ]] && ! intact "$log"; then
		echo "files are lost; see $log"
	fi
}

# boot_damaged CASE LOG: a boot that does not come to the kexec says nothing, so there is another.
boot_damaged() {
	local image

	image=$CACHE/image/$(variant "$NAME" "$CORE")
	for _ in 1 2 3; do
		FLB_TIMEOUT=${FLB_TIMEOUT:-120} "$TOP/scripts/boot.sh" "$image" "$INITRD" "$2" \
			flb.mode=scenario flb.scenario=hostile flb.timeout=60 \
			"flb.chain=$CORE,$CORE" "flb.damage=$1" >/dev/null 2>&1 || true
		! grep -aq 'kexec to hop 1' "$2" || return 0
	done
}

# run_case NAME: one line.
run_case() {
	local name=$1 log=$RUN/$GROUP-$1.log start why=''

	start=$(now_ms)
	boot_damaged "$name" "$log"
	tell "$log" >"$TELLS/$name"
	if ! grep -aq 'kexec to hop 1' "$log"; then
		why="no kexec; see $log"
	elif [ "$CORE" = rust ]; then
		why=$(judge "$name" "$log" | head -n 1)
	fi
	if [ -n "$why" ]; then
		result FAIL "$GROUP/$name" "$(seconds_since "$start")" "$why"
	else
		result ok "$GROUP/$name" "$(seconds_since "$start")"
	fi
}

# check_known: each line of what is expected is for a case that there is.
check_known() {
	local name known

	known=$("$INIT" --list-hostile "$FORMAT" | cut -d ' ' -f 1)
	while read -r name; do
		grep -qxF -e "$name" <<<"$known" ||
			{ result FAIL "$GROUP/$name" 0 'there is no such case'; return 1; }
	done < <(awk -v format="$FORMAT" '$2 == "any" || $2 == format { print $1 }' "$EXPECTED")
}

if [ "${1:-}" = --one ]; then
	run_case "$2"
	exit
fi
[ $# -ge 1 ] || die "usage: test-hostile.sh NAME [c]"
export NAME=$1 CORE=${2:-rust} FORMAT=structure
! grep -qw LUO_FDT_FLB_NODE_NAME "$CACHE/tree/$NAME/include/linux/kho/abi/luo.h" || FORMAT=tree
GROUP=hostile-$(variant "$NAME" "$CORE")
export GROUP TELLS=$RUN/$GROUP INITRD=$RUN/$GROUP.initrd
rm -rf "$TELLS" && mkdir -p "$TELLS"
"$TOP/scripts/initrd.sh" "$INITRD" "$CORE=$CACHE/image/$(variant "$NAME" "$CORE")"
check_known || exit 1
"$INIT" --list-hostile "$FORMAT" | cut -d ' ' -f 1 | xargs -r -P "$JOBS" -L 1 "$0" --one || exit 1
