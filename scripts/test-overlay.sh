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
# shellcheck source=scripts/overlay-files.sh
. "$TOP/scripts/overlay-files.sh"

OVERLAY=$TOP/scripts/overlay.sh
# What is placed: directories and single files; and those outside of kernel/liveupdate.
mapfile -t UNITS < <(manifest | placed | units)
RUST_UNITS=("${UNITS[@]:1}")
RUST_HOOKED=("${HOOKED[@]:2}")
# A file that no overlay of today extends.
OTHER=rust/uapi/uapi_helper.h

# skeleton DIR: what overlay.sh looks at, from a real tree, as it was before any overlay.
skeleton() {
	local dir=$1 file

	mkdir -p "$dir"/{kernel/liveupdate,include/linux,rust/{bindings,helpers,kernel,uapi}} \
		"$dir/samples/rust"
	cp -p "$TREE"/{Kbuild,Kconfig,Makefile} "$dir"
	cp -p "$TREE/kernel/Makefile" "$dir/kernel"
	cp -p "$TREE/include/linux/liveupdate.h" "$dir/include/linux"
	cp -p "$TREE"/kernel/liveupdate/*.[ch] "$dir/kernel/liveupdate"
	cp -p "$TREE/$OTHER" "$dir/$OTHER"
	cp -p "$TREE/rust/helpers/task.c" "$dir/rust/helpers"
	for file in "${HOOKED[@]}"; do
		block_strip "$TREE/$file" >"$dir/$file"
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

# file_times: the same of files only.
file_times() {
	(cd "$1" && find . -type f ! -name .flb-version -printf '%p %T@\n' | sort)
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

# placed_all: every file of the project, and every block?
placed_all() {
	local name file

	while read -r name; do
		cmp "$TOP/$name" "$K/$(placed <<<"$name")" || return 1
	done < <(manifest)
	for file in "${HOOKED[@]}"; do
		has_block "$K/$file" || { echo "$file has no block"; return 1; }
	done
}

apply_and_revert() {
	fresh && says 3 "not applied" && "$OVERLAY" apply "$K" && says 0 "applied (current)" &&
		[ -f "$LU/flb/luo_flb.rs" ] && [ -f "$LU/flb/Kbuild" ] &&
		[ -f "$K/rust/kernel/liveupdate.rs" ] && [ -f "$K/rust/helpers/liveupdate.c" ] &&
		[ -f "$K/samples/rust/rust_liveupdate.rs" ] &&
		diff -r "$TOP/rust/kernel" "$K/rust/kernel" -x lib.rs && placed_all &&
		"$OVERLAY" revert "$K" && says 3 "not applied" && same_as_before
}

# The path may be relative, with a slash at its end.
relative_path() {
	fresh && (cd "$WORK" && "$OVERLAY" apply k/) && says 0 "applied (current)" &&
		(cd "$K" && "$OVERLAY" revert .) && same_as_before
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
	local file out

	fresh && "$OVERLAY" apply "$K" || return 1
	out=$(diff -r "$ORIG" "$K" | grep -v '^Only in' |
		grep -v -e '^diff ' -e '^[0-9,a]*$' -e '^> ') && { echo "$out"; return 1; }
	out=$(diff -rq "$ORIG" "$K" | sed -n "s#^Only in $K/\\(.*\\): #\\1/#p" | sort)
	[ "$out" = "$(printf '%s\n' "${UNITS[@]}" | sort)" ] || { echo "$out"; return 1; }
	[ "$(diff -rq "$ORIG" "$K" | grep -c ' differ$')" -eq "${#HOOKED[@]}" ] || return 1
	for file in "${HOOKED[@]}"; do
		marked "$file" || return 1
	done
}

# marked FILE: what was added is all between two comments of its language.
marked() {
	local sign='#' added

	[[ $1 != *.rs && $1 != *.[ch] ]] || sign=//
	added=$(tail -c "+$(($(stat -c %s "$ORIG/$1") + 1))" "$K/$1")
	diff <(printf '%s\n' "$sign luo-flb overlay: begin" "${BLOCK[$1]}" \
		"$sign luo-flb overlay: end") - <<<"$added"
}

without_final_newline() {
	local file

	fresh || return 1
	for file in "${HOOKED[@]}"; do
		truncate -s -1 "$K/$file" "$ORIG/$file"
	done
	"$OVERLAY" apply "$K" && says 0 applied && "$OVERLAY" apply "$K" && says 0 applied &&
		"$OVERLAY" revert "$K" && same_as_before
}

empty_lines_at_the_end() {
	local file

	fresh || return 1
	for file in "${HOOKED[@]}"; do
		printf '\n\n\t' | tee -a "$K/$file" >>"$ORIG/$file"
	done
	"$OVERLAY" apply "$K" && "$OVERLAY" revert "$K" && same_as_before
}

text_after_the_block() {
	local file

	fresh && "$OVERLAY" apply "$K" || return 1
	for file in "${HOOKED[@]}"; do
		echo '# more' | tee -a "$K/$file" >>"$ORIG/$file"
	done
	"$OVERLAY" revert "$K" && same_as_before
}

keeps_modes() {
	local file

	fresh && chmod 640 "${HOOKED[@]/#/$K/}" && "$OVERLAY" apply "$K" || return 1
	for file in "${HOOKED[@]}"; do
		[ "$(stat -c %a "$K/$file")" = 640 ] || return 1
	done
	"$OVERLAY" revert "$K" && [ "$(stat -c %a "$LU/Makefile")" = 640 ]
}

# stamp NAME...: as if an overlay had placed these files too, and they were as they are now.
stamp() {
	local name

	for name in "$@"; do
		sed -i "\\#  $name\$#d" "$K/$STAMP" &&
			printf '%s  %s\n' "$(sha256sum <"$K/$(placed <<<"$name")" | cut -c 1-64)" \
				"$name" >>"$K/$STAMP" || return 1
	done
}

# outdate: an older overlay: a file less, a file more, a file that differs, each in all places, all
# as its stamp says.
outdate() {
	rm "$LU/flb/Kconfig" && sed -i '/  Kconfig$/d' "$K/$STAMP" &&
		echo '// old' | tee "$LU/flb/old.rs" "$LU/flb/luo_flb.rs" \
			"$K/rust/kernel/liveupdate/old.rs" "$K/rust/kernel/liveupdate.rs" \
			"$K/rust/helpers/old.c" "$K/samples/rust/rust_liveupdate.rs" \
			"$K/samples/rust/old.rs" >/dev/null &&
		stamp old.rs luo_flb.rs rust/kernel/liveupdate/old.rs rust/kernel/liveupdate.rs \
			rust/helpers/old.c samples/rust_liveupdate.rs samples/old.rs
}

# outdate_blocks: a block less, and one more.
outdate_blocks() {
	sed -i '/^block  rust.kernel.lib.rs/d' "$K/$STAMP" &&
		cp "$ORIG/rust/kernel/lib.rs" "$K/rust/kernel/lib.rs" &&
		echo "block  $OTHER" >>"$K/$STAMP" &&
		block_append "$ORIG/$OTHER" '#include <linux/old.h>' >"$K/$OTHER"
}

# first: an overlay of before there was an API: the core and two blocks.
first() {
	local file

	for file in "${RUST_HOOKED[@]}"; do
		cp "$ORIG/$file" "$K/$file"
	done
	rm -r "${RUST_UNITS[@]/#/$K/}" &&
		sed -i -e '/^block/d' -e '/  rust\//d' -e '/  samples\//d' "$K/$STAMP"
}

# older: each kind of an overlay of before, from one of today.
OLDER=(outdate outdate_blocks first)

update_an_old_one() {
	local old before file times=(kernel/liveupdate/flb/shim.c kernel/liveupdate/Makefile)

	for old in "${OLDER[@]}"; do
		fresh && "$OVERLAY" apply "$K" && "$old" && says 4 "applied (outdated)" || return 1
		before=$(cd "$K" && stat -c %Y.%y "${times[@]}")
		"$OVERLAY" apply "$K" && says 0 "applied (current)" && placed_all || return 1
		for file in "$LU/flb" "$K/rust/kernel/liveupdate" "$K/rust/helpers" \
				"$K/samples/rust"; do
			! compgen -G "$file/old.*" || return 1
		done
		[ "$before" = "$(cd "$K" && stat -c %Y.%y "${times[@]}")" ] &&
			cmp "$ORIG/$OTHER" "$K/$OTHER" && "$OVERLAY" revert "$K" &&
			same_as_before || return 1
	done
}

unchanged_files_keep_their_times() {
	local before

	fresh && "$OVERLAY" apply "$K" && find "$K" -type f -exec touch -d 2020-02-02 {} + &&
		echo '// old' >"$LU/flb/raw.rs" && stamp raw.rs || return 1
	before=$(file_times "$K")
	says 4 "applied (outdated)" && "$OVERLAY" apply "$K" && says 0 applied &&
		diff <(diff <(echo "$before") <(file_times "$K") |
			sed -n 's/^> \([^ ]*\).*/\1/p') \
			<(printf './%s\n' "$STAMP" "$FLB/raw.rs")
}

revert_an_old_one() {
	local old

	for old in "${OLDER[@]}"; do
		fresh && "$OVERLAY" apply "$K" && "$old" && "$OVERLAY" revert "$K" &&
			says 3 "not applied" && same_as_before || return 1
	done
}

# A stamp can be made by anybody: nothing outside of the tree is ours.
stamp_of_something_else() {
	local line sum=0000000000000000000000000000000000000000000000000000000000000000

	block_append /dev/null x >"$WORK/kept" && cp "$WORK/kept" "$WORK/as-before" || return 1
	for line in "$sum  ../../../../kept" "$sum  rust/../../kept" "block  ../kept" \
			"block  $WORK/kept"; do
		fresh && "$OVERLAY" apply "$K" && echo "$line" >>"$K/$STAMP" &&
			"$OVERLAY" revert "$K" && cmp "$WORK/kept" "$WORK/as-before" &&
			same_as_before || return 1
	done
}

update_an_old_block() {
	local file

	fresh && "$OVERLAY" apply "$K" && cp -a "$K" "$WORK/applied" || return 1
	for file in "${HOOKED[@]}"; do
		block_append "$WORK/applied/$file" old >"$K/$file" &&
			says 4 "applied (outdated)" && cp -p "$WORK/applied/$file" "$K/$file" &&
			says 0 "applied (current)" || return 1
	done
	for file in "${HOOKED[@]}"; do
		block_append "$WORK/applied/$file" old >"$K/$file"
	done
	"$OVERLAY" apply "$K" && says 0 "applied (current)" && diff -r "$WORK/applied" "$K" &&
		"$OVERLAY" revert "$K" && same_as_before
}

# Those of files of ours go with them, those of others stay.
with_build_products() {
	local dir products

	fresh || return 1
	products=("$LU/flb/"{shim.o,.shim.o.cmd,built-in.a}
		"$K/rust/kernel/liveupdate/"{x.o,.x.o.cmd}
		"$K/samples/rust/"{rust_liveupdate.o,.rust_liveupdate.o.cmd})
	for dir in "$K" "$ORIG"; do
		touch "$dir/rust/"{kernel.o,.kernel.o.cmd} \
			"$dir/samples/rust/"{rust_print.o,.rust_print.o.cmd,built-in.a}
	done
	touch "$K/samples/rust/rust_liveupdate.o" && "$OVERLAY" apply "$K" &&
		touch "${products[@]}" && says 0 applied && outdate &&
		"$OVERLAY" apply "$K" && says 0 applied && ls "${products[@]}" &&
		"$OVERLAY" revert "$K" && same_as_before
}

left_from_an_interrupted_run() {
	local path

	fresh && mkdir "$LU/.luo-flb-new" && touch "$LU/.luo-flb-new/x" &&
		mkdir "$LU/flb.luo-flb-new" && touch "$LU/flb.luo-flb-new/x" || return 1
	for path in "${RUST_UNITS[@]}" "${HOOKED[@]}"; do
		touch "$K/$path.luo-flb-new"
	done
	"$OVERLAY" apply "$K" && says 0 applied && "$OVERLAY" revert "$K" && same_as_before
}

# killed COMMAND: at eight moments of its time, it has done all or nothing.
killed() {
	local n ms

	for n in 0 1 2 3 4 5 6 7 8; do
		fresh && { [ "$1" = apply ] || "$OVERLAY" apply "$K"; } || return 1
		if [ "$n" -eq 0 ]; then
			ms=$(now_ms) && "$OVERLAY" "$1" "$K" && ms=$(($(now_ms) - ms)) || return 1
			continue
		fi
		timeout "$(printf '0.%03d' "$((ms * n / 8 % 1000))")" "$OVERLAY" "$1" "$K" || true
		if says 3 "not applied" >/dev/null; then
			same_as_before || return 1
		else
			says 0 "applied (current)" || return 1
		fi
		! find "$K" -name '*.luo-flb-new' -o -name '*.luo-flb-old' | grep . || return 1
		"$OVERLAY" "$1" "$K" && "$OVERLAY" revert "$K" && same_as_before || return 1
	done
}

killed_at_any_time() {
	killed apply && killed revert
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

# not_whole FILE: a tree without it.
not_whole() {
	fresh && rm -r "${K:?}/$1" && refuses "is not a whole kernel tree (no $1" apply "$K" &&
		refuses "is not a whole kernel tree (no $1" revert "$K" &&
		refuses "is not a whole kernel tree (no $1" status "$K"
}

stripped_tree() {
	local path

	for path in rust samples rust/kernel samples/rust "${RUST_HOOKED[@]}"; do
		not_whole "$path" || return 1
	done
}

# half REASON: seen by status, and refused.
half() {
	says 5 "half-applied: $1" && refuses "half-applied overlay: $1" apply "$K" &&
		refuses "half-applied overlay: $1" revert "$K"
}

half_applied() {
	local path

	for path in "${HOOKED[@]}"; do
		fresh && "$OVERLAY" apply "$K" && cp "$ORIG/$path" "$K/$path" &&
			half "$path has not its block" || return 1
	done
	for path in "${RUST_UNITS[@]}"; do
		fresh && "$OVERLAY" apply "$K" && rm -r "${K:?}/$path" &&
			half "$path is missing" || return 1
	done
	fresh && "$OVERLAY" apply "$K" && rm -r "$LU/flb" &&
		half "${HOOKED[0]} has a block" || return 1
	fresh && "$OVERLAY" apply "$K" || return 1
	cp "$ORIG"/kernel/liveupdate/{Makefile,Kconfig} "$LU" && half "" || return 1
}

half_an_old_one() {
	local path

	for path in "${OLD_HOOKED[@]}"; do
		fresh && "$OVERLAY" apply "$K" && first && cp "$ORIG/$path" "$K/$path" &&
			half "$path has not its block" || return 1
	done
	fresh && "$OVERLAY" apply "$K" && first &&
		block_append "$ORIG/rust/kernel/lib.rs" x >"$K/rust/kernel/lib.rs" &&
		half "rust/kernel/lib.rs has a block" || return 1
	fresh && "$OVERLAY" apply "$K" && outdate_blocks && cp "$ORIG/$OTHER" "$K/$OTHER" &&
		half "$OTHER has not its block"
}

unknown_directory() {
	fresh && mkdir "$LU/flb" && touch "$LU/flb/mine.c" && says 5 "half-applied" &&
		refuses "half-applied" apply "$K" && [ -f "$LU/flb/mine.c" ]
}

# The kernel has a file of that name itself, even with the same text: that is not ours to revert.
own_file() {
	local path

	for path in "${RUST_UNITS[@]}"; do
		fresh && mkdir -p "$WORK/own" && "$OVERLAY" apply "$K" &&
			rm -rf "$WORK/own/x" && cp -r "$K/$path" "$WORK/own/x" || return 1
		fresh && cp -r "$WORK/own/x" "$K/$path" && cp -r "$WORK/own/x" "$ORIG/$path" &&
			says 3 "not applied" && refuses "has its own $path" apply "$K" &&
			"$OVERLAY" revert "$K" && same_as_before || return 1
		fresh && "$OVERLAY" apply "$K" && first && cp -r "$WORK/own/x" "$K/$path" &&
			says 4 "applied (outdated)" && refuses "has its own $path" apply "$K" &&
			cp -r "$WORK/own/x" "$ORIG/$path" && "$OVERLAY" revert "$K" &&
			same_as_before || return 1
	done
}

# kept PATH: neither is it overwritten nor removed.
kept() {
	refuses "$1 is not as the overlay placed it" apply "$K" &&
		refuses "$1 is not as the overlay placed it" revert "$K"
}

work_in_the_tree_is_kept() {
	local path

	for path in kernel/liveupdate/flb/luo_flb.rs kernel/liveupdate/flb/abi/mod.rs \
			rust/kernel/liveupdate/flb.rs rust/kernel/liveupdate.rs \
			rust/helpers/liveupdate.c samples/rust/rust_liveupdate.rs; do
		fresh && "$OVERLAY" apply "$K" && echo '// mine' >>"$K/$path" &&
			says 4 "applied (outdated)" && kept "$path" || return 1
	done
	for path in kernel/liveupdate/flb rust/kernel/liveupdate; do
		fresh && "$OVERLAY" apply "$K" && echo '// mine' >"$K/$path/mine.rs" &&
			kept "$path/mine.rs" || return 1
		rm "$K/$path/mine.rs" && ln -s nowhere "$K/$path/link" && kept "$path/link" ||
			return 1
	done
}

wrong_usage() {
	fresh && refuses usage && refuses usage apply && refuses usage undo "$K"
}

# unprivileged COMMAND...: as somebody for whom permissions hold.
unprivileged() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --bounding-set=-all --inh-caps=-all "$@"
	else
		"$@"
	fi
}

# forbidden PATH [COMMAND]: is that refused, and the path named?
forbidden() {
	local mode rc=0 OVERLAY=unprivileged

	mode=$(stat -c %a "$K/$1") && chmod a-w "$K/$1" || return 1
	refuses "no permission to write to $K/$1" "$TOP/scripts/overlay.sh" "${2:-apply}" "$K" ||
		rc=1
	chmod "$mode" "$K/$1" && return "$rc"
}

no_permission() {
	local path

	fresh && unprivileged "$OVERLAY" apply "$K" && "$OVERLAY" revert "$K" || return 1
	for path in kernel/liveupdate rust/bindings rust/helpers rust/kernel samples/rust \
			"${HOOKED[@]}"; do
		forbidden "$path" || return 1
	done
	"$OVERLAY" apply "$K" && first && forbidden rust/kernel || return 1
	fresh && "$OVERLAY" apply "$K" && outdate && outdate_blocks || return 1
	for path in rust/uapi "$OTHER" samples/rust kernel/liveupdate/flb/raw \
			rust/kernel/liveupdate; do
		forbidden "$path" && forbidden "$path" revert || return 1
	done
}

# full_at KB COMMAND: with so much left on the disk, it does nothing.
full_at() {
	local dir=$WORK/small out rc=0

	head -c 4M /dev/zero >"$dir/fill" 2>/dev/null || true
	truncate -s "-$1K" "$dir/fill"
	out=$("$OVERLAY" apply "$dir" 2>&1) && rc=1
	[[ $out == *"free space on its disk" ]] && diff -r -x fill "$ORIG" "$dir" || rc=1
	[ "$rc" -eq 0 ] || echo "with $1 KiB: $out"
	rm "$dir/fill"
	return "$rc"
}

disk_full() {
	local dir=$WORK/small rc=0 kb

	fresh && mkdir -p "$dir" && mount -t tmpfs -o size=4m none "$dir" || return 1
	rm -rf "$K" && cp -a "$ORIG/." "$dir" && ln -s "$dir" "$K" || rc=1
	for kb in 0 8 40 200 400; do
		full_at "$kb" || rc=1
	done
	says 3 "not applied" && diff -r "$ORIG" "$dir" || rc=1
	umount "$dir" || rc=1
	return "$rc"
}

# copy: what fetch.sh makes of $K as KDIR.
copy() {
	(export XDG_CACHE_HOME=$WORK/cache FLB_RUN=$WORK/run KDIR=$K && unset FLB_LOCKS &&
		"$TOP/scripts/fetch.sh" 2>"$WORK/copy.err") || { cat "$WORK/copy.err"; return 1; }
}

# copy_stays COMMAND...: what is in the copy is not touched by the next one.
copy_stays() {
	local to=$1 before
	shift

	before=$(file_times "$to") && "$@" && copy >/dev/null &&
		diff <(echo "$before") <(file_times "$to")
}

# made_older DIR OLDER: its overlay, in place of that of $K.
made_older() {
	local K=$1 LU=$1/kernel/liveupdate

	"$2"
}

# A copy of a tree with an overlay, also an older one, is as one of a tree without; and one that
# has an older one itself can have that of today.
copy_of_a_tree() {
	local old to

	for old in true "${OLDER[@]}"; do
		rm -rf "$WORK/cache" && fresh && "$OVERLAY" apply "$K" && "$old" &&
			to=$(copy) && to=${to% *} && diff -r -x .flb-version "$ORIG" "$to" &&
			"$OVERLAY" apply "$to" && copy_stays "$to" true &&
			"$OVERLAY" revert "$K" && made_older "$to" "$old" && copy >/dev/null &&
			"$OVERLAY" apply "$to" || return 1
	done
	copy_stays "$to" "$OVERLAY" apply "$K" && "$OVERLAY" revert "$K" &&
		copy_stays "$to" true && echo >>"$K/rust/kernel/lib.rs" && copy >/dev/null &&
		diff -r -x .flb-version "$K" "$to" || return 1
	touch "$K/rust/kernel/liveupdate.rs"
	! copy >/dev/null && grep 'has its own rust/kernel/liveupdate.rs' "$WORK/copy.err"
}

[ $# -eq 1 ] || [ "${2:-}" = --brief ] || die "usage: test-overlay.sh TREE [--brief]"
TREE=$1
GROUP=overlay-${TREE##*/}
cache_dir run
WORK=$(mktemp -d "$CACHE/run/overlay.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
skeleton "$WORK/skeleton"
CASES=(apply_and_revert only_marked_lines_added)
[ $# -eq 2 ] || CASES+=(apply_twice revert_twice relative_path without_final_newline
	empty_lines_at_the_end text_after_the_block keeps_modes update_an_old_one
	revert_an_old_one unchanged_files_keep_their_times stamp_of_something_else
	update_an_old_block with_build_products left_from_an_interrupted_run killed_at_any_time
	no_such_directory no_kernel_tree build_directory kernel_without_flb stripped_tree
	half_applied half_an_old_one unknown_directory own_file work_in_the_tree_is_kept
	wrong_usage no_permission)
for name in "${CASES[@]}"; do
	check "$GROUP/${name//_/-}" "$name"
done
[ $# -eq 1 ] || exit 0
if have rsync; then
	check "$GROUP/copy-of-a-tree" copy_of_a_tree
else
	result SKIP "$GROUP/copy-of-a-tree" 0 "needs rsync"
fi
if [ "$(id -u)" = 0 ] && mountpoint -q /proc && unshare -m true 2>/dev/null; then
	check "$GROUP/disk-full" disk_full
else
	result SKIP "$GROUP/disk-full" 0 "needs root for a small tmpfs"
fi
