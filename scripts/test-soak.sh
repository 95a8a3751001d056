#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test-soak.sh TREE: HOPS kexecs (10) of random steps from SEED (1) on the Rust core.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"

[ $# -eq 1 ] || die "usage: test-soak.sh TREE"
HOPS=${HOPS:-10}
SEED=${SEED:-1}
KERNEL=$CACHE/image/$(variant "$1" rust)
NAME=soak-$1/seed-$SEED-hops-$HOPS
LOG=$RUN/soak-$1-$SEED.log
INITRD=$RUN/soak-$1-$SEED.initrd

cache_dir run
mkdir -p "$RUN"
"$TOP/scripts/initrd.sh" "$INITRD" "rust=$KERNEL"
start=$(now_ms)
# The label of the last kernel in the chain is that of all that follow.
why=$(run_guest "$LOG" "$KERNEL" "$INITRD" "$HOPS" flb.mode=scenario flb.scenario=soak \
	flb.chain=rust "flb.seed=$SEED" "flb.hops=$HOPS") || true
rm -f "$INITRD"
if [ -n "$why" ]; then
	result FAIL "$NAME" "$(seconds_since "$start")" \
		"$why; make soak SEED=$SEED HOPS=$HOPS; see $LOG"
	exit 1
fi
result ok "$NAME" "$(seconds_since "$start")"
