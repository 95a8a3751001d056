#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced, after block.sh: what the overlay places into a kernel tree and appends to its files.
# shellcheck disable=SC2034 # used by those that source it

# By their names in this repository. Required ones, then patterns.
REQUIRED=(Kbuild Kconfig luo_flb.rs shim.c rust/kernel/liveupdate.rs rust/helpers/liveupdate.c
	samples/rust_liveupdate.rs)
PATTERNS=('*.rs' '*.[ch]' 'abi/*.rs' 'raw/*.rs' 'tests/kunit/*.rs' 'tests/kunit/*/*.rs'
	'tests/kunit/*.[ch]' 'tests/client/*.[ch]' 'tests/bench/*.[ch]'
	'Documentation/*.rst' 'rust/kernel/liveupdate/**/*.rs')
# Directories of the kernel tree that are ours as a whole; what is placed elsewhere is a single
# file among those of others.
OUR_DIRS='kernel/liveupdate/flb|rust/kernel/liveupdate'
FLB=kernel/liveupdate/flb
# What was placed: the checksum of each file with its name in this repository, and a line
# "block  FILE" for each block. An overlay that has no such line was one of OLD_HOOKED.
STAMP=$FLB/.luo-flb-overlay
OLD_HOOKED=(kernel/liveupdate/Makefile kernel/liveupdate/Kconfig)

# The files of the kernel tree that get a block, and its text. Make variables are for the
# kernel's make.
HOOKED=("${OLD_HOOKED[@]}" rust/bindings/bindings_helper.h rust/helpers/helpers.c
	rust/kernel/lib.rs samples/rust/Makefile samples/rust/Kconfig)
# shellcheck disable=SC2016
MAKEFILE_BLOCK='# The Rust FLB core in place of the C one, a test client and a benchmark for either.
ifdef CONFIG_LIVEUPDATE_FLB_RUST
luo-y := $(filter-out luo_flb.o,$(luo-y))
endif
ifneq ($(CONFIG_LIVEUPDATE_FLB_RUST)$(CONFIG_LIVEUPDATE_FLB_CLIENT)$(CONFIG_LIVEUPDATE_FLB_BENCH),)
obj-y += flb/
endif
ifdef CONFIG_LIVEUPDATE_FLB_CLIENT
CFLAGS_luo_file.o += -Dliveupdate_test_register=luo_flb_client_register
endif'
# shellcheck disable=SC2016
declare -A BLOCK=(
[kernel/liveupdate/Makefile]=$MAKEFILE_BLOCK
[kernel/liveupdate/Kconfig]='source "kernel/liveupdate/flb/Kconfig"'
[rust/bindings/bindings_helper.h]='#include <linux/anon_inodes.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/vmalloc.h>'
[rust/helpers/helpers.c]='#include "liveupdate.c"'
[rust/kernel/lib.rs]='#[cfg(CONFIG_LIVEUPDATE)]
pub mod liveupdate;'
[samples/rust/Makefile]='obj-$(CONFIG_SAMPLE_RUST_LIVEUPDATE) += rust_liveupdate.o'
# Not tristate: C does not export what it calls.
[samples/rust/Kconfig]='config SAMPLE_RUST_LIVEUPDATE
	bool "Live-updatable misc device"
	depends on SAMPLES && SAMPLES_RUST && LIVEUPDATE
	help
	  This option builds a Rust misc device whose open files survive a
	  live update, together with the table that they share.

	  If unsure, say N.'
)

# manifest: the files to place.
manifest() {
	local file

	for file in "${REQUIRED[@]}"; do
		[ -f "$TOP/$file" ] || die "$TOP/$file is missing" "check out the whole repository"
	done
	(
		cd "$TOP" || exit 1
		shopt -s nullglob globstar
		# shellcheck disable=SC2068,SC2206 # the patterns are to be expanded
		files=(${REQUIRED[@]} ${PATTERNS[@]})
		printf '%s\n' "${files[@]}" | sort -u
	)
}

# placed: names in this repository to paths in the kernel tree.
placed() {
	sed -E "\\#^rust/#b; s#^samples/#samples/rust/#; t; s#^#$FLB/#"
}

# units: paths in the kernel tree to what is renamed as one: our directories and single files.
units() {
	sed -E "s#^($OUR_DIRS)/.*#\\1#" | sort -u
}

# stamp_lines KDIR: never anything outside of the tree.
stamp_lines() {
	grep -sE '^([0-9a-f]{64}|block)  [^/]' "$1/$STAMP" | grep -vE '[ /]\.\.(/|$)' || true
}

# stamp_units KDIR: what an overlay has placed there.
stamp_units() {
	[ ! -f "$1/$STAMP" ] || { echo "$STAMP" &&
		stamp_lines "$1" | sed -n '/^block/!s/^[^ ]*  //p' | placed; } | units
}

# stamp_hooked KDIR: which files an overlay has appended a block to there.
stamp_hooked() {
	[ -f "$1/$STAMP" ] || return 0
	stamp_lines "$1" | sed -n 's/^block  //p' | grep . || printf '%s\n' "${OLD_HOOKED[@]}"
}

# own_unit KDIR: something that the kernel tree has itself where a file of ours would go.
own_unit() {
	local unit

	for unit in $(comm -13 <(stamp_units "$1") <(manifest | placed | units)); do
		[ -e "$1/$unit" ] || [ -L "$1/$unit" ] || continue
		printf '%s\n' "$unit"
		return
	done
}

# missing_file KDIR: a file that an overlay extends but the tree has not.
missing_file() {
	local file

	for file in "${HOOKED[@]}"; do
		[ -f "$1/$file" ] || { printf '%s\n' "$file"; return; }
	done
}
