#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# build.sh TREE KIND: overlay and build a kernel of the cache (TREE is a version or the path that
# fetch.sh prints) for ARCH into $CACHE/build/VARIANT; the image is $CACHE/image/VARIANT. The kinds:
# rust       the core in Rust, with the clients, the module and the KUnit suites
# c          luo_flb.c with the clients
# rustrt     as rust, preemptible everywhere
# rustcfi    as rust, control flow is checked, and more of what distributions have
# rustdebug  as rust, with all that looks for mistakes at run time; rustkcsan: for data races
# rust64k    as rust, c64k as c: arm64 with pages of 64 KiB
# rustbench  with the benchmark in place of the clients, as cbench
# rustown    as rust, with the driver FLB_DRIVER, a file, in place of the sample; as cown
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/toolchain.sh
. "$TOP/scripts/toolchain.sh"

# describe KIND: sets FRAGMENTS, which make the configuration, SEEDS, builds to start from, and
# COMPILER. gcc is quicker, and on every machine.
describe() {
	local core=c rest names

	[[ $1 != rust* ]] || core=rust
	rest=${1#"$core"}
	names=(base "$ARCH")
	[ "$rest" = bench ] || names+=(client)
	[ "$core" = c ] || names+=(rust)
	[[ $rest == bench || $rest == 64k ]] || ! has_hugetlb "$TREE" ||
		names+=(hugetlb "hugetlb_$ARCH")
	[ "$core" = c ] || [ "$rest" = bench ] || names+=(module kunit)
	[[ $ARCH/$rest != x86_64/ && $ARCH/$rest != x86_64/own ]] || names+=(vm)
	SEEDS=(rust c)
	COMPILER=clang
	case $ARCH/$core/$rest in
	x86_64/*/|x86_64/*/own) COMPILER=gcc ;;
	arm64/*/|arm64/*/own) ;;
	x86_64/c/bench) names+=(bench) SEEDS=(rustbench cbench) ;;
	x86_64/rust/bench) names+=(bench max) SEEDS=(rustbench cbench) ;;
	x86_64/rust/rt) names+=("$rest") COMPILER=gcc ;;
	x86_64/rust/cfi) names+=(cfi max) SEEDS=() ;;
	x86_64/rust/debug) names+=(faults debug max) SEEDS=() ;;
	x86_64/rust/kcsan) names+=(faults kcsan) SEEDS=() ;;
	arm64/*/64k) names+=(64k) SEEDS=(rust64k c64k) ;;
	*) die "'$1' is no kind of build for $ARCH" "one of those at the head of this script" ;;
	esac
	FRAGMENTS=("${names[@]/#/$TOP/configs/}")
	FRAGMENTS=("${FRAGMENTS[@]/%/.config}")
}

kmake() {
	make -C "$TREE" O="$BUILD" ARCH="$ARCH" -j"$JOBS" "${MAKE_ARGS[@]}" \
		KBUILD_BUILD_TIMESTAMP='2025-01-01 00:00:00 +0000' KBUILD_BUILD_USER=flb \
		KBUILD_BUILD_HOST=luo KBUILD_BUILD_VERSION=1 "$@"
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
	for kind in "${SEEDS[@]}"; do
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
	*) printf '%s\n' "$TOOLCHAIN" "$COMPILER" "$(cat "$TREE/.flb-version" \
		"$BUILD/.flb-merged" "$0" "$TREE/kernel/liveupdate/flb/.luo-flb-overlay" \
		${FLB_DRIVER:+"$FLB_DRIVER"})" ;;
	esac | sha256sum
}

# place_driver: where make finds it before the sample of the tree, which stays as it is.
place_driver() {
	mkdir -p "$BUILD/${SAMPLE_OBJECT%/*}" && cp "$FLB_DRIVER" "$BUILD/${SAMPLE_OBJECT%.o}.rs"
}

# build_driver: before all the rest. What the compiler says of it is shown, by the name of its file.
build_driver() {
	local name=${FLB_DRIVER##*/} said rc=0

	place_driver || die "cannot write to $CACHE" "free some space"
	STEP_QUIET=1 step "Compile $name" kmake "$SAMPLE_OBJECT" || rc=$?
	said=$(sed -n '/^\(error\|warning\)/,$ { /^make/d; p }' "$STEP_LOG")
	[ -z "$said" ] || printf '%s\n' "${said//"${SAMPLE_OBJECT%.o}.rs"/"$FLB_DRIVER"}" >&2
	[ "$rc" -eq 0 ] || die "$name does not compile" "see above; log: $STEP_LOG"
}

# install_image: whole or not at all, as others may be booting the one before.
install_image() {
	local module=$BUILD/kernel/liveupdate/flb/tests/client/flb_module.ko

	cache_dir image
	rm -f "$IMAGE.ko"
	if [[ ${GOALS[*]} == *modules* ]]; then
		cp "$module" "$IMAGE.ko.tmp" && mv "$IMAGE.ko.tmp" "$IMAGE.ko" || return 1
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
	[[ $VARIANT != *own ]] || build_driver
	step "Build kernel $VARIANT" kmake "${GOALS[@]}" || exit 1
	check_held
	install_image || die "cannot write to $CACHE" "free some space"
	printf '%s\n' "$key" >"$BUILD/.flb-built"
}

[ $# -eq 2 ] || die "usage: build.sh TREE KIND"
case $ARCH in
x86_64) GOALS=(bzImage) BOOT=arch/x86/boot/bzImage ;;
arm64) GOALS=(Image) BOOT=arch/arm64/boot/Image ;;
*) die "ARCH=$ARCH is not known" "one of: x86_64 arm64" ;;
esac
TREE=$1
[[ $TREE == */* ]] || TREE=$CACHE/tree/$1
describe "$2"
[[ ${FRAGMENTS[*]} != */module.config* ]] || GOALS+=(modules)
[[ $2 != *own || -f ${FLB_DRIVER:-} ]] || die "no driver ${FLB_DRIVER:-}" "set FLB_DRIVER"
[ -f "$TREE/.flb-version" ] || die "no kernel source at $TREE" "run scripts/fetch.sh ${1##*/}"
NAME=${TREE##*/}
VARIANT=$(variant "$NAME" "$2")
BUILD=$CACHE/build/$VARIANT
IMAGE=$CACHE/image/$VARIANT
use_toolchain "$COMPILER"
SAMPLE_OBJECT=samples/rust/rust_liveupdate.o
MAKE_ARGS=()
[ "$COMPILER" = gcc ] || MAKE_ARGS=(LLVM="${LLVM_SUFFIX:-1}")
cache_dir build
lock "tree-$NAME"
"$TOP/scripts/overlay.sh" apply "$TREE"
seed
cat "${FRAGMENTS[@]}" >"$BUILD/.flb-merged"
build_image
