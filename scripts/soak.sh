#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# soak.sh: builds what the soak needs and runs it: SERIES (the newest), HOPS (500), SEED.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

found=$("$TOP/scripts/fetch.sh" "${SERIES:-$NEWEST}")
tree=${found% *}
"$TOP/scripts/setup.sh"
"$TOP/scripts/build.sh" "$tree" rust
"$TOP/scripts/guest.sh"
HOPS=${HOPS:-500} "$TOP/scripts/test-soak.sh" "${tree##*/}"
