#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# fetch.sh SERIES: a kernel source tree of that series in the cache; KDIR=PATH fetch.sh: a copy of
# that tree. Prints path and version. Exit status 77: it cannot be had, and one line says why.
# fetch.sh --check SERIES: only whether SERIES or KDIR make sense.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$TOP/scripts/apt.sh"
# shellcheck source=scripts/block.sh
. "$TOP/scripts/block.sh"
# shellcheck source=scripts/overlay-files.sh
. "$TOP/scripts/overlay-files.sh"

SKIP=77

skip() {
	note "skipped: Linux $SERIES: $1"
	exit "$SKIP"
}

# candidates: kind, version and package of what has a newer point release than the cache, newest
# first; 7.1.13-1~bpo13+1 is 7.1.13. A binary package goes before a source package of its age.
candidates() {
	local cached name kind version

	cached=$(cat "$TREE/.flb-version" 2>/dev/null) || cached=0
	apt_madison "linux-source-$SERIES" linux | while read -r name version kind; do
		[ "${version#"$SERIES."}" = "$version" ] || version_ge "$cached" "${version%%-*}" ||
			printf '%s %s %s\n' "$kind" "$version" "$name"
	done | sort -u | sort -s -k 2,2rV
}

# tarball KIND FILE: the kernel's, out of a binary package or as it is.
tarball() {
	if [ "$1" = binary ]; then
		dpkg-deb --fsys-tarfile "$2" |
			tar -xO --wildcards './usr/src/linux-source-*.tar.xz'
	else
		cat "$2"
	fi
}

# unpack KIND FILE VERSION: into $TREE, whole or not at all. With the times of now, or a build of an
# older point release would take what has changed since as old.
unpack() {
	local tmp=$TREE.tmp

	rm -rf "$tmp" && mkdir -p "$tmp" &&
		tarball "$1" "$2" | tar -xJm -C "$tmp" --strip-components=1 &&
		printf '%s\n' "$3" >"$tmp/.flb-version" && rm -rf "$TREE" && mv "$tmp" "$TREE"
}

# try_fetch: the first candidate that can be downloaded.
try_fetch() {
	local kind version name file dl=$CACHE/dl/$SERIES

	while read -r kind version name; do
		file=$(apt_download "$dl" "$kind" "$name=$version") || continue
		unpack "$kind" "$file" "${version%%-*}" && rm -rf "$dl"
		return
	done < <(candidates)
	return "$SKIP"
}

# first_fetch: a version that the cache has not.
first_fetch() {
	local rc=0

	need_space 3000
	STEP_QUIET=1 step "Package index of Debian" apt_setup >&2 ||
		skip "no package index (is there a network?): $(log_reason "$STEP_LOG")"
	[ -n "$(candidates)" ] || skip "no package of it in the index; there are $SUPPORTED"
	STEP_QUIET=1 step "Linux $SERIES source" try_fetch >&2 || rc=$?
	[ "$rc" -ne 0 ] || return 0
	# On a full disk the log may be empty.
	(need_space 100) || rc=full
	rm -rf "$TREE.tmp" "$CACHE/dl/$SERIES"
	case $rc in
	full) ;;
	"$SKIP") skip "none of its point releases could be downloaded: $(log_reason "$STEP_LOG")" ;;
	*) step_failed "Linux $SERIES source" ;;
	esac
	exit 1
}

# update: once an hour, whether there is a newer point release than that of the cache, and it can be
# had. Without a network all trees are as they are for that time, so that not each waits for it.
update() {
	local cached newest

	[ -n "$(find "$TREE/.flb-version" -mmin +60)" ] || return 0
	cached=$(cat "$TREE/.flb-version")
	touch "$TREE/.flb-version"
	if ! apt_setup >/dev/null 2>&1; then
		touch "$CACHE"/tree/*/.flb-version
		note "Linux $cached as it is in the cache: no package index (is there a network?)"
		return
	fi
	newest=$(candidates | head -n 1)
	[ -n "$newest" ] || return 0
	if STEP_QUIET=1 step "Linux $SERIES source" try_fetch >&2; then
		note "Linux $(cat "$TREE/.flb-version") replaces $cached"
	else
		rm -rf "$TREE.tmp" "$CACHE/dl/$SERIES"
		note "Linux $cached as it is in the cache: $newest could not be had"
	fi
}

# show_tree: what the caller gets.
show_tree() {
	printf '%s %s\n' "$TREE" "$(cat "$TREE/.flb-version")"
}

fetch_series() {
	[[ $SERIES =~ ^[0-9]+\.[0-9]+$ ]] || die "'$SERIES' is no kernel series" "give one like 7.1"
	version_ge "$SERIES" "$OLDEST" || die "Linux $SERIES has no FLB" "one of: $SUPPORTED"
	[ "$CHECK" = no ] || exit 0
	TREE=$CACHE/tree/$SERIES
	cache_dir tree dl
	lock "tree-$SERIES"
	if [ -f "$TREE/.flb-version" ]; then
		update
	else
		first_fetch
	fi
	show_tree
}

# kdir_source DIR: the source tree of a tree, or of an O= build directory.
kdir_source() {
	local dir=$1 src file

	src=$(readlink -f "$dir" 2>/dev/null) || true
	[ -d "$src" ] || die "KDIR=$dir is no directory" "give a kernel source tree"
	if [ ! -d "$src/kernel" ] || [ -L "$src/source" ]; then
		if [ -e "$src/source/Kbuild" ]; then
			src=$(readlink -f "$src/source")
		elif [ -f "$src/Makefile" ]; then
			src=$(sed -n 's/^include \(\/.*\)\/Makefile$/\1/p' "$src/Makefile")
		fi
	fi
	is_kernel "$src" ||
		die "KDIR=$dir is no kernel tree" "give a kernel source tree or an O= build of one"
	[ -f "$src/kernel/liveupdate/luo_flb.c" ] ||
		die "KDIR=$dir is a kernel without FLB (no kernel/liveupdate/luo_flb.c)" \
			"use Linux 7.1 or later"
	file=$(missing_file "$src")
	[ -z "$file" ] || die "KDIR=$dir is not a whole kernel tree (no $file)" \
		"give one with all of rust and samples"
	file=$(own_unit "$src")
	[ -z "$file" ] || die "KDIR=$dir has its own $file" "move it away first"
	printf '%s\n' "$src"
}

# all_units SRC: what an overlay has placed there or in the copy, or would.
all_units() {
	{ stamp_units "$1" && stamp_units "$TREE" && manifest | placed | units; } | sort -u
}

# all_hooked SRC: the files that it has extended there or in the copy, or would.
all_hooked() {
	{ stamp_hooked "$1" && stamp_hooked "$TREE" && printf '%s\n' "${HOOKED[@]}"; } | sort -u
}

# mirror SRC: what the user has but build products; what an in-tree build left is cleaned here. An
# overlay that is there is left out.
mirror() {
	local src=$1 ours

	mapfile -t ours < <(all_units "$src" && all_hooked "$src") &&
		mkdir -p "$TREE" && rm -f "$TREE/.flb-version" &&
		rsync -a --delete --exclude=/.git --exclude='*.o' --exclude='*.a' \
			--exclude='.*.cmd' --exclude='*.ko' --exclude='/vmlinux*' \
			--exclude=/.flb-version "${ours[@]/#/--exclude=/}" "$src/" "$TREE/" &&
		mirror_hooked "$src" || return 1
	if [ -f "$src/.config" ] || [ -d "$src/include/config" ]; then
		make -C "$TREE" mrproper || return 1
	fi
}

# mirror_hooked SRC: the files that an overlay extends, there or here. When all have the same text,
# the copy stays as it is and nothing is rebuilt; else it starts without an overlay.
mirror_hooked() {
	local src=$1 file same=yes hooked units

	mapfile -t hooked < <(all_hooked "$src")
	mapfile -t units < <(all_units "$src")
	for file in "${hooked[@]}"; do
		[ -f "$TREE/$file" ] || same=no
		[ "$same" = yes ] || break
		cmp -s <(block_strip "$src/$file") <(block_strip "$TREE/$file") || same=no
	done
	[ "$same" = no ] || return 0
	rm -rf "${units[@]/#/${TREE:?}/}" || return 1
	for file in "${hooked[@]}"; do
		block_strip "$src/$file" >"$TREE/$file.tmp" &&
			mv "$TREE/$file.tmp" "$TREE/$file" || return 1
	done
}

fetch_kdir() {
	local src version

	src=$(kdir_source "$1")
	[ "$CHECK" = no ] || exit 0
	have rsync || die "rsync is missing" "run scripts/setup.sh"
	TREE=$CACHE/tree/kdir-$(printf '%s' "$src" | sha256sum | cut -c 1-12)
	cache_dir tree
	lock "tree-${TREE##*/}"
	[ -f "$TREE/.flb-version" ] || need_space 3000
	step "Copy of $src" mirror "$src" >&2 || exit 1
	version=$(sed -n 's/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) = //p' "$TREE/Makefile" |
		head -n 3 | paste -sd.)
	printf '%s\n' "$version" >"$TREE/.flb-version"
	show_tree
}

CHECK=no
if [ "${1:-}" = --check ]; then
	CHECK=yes
	shift
fi
SERIES=${1:-${SERIES:-$NEWEST}}
if [ -n "${KDIR:-}" ]; then
	fetch_kdir "$KDIR"
else
	fetch_series
fi
