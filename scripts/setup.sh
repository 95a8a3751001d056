#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# setup.sh [--packages] [--test|--all]: the tools that a demo on ARCH needs, or make test, or make
# test-all, each only if missing: Debian's packages, then, in the cache, bindgen and the source of
# Rust's library. --packages: only the former.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$TOP/scripts/apt.sh"
# shellcheck source=scripts/toolchain.sh
. "$TOP/scripts/toolchain.sh"

# Packages, each with a command that it has, or a file.
NEEDED='gcc:gcc libc6-dev:/usr/include/stdio.h make:make flex:flex bison:bison bc:bc cpio:cpio
	libelf-dev:/usr/include/gelf.h libssl-dev:/usr/include/openssl/evp.h xz-utils:xz rsync:rsync
	libclang1-19:/usr/lib/llvm-19/lib/libclang-19.so.1 qemu-system-x86:qemu-system-x86_64'
ARM64='clang-19:clang-19 lld-19:ld.lld-19 llvm-19:llvm-size-19 qemu-system-arm:qemu-system-aarch64
	gcc-aarch64-linux-gnu:aarch64-linux-gnu-gcc
	libc6-dev-arm64-cross:/usr/aarch64-linux-gnu/lib/libc.a'
TEST='g++:c++ python3:python3 perl:perl shellcheck:shellcheck'

missing() {
	local each what web=''

	for each in $NEEDED; do
		what=${each#*:}
		[[ $what == /* && -e $what ]] || have "$what" || echo "${each%:*}"
	done
	if ! have rustc || ! have cargo; then
		# Debian 12 has a new one by another name.
		debian_has rustc "$RUSTC_MIN" || ! debian_has rustc-web "$RUSTC_MIN" || web=-web
		printf '%s\n' "rustc$web" "cargo$web"
	fi
}

# debian_has PACKAGE VERSION: is the one that apt would install at least that new?
debian_has() {
	local candidate

	candidate=$(apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" { print $2 }')
	version_ge "${candidate%%[+-]*}" "$2"
}

apt_root() {
	local sudo=()

	[ "$(id -u)" = 0 ] || sudo=(sudo -n)
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"
}

# apt_install PACKAGE...: it removes none, and nothing interrupts it when it is dpkg's turn.
apt_install() {
	local install=(install -y --no-install-recommends --no-remove "$@")

	apt_root --download-only "${install[@]}" &&
		(trap '' INT TERM HUP; apt_root "${install[@]}")
}

# install_missing: our own index is fetched beside, as what comes next needs it.
install_missing() {
	local packages

	apt_setup >/dev/null 2>&1 &
	apt_root update || true
	mapfile -t packages < <(missing)
	apt_install "${packages[@]}" && { wait || true; }
}

# What judges Rust, where rustc is Debian's, of its version; without them, their tests are skipped.
install_judges() {
	local web version

	for web in '' -web; do
		version=$(dpkg-query -Wf '${Version}' "rustc$web" 2>/dev/null) || continue
		[ -z "$version" ] ||
			apt_install "rustfmt$web=$version" "rust$web-clippy=$version" || true
	done
}

check_rustc() {
	local version

	version=$(rustc_version)
	version_ge "$version" "$RUSTC_MIN" ||
		die "rustc ${version:-does not run; it} is too old, $RUSTC_MIN needed" \
			"use rustup, or Debian's rustc and cargo (12: rustc-web and cargo-web)"
}

get_packages() {
	local list

	! have rustc || ! have cargo || check_rustc
	list=$(missing | paste -sd ' ')
	if [ -n "$list" ]; then
		have apt-get || die "missing: $list" "install what these Debian packages hold"
		[ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null ||
			die "missing packages" "as root: apt-get install $list"
		STEP_QUIET=1 step "Debian packages" install_missing ||
			die "Debian packages: $(log_reason "$STEP_LOG")" \
				"is there a network? see $STEP_LOG"
		list=$(missing | paste -sd ' ')
		[ -z "$list" ] ||
			die "still missing after apt-get install: $list" "use Debian 12 or 13"
		check_rustc
	fi
	if [ "$WHAT" != demo ] && [ "$(command -v rustc)" = /usr/bin/rustc ]; then
		{ have rustfmt && have cargo-clippy; } ||
			step "Debian packages for rustc" install_judges
	fi
}

# unpack_deb DEB DIR OPTION...: some of its files, by options of tar.
unpack_deb() {
	mkdir -p "$2" && dpkg-deb --fsys-tarfile "$1" | tar -xC "$2" "${@:3}"
}

# unpack_bindgen: Debian 13's, with its C library where the machine's is older.
unpack_bindgen() {
	local dl=$CACHE/dl/bindgen tmp=$CACHE/tools.tmp deb

	apt_setup && deb=$(apt_download "$dl" binary bindgen) && rm -rf "$tmp" &&
		unpack_deb "$deb" "$tmp" ./usr/bin && mkdir "$tmp/bin" &&
		ln -s ../usr/bin/bindgen "$tmp/bin/bindgen" || return 1
	if ! "$tmp/bin/bindgen" --version; then
		deb=$(apt_download "$dl" binary libc6) && unpack_deb "$deb" "$tmp" ./usr/lib &&
			rm "$tmp/bin/bindgen" && cat >"$tmp/bin/bindgen" <<-'SH' &&
			#!/bin/sh
			top=$(dirname "$0")/..
			for ld in "$top"/usr/lib/*/ld-linux-*; do
				exec "$ld" --library-path "${ld%/*}" "$top/usr/bin/bindgen" "$@"
			done
		SH
			chmod +x "$tmp/bin/bindgen" || return 1
	fi
	rm -rf "$dl" "$CACHE/tools" && mv "$tmp" "$CACHE/tools"
}

# rust_src_deb VERSION: the Debian package of the same upstream version, any Debian revision.
rust_src_deb() {
	local name version kind

	while read -r name version kind; do
		[[ $kind == binary && ${version%%[+-]*} == "$1" ]] || continue
		! apt_download "$CACHE/dl/rust-src" binary "$name=$version" || return 0
	done < <(apt_madison rust-src rust-web-src)
	echo "luo-flb: error: no package has the library source of rustc $1;" \
		"rustup component add rust-src, or use another rustc" >&2
	return 1
}

# unpack_rust_src VERSION: from the archive that rustc came from, or else from Debian 13's.
unpack_rust_src() {
	local deb dir=$CACHE/rust-src/$1

	deb=$(own_apt rust_src_deb "$1") || { apt_setup && deb=$(rust_src_deb "$1"); } &&
		rm -rf "$dir.tmp" && unpack_deb "$deb" "$dir.tmp" --strip-components=4 \
			"./usr/src/rustc-$1/library" &&
		rm -rf "$dir" "$CACHE/dl/rust-src" && mv "$dir.tmp" "$dir"
}

WHAT=demo ONLY_PACKAGES=no
for arg in "$@"; do
	case $arg in
	--packages) ONLY_PACKAGES=yes ;;
	--test|--all) WHAT=${arg#--} ;;
	*) die "usage: setup.sh [--packages] [--test|--all]" ;;
	esac
done
[ "$WHAT" = demo ] || NEEDED+=" $TEST"
[[ $WHAT/$ARCH =~ ^all/|/arm64$ ]] || ARM64=
NEEDED+=" $ARM64"
trap 'exit 143' INT TERM HUP
get_packages
[ "$ONLY_PACKAGES" = no ] || exit 0
if ! find_bindgen || ! find_rust_src; then
	lock tools
	need_space 500
	find_bindgen || step "bindgen" unpack_bindgen || exit 1
	find_bindgen || die "bindgen does not run" "see $STEP_LOG"
	find_rust_src || step "Rust library source" unpack_rust_src "$(rustc_version)" || exit 1
	find_rust_src || die "the Rust library source is not as expected" "see $STEP_LOG"
fi
