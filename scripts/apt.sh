#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced: Debian 13 and its backports on any Debian, by an apt configuration of our own in the
# cache. The machine's is only read.

APT=$CACHE/apt
KEYRING=/usr/share/keyrings/debian-archive-keyring
APT_OPTS=(-qq
	-o "Dir::Etc::SourceList=$APT/sources.list" -o Dir::Etc::SourceParts=/dev/null
	-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
	-o "Dir::State::Lists=$APT/lists" -o "Dir::Cache=$APT/cache"
	-o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin
	-o APT::Sandbox::User=root -o APT::Default-Release= -o Acquire::Languages=none
	-o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o APT::Get::List-Cleanup=1)

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

# apt_sources: the suites, and the key that vouches for them.
apt_sources() {
	local mirror key=$KEYRING.gpg deb

	[ -r "$key" ] || key=$KEYRING.pgp
	[ -r "$key" ] || die "no Debian keyring in /usr/share/keyrings" \
		"apt-get install debian-archive-keyring"
	mirror=$(apt_mirror)
	[ -n "$mirror" ] || die "apt names no Debian mirror" \
		"add one to its sources and apt-get update"
	deb="[signed-by=$key] $mirror"
	printf '%s main\n' "deb $deb trixie" "deb $deb trixie-backports" \
		"deb-src $deb trixie-backports"
}

# apt_setup: configuration and index; the index is fetched again after an hour. In a subshell, as
# others may wait for the lock.
apt_setup() (
	have apt-get || die "apt-get is missing" "use a Debian 12 or 13 machine, or give KDIR="
	cache_dir apt/lists/partial apt/cache/archives/partial
	lock index
	sources=$(apt_sources) || exit 1
	if [ "$sources" = "$(cat "$APT/sources.list" 2>/dev/null)" ] &&
	   [ -n "$(find "$APT/updated" -mmin -60 2>/dev/null)" ]; then
		exit 0
	fi
	rm -f "$APT/updated"
	printf '%s\n' "$sources" >"$APT/sources.list" &&
		# Otherwise an index that could not be had is none of its failures.
		apt-get "${APT_OPTS[@]}" -o APT::Update::Error-Mode=any update &&
		touch "$APT/updated"
)

# apt_madison PACKAGE...: name, version, and binary or source, of all in the index.
apt_madison() {
	apt-cache "${APT_OPTS[@]}" madison "$@" 2>/dev/null |
		awk -F ' *[|] *' '{ sub(/^ +/, "", $1) }
			{ print $1, $2, $3 ~ /Sources$/ ? "source" : "binary" }'
}

# apt_download DIR KIND PACKAGE[=VERSION]: the package, or the upstream tarball of a source package
# (.dsc files vanish before it), verified, as the only file in DIR; prints its path.
apt_download() {
	local how=(download)

	[ "$2" = binary ] || how=(source --download-only --tar-only)
	rm -rf "$1" && mkdir -p "$1" &&
		(cd "$1" && apt-get "${APT_OPTS[@]}" "${how[@]}" "$3" >&2) && find "$1" -type f
}

# own_apt COMMAND...: one of these with the machine's own configuration.
own_apt() {
	local APT_OPTS=(-qq)

	"$@"
}
