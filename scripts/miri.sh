#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# miri.sh: the seeds and the corpus of the fuzzing through its checks (tests/fuzz) under Miri, which
# looks for undefined behaviour, on a target of each kind: 64 bits, 32 bits, and big-endian.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"

TARGETS='x86_64-unknown-linux-gnu i686-unknown-linux-gnu s390x-unknown-linux-gnu'

# The library that Miri builds for each target is in the cache, too.
miri() {
	local log=$RUN/miri-$1.log

	(cd "$TOP" && XDG_CACHE_HOME=$CACHE CARGO_TARGET_DIR=$CACHE/host cargo +nightly miri test \
		--locked -p luo-flb-fuzz --lib --target "$1") >"$log" 2>&1 ||
		{ echo "$(log_reason "$log"); see $log"; return 1; }
}

have rustup || die "rustup is missing" "Miri is a component of nightly toolchains of rustup"
cargo +nightly miri --version >/dev/null 2>&1 ||
	step "Miri" rustup component add --toolchain nightly miri rust-src >&2 || exit 1
cache_dir run
lock miri
for target in $TARGETS; do
	check "miri/$target" miri "$target"
done | tee "$RUN/miri.log"
! grep -q '^FAIL' "$RUN/miri.log"
