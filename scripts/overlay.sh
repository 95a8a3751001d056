#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# overlay.sh apply|revert|status KDIR: put the core into a kernel tree as kernel/liveupdate/flb/,
# its Rust API into the kernel crate and samples beside the others, or take all out again, byte
# for byte. apply and revert also put right what was applied or reverted by half.
# status prints one line and exits with: 0 applied (current), 3 not applied, 4 applied (outdated),
# 5 half-applied; 1 is an error here as everywhere.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/blocks.sh
. "$TOP/scripts/blocks.sh"

# What is placed, by the names in this repository.
PATTERNS=(Kbuild Kconfig '*.rs' '*.[ch]' 'abi/*.rs' 'raw/*.rs' 'hugetlb/*.rs'
	'hugetlb/*.[ch]' 'tests/kunit/*.rs'
	'tests/kunit/*/*.rs' 'tests/kunit/*.[ch]' 'tests/client/*.[ch]' 'tests/bench/*.[ch]'
	'Documentation/*.rst' rust/kernel/kho.rs 'rust/kernel/kho/*.rs' rust/kernel/liveupdate.rs
	'rust/kernel/liveupdate/**/*.rs'
	rust/helpers/liveupdate.c 'samples/*.rs')

mapfile -t HOOKED < <(printf '%s\n' "${!BLOCK[@]}" | sort)
# The lines around a block, and what is added to the first where the file did not end in a newline.
MARK='luo-flb overlay:'
BEGIN="^(#|//) $MARK begin" END="^(#|//) $MARK end"
NO_NEWLINE=' (no newline before)'

FLB=kernel/liveupdate/flb
# Directories of the kernel tree that are there for us alone.
DIRS=("$FLB" rust/kernel/kho rust/kernel/liveupdate)
# What was placed: a line "SUM  FILE" for each file, "block:TEXT  FILE" for each block.
STAMP=$FLB/.luo-flb-overlay
# What is about to be placed.
STAGE=kernel/liveupdate/.luo-flb-new
# What a kernel build without O= leaves beside a file.
PRODUCTS='.*(\.(o|a|ko|s|ll|i|lst|mod|mod\.c|order|cmd|d|su|gcno|rsi)|/bindings_generated\.rs)'

# in_kernel: in stamps, paths in this repository to those in the kernel tree. Older ones had those.
in_kernel() {
	sed -E "/^block/b; s#  samples/([^/]*)\$#  samples/rust/\\1#
		\\#  (rust|samples|kernel/liveupdate)/#b; s#  #  $FLB/#"
}

# block_line FILE TEXT: of a stamp.
block_line() {
	local text

	printf -v text %q "$2"
	echo "block:${text// /\\x20}  $1"
}

# new_stamp: of this repository. A pattern without a file is an error.
new_stamp() {
	local file

	for file in "${HOOKED[@]}"; do
		block_line "$file" "${BLOCK[$file]}"
	done
	cd "$TOP" && shopt -s globstar || return 1
	# shellcheck disable=SC2068 # to be expanded
	printf '%s\n' ${PATTERNS[@]} | sort -u | xargs sha256sum | in_kernel | sort -k 2
}

# old_stamp: of the tree; never anything outside of it.
old_stamp() {
	{ grep -sE '^([0-9a-f]{64}|block[^ ]*)  [^/]' "$STAMP" || true; } |
		sed -E '\#  (.*/)?\.\.(/|$)#d' | in_kernel
}

# here: a stamp of what is in the tree now, of all that we place.
here() {
	local file

	grep -lsE "$BEGIN" "${BLOCKS[@]}" | while IFS= read -r file; do
		block_line "$file" "$(sed -E "0,\\;$BEGIN;d; \\;$END;,\$d" "$file")"
	done
	files <<<"$OLD"$'\n'"$NEW" | { xargs -rd '\n' sha256sum 2>/dev/null || true; }
}

# paths, files: all paths in a stamp; those of files.
paths() {
	sed -n 's/^[^ ]*  //p' | sort -u
}

files() {
	grep -v '^block' | paths
}

# foreign: what is at our places and no overlay has put there, or was changed since.
foreign() {
	local path

	comm -3 <(grep -csE "$BEGIN" "${BLOCKS[@]}") <(grep -csE "$END" "${BLOCKS[@]}") |
		sed -n 's/^\([^\t].*\):.*/\1/p'
	files <<<"$OLD"$'\n'"$NEW" | while IFS= read -r path; do
		[[ ! -L $path && (-f $path || ! -e $path) ]] || echo "$path"
	done
	grep -vxF -f <([ -z "$OLD" ] || echo "$OLD"$'\n'"$NEW") <<<"$HERE" | files || true
}

# without_block FILE: its text as it was before. Lines after the block stay.
without_block() {
	local cut=0

	[[ ! $(tail -n 1 "$1") =~ $END ]] || ! grep -qF "$MARK begin$NO_NEWLINE" "$1" || cut=1
	sed -E "\\;$BEGIN;,\\;$END;d" "$1" | head -c "-$cut"
}

# with_block FILE: its text as it is to be, with a block if it shall have one.
with_block() {
	local sign='#' note=''

	without_block "$1" || return 1
	[ -n "${BLOCK[$1]:-}" ] || return 0
	[[ $1 != *.rs && $1 != *.[ch] ]] || sign=//
	[ -z "$(without_block "$1" | tail -c 1)" ] || { note=$NO_NEWLINE; echo; }
	printf '%s\n' "$sign $MARK begin$note" "${BLOCK[$1]}" "$sign $MARK end"
}

# prepare: what is to be placed goes below $STAGE. May the rest be removed?
prepare() {
	local path dir
	local -A copies=()

	mkdir -p "$FLB" "$STAGE/tree" && echo "$NEW" >"$STAGE/new" &&
		echo "$OLD"$'\n'"$NEW" >"$STAGE/both" || return 1
	for path in $(echo "$NEW"$'\n'"$HERE" | sort | uniq -u | paths); do
		dir=${path%/*}
		if [ ! -d "$STAGE/tree/$dir" ]; then
			mkdir -p "$dir" "$STAGE/tree/$dir" || return 1
			[ -w "$dir" ] || { echo "no permission for $dir"; return 1; }
		fi
		if [[ " ${BLOCKS[*]} " == *" $path "* ]]; then
			with_block "$path" >"$STAGE/tree/$path" &&
				chmod --reference="$path" "$STAGE/tree/$path" || return 1
		elif [[ "$NEW"$'\n' == *"  $path"$'\n'* ]]; then
			path=${path#"$FLB/"}
			copies[$dir]+=" ${path/#samples\/rust/samples}"
		fi
	done
	for dir in "${!copies[@]}"; do
		# shellcheck disable=SC2086 # to be split
		(cd "$TOP" && cp -t "$OLDPWD/$STAGE/tree/$dir" ${copies[$dir]}) || return 1
	done
}

# clean_up: of no signal, as a second one may follow.
clean_up() {
	trap '' INT TERM HUP
	rm -rf "$STAGE"
	find "${DIRS[@]}" -depth -type d -empty -delete 2>/dev/null || true
}

# change: make HERE what NEW is. From the first rename on signals wait; should it be killed, the
# stamp covers what was and what is to be.
change() {
	local why dir

	[ "$OLD$HERE" != "$NEW$NEW" ] || return 0
	trap clean_up EXIT
	trap 'exit 1' INT TERM HUP
	rm -rf "$STAGE"
	why=$(prepare 2>&1) || die "cannot write to $KDIR: ${why##*$'\n'}" \
		"give it space and permission, or use a copy, as make demo KDIR= does"
	trap '' INT TERM HUP
	mv -fT "$STAGE/both" "$STAMP"
	find "$STAGE/tree" -type d -printf '%P\n' | while IFS= read -r dir; do
		find "$STAGE/tree/$dir" -maxdepth 1 -type f -exec mv -ft "./$dir" {} +
	done
	comm -23 <(files <<<"$HERE") <(files <<<"$NEW") | xargs -rd '\n' rm -f
	mv -fT "$STAGE/new" "$STAMP"
	[ -z "$NEW" ] || return 0
	rm "$STAMP"
	find "${DIRS[@]}" samples/rust/{,.}rust_liveupdate{,_devices}.* -type f -regextype egrep \
		-regex "$PRODUCTS" -delete 2>/dev/null || true
}

# show_status: one line. The exit status tells as well.
show_status() {
	local half

	half=$(comm -3 <(paths <<<"$OLD") <(paths <<<"$HERE") | tr -d '\t')
	[ -n "$OLD$HERE" ] || { echo "not applied"; exit 3; }
	[ -z "$half" ] || { echo "half-applied (see ${half%%$'\n'*})"; exit 5; }
	[ "$OLD$HERE" = "$NEW$NEW" ] || { echo "applied (outdated)"; exit 4; }
	echo "applied (current)"
}

[[ $# = 2 && $1 =~ ^(apply|revert|status)$ ]] || die "usage: overlay.sh apply|revert|status KDIR"
KDIR=${2%/}
[ -d "$KDIR" ] || die "$KDIR is no directory" "give a kernel source tree"
for file in Kbuild kernel/Makefile kernel/liveupdate/luo_flb.c "${HOOKED[@]}"; do
	[ -f "$KDIR/$file" ] || die "$KDIR is no kernel tree with FLB and Rust (no $file)" \
		"give the whole source of Linux 7.1 or later"
done
NEW=$(new_stamp 2>/dev/null) || die "$TOP is not whole" "check out the whole repository"
[ "$1" != revert ] || NEW='' BLOCK=()
cd "$KDIR"
OLD=$(old_stamp)
mapfile -t BLOCKS < <(printf '%s\n' "${HOOKED[@]}" "$(sed -n 's/^block[^ ]*  //p' <<<"$OLD")" |
	grep . | sort -u)
HERE=$(here)
FOREIGN=$(foreign)
[ -z "$FOREIGN" ] || die "$KDIR/${FOREIGN%%$'\n'*} is not from this overlay, or was changed" \
	"move it away first"
case $1 in
status) show_status ;;
*) change ;;
esac
