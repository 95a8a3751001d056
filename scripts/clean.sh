#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# clean.sh: remove the cache, when nobody uses it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

[ -d "$CACHE" ] || exit 0
shopt -s nullglob
for name in "$CACHE"/lock/*; do
	lock "${name##*/}"
done
rm -rf "$CACHE"
