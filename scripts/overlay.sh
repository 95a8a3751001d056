#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# overlay.sh apply|revert|status KDIR: put the core into a kernel tree as kernel/liveupdate/flb/,
# its Rust API into the kernel crate and a sample beside the others, or take all out again, byte
# for byte.
# status prints one line and exits with: 0 applied (current), 3 not applied, 4 applied (outdated),
# 5 half-applied; 1 is an error here as everywhere.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/block.sh
. "$TOP/scripts/block.sh"
# shellcheck source=scripts/overlay-files.sh
. "$TOP/scripts/overlay-files.sh"

# What a kernel build without O= leaves beside a file.
PRODUCTS='\.(o|a|ko|s|ll|i|lst|mod|mod\.c|rmeta|order|cmd|d|su|gcno|tmp|rsi)$'
PRODUCTS+='|/bindings_generated\.rs$'
# Beside their places: what is to be renamed to there, and what was there.
NEW=.luo-flb-new
OLD=.luo-flb-old

usage() {
	die "usage: overlay.sh apply|revert|status KDIR"
}

# check_tree: is KDIR a kernel source tree that has FLB and Rust?
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
		[ -f "$KDIR/kernel/liveupdate/$file" ] ||
			die "$KDIR is a kernel without FLB (no kernel/liveupdate/$file)" \
				"use Linux 7.1 or later"
	done
	file=$(missing_file "$KDIR")
	[ -z "$file" ] || die "$KDIR is not a whole kernel tree (no $file)" \
		"give one with all of rust and samples"
}

# top_sums: checksum and name of each file of the manifest.
top_sums() {
	(cd "$TOP" && xargs -d '\n' sha256sum <<<"$NAMES")
}

# tree_sums: the same for paths in the kernel tree, as far as they are there.
tree_sums() {
	{ xargs -rd '\n' sha256sum 2>/dev/null || true; } |
		sed "s#  $FLB/#  #; s#  samples/rust/#  samples/#"
}

new_stamp() {
	printf '%s\n' "$NEW_SUMS"
	printf 'block  %s\n' "${HOOKED[@]}"
}

# foreign_file: a file in what is ours that neither we nor a build put there, or one of ours that
# was changed there. Such work must not be lost.
foreign_file() {
	local path

	find "${OLD_UNITS[@]}" ! -type d ! -type f -print -quit | grep . && return
	path=$(find "${OLD_UNITS[@]}" -type f | grep -vxF "$STAMP" | grep -vE "$PRODUCTS" | sort |
		tree_sums | grep -vxF -f <(stamp_lines . && new_stamp) | head -n 1) || true
	[ -z "$path" ] || placed <<<"${path:66}"
}

# half: why what the stamp tells of is not all that there is.
half() {
	local file

	if [ -e "$FLB" ] && [ ! -f "$STAMP" ]; then
		echo "$FLB is not from this overlay"
		return
	fi
	for file in "${OLD_UNITS[@]}"; do
		[ -e "$file" ] || { echo "$file is missing"; return; }
	done
	for file in "${OLD_BLOCKS[@]}"; do
		has_block "$file" || { echo "$file has not its block"; return; }
	done
	for file in $(printf '%s\n' "${HOOKED[@]}" | grep -vxF -f <(stamp_hooked .)); do
		! has_block "$file" || { echo "$file has a block that $STAMP lacks"; return; }
	done
}

# state: one of none, current, outdated, half; WHY says more about half.
state() {
	mapfile -t OLD_UNITS < <(stamp_units .)
	mapfile -t OLD_BLOCKS < <(stamp_hooked .)
	WHY=$(half)
	if [ -n "$WHY" ]; then
		STATE=half
	elif [ "${#OLD_UNITS[@]}" -eq 0 ]; then
		STATE=none
	elif is_current; then
		STATE=current
	else
		STATE=outdated
	fi
}

is_current() {
	local file

	[ "$(cat "$STAMP")" = "$(new_stamp)" ] &&
		[ "$(placed <<<"$NAMES" | tree_sums)" = "$NEW_SUMS" ] || return 1
	for file in "${HOOKED[@]}"; do
		cmp -s "$file" <(block_append "$file" "${BLOCK[$file]}") || return 1
	done
}

# unwritable: something that we have to replace but must not.
unwritable() {
	local file

	for file in "${HOOKED[@]}" "${OLD_BLOCKS[@]}"; do
		[ -w "${file%/*}" ] || { printf '%s\n' "${file%/*}"; return; }
		[ -w "$file" ] || { printf '%s\n' "$file"; return; }
	done
	[ "$STATE" = none ] || find "${OLD_UNITS[@]}" \( -type d ! \( -writable -executable \) -o \
		! -type l ! -readable \) -print -quit 2>/dev/null || true
}

# check_changeable: refuse before anything is touched.
check_changeable() {
	local file

	[ "$STATE" != half ] ||
		die "$KDIR has a half-applied overlay: $WHY" "restore kernel/liveupdate, rust and \
samples/rust of that tree, e.g. by git checkout and git clean"
	file=$(unwritable)
	[ -z "$file" ] || die "no permission to write to $KDIR/$file" \
		"use a copy of the tree, as make demo KDIR= does"
	[ "$STATE" != none ] || return 0
	file=$(foreign_file)
	[ -z "$file" ] || die "$KDIR/$file is not as the overlay placed it" "move it away first"
}

# staged: paths in the kernel tree to where the new file waits.
staged() {
	sed -E "s#^($OUR_DIRS)/#\\1$NEW/#; t; s#\$#$NEW#"
}

# prepare_files: all that is to be placed, with the times of unchanged files.
prepare_files() {
	local name path new

	while IFS=$'\t' read -r name path new; do
		[ -d "${new%/*}" ] || mkdir -p "${new%/*}"
		if cmp -s "$path" "$TOP/$name"; then
			cp -p "$path" "$new"
		else
			cp "$TOP/$name" "$new"
		fi
	done < <(paste <(echo "$NAMES") <(placed <<<"$NAMES") <(placed <<<"$NAMES" | staged))
	new_stamp >"$FLB$NEW/${STAMP##*/}"
}

# carry_products: what an in-tree build left stays, so that it need not be built again.
carry_products() {
	local file new

	find "${OLD_UNITS[@]}" -mindepth 1 -type f | { grep -E "$PRODUCTS" || true; } |
	while IFS= read -r file; do
		new=$(staged <<<"$file")
		[ ! -d "${new%/*}" ] || cp -p "$file" "$new"
	done
}

# prepare_hook FILE [TEXT]: with such a block or none; nothing where that is what is there.
prepare_hook() {
	if [ $# -eq 2 ]; then
		block_append "$1" "$2" >"$1$NEW"
	else
		block_strip "$1" >"$1$NEW"
	fi
	if cmp -s "$1" "$1$NEW"; then
		rm "$1$NEW"
	else
		chmod --reference="$1" "$1$NEW"
	fi
}

prepare_apply() {
	local file

	clean_up
	prepare_files
	[ "$STATE" = none ] || carry_products
	for file in "${HOOKED[@]}"; do
		prepare_hook "$file" "${BLOCK[$file]}"
	done
	for file in "${OLD_BLOCKS[@]}"; do
		[ -n "${BLOCK[$file]:-}" ] || prepare_hook "$file"
	done
}

prepare_revert() {
	local file

	clean_up
	for file in "${OLD_BLOCKS[@]}"; do
		prepare_hook "$file"
	done
}

# prepare COMMAND: beside the places. A failure of any part must be seen: no || or if around it.
prepare() {
	local rc

	trap clean_up EXIT
	trap 'exit 1' INT TERM HUP
	set +e
	(set -e; "$1") 2>/dev/null
	rc=$?
	set -e
	[ "$rc" -eq 0 ] || die "cannot write to $KDIR" "free space on its disk"
}

clean_up() {
	local path

	rm -rf kernel/liveupdate/"$NEW" kernel/liveupdate/"$OLD"
	for path in "${UNITS[@]}" "${HOOKED[@]}" "${OLD_BLOCKS[@]}"; do
		rm -rf "$path$NEW" "$path$OLD"
	done
}

# drop_products: those of single files that are there no more.
drop_products() {
	local unit name

	for unit in "${UNITS[@]}"; do
		name=${unit##*/}
		if [ -e "$unit" ] || [[ $name != *.* ]]; then
			continue
		fi
		name=${name%.*}
		find "${unit%/*}" -maxdepth 1 -type f \( -name "$name.*" -o -name ".$name.*" \) |
			{ grep -E "$PRODUCTS" || true; } | xargs -rd '\n' rm -f
	done
}

# commit: from here on it is only renames, and signals wait.
commit() {
	local path

	trap '' INT TERM HUP
	trap - EXIT
	for path in "${UNITS[@]}"; do
		[ ! -e "$path" ] || mv -T "$path" "$path$OLD"
		[ ! -e "$path$NEW" ] || mv -T "$path$NEW" "$path"
	done
	for path in "${HOOKED[@]}" "${OLD_BLOCKS[@]}"; do
		[ ! -e "$path$NEW" ] || mv -fT "$path$NEW" "$path"
	done
	drop_products
	clean_up
	trap - INT TERM HUP
}

apply() {
	local own

	check_changeable
	[ "$STATE" != current ] || return 0
	own=$(own_unit .)
	[ -z "$own" ] || die "$KDIR has its own $own" "move it away first"
	mapfile -t UNITS < <({ stamp_units . && placed <<<"$NAMES" | units; } | sort -u)
	prepare prepare_apply
	commit
}

revert() {
	check_changeable
	[ "$STATE" != none ] || return 0
	UNITS=("${OLD_UNITS[@]}")
	prepare prepare_revert
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
case $1 in
apply|revert|status) ;;
*) usage ;;
esac
check_tree
NAMES=$(manifest)
NEW_SUMS=$(top_sums)
cd "$KDIR"
state
case $1 in
apply) apply ;;
revert) revert ;;
status) show_status ;;
esac
