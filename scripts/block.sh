#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced: marked blocks at the end of a kernel's files, and what makes a kernel tree.

BLOCK_MARK='luo-flb overlay:'
# Added to the begin line where the file did not end in a newline, to take it back exactly.
BLOCK_NO_NEWLINE=' (no newline before)'

is_kernel() {
	[ -f "$1/Kbuild" ] && [ -f "$1/kernel/Makefile" ] &&
		grep -qs '^PATCHLEVEL = ' "$1/Makefile"
}

# block_line FILE begin|end: the line around a block, a comment in the language of FILE.
block_line() {
	case $1 in
	*.rs|*.[ch]) printf '// %s %s' "$BLOCK_MARK" "$2" ;;
	*) printf '# %s %s' "$BLOCK_MARK" "$2" ;;
	esac
}

has_block() {
	grep -qs "^$(block_line "$1" begin)" "$1"
}

# block_strip FILE: its text as it was before a block was appended.
block_strip() {
	local at drop=1 begin

	begin=$(block_line "$1" begin)
	at=$(grep -abm 1 "^$begin" "$1" | cut -d : -f 1) || true
	if [ -z "$at" ]; then
		cat "$1"
		return
	fi
	grep -q "^$begin$BLOCK_NO_NEWLINE" "$1" || drop=0
	head -c "$((at - drop))" "$1"
	# Lines that somebody added after the block stay.
	sed "1,\\|^$(block_line "$1" end)|d" "$1"
}

# block_append FILE TEXT: the file's text without an old block, and a new one.
block_append() {
	local file=$1 text=$2 mark=''

	[ -z "$(block_strip "$file" | tail -c 1)" ] || mark=$BLOCK_NO_NEWLINE
	block_strip "$file"
	[ -z "$mark" ] || echo
	printf '%s\n%s\n%s\n' "$(block_line "$file" begin)$mark" "$text" "$(block_line "$file" end)"
}
