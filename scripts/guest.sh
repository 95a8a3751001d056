#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# guest.sh: build the guest's userspace, two static binaries, to $CACHE/guest/init and luoctl. For
# another ARCH than x86_64 to init-ARCH and luoctl-ARCH too: this machine asks its own init for the
# scenarios.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/toolchain.sh
. "$TOP/scripts/toolchain.sh"

# build TARGET SUFFIX [OPTION...]
build() {
	local target=$1 suffix=$2 program
	shift 2

	step "Guest userspace$suffix" cargo build --quiet --release --locked "$@" \
		--manifest-path "$TOP/Cargo.toml" -p "$PACKAGE" --target "$target" || exit 1
	for program in init luoctl; do
		{ cp "$CARGO_TARGET_DIR/$target/release/$program" "$CACHE/guest/$program.tmp" &&
			mv "$CACHE/guest/$program.tmp" "$CACHE/guest/$program$suffix"; } ||
			die "cannot write to $CACHE/guest" "free some space"
	done
}

have cargo || die "cargo is missing" "run scripts/setup.sh"
PACKAGE=$(sed -n 's/^name = "\(.*\)"/\1/p' "$TOP/tests/guest/Cargo.toml" | head -n 1)
export CARGO_TARGET_DIR=$CACHE/guest CARGO_TERM_COLOR=never
export RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static'
cache_dir guest
lock guest
forget_others "$PACKAGE"
build "$(rustc -vV | sed -n 's/^host: //p')" ''
[ "$ARCH" = arm64 ] || exit 0
# A toolchain without the target has no std for it: std is built from its source, which cargo, for
# no user's setting, looks for below the toolchain alone.
find_rust_src || die "the library source of rustc is missing" "run scripts/setup.sh"
export RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=$RUST_SRC
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
build aarch64-unknown-linux-gnu -arm64 -Z build-std=std,panic_abort
