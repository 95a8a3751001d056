#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# bare-root.sh SUITE [COMMAND...]: run COMMAND (make demo) on a bare Debian with git, make and
# certificates, in a copy of this checkout and with an empty cache. AS_USER=1: as a user with sudo.
# Needs root and debootstrap. Nothing stays mounted or running; a root in which COMMAND has failed
# is kept until the next run.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$TOP/scripts/apt.sh"

# in_root USER COMMAND...: what it starts and mounts ends with it.
in_root() {
	local user=$1 vars
	shift

	mapfile -t vars < <(env | grep -iE '^(https?_proxy|no_proxy|term|jobs)=')
	# shellcheck disable=SC2016 # for the shells inside
	unshare -mpf --kill-child bash -c 'mount --bind "$1" "$1" && cd "$1" &&
		mount -t proc none proc && mount --rbind /dev dev &&
		exec chroot --userspec="$2:" . "${@:3}"' \
		bash "$ROOT" "$user" env -i "${vars[@]}" HOME="$DIR" \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		sh -c 'cd "$HOME/luo-flb" && exec "$@"' sh "$@"
}

bootstrap() {
	rm -rf "$BASE.tmp" &&
		debootstrap --variant=minbase --include=git,make,ca-certificates "$SUITE" \
			"$BASE.tmp" "$(apt_mirror)" && mv "$BASE.tmp" "$BASE"
}

# prepare: the root. How this machine reaches the network is no part of what is tried.
prepare() {
	rm -rf "$ROOT" && cp -a --reflink=auto "$BASE" "$ROOT" &&
		cp /etc/resolv.conf /etc/hosts "$ROOT/etc/" && rm -rf "$ROOT"/var/lib/apt/lists &&
		apt-config dump Acquire | sed -n '/^Acquire::\(http\|Check\)/p' \
			>"$ROOT/etc/apt/apt.conf.d/99network" &&
		cp -r /usr/local/share/ca-certificates "$ROOT/usr/local/share/" &&
		chroot "$ROOT" update-ca-certificates && mkdir -p "$ROOT$DIR/luo-flb" || return 1
	(cd "$TOP" && git ls-files -zco --exclude-standard |
		tar -c --null -T - --ignore-failed-read) | tar -xo -C "$ROOT$DIR/luo-flb" &&
		git init -q "$ROOT$DIR/luo-flb" && { [ "$RUN_AS" = root ] || add_user; }
}

add_user() {
	in_root root apt-get update && in_root root apt-get install -y sudo &&
		rm -rf "$ROOT"/var/lib/apt/lists && chroot "$ROOT" useradd "$RUN_AS" -d "$DIR" &&
		chroot "$ROOT" chown -R "$RUN_AS:" "$DIR" &&
		echo "$RUN_AS ALL=(ALL) NOPASSWD: ALL" >"$ROOT/etc/sudoers.d/$RUN_AS"
}

main() {
	[ -d "$BASE" ] || step "Bare root of Debian $SUITE" bootstrap || exit 1
	step "Copy of the bare root" prepare || exit 1
	in_root "$RUN_AS" "$@" || die "$* failed in the bare root" "it is kept in $ROOT"
	rm -rf "$ROOT"
}

[ $# -gt 0 ] || die "usage: bare-root.sh SUITE [COMMAND...]"
[ "$(id -u)" = 0 ] || die "a bare root is made by root only" "use sudo"
have debootstrap || die "debootstrap is missing" "apt-get install debootstrap"
SUITE=$1
shift
[ $# -gt 0 ] || set -- make demo
RUN_AS=root DIR=/root
[ -z "${AS_USER:-}" ] || RUN_AS=flb DIR=/home/flb
BASE=$CACHE/bare/$SUITE ROOT=$CACHE/bare/$SUITE.run
cache_dir bare
lock "root-$SUITE"
need_space 8000
as_group main "$@"
