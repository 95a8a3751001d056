#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# overlay.sh apply|revert|status KDIR: put this directory into a kernel tree as
# kernel/liveupdate/flb/, or take it out again, byte for byte.
# status prints one line and exits with: 0 applied (current), 3 not applied, 4 applied (outdated),
# 5 half-applied; 1 is an error here as everywhere.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/block.sh
. "$TOP/scripts/block.sh"

# What is placed into the kernel tree. Required ones, then patterns.
REQUIRED=(Kbuild Kconfig luo_flb.rs shim.c)
PATTERNS=('*.rs' '*.[ch]' 'abi/*.rs' 'raw/*.rs' 'tests/kunit/*.rs' 'tests/kunit/*/*.rs'
	'tests/client/*.[ch]' 'Documentation/*.rst')
# What a kernel build without O= leaves in the directory.
PRODUCTS='\.(o|a|ko|s|ll|i|lst|mod|mod\.c|rmeta|order|cmd|d|su|gcno|tmp|rsi)$'
PRODUCTS+='|/bindings_generated\.rs$'
STAMP=.luo-flb-overlay

# Make variables, expanded by the kernel's make.
# shellcheck disable=SC2016
MAKEFILE_BLOCK='# The Rust FLB core in place of the C one, and a test client for either.
ifdef CONFIG_LIVEUPDATE_FLB_RUST
luo-y := $(filter-out luo_flb.o,$(luo-y))
endif
ifneq ($(CONFIG_LIVEUPDATE_FLB_RUST)$(CONFIG_LIVEUPDATE_FLB_CLIENT),)
obj-y += flb/
endif
ifdef CONFIG_LIVEUPDATE_FLB_CLIENT
CFLAGS_luo_file.o += -Dliveupdate_test_register=luo_flb_client_register
endif'
KCONFIG_BLOCK='source "kernel/liveupdate/flb/Kconfig"'

usage() {
	die "usage: overlay.sh apply|revert|status KDIR"
}

# check_tree: is KDIR a kernel source tree that has FLB?
check_tree() {
	local file

	[ -d "$KDIR" ] || die "$KDIR is no directory" "give a kernel source tree"
	if ! is_kernel "$KDIR"; then
		[ ! -L "$KDIR/source" ] ||
			die "$KDIR is a build directory" \
				"give its source, $(readlink "$KDIR/source")"
		die "$KDIR is no kernel tree" "give a kernel source tree"
	fi
	for file in luo_flb.c Makefile Kconfig; do
		[ -f "$LU/$file" ] ||
			die "$KDIR is a kernel without FLB (no kernel/liveupdate/$file)" \
				"use Linux 7.1 or later"
	done
}

# manifest: the files to place, relative to the top.
manifest() {
	local file

	for file in "${REQUIRED[@]}"; do
		[ -f "$TOP/$file" ] || die "$TOP/$file is missing" "check out the whole repository"
	done
	(
		cd "$TOP"
		shopt -s nullglob
		# shellcheck disable=SC2068,SC2206 # the patterns are to be expanded
		files=(Kbuild Kconfig ${PATTERNS[@]})
		printf '%s\n' "${files[@]}" | sort -u
	)
}

# sums DIR: checksum and name of each file of the manifest as it is in DIR.
sums() {
	(cd "$1" && xargs -d '\n' sha256sum 2>/dev/null) || true
}

# foreign_file: a file in the directory that neither we nor a build put there, or one of ours that
# was changed there. Such work must not be lost.
foreign_file() {
	local file sum

	while IFS= read -r file; do
		[ "$file" != "$STAMP" ] || continue
		[[ ! /$file =~ $PRODUCTS ]] || continue
		sum=$(cd "$FLB" && sha256sum "$file")
		grep -qxF "$sum" "$FLB/$STAMP" || grep -qxF "$sum" <<<"$NEW_SUMS" || {
			printf '%s\n' "$file"
			return
		}
	done < <(cd "$FLB" && find . ! -type d -printf '%P\n' | sort)
}

# state: one of none, current, outdated, half; WHY says more about half.
state() {
	local made=no conf=no dir=no

	STATE=half
	WHY=
	! has_block "$LU/Makefile" || made=yes
	! has_block "$LU/Kconfig" || conf=yes
	[ ! -e "$FLB" ] || dir=yes
	case $made$conf$dir in
	nonono) STATE=none ;;
	yesyesyes)
		if [ ! -f "$FLB/$STAMP" ]; then
			WHY="kernel/liveupdate/flb is not from this overlay"
		elif is_current; then
			STATE=current
		else
			STATE=outdated
		fi
		;;
	nonoyes) WHY="kernel/liveupdate/flb is there but not in Makefile and Kconfig" ;;
	*no) WHY="Makefile or Kconfig have its block but kernel/liveupdate/flb is missing" ;;
	noyes*) WHY="Kconfig has its block but Makefile has not" ;;
	*) WHY="Makefile has its block but Kconfig has not" ;;
	esac
}

is_current() {
	[ "$(cat "$FLB/$STAMP")" = "$NEW_SUMS" ] &&
		[ "$(cut -c 67- <<<"$NEW_SUMS" | sums "$FLB")" = "$NEW_SUMS" ] &&
		cmp -s "$LU/Makefile" <(block_append "$LU/Makefile" "$MAKEFILE_BLOCK") &&
		cmp -s "$LU/Kconfig" <(block_append "$LU/Kconfig" "$KCONFIG_BLOCK")
}

# check_changeable: refuse before anything is touched.
check_changeable() {
	local file

	[ "$STATE" != half ] ||
		die "$KDIR has a half-applied overlay: $WHY" \
			"restore kernel/liveupdate of that tree, e.g. by git checkout and git clean"
	for file in "$LU" "$LU/Makefile" "$LU/Kconfig"; do
		[ -w "$file" ] || die "no permission to write to $file" \
			"use a copy of the tree, as make demo KDIR= does"
	done
	[ "$STATE" != none ] || return 0
	file=$(foreign_file)
	[ -z "$file" ] || die "$FLB/$file is not as the overlay placed it" "move it away first"
}

# replace FILE: put FILE.luo-flb-new in its place; unchanged files keep their times.
replace() {
	if cmp -s "$1" "$1.luo-flb-new"; then
		rm -f "$1.luo-flb-new"
	else
		chmod --reference="$1" "$1.luo-flb-new" && mv -f "$1.luo-flb-new" "$1"
	fi
}

# prepare_dir: the whole new directory beside its place, with the times of unchanged files.
prepare_dir() {
	local file new=$LU/.luo-flb-new

	rm -rf "$new" && mkdir "$new"
	while IFS= read -r file; do
		mkdir -p "$new/$(dirname "$file")"
		cp "$TOP/$file" "$new/$file"
		if cmp -s "$FLB/$file" "$new/$file"; then
			touch -r "$FLB/$file" "$new/$file"
		fi
	done < <(manifest)
	manifest | sums "$new" >"$new/$STAMP"
}

# carry_products: what an in-tree build left stays, so that it need not be built again.
carry_products() {
	local file

	[ -d "$FLB" ] || return 0
	while IFS= read -r file; do
		[[ /$file =~ $PRODUCTS ]] || continue
		if [ -d "$LU/.luo-flb-new/$(dirname "$file")" ]; then
			cp -p "$FLB/$file" "$LU/.luo-flb-new/$file"
		fi
	done < <(cd "$FLB" && find . -type f -printf '%P\n')
}

clean_up() {
	rm -rf "$LU/.luo-flb-new" "$LU/.luo-flb-old" "$LU"/{Makefile,Kconfig}.luo-flb-new
}

# commit: from here on it is only renames, and signals wait.
commit() {
	trap '' INT TERM HUP
	[ ! -e "$FLB" ] || mv -T "$FLB" "$LU/.luo-flb-old"
	[ ! -e "$LU/.luo-flb-new" ] || mv -T "$LU/.luo-flb-new" "$FLB"
	replace "$LU/Kconfig"
	replace "$LU/Makefile"
	clean_up
	trap - INT TERM HUP
}

apply() {
	check_changeable
	[ "$STATE" != current ] || return 0
	trap clean_up EXIT
	{
		prepare_dir && carry_products
		block_append "$LU/Makefile" "$MAKEFILE_BLOCK" >"$LU/Makefile.luo-flb-new"
		block_append "$LU/Kconfig" "$KCONFIG_BLOCK" >"$LU/Kconfig.luo-flb-new"
	} 2>/dev/null || die "cannot write to $LU" "free space on its disk"
	commit
}

revert() {
	check_changeable
	[ "$STATE" != none ] || return 0
	trap clean_up EXIT
	{
		block_strip "$LU/Makefile" >"$LU/Makefile.luo-flb-new"
		block_strip "$LU/Kconfig" >"$LU/Kconfig.luo-flb-new"
	} 2>/dev/null || die "cannot write to $LU" "free space on its disk"
	commit
}

show_status() {
	case $STATE in
	current) echo "applied (current)" ;;
	none) echo "not applied"; exit 3 ;;
	outdated) echo "applied (outdated)"; exit 4 ;;
	half) echo "half-applied: $WHY"; exit 5 ;;
	esac
}

[ $# -eq 2 ] || usage
KDIR=${2%/}
LU=$KDIR/kernel/liveupdate
FLB=$LU/flb
case $1 in
apply|revert|status) ;;
*) usage ;;
esac
check_tree
NEW_SUMS=$(manifest | sums "$TOP")
[ -n "$NEW_SUMS" ] || exit 1
state
case $1 in
apply) apply ;;
revert) revert ;;
status) show_status ;;
esac
