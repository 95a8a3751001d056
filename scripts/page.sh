#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced, after lib.sh: pages of Documentation that have tables of the last run in them.

# put_table PAGE MARK TABLE: between its marks in the page.
put_table() {
	local page=$1 mark=${2//./\\.} table=$3

	if ! sed -e "/^\.\. begin $mark\$/,/^\.\. end $mark\$/{//!d}" \
			-e "/^\.\. begin $mark\$/r $table" "$page" >"$page.tmp" ||
	   ! mv "$page.tmp" "$page"; then
		die "cannot write to ${page%/*}" "free some space"
	fi
}
