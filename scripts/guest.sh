#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# guest.sh: build the guest's userspace, one static binary, to $CACHE/guest/init. For another ARCH
# than x86_64 to $CACHE/guest/init-ARCH too: this machine asks its own one for the scenarios.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/toolchain.sh
. "$TOP/scripts/toolchain.sh"

# build TARGET NAME [OPTION...]
build() {
	local target=$1 name=$2
	shift 2

	step "Build guest userspace $name" cargo build --quiet --release "$@" \
		--manifest-path "$TOP/Cargo.toml" -p "$PACKAGE" --target "$target" || exit 1
	if ! cp "$CACHE/guest/$target/release/$PACKAGE" "$CACHE/guest/$name.tmp" ||
	   ! mv "$CACHE/guest/$name.tmp" "$CACHE/guest/$name"; then
		die "cannot write to $CACHE/guest" "free some space"
	fi
}

# A toolchain without the target has no std for it: std is built from its source, which cargo, for
# no user's setting, looks for below the toolchain alone.
build_arm64() {
	find_rust_src || die "the library source of rustc is missing" "run scripts/setup.sh"
	export RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=$RUST_SRC
	export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
	build aarch64-unknown-linux-gnu init-arm64 -Z build-std=std,panic_abort
}

HOST=$(rustc -vV 2>/dev/null | sed -n 's/^host: //p')
[ -n "$HOST" ] || die "rustc is missing" "run scripts/setup.sh"
PACKAGE=$(sed -n 's/^name = "\(.*\)"/\1/p' "$TOP/tests/guest/Cargo.toml" | head -n 1)
export CARGO_TARGET_DIR=$CACHE/guest CARGO_TERM_COLOR=never
export RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static'
cache_dir guest
forget_others "$PACKAGE"
build "$HOST" init
[ "$ARCH" != arm64 ] || build_arm64
