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

# mirror SRC: what the user has but build products, with the overlay. What an in-tree build left is
# cleaned here. A file that ends as it was keeps its time, so that it is not built again.
mirror() {
	local src=$1 was=$TREE.was file

	rm -rf "$was" && mkdir -p "$TREE" "$was" && rm -f "$TREE/.flb-version" &&
		rsync -a --delete --backup --backup-dir="$was" --exclude=/.git --exclude='*.o' \
			--exclude='*.a' --exclude='.*.cmd' --exclude='*.ko' --exclude='/vmlinux*' \
			--exclude=bindings_generated.rs "$src/" "$TREE/" || return 1
	if [ -f "$src/.config" ] || [ -d "$src/include/config" ]; then
		make -C "$TREE" mrproper || return 1
	fi
	"$TOP/scripts/overlay.sh" apply "$TREE" || return 1
	(cd "$was" && find . -type f) | while IFS= read -r file; do
		! cmp -s "$was/$file" "$TREE/$file" || touch -r "$was/$file" "$TREE/$file"
	done
	rm -rf "$was"
}

# fetch_kdir DIR: of a source tree, or of the one of an O= build directory.
fetch_kdir() {
	local src version rc=0

	src=$(readlink -e "$1/source" || readlink -e "$1") || true
	"$TOP/scripts/overlay.sh" status "${src:-$1}" >/dev/null || rc=$?
	[ "$rc" -ne 1 ] || exit 1
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
