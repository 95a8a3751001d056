#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# soak.sh: builds what the soak needs and runs it: SERIES (the newest), HOPS (500), SEED.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# progress: how far it is, now and then.
progress() {
	trap 'kill %% 2>/dev/null; exit 0' TERM
	while sleep 30 & wait $!; do
		printf '%s of %s kexecs\n' "$(grep -ac 'kexec to hop' "$LOG" 2>/dev/null)" "$HOPS"
	done
}

lock test
found=$("$TOP/scripts/fetch.sh" "${SERIES:-$NEWEST}")
tree=${found% *}
"$TOP/scripts/setup.sh"
"$TOP/scripts/build.sh" "$tree" rust
"$TOP/scripts/guest.sh"
export HOPS=${HOPS:-500} SEED=${SEED:-$SRANDOM}
LOG=$RUN/soak-${tree##*/}-$SEED.log
printf 'SEED=%s\n' "$SEED"
progress &
trap 'kill $! 2>/dev/null || true' EXIT
"$TOP/scripts/test-soak.sh" "${tree##*/}"
