#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced by the test groups, after lib.sh. Each test is one line:
# ok|FAIL|xfail|SKIP NAME (SECONDS) [REASON].

# shellcheck source=scripts/faults.sh
. "$TOP/scripts/faults.sh"

# result WHAT NAME SECONDS [REASON]: one write a line, as tests run side by side.
result() {
	printf '%s %s (%s s)%s\n' "$1" "$2" "$3" "${4:+ $4}"
}

now_ms() {
	printf '%s' "$((${EPOCHREALTIME/[.,]/} / 1000))"
}

# seconds_since MS: with one digit.
seconds_since() {
	local ms=$(($(now_ms) - $1))

	printf '%d.%d' "$((ms / 1000))" "$((ms % 1000 / 100))"
}

# check NAME COMMAND...: ok when it succeeds; its output is the reason when it does not.
# COMMAND runs with errexit off, as for step.
check() {
	local name=$1 start out rc=0
	shift

	start=$(now_ms)
	out=$("$@" 2>&1 </dev/null) || rc=$?
	if [ "$rc" -eq 0 ]; then
		result ok "$name" "$(seconds_since "$start")"
	else
		out=$(tail -n 1 <<<"$out")
		result FAIL "$name" "$(seconds_since "$start")" "${out:-exit status $rc}"
	fi
}

# verdict LOG: why a guest's run did not pass; nothing when it did.
verdict() {
	local log=$1 faults

	if ! grep -aqE '^FLB-RESULT pass' "$log"; then
		grep -a -m 1 '^FLB-CHECK FAIL' "$log" | tr -d '\r' | grep . ||
			echo "no result, last line: $(tail -n 1 "$log")" | tr -d '\r'
	elif ! faults=$(log_faults "$log"); then
		head -n 1 <<<"$faults"
	fi
}

# run_guest LOG IMAGE INITRD HOPS WORD...: boot a chain of that many kernels, and print why it did
# not pass. Fails when the guest did not come to an end by itself.
run_guest() {
	local log=$1 image=$2 initrd=$3 hops=$4 out
	shift 4

	if ! out=$(FLB_TIMEOUT=${FLB_TIMEOUT:-$((60 + 30 * hops))} \
			"$TOP/scripts/boot.sh" "$image" "$initrd" "$log" "$@" 2>&1); then
		printf '%s' "${out:-the guest did not end by itself}"
		return 1
	fi
	verdict "$log"
}
