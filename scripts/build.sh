#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# build.sh TREE KIND: overlay and build a kernel of the cache (TREE is a series or the path that
# fetch.sh prints) for ARCH into $CACHE/build/VARIANT; the image is $CACHE/image/VARIANT. The kinds
# are c, rust, kunit and clippy; cbench and rustbench, which have the benchmark in place of the
# clients; rustdebug and rustkcsan, which look for mistakes at run time and have the KUnit suites
# too; and on arm64 c64k, rust64k and kunit64k, with pages of 64 KiB.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/toolchain.sh
. "$TOP/scripts/toolchain.sh"
# shellcheck source=scripts/overlay-files.sh
. "$TOP/scripts/overlay-files.sh"

# fragments KIND: what the configuration is made of.
fragments() {
	local kind=$1 list=(base "$ARCH" client)

	if [ "$ARCH" = arm64 ] && [[ $kind == *64k ]]; then
		kind=${kind%64k}
		list+=(64k)
	fi
	# Nothing that has FLBs of its own.
	[[ $kind != *bench ]] || list=(base "$ARCH" bench)
	case $kind in
	c|cbench) ;;
	rust) list+=(rust module) ;;
	rustbench) list+=(rust) ;;
	kunit) list+=(rust kunit) ;;
	rustdebug|rustkcsan) list+=(rust module kunit faults "${kind#rust}") ;;
	clippy) list+=(rust clippy) ;;
	*) die "'$1' is no kind of build for $ARCH" \
		"one of: c rust kunit clippy cbench rustbench rustdebug rustkcsan" ;;
	esac
	printf "$TOP/configs/%s.config\n" "${list[@]}"
}

# seeds KIND: finished builds to start from, the closest first. Another page size rebuilds all.
seeds() {
	local size='' list=()

	[[ $1 != *64k ]] || size=64k
	case ${1%64k} in
	c) list=(rust kunit) ;;
	rust) list=(c kunit) ;;
	kunit) list=(rust c) ;;
	clippy) list=(c rust kunit) ;;
	cbench) list=(rustbench c rust) ;;
	rustbench) list=(cbench rust c) ;;
	rustdebug|rustkcsan) list=(kunit rust c) ;;
	esac
	printf "%s$size\n" "${list[@]}"
}

kmake() {
	make -C "$TREE" O="$BUILD" LLVM="${LLVM_SUFFIX:-1}" ARCH="$ARCH" -j"$JOBS" \
		KBUILD_BUILD_TIMESTAMP='2025-01-01 00:00:00 +0000' KBUILD_BUILD_USER=flb \
		KBUILD_BUILD_HOST=luo KBUILD_BUILD_VERSION=1 "${MAKE_ARGS[@]}" "$@"
}

# copy_seed FROM: a finished build as a start. Its commands name its own path: with the new one
# in place kbuild sees that nothing but the configuration has changed.
copy_seed() {
	rm -rf "$BUILD.tmp" && cp -a --reflink=auto "$1" "$BUILD.tmp" &&
		rm -f "$BUILD.tmp"/.flb-* &&
		{ grep -rlZ --include='.*.cmd' --include=Makefile -F "$1" "$BUILD.tmp" |
			xargs -0r sed -i "s#$1\([/ ]\|\$\)#$BUILD\1#g"; } &&
		mv "$BUILD.tmp" "$BUILD"
}

# seed: only where there is no build yet.
seed() {
	local kind from

	[ ! -d "$BUILD" ] || return 0
	for kind in $(seeds "$KIND"); do
		from=$CACHE/build/$(variant "$NAME" "$kind")
		if [ -f "$from/.flb-built" ]; then
			step "Start $VARIANT from ${from##*/}" copy_seed "$from" || exit 1
			return
		fi
	done
	mkdir -p "$BUILD"
}

# configure: allnoconfig and the fragments; .config is only written when it differs.
configure() {
	KCONFIG_ALLCONFIG=$BUILD/.flb-merged kmake allnoconfig || return 1
}

# check_held: every line of the fragments must be in the result.
check_held() {
	local line

	while IFS= read -r line; do
		case $line in
		CONFIG_*=n) ! grep -q "^${line%=n}=" "$BUILD/.config" && continue ;;
		CONFIG_*) grep -qxF "$line" "$BUILD/.config" && continue ;;
		*) continue ;;
		esac
		die "$line of configs/ does not hold in the $VARIANT build" \
			"look what it depends on in this kernel"
	done <"$BUILD/.flb-merged"
}

# key: what the result depends on. A person's own tree can change at any time: no key.
key() {
	case $NAME in
	kdir-*) date +%s.%N ;;
	*) printf '%s\n' "$TOOLCHAIN" "$(cat "$TREE/.flb-version" "$BUILD/.flb-merged" "$0" \
		"$TREE/$STAMP" "${HOOKED[@]/#/$TREE/}")" ;;
	esac | sha256sum
}

# install_image: whole or not at all, as others may be booting the one before.
install_image() {
	cache_dir image
	rm -f "$IMAGE.ko"
	if [[ ${GOALS[*]} == *modules* ]]; then
		cp "$BUILD/$MODULE" "$IMAGE.ko.tmp" && mv "$IMAGE.ko.tmp" "$IMAGE.ko" || return 1
	fi
	cp "$BUILD/$BOOT" "$IMAGE.tmp" && mv "$IMAGE.tmp" "$IMAGE"
}

build_image() {
	local key

	key=$(key)
	if [ -f "$BUILD/.flb-built" ] && [ "$(cat "$BUILD/.flb-built")" = "$key" ] &&
	   [ -f "$IMAGE" ]; then
		return 0
	fi
	need_space 1500
	rm -f "$BUILD/.flb-built"
	step "Configure $VARIANT" configure || exit 1
	check_held
	step "Build kernel $VARIANT" kmake "${GOALS[@]}" || exit 1
	check_held
	install_image || die "cannot write to $CACHE" "free some space"
	printf '%s\n' "$key" >"$BUILD/.flb-built"
}

# Clippy wants a build directory of its own: CLIPPY=1 rebuilds rust/. Only our directory is linted;
# all output of the compiler in it is a failure.
build_clippy() {
	local log=$RUN/clippy-$VARIANT.log

	MAKE_ARGS=(CLIPPY=1)
	need_space 1000
	rm -f "$BUILD/.flb-built"
	step "Configure $VARIANT" configure || exit 1
	check_held
	step "Prepare $VARIANT" kmake prepare || exit 1
	find "$BUILD/kernel/liveupdate/flb" -name luo_flb.o -delete 2>/dev/null || true
	step "Clippy $VARIANT" kmake KBUILD_MODPOST_WARN=1 kernel/liveupdate/flb/ || exit 1
	! grep -qE '^(warning|error)' "$log" ||
		die "clippy: $(grep -E -m 1 '^(warning|error)' "$log")" "log: $log"
}

[ $# -eq 2 ] || die "usage: build.sh TREE KIND"
KIND=$2
MAKE_ARGS=()
case $ARCH in
x86_64) GOALS=(bzImage) BOOT=arch/x86/boot/bzImage ;;
# kunit.py boots the compressed image, kexec takes the other.
arm64) GOALS=(Image.gz) BOOT=arch/arm64/boot/Image ;;
*) die "ARCH=$ARCH is not known" "one of: x86_64 arm64" ;;
esac
FRAGMENTS=$(fragments "$KIND")
MODULE=kernel/liveupdate/flb/tests/client/flb_module.ko
[[ $FRAGMENTS != */module.config* ]] || GOALS+=(modules)
TREE=$1
[[ $TREE == */* ]] || TREE=$CACHE/tree/$1
[ -f "$TREE/.flb-version" ] || die "no kernel source at $TREE" "run scripts/fetch.sh ${1##*/}"
NAME=${TREE##*/}
VARIANT=$(variant "$NAME" "$KIND")
BUILD=$CACHE/build/$VARIANT
IMAGE=$CACHE/image/$VARIANT
use_toolchain
cache_dir build
lock "tree-$NAME"
"$TOP/scripts/overlay.sh" apply "$TREE"
seed
# shellcheck disable=SC2086 # one name a line
cat $FRAGMENTS >"$BUILD/.flb-merged"
if [ "$KIND" = clippy ]; then
	build_clippy
else
	build_image
fi
