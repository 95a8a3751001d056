#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# mutate.sh: make the mistakes of tests/mutations.txt one at a time, and say which test finds each.
# ONLY="NAME|FILE...": some of them. SERIES (the newest). KEXEC="CHAIN/NAME...": the scenarios for
# what nothing else finds; none if it is empty.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../lib.sh"

# restore: the tree in the cache is that of this checkout again.
restore() {
	"$TOP/scripts/overlay.sh" apply "$CACHE/tree/$NAME" >/dev/null 2>&1 || true
}

mutate() {
	"$TOP/scripts/setup.sh" --test
	"$TOP/scripts/fetch.sh" "$NAME" >/dev/null
	[ -z "$KEXEC" ] || "$TOP/scripts/guest.sh"
	python3 "$TOP/scripts/mutate/mutate.py"
}

NAME=${SERIES:-$NEWEST}
export CACHE NAME FLB_RUN=$CACHE/run/mutate FLB_TREES=$NAME PYTHONDONTWRITEBYTECODE=1
export KEXEC=${KEXEC-$(printf 'rust-rust/%s ' basic parallel early sample-notes hugetlb-sessions \
	hugetlb-counts-more)}
cache_dir run/mutate mutate
lock test
trap restore EXIT
as_group mutate
