#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced: a private apt configuration in the cache. The user's own is only read.

APT=$CACHE/apt
KEYRING=/usr/share/keyrings/debian-archive-keyring
APT_OPTS=(-qq
	-o "Dir::Etc::SourceList=$APT/sources.list" -o Dir::Etc::SourceParts=/dev/null
	-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
	-o "Dir::State::Lists=$APT/lists" -o "Dir::Cache=$APT/cache"
	-o APT::Sandbox::User=root -o APT::Default-Release= -o Acquire::Retries=2
	-o Acquire::http::Timeout=20
	-o APT::Get::List-Cleanup=1)

# The Debian main archive as the machine's own apt knows it.
apt_mirror() {
	# shellcheck disable=SC2016 # apt expands this
	local format='$(REPO_URI) $(RELEASE)' uri

	uri=$(apt-get indextargets --format "$format" 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' 'Component: main' 2>/dev/null | head -n 1)
	# Before the first apt-get update, origin and label are not known.
	[ -n "$uri" ] || uri=$(apt-get indextargets --format "$format" 'Created-By: Packages' \
		'Component: main' 2>/dev/null | grep -v -e '-security$' | head -n 1)
	printf '%s' "${uri%% *}"
}

# apt_is_fresh: has the index been fetched within an hour?
apt_is_fresh() {
	[ -n "$(find "$APT/updated" -mmin -60 2>/dev/null)" ]
}

# apt_setup: configuration and index; the index is fetched again after an hour.
apt_setup() {
	local mirror key='' ext suite

	have apt-get || die "apt-get is missing" "use a Debian 12 or 13 machine, or give KDIR="
	cache_dir apt/lists/partial apt/cache/archives/partial dl
	for ext in gpg pgp; do
		[ -z "$key" ] && [ -r "$KEYRING.$ext" ] && key=$KEYRING.$ext
	done
	[ -n "$key" ] || die "no Debian keyring in /usr/share/keyrings" \
		"apt-get install debian-archive-keyring"
	mirror=$(apt_mirror)
	[ -n "$mirror" ] || die "apt names no Debian mirror" \
		"add one to its sources and apt-get update"
	for suite in trixie-backports trixie; do
		printf '%s [signed-by=%s] %s %s main\n' deb "$key" "$mirror" "$suite" \
			deb-src "$key" "$mirror" "$suite"
	done >"$APT/sources.list.new"
	! cmp -s "$APT/sources.list.new" "$APT/sources.list" || ! apt_is_fresh || return 0
	mv "$APT/sources.list.new" "$APT/sources.list"
	rm -f "$APT/updated"
	apt_update && touch "$APT/updated"
}

# Fails when any index could not be had, unlike apt-get update by itself.
apt_update() {
	apt-get "${APT_OPTS[@]}" -o APT::Update::Error-Mode=any update
}

apt_get() {
	apt-get "${APT_OPTS[@]}" "$@"
}

# apt_madison PACKAGE...: name, version, and binary or source, of all in the index.
apt_madison() {
	apt-cache "${APT_OPTS[@]}" madison "$@" 2>/dev/null |
		awk -F ' *[|] *' '{ sub(/^ +/, "", $1) }
			{ print $1, $2, $3 ~ /Sources$/ ? "source" : "binary" }'
}

# apt_versions binary|source PACKAGE: all in the index, newest first.
apt_versions() {
	apt_madison "$2" | awk -v kind="$1" -v package="$2" \
		'$1 == package && $3 == kind { print $2 }' | sort -ruV
}

find_deb() {
	find "$CACHE/dl" -maxdepth 1 -name "$1_${2//:/%3a}_*.deb" | head -n 1
}

# apt_download PACKAGE VERSION: verified .deb into the downloads; prints its path.
apt_download() {
	local pkg=$1 version=$2 tmp deb

	deb=$(find_deb "$pkg" "$version")
	if [ -z "$deb" ]; then
		tmp=$CACHE/dl/.tmp.$pkg
		rm -rf "$tmp" && mkdir "$tmp" || return 1
		(cd "$tmp" && apt_get download "$pkg=$version" >&2) || return 1
		mv "$tmp"/*.deb "$CACHE/dl/" && rmdir "$tmp" || return 1
		deb=$(find_deb "$pkg" "$version")
	fi
	printf '%s\n' "$deb"
}
