#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced: marked blocks at the end of a kernel's files, and what makes a kernel tree.

BLOCK_BEGIN='# luo-flb overlay: begin'
BLOCK_END='# luo-flb overlay: end'
# Added to the begin line where the file did not end in a newline, to take it back exactly.
BLOCK_NO_NEWLINE=' (no newline before)'

is_kernel() {
	[ -f "$1/Kbuild" ] && [ -f "$1/kernel/Makefile" ] &&
		grep -qs '^PATCHLEVEL = ' "$1/Makefile"
}

has_block() {
	grep -qs "^$BLOCK_BEGIN" "$1"
}

# block_strip FILE: its text as it was before a block was appended.
block_strip() {
	local at drop=1

	at=$(grep -abm 1 "^$BLOCK_BEGIN" "$1" | cut -d : -f 1) || true
	if [ -z "$at" ]; then
		cat "$1"
		return
	fi
	grep -q "^$BLOCK_BEGIN$BLOCK_NO_NEWLINE" "$1" || drop=0
	head -c "$((at - drop))" "$1"
	# Lines that somebody added after the block stay.
	sed "1,/^$BLOCK_END/d" "$1"
}

# block_append FILE TEXT: the file's text without an old block, and a new one.
block_append() {
	local file=$1 text=$2 mark=''

	[ -z "$(block_strip "$file" | tail -c 1)" ] || mark=$BLOCK_NO_NEWLINE
	block_strip "$file"
	[ -z "$mark" ] || echo
	printf '%s\n%s\n%s\n' "$BLOCK_BEGIN$mark" "$text" "$BLOCK_END"
}
