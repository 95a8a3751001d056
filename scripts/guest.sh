#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# guest.sh: build the guest's userspace, one static binary, to $CACHE/guest/init.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

TARGET=$(rustc -vV 2>/dev/null | sed -n 's/^host: //p')
[ -n "$TARGET" ] || die "rustc is missing" "run scripts/setup.sh"
PACKAGE=$(sed -n 's/^name = "\(.*\)"/\1/p' "$TOP/tests/guest/Cargo.toml" | head -n 1)
export CARGO_TARGET_DIR=$CACHE/guest CARGO_TERM_COLOR=never
export RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static'
cache_dir guest
step "Build guest userspace" cargo build --quiet --release --manifest-path "$TOP/Cargo.toml" \
	-p "$PACKAGE" --target "$TARGET" || exit 1
if ! cp "$CACHE/guest/$TARGET/release/$PACKAGE" "$CACHE/guest/init.tmp" ||
   ! mv "$CACHE/guest/init.tmp" "$CACHE/guest/init"; then
	die "cannot write to $CACHE/guest" "free some space"
fi
