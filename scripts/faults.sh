#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced: what a kernel log must not contain. A test that passes is not enough.

# Name and pattern of each kind. A test that provokes one names it as expected.
FAULTS='
refcount	refcount_t:|WARNING: .*refcount_warn_saturate
warning	WARNING:
bug	BUG:|kernel BUG at
oops	Oops|general protection fault|unable to handle
kasan	KASAN:
ubsan	UBSAN:
lockdep	INFO: possible |possible circular locking|suspicious RCU usage|DEBUG_LOCKS_WARN_ON
kmemleak	kmemleak: [0-9]+ new suspected
hang	blocked for more than|soft lockup|rcu.*detected stalls|self-detected stall
panic	Kernel panic
console	unable to open an initial console
'

# fault_pattern NAME...: the patterns of these names, as one; all of them without a name.
fault_pattern() {
	local name pattern all=''

	while IFS=$'\t' read -r name pattern; do
		[ -n "$name" ] || continue
		if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then
			all=${all:+$all|}$pattern
		fi
	done <<<"$FAULTS"
	printf '%s' "$all"
}

# log_faults LOG [EXPECTED...]: prints the offending lines; succeeds when there is none.
log_faults() {
	local log=$1 found
	shift

	found=$(grep -aE "$(fault_pattern)" "$log" | grep -av '^FLB-' | tr -d '\r') || true
	if [ $# -gt 0 ] && [ -n "$found" ]; then
		found=$(grep -vE "$(fault_pattern "$@")" <<<"$found") || true
	fi
	[ -n "$found" ] || return 0
	printf '%s\n' "$found"
	return 1
}
