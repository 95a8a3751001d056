#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced: which tools the kernel is built with. Sets LLVM_SUFFIX, RUST_SRC and PATH; TOOLCHAIN is
# a text that changes when they do.
# shellcheck disable=SC2034 # setup.sh uses the versions

RUSTC_MIN=1.85.0
BINDGEN_MIN=0.71.1
CLANG_MIN=15

rustc_version() {
	rustc --version 2>/dev/null | awk '{ print $2 }'
}

# find_llvm: sets LLVM_SUFFIX to one that is whole: Debian's versioned names first, 19 before all.
find_llvm() {
	local suffix

	for suffix in -19 -20 -21 -18 -17 -16 -15 ''; do
		if have "clang$suffix" && have "ld.lld$suffix" && have "llvm-ar$suffix" &&
		   have "llvm-objcopy$suffix" && have "llvm-size$suffix"; then
			LLVM_SUFFIX=$suffix
			version_ge "$("clang$suffix" -dumpversion)" "$CLANG_MIN" && return 0
		fi
	done
	return 1
}

# find_bindgen: sets BINDGEN and BINDGEN_VERSION to a new enough one: in PATH, or in the cache.
find_bindgen() {
	for BINDGEN in "$(command -v bindgen || true)" "$CACHE/tools/bin/bindgen"; do
		BINDGEN_VERSION=$("$BINDGEN" --version 2>/dev/null | awk '{ print $2 }') || continue
		! version_ge "$BINDGEN_VERSION" "$BINDGEN_MIN" || return 0
	done
	return 1
}

# find_rust_src: sets RUST_SRC to the standard library's source that matches rustc.
find_rust_src() {
	local version

	version=$(rustc_version)
	for RUST_SRC in "$(rustc --print sysroot)/lib/rustlib/src/rust/library" \
			"/usr/src/rustc-$version/library" "$CACHE/rust-src/$version/library"; do
		[ ! -f "$RUST_SRC/core/src/lib.rs" ] || return 0
	done
	return 1
}

# use_toolchain gcc|clang: all of it, or one line.
use_toolchain() {
	local setup='run scripts/setup.sh'

	if [ "$1" = clang ]; then
		find_llvm || die "clang, lld and llvm of version 19 are missing" "$setup --all"
		TOOLCHAIN="clang$LLVM_SUFFIX $("clang$LLVM_SUFFIX" -dumpversion)"
	else
		have gcc || die "gcc is missing" "$setup"
		TOOLCHAIN="gcc $(gcc -dumpfullversion)"
	fi
	have rustc || die "rustc is missing" "$setup"
	find_bindgen || die "bindgen $BINDGEN_MIN or newer is missing" "$setup"
	find_rust_src || die "the library source of rustc $(rustc_version) is missing" "$setup"
	TOOLCHAIN+=" rustc $(rustc_version) bindgen $BINDGEN_VERSION $RUST_SRC"
	PATH=$(dirname "$BINDGEN"):$PATH
	export PATH TOOLCHAIN RUST_LIB_SRC=$RUST_SRC
}
