#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test-host.sh: cargo test of the host workspace, one line a test.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"

# lines: what cargo says of each test, in our words; the crate is part of the name.
lines() {
	awk '
		/^ +Running / { crate = $NF; gsub(/.*\/|-[0-9a-f]+\)$/, "", crate) }
		/^ +Doc-tests / { crate = "doc-" $2 }
		/^test .* \.\.\. / {
			mark = $NF == "ok" ? "ok" : $NF == "FAILED" ? "FAIL" : "SKIP"
			sub(/^test /, ""); sub(/ \.\.\. .*/, ""); gsub(/ /, "")
			print mark, "host/" crate "/" $0
		}' "$LOG"
}

LOG=$RUN/host.log
mkdir -p "$RUN"
export CARGO_TARGET_DIR=$CACHE/host CARGO_TERM_COLOR=never
forget_others luo-flb-host-tests luo-flb-model luo-flb-fuzz flb-guest
start=$(now_ms)
rc=0
(cd "$TOP" && cargo test --workspace --no-fail-fast --color never) >"$LOG" 2>&1 </dev/null || rc=$?
found=$(lines)
while read -r mark name; do
	[ -z "$mark" ] || result "$mark" "$name" 0
done <<<"$found"
if [ -z "$found" ] || { [ "$rc" -ne 0 ] && ! grep -q '^FAIL' <<<"$found"; }; then
	result FAIL host/cargo-test "$(seconds_since "$start")" "$(log_reason "$LOG"); see $LOG"
else
	result ok host/cargo-test "$(seconds_since "$start")"
fi
