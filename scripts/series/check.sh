#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# check.sh: make the series for SERIES (the newest that can be had), or KDIR=TREE, have git am take
# its patches one by one in a copy of the tree as it came, and look at what each leaves: checkpatch,
# rustfmt, kernel-doc; a build with and one without the options, without a warning of ours, by
# clippy too; and the KUnit suites. With the options off no object of
# mm/hugetlb.c, mm/memfd_luo.c and kernel/liveupdate may change. With the test
# client, the kexec scenarios run on what all patches leave.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=scripts/toolchain.sh
. "$TOP/scripts/toolchain.sh"

# Paths of ours in what compilers say.
OURS='/kho[./]|rust/(kernel|helpers)/liveupdate|luo_flb/|hugetlb_luo|rust_liveupdate|memfd_luo'

# What checkpatch says of all trace events.
OF_EVENTS=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE,SPACING

# copy_tree: COPY is the tree without the overlay. What changes there is written anew.
copy_tree() {
	rm -rf "$COPY" && cp -al "$TREE" "$COPY" && "$TOP/scripts/overlay.sh" revert "$COPY"
}

# start_git: of the files that patches change; git am needs no others.
start_git() {
	git -C "$COPY" init -q
	git -C "$COPY" config user.name check
	git -C "$COPY" config user.email check@localhost
	sed -n 's#^--- a/##p' "$PATCHES"/*.patch | sort -u | while IFS= read -r file; do
		[ ! -f "$COPY/$file" ] || git -C "$COPY" add -f "$file"
	done
	git -C "$COPY" commit -qm start
}

kmake() {
	make -C "$COPY" O="$CACHE/build/$NAME-$1" W=1 CLIPPY=1 -j"$JOBS" "${@:2}"
}

# build off|on GOAL...: without the options, or with all that there are by now.
build() {
	local kind=$1 config=$CACHE/build/$NAME-$1/.flb-merged
	local names=(base x86_64 hugetlb hugetlb_x86_64) ours=LIVEUPDATE_HUGETLB

	[ "$kind" = off ] || names+=(rust kunit client vm) ours=none
	mkdir -p "${config%/*}"
	(cd "$TOP/configs" && cat "${names[@]/%/.config}") | grep -v "$ours" >"$config"
	KCONFIG_ALLCONFIG=$config kmake "$kind" allnoconfig &&
		kmake "$kind" "${@:2}" || return 1
	! grep -aE -A 4 '^warning|: warning: ' "$STEP_LOG" | grep -aE "$OURS"
}

# checkpatch WHAT-TO-IGNORE: of a patch. MAINTAINERS comes last. With git it would look for Python
# modules; the tags of licenses are checked elsewhere.
checkpatch() {
	GIT_DIR=none scripts/checkpatch.pl --strict -q --ignore "FILE_PATH_CHANGES$1" -
}

# style: of the last patch, and of the files that it has left.
style() (
	cd "$COPY" &&
		git format-patch --stdout HEAD^ -- . ':!*/trace.h' | checkpatch '' &&
		git format-patch --stdout HEAD^ -- '*/trace.h' | checkpatch ",$OF_EVENTS" &&
		git diff --name-only HEAD^ -- '*.rs' |
			xargs -r rustfmt --check --edition 2021 --config-path . &&
		git diff --name-only --diff-filter=A HEAD^ -- '*.[ch]' |
			xargs -r scripts/kernel-doc -none -Wall -Werror
)

# kunit: all suites of the kernel that was built with the options.
kunit() {
	cp "$CACHE/build/$NAME-on/arch/x86/boot/bzImage" "$CACHE/image/$NAME-rust" &&
		"$TOP/scripts/kunit.sh" "$NAME" "$NAME-rust" "$RUN/$NAME.json" '*'
}

# objects: of C, without the options.
objects() {
	(cd "$CACHE/build/$NAME-off" && sha256sum mm/hugetlb.o mm/memfd_luo.o kernel/liveupdate/*.o)
}

# scenarios: those of a tree with the overlay, between kernels of this one.
scenarios() {
	"$TOP/scripts/guest.sh" && cd "$TOP" &&
		CARGO_TARGET_DIR=$CACHE/host FLB_TREES=$NAME cargo test -q --locked \
			-p luo-flb-harness -- "kexec/$NAME/rust-rust/"
}

# check_patch PATCH: take it, and look at what is there then.
check_patch() {
	local name=${1##*/}

	name=${name%%-*}
	step "Patch $name applies" git -C "$COPY" am -q "$1"
	step "Patch $name style" style
	step "Patch $name without the options" build off vmlinux
	step "Patch $name with the options" build on bzImage
	step "Patch $name KUnit" kunit
	grep -a 'Testing complete' "$STEP_LOG" | sed 's/.*complete. //'
}

FOUND=$("$TOP/scripts/fetch.sh" "${SERIES:-$NEWEST}")
TREE=${FOUND% *}
NAME=${TREE##*/}-series
COPY=$CACHE/tree/$NAME
PATCHES=$RUN/$NAME
need_space 4000
cache_dir build image
use_toolchain gcc
lock "$NAME"
# Whoever checks, with whatever settings.
# shellcheck disable=SC2046 # to be split
unset $(git rev-parse --local-env-vars)
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=check GIT_AUTHOR_EMAIL=check@localhost
export GIT_COMMITTER_NAME=check GIT_COMMITTER_EMAIL=check@localhost
GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=check \
	GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=check@localhost \
	CLIENT=yes "$TOP/scripts/series.sh" "$PATCHES"
step "Tree without the overlay" copy_tree
start_git
step "Build before the first patch" build off vmlinux
BEFORE=$(objects)
for patch in "$PATCHES"/[0-9]*.patch; do
	case $patch in
	*/0000-*) ;;
	*-test-client.patch) step "Test client" git -C "$COPY" am -q "$patch" ;;
	*) check_patch "$patch" ;;
	esac
done
[ "$BEFORE" = "$(objects)" ] || die "objects in C change with the options off" \
	"compare those of $CACHE/build/$NAME-off"
step "Build with the test client" build on bzImage
step "KUnit" kunit
step "Scenarios" scenarios
grep -a 'test result' "$STEP_LOG"
