#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test-overlay.sh TREE [--brief]: overlay.sh on a small skeleton of a kernel tree, good and bad;
# --brief: only what depends on the tree.
# shellcheck disable=SC2317 # the cases are called by name
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"
# shellcheck source=scripts/block.sh
. "$TOP/scripts/block.sh"

OVERLAY=$TOP/scripts/overlay.sh

# skeleton DIR: what overlay.sh looks at, from a real tree, as it was before any overlay.
skeleton() {
	local dir=$1 file

	mkdir -p "$dir"/{kernel/liveupdate,include/linux}
	cp -p "$TREE"/{Kbuild,Kconfig,Makefile} "$dir"
	cp -p "$TREE/kernel/Makefile" "$dir/kernel"
	cp -p "$TREE/include/linux/liveupdate.h" "$dir/include/linux"
	cp -p "$TREE"/kernel/liveupdate/*.[ch] "$dir/kernel/liveupdate"
	for file in Makefile Kconfig; do
		block_strip "$TREE/kernel/liveupdate/$file" >"$dir/kernel/liveupdate/$file"
	done
}

# fresh: $K and its twin $ORIG, a pristine pair.
fresh() {
	rm -rf "$WORK/k" "$WORK/orig"
	cp -a "$WORK/skeleton" "$WORK/k"
	cp -a "$WORK/skeleton" "$WORK/orig"
	K=$WORK/k ORIG=$WORK/orig LU=$WORK/k/kernel/liveupdate
}

# times: every file of the tree with its time.
times() {
	(cd "$1" && find . -printf '%p %T@ %s\n' | sort)
}

# says STATUS TEXT: what status prints and exits with.
says() {
	local rc=0 out

	out=$("$OVERLAY" status "$K") || rc=$?
	if [ "$rc" -ne "$1" ] || [[ $out != "$2"* ]]; then
		echo "status: '$out', exit $rc"
		return 1
	fi
}

# refuses TEXT COMMAND...: one line with TEXT, exit status 1, and nothing touched.
refuses() {
	local text=$1 before after out rc=0
	shift

	before=$(times "$WORK/k")
	out=$("$OVERLAY" "$@" 2>&1) || rc=$?
	after=$(times "$WORK/k")
	[ "$rc" -eq 1 ] || { echo "exit status $rc: $out"; return 1; }
	[ "$(wc -l <<<"$out")" -eq 1 ] || { echo "more than a line: ${out//$'\n'/ / }"; return 1; }
	[[ $out == *"$text"* ]] || { echo "says: $out"; return 1; }
	[ "$before" = "$after" ] || { echo "the tree was touched"; return 1; }
}

same_as_before() {
	diff -r "$ORIG" "$K"
}

apply_and_revert() {
	fresh && says 3 "not applied" && "$OVERLAY" apply "$K" && says 0 "applied (current)" &&
		[ -f "$LU/flb/luo_flb.rs" ] && [ -f "$LU/flb/Kbuild" ] &&
		has_block "$LU/Makefile" && has_block "$LU/Kconfig" &&
		"$OVERLAY" revert "$K" && says 3 "not applied" && same_as_before
}

apply_twice() {
	local before

	fresh && "$OVERLAY" apply "$K" && before=$(times "$K") && sleep 0.02 &&
		"$OVERLAY" apply "$K" && [ "$before" = "$(times "$K")" ]
}

revert_twice() {
	local before

	fresh && "$OVERLAY" apply "$K" && "$OVERLAY" revert "$K" && before=$(times "$K") &&
		"$OVERLAY" revert "$K" && [ "$before" = "$(times "$K")" ] && same_as_before
}

only_marked_lines_added() {
	fresh && "$OVERLAY" apply "$K" || return 1
	diff -r -x flb "$ORIG" "$K" | grep -v -e '^diff ' -e '^[0-9,a]*$' -e '^> ' && return 1
	[ "$(diff -rq -x flb "$ORIG" "$K" | wc -l)" -eq 2 ]
}

without_final_newline() {
	fresh || return 1
	truncate -s -1 "$K/kernel/liveupdate/Makefile" "$ORIG/kernel/liveupdate/Makefile"
	"$OVERLAY" apply "$K" && says 0 applied && "$OVERLAY" apply "$K" && says 0 applied &&
		"$OVERLAY" revert "$K" && same_as_before
}

empty_lines_at_the_end() {
	fresh || return 1
	printf '\n\n\t' | tee -a "$K/kernel/liveupdate/Kconfig" >>"$ORIG/kernel/liveupdate/Kconfig"
	"$OVERLAY" apply "$K" && "$OVERLAY" revert "$K" && same_as_before
}

text_after_the_block() {
	fresh && "$OVERLAY" apply "$K" || return 1
	echo '# more' | tee -a "$LU/Makefile" >>"$ORIG/kernel/liveupdate/Makefile"
	"$OVERLAY" revert "$K" && same_as_before
}

keeps_modes() {
	fresh && chmod 640 "$LU/Makefile" && "$OVERLAY" apply "$K" && "$OVERLAY" revert "$K" &&
		[ "$(stat -c %a "$LU/Makefile")" = 640 ]
}

# An older overlay: a file less, a file more, a file that differs, all as its stamp says.
outdate() {
	local flb=$LU/flb stamp=.luo-flb-overlay

	rm "$flb/Kconfig" "$flb/$stamp" && echo '// old' >"$flb/old.rs" &&
		echo '// old' >"$flb/luo_flb.rs" &&
		(cd "$flb" && find . -type f ! -name '.*' ! -name '*.[oa]' -printf '%P\n' | sort |
			xargs sha256sum) >"$WORK/stamp" && mv "$WORK/stamp" "$flb/$stamp"
}

update_an_old_one() {
	local before

	fresh && "$OVERLAY" apply "$K" && outdate && says 4 "applied (outdated)" || return 1
	before=$(stat -c %Y.%y "$LU/flb/shim.c" "$LU/Makefile")
	"$OVERLAY" apply "$K" && says 0 "applied (current)" && [ ! -e "$LU/flb/old.rs" ] &&
		[ "$before" = "$(stat -c %Y.%y "$LU/flb/shim.c" "$LU/Makefile")" ] &&
		"$OVERLAY" revert "$K" && same_as_before
}

revert_an_old_one() {
	fresh && "$OVERLAY" apply "$K" && outdate && "$OVERLAY" revert "$K" && same_as_before
}

update_an_old_block() {
	fresh && "$OVERLAY" apply "$K" &&
		sed -i 's/^obj-y += flb/obj-m += flb/' "$LU/Makefile" &&
		says 4 "applied (outdated)" && "$OVERLAY" apply "$K" &&
		says 0 "applied (current)" && "$OVERLAY" revert "$K" && same_as_before
}

with_build_products() {
	fresh && "$OVERLAY" apply "$K" && touch "$LU/flb/"{shim.o,.shim.o.cmd,built-in.a} &&
		says 0 applied && outdate && "$OVERLAY" apply "$K" && [ -f "$LU/flb/shim.o" ] &&
		"$OVERLAY" revert "$K" && same_as_before
}

left_from_an_interrupted_run() {
	fresh && mkdir "$LU/.luo-flb-new" &&
		touch "$LU/.luo-flb-new/x" "$LU/Makefile.luo-flb-new" &&
		"$OVERLAY" apply "$K" && says 0 applied && "$OVERLAY" revert "$K" && same_as_before
}

killed_at_any_time() {
	local n

	for n in 1 2 3 4 5 6 7 8; do
		fresh
		timeout "0.0$n" "$OVERLAY" apply "$K" || true
		"$OVERLAY" apply "$K" && says 0 applied && "$OVERLAY" revert "$K" &&
			same_as_before || return 1
	done
}

no_such_directory() {
	fresh && refuses "is no directory" apply "$WORK/nowhere" &&
		refuses "is no directory" revert "$WORK/nowhere" &&
		refuses "is no directory" status "$WORK/nowhere"
}

no_kernel_tree() {
	fresh && rm "$K/Kbuild" && refuses "is no kernel tree" apply "$K" &&
		refuses "is no kernel tree" revert "$K" && refuses "is no kernel tree" status "$K"
}

build_directory() {
	fresh && mkdir "$WORK/k/build" && ln -s "$K" "$WORK/k/build/source" &&
		refuses "is a build directory" apply "$WORK/k/build"
}

kernel_without_flb() {
	fresh && rm "$LU/luo_flb.c" && refuses "without FLB" apply "$K" || return 1
	fresh && rm -r "$LU" && refuses "without FLB" apply "$K"
}

half_applied() {
	local what

	for what in Makefile Kconfig flb; do
		fresh && "$OVERLAY" apply "$K" || return 1
		rm -r "${LU:?}/$what"
		[ "$what" = flb ] || cp "$ORIG/kernel/liveupdate/$what" "$LU/$what"
		says 5 "half-applied" && refuses "half-applied" apply "$K" &&
			refuses "half-applied" revert "$K" || return 1
	done
	fresh && "$OVERLAY" apply "$K" || return 1
	cp "$ORIG"/kernel/liveupdate/{Makefile,Kconfig} "$LU"
	says 5 "half-applied" && refuses "half-applied" apply "$K"
}

unknown_directory() {
	fresh && mkdir "$LU/flb" && touch "$LU/flb/mine.c" && says 5 "half-applied" &&
		refuses "half-applied" apply "$K" && [ -f "$LU/flb/mine.c" ]
}

work_in_the_tree_is_kept() {
	fresh && "$OVERLAY" apply "$K" && echo '// mine' >>"$LU/flb/luo_flb.rs" &&
		says 4 "applied (outdated)" &&
		refuses "luo_flb.rs is not as the overlay placed it" apply "$K" &&
		refuses "luo_flb.rs is not as the overlay placed it" revert "$K" || return 1
	fresh && "$OVERLAY" apply "$K" && echo '// mine' >"$LU/flb/mine.rs" &&
		refuses "mine.rs is not as the overlay placed it" revert "$K"
}

wrong_usage() {
	fresh && refuses usage && refuses usage apply && refuses usage undo "$K"
}

disk_full() {
	local dir=$WORK/small rc=0 out

	fresh && mkdir -p "$dir" && mount -t tmpfs -o size=1m none "$dir" || return 1
	rm -rf "$K" && cp -a "$ORIG/." "$dir" && ln -s "$dir" "$K" || rc=1
	head -c 2M /dev/zero >"$dir/fill" 2>/dev/null || true
	out=$("$OVERLAY" apply "$dir" 2>&1) && rc=1
	[[ $out == *"free space on its disk" ]] && rm "$dir/fill" &&
		says 3 "not applied" && diff -r "$ORIG" "$dir" || rc=1
	umount "$dir" || rc=1
	return "$rc"
}

[ $# -eq 1 ] || [ "${2:-}" = --brief ] || die "usage: test-overlay.sh TREE [--brief]"
TREE=$1
GROUP=overlay-${TREE##*/}
cache_dir run
WORK=$(mktemp -d "$CACHE/run/overlay.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
skeleton "$WORK/skeleton"
CASES=(apply_and_revert only_marked_lines_added)
[ $# -eq 2 ] || CASES+=(apply_twice revert_twice without_final_newline empty_lines_at_the_end
	text_after_the_block keeps_modes update_an_old_one revert_an_old_one
	update_an_old_block with_build_products left_from_an_interrupted_run
	killed_at_any_time no_such_directory no_kernel_tree build_directory
	kernel_without_flb half_applied unknown_directory work_in_the_tree_is_kept wrong_usage)
for name in "${CASES[@]}"; do
	check "$GROUP/${name//_/-}" "$name"
done
[ $# -eq 1 ] || exit 0
if [ "$(id -u)" = 0 ] && mountpoint -q /proc && unshare -m true 2>/dev/null; then
	check "$GROUP/disk-full" disk_full
else
	result SKIP "$GROUP/disk-full" 0 "needs root for a small tmpfs"
fi
