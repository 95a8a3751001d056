#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# setup.sh [--lint]: the tools, each only if missing: Debian packages, bindgen, the Rust library
# source. --lint: with those that only judge scripts.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$TOP/scripts/apt.sh"
# shellcheck source=scripts/toolchain.sh
. "$TOP/scripts/toolchain.sh"

# A package, and a command that it has, or a file when it begins with /.
NEEDED='
clang-19: clang-19
lld-19: ld.lld-19
llvm-19: llvm-size-19
libclang-19-dev: /usr/lib/llvm-19/lib/libclang.so
flex: flex
bison: bison
libelf-dev: /usr/include/gelf.h
libssl-dev: /usr/include/openssl/evp.h
libfdt-dev: /usr/include/libfdt.h
device-tree-compiler: dtc
gcc: gcc
g++: c++
libc6-dev: /usr/include/stdio.h
make: make
bc: bc
cpio: cpio
kmod: depmod
rsync: rsync
xz-utils: xz
python3: python3
perl: perl
qemu-system-x86: qemu-system-x86_64
debian-archive-keyring: /usr/share/keyrings/debian-archive-keyring
'
# The kernel is built by clang; the C library is for the guest's userspace.
[ "$ARCH" != arm64 ] || NEEDED+='
qemu-system-arm: qemu-system-aarch64
gcc-aarch64-linux-gnu: aarch64-linux-gnu-gcc
libc6-dev-arm64-cross: /usr/aarch64-linux-gnu/lib/libc.a
'
[ "${1:-}" != --lint ] || NEEDED+='
shellcheck: shellcheck
'

# have_file PATH: sbin is not in every user's PATH, and a keyring may end in .gpg or .pgp.
have_file() {
	local match

	for match in "$1" "$1".gpg "$1".pgp; do
		[ ! -e "$match" ] || return 0
	done
	return 1
}

missing_packages() {
	local what package

	while IFS=': ' read -r package what; do
		case $what in
		'') ;;
		/*) have_file "$what" || echo "$package" ;;
		*) have "$what" || have_file "/sbin/$what" || echo "$package" ;;
		esac
	done <<<"$NEEDED"
}

# Where Debian's rustc is new enough and there is none, all of Rust comes from Debian.
missing_rust() {
	if ! have rustc && debian_has rustc "$RUSTC_MIN"; then
		printf '%s\n' rustc cargo rustfmt rust-clippy rust-src
	fi
	if ! find_bindgen && debian_has bindgen "$BINDGEN_MIN"; then
		echo bindgen
	fi
}

# debian_has PACKAGE VERSION: is the one that apt would install at least that new?
debian_has() {
	local candidate

	candidate=$(apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" { print $2 }')
	version_ge "${candidate%%[+-]*}" "$2"
}

apt_install() {
	local sudo=() env=(env DEBIAN_FRONTEND=noninteractive)

	[ "$(id -u)" = 0 ] || sudo=(sudo -n)
	"${sudo[@]}" "${env[@]}" apt-get install -y --no-install-recommends "$@" ||
		{ "${sudo[@]}" apt-get update &&
		  "${sudo[@]}" "${env[@]}" apt-get install -y --no-install-recommends "$@"; }
}

# install_missing COMMAND: what COMMAND lists.
install_missing() {
	local packages

	mapfile -t packages < <("$1" | sort -u)
	[ "${#packages[@]}" -gt 0 ] || return 0
	have apt-get || die "missing: ${packages[*]}" "install what these Debian packages hold"
	[ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null ||
		die "missing packages" "as root: apt-get install ${packages[*]}"
	step "Debian packages: ${packages[*]}" apt_install "${packages[@]}" || exit 1
	mapfile -t packages < <("$1" | sort -u)
	[ "${#packages[@]}" -eq 0 ] ||
		die "still missing after apt-get install: ${packages[*]}" "use Debian 12 or 13"
}

check_rustc() {
	local version how="install it with rustup, or from Debian 13"

	have rustc || die "rustc is missing" "$how"
	have cargo || die "cargo is missing" "$how"
	version=$(rustc_version)
	version_ge "$version" "$RUSTC_MIN" ||
		die "rustc $version is too old, $RUSTC_MIN needed" "$how"
}

get_bindgen() {
	find_bindgen || {
		lock tools
		need_space 800
		step "bindgen $BINDGEN_GET" cargo install --locked bindgen-cli \
			--version "$BINDGEN_GET" --root "$CACHE/tools" || exit 1
		find_bindgen || die "bindgen does not run" "see $RUN"
	}
}

# unpack_rust_src VERSION: the Debian package of the same upstream version, any Debian revision.
unpack_rust_src() {
	local version=$1 debian deb dir=$CACHE/rust-src/$1

	apt_setup || return 1
	for debian in $(apt_versions binary rust-src | grep "^${version//./\\.}+"); do
		deb=$(apt_download rust-src "$debian") || continue
		rm -rf "$dir.tmp" && mkdir -p "$dir.tmp" || return 1
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$dir.tmp" --strip-components=4 \
				"./usr/src/rustc-$version/library" || return 1
		rm -rf "$dir" && mv "$dir.tmp" "$dir" && rm -f "$deb"
		return
	done
	echo "luo-flb: error: no rust-src package of version $version; use another rustc," \
		"or rustup component add rust-src"
	return 1
}

get_rust_src() {
	local version

	find_rust_src || {
		lock apt
		need_space 500
		version=$(rustc_version)
		step "Rust library source $version" unpack_rust_src "$version" || exit 1
		find_rust_src || die "the Rust library source is not as expected" "see $RUN"
	}
}

install_missing missing_packages
install_missing missing_rust
check_rustc
find_llvm || die "clang, lld and llvm of version 19 are not complete" \
	"apt-get install clang-19 lld-19 llvm-19"
get_bindgen
get_rust_src
