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
	printf 'luo-flb: skipped: Linux %s: %s\n' "$SERIES" "$1" >&2
	exit "$SKIP"
}

# upstream VERSION: 7.1.13-1~bpo13+1 is 7.1.13.
upstream() {
	printf '%s' "${1%%-*}"
}

# tarball_binary VERSION: out of the package linux-source-SERIES.
tarball_binary() {
	local version=$1 deb dir=$CACHE/dl/source-$1 tar

	tar=$dir/linux-source-$SERIES.tar.xz
	if [ ! -f "$tar" ]; then
		deb=$(apt_download "linux-source-$SERIES" "$version") || return 1
		rm -rf "$dir.tmp" && mkdir -p "$dir.tmp" || return 1
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$dir.tmp" --strip-components=3 \
				--wildcards './usr/src/linux-source-*' || return 1
		rm -rf "$dir" && mv "$dir.tmp" "$dir" && rm -f "$deb" || return 1
	fi
	printf '%s\n' "$tar"
}

# tarball_source VERSION: only the upstream tarball of the source package; .dsc files vanish.
tarball_source() {
	local version=$1 name uri sum size tar

	name=linux_$(upstream "$version").orig.tar.xz
	tar=$CACHE/dl/$name
	if [ ! -f "$tar" ]; then
		# Not in the downloads: apt leaves out of the list what it finds in its directory.
		cd "$CACHE/apt/cache" || return 1
		read -r uri _ size sum < <(apt_get --print-uris source --download-only \
			"linux=$version" | grep -F " $name ") || return 1
		uri=${uri//\'/}
		rm -f "$tar.tmp"
		/usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root \
			download-file "$uri" "$tar.tmp" "$sum" >&2 || return 1
		[ "$(stat -c %s "$tar.tmp")" = "$size" ] && mv "$tar.tmp" "$tar" || return 1
	fi
	printf '%s\n' "$tar"
}

# unpack TARBALL VERSION: into $TREE, whole or not at all. With the times of now, or a build of an
# older point release would take what has changed since as old.
unpack() {
	local tar=$1 version=$2 tmp=$TREE.tmp

	rm -rf "$tmp" && mkdir -p "$tmp" && tar -xmf "$tar" -C "$tmp" --strip-components=1 &&
		printf '%s\n' "$version" >"$tmp/.flb-version" &&
		rm -rf "$TREE" && mv "$tmp" "$TREE" && rm -f "$tar"
}

# candidates: kind and version of the packages that have a newer point release than the cache,
# newest first; a binary package before a source package of its age.
candidates() {
	local cached kind version

	cached=$(cat "$TREE/.flb-version" 2>/dev/null) || cached=0
	apt_madison "linux-source-$SERIES" linux | while read -r _ version kind; do
		if [ "${version#"$SERIES."}" != "$version" ] &&
		   ! version_ge "$cached" "$(upstream "$version")"; then
			printf '%s %s\n' "$kind" "$version"
		fi
	done | sort -u | sort -s -k 2,2rV
}

# try_fetch: the first candidate that can be downloaded.
try_fetch() {
	local kind version tar n=0

	while read -r kind version; do
		n=$((n + 1))
		tar=$("tarball_$kind" "$version") || continue
		unpack "$tar" "$(upstream "$version")"
		return
	done < <(candidates)
	if [ "$n" -eq 0 ]; then
		echo "luo-flb: reason: no package of this series in the index"
	else
		echo "luo-flb: reason: none of its $n point releases could be downloaded"
	fi
	return "$SKIP"
}

# show_tree: what the caller gets.
show_tree() {
	printf '%s %s\n' "$TREE" "$(cat "$TREE/.flb-version")"
}

# first_fetch: a series that the cache has not.
first_fetch() {
	local rc=0 reason log=$RUN/linux-$SERIES-source.log

	need_space 3000
	STEP_QUIET=1 step "Package index of Debian" apt_setup >&2 ||
		skip "no package index (is there a network?)"
	STEP_QUIET=1 step "Linux $SERIES source" try_fetch >&2 || rc=$?
	if [ "$rc" -eq "$SKIP" ] && ! grep -qs 'No space left' "$log"; then
		reason=$(sed -n 's/^luo-flb: reason: //p' "$log")
		skip "$reason"
	fi
	[ "$rc" -eq 0 ] || die "Linux $SERIES source: $(log_reason "$log")" "see $log"
}

# refresh: the index, for a tree that is there already. A failure lasts for ten minutes, so that
# each series of a run without network does not wait for it again.
refresh() {
	local failed=$CACHE/apt/failed

	! apt_is_fresh || return 0
	[ -z "$(find "$failed" -mmin -10 2>/dev/null)" ] || return 1
	rm -f "$failed"
	STEP_QUIET=1 step "Package index of Debian" apt_setup >&2 || { touch "$failed"; return 1; }
}

# update: a newer point release than that of the cache, if there is one and it can be had. What
# could not be downloaded is tried again a day later only.
update() {
	local cached newest tried=$CACHE/dl/tried-$SERIES

	cached=$(cat "$TREE/.flb-version")
	if ! refresh; then
		note "Linux $cached as it is in the cache: no package index (is there a network?)"
		return
	fi
	newest=$(candidates | head -n 1)
	[ -n "$newest" ] || return 0
	if [ "$(cat "$tried" 2>/dev/null)" = "$newest" ] &&
	   [ -n "$(find "$tried" -mmin -1440)" ]; then
		return
	fi
	lock "tree-$SERIES"
	if STEP_QUIET=1 step "Linux $SERIES source" try_fetch >&2; then
		note "Linux $(cat "$TREE/.flb-version") replaces $cached"
	else
		rm -rf "$TREE.tmp"
		printf '%s\n' "$newest" >"$tried"
		note "Linux $cached as it is in the cache: ${newest#* } could not be had"
	fi
}

fetch_series() {
	[[ $SERIES =~ ^[0-9]+\.[0-9]+$ ]] || die "'$SERIES' is no kernel series" "give one like 7.1"
	[ "$CHECK" = no ] || exit 0
	TREE=$CACHE/tree/$SERIES
	cache_dir tree dl
	lock apt
	[ -f "$TREE/.flb-version" ] || lock "tree-$SERIES"
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
