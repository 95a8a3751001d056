#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced: which tools the kernel is built with. Sets LLVM_SUFFIX, RUST_SRC and PATH; TOOLCHAIN is
# a text that changes when they do.
# shellcheck disable=SC2034 # setup.sh uses the versions

RUSTC_MIN=1.85.0
BINDGEN_MIN=0.71.1
BINDGEN_GET=0.72.1
CLANG_MIN=15

rustc_version() {
	rustc --version 2>/dev/null | awk '{ print $2 }'
}

bindgen_version() {
	"$1" --version 2>/dev/null | awk '{ print $2 }'
}

# The newest LLVM that is whole: Debian's versioned names first, 19 before others.
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

# find_bindgen: sets BINDGEN to one that is new enough: in PATH, or in the cache.
find_bindgen() {
	local path

	for path in "$(command -v bindgen || true)" "$CACHE/tools/bin/bindgen"; do
		if [ -x "$path" ] && version_ge "$(bindgen_version "$path")" "$BINDGEN_MIN"; then
			BINDGEN=$path
			return 0
		fi
	done
	return 1
}

# find_rust_src: sets RUST_SRC to the standard library's source that matches rustc.
find_rust_src() {
	local version dir

	version=$(rustc_version)
	for dir in "$(rustc --print sysroot)/lib/rustlib/src/rust/library" \
			"/usr/src/rustc-$version/library" "$CACHE/rust-src/$version/library"; do
		if [ -f "$dir/core/src/lib.rs" ]; then
			RUST_SRC=$dir
			return 0
		fi
	done
	return 1
}

# use_toolchain gcc|clang: all of it, or one line.
use_toolchain() {
	local compiler

	find_llvm || die "clang, lld and llvm of version 19 are missing" "run scripts/setup.sh"
	compiler="clang$LLVM_SUFFIX $("clang$LLVM_SUFFIX" -dumpversion)"
	[ "$1" != gcc ] || compiler="gcc $(gcc -dumpfullversion)"
	have rustc || die "rustc is missing" "run scripts/setup.sh"
	find_bindgen || die "bindgen $BINDGEN_MIN or newer is missing" "run scripts/setup.sh"
	find_rust_src || die "the library source of rustc $(rustc_version) is missing" \
		"run scripts/setup.sh"
	PATH=$(dirname "$BINDGEN"):$PATH
	TOOLCHAIN="$compiler rustc $(rustc_version)"
	TOOLCHAIN="$TOOLCHAIN bindgen $(bindgen_version "$BINDGEN") $RUST_SRC"
	export PATH TOOLCHAIN RUST_LIB_SRC=$RUST_SRC
}
