#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced by the test groups. Each test is one line: ok|FAIL|xfail|SKIP NAME (SECONDS) [REASON].

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
