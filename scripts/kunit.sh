#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# kunit.sh TREE VARIANT JSON GLOB [WORD...]: boot an image for the suites that match, and have the
# kernel's own kunit.py judge. The results go to JSON, the console to the .log beside it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -ge 4 ] || die "usage: kunit.sh TREE VARIANT JSON GLOB [WORD...]"
TREE=$CACHE/tree/$1 IMAGE=$CACHE/image/$2 JSON=$3 GLOB=$4 LOG=${3%.json}.log
shift 4
rc=0
FLB_SMP=4 "$TOP/scripts/boot.sh" "$IMAGE" - "$LOG" loglevel=7 kunit.enable=1 kunit.autorun=1 \
	kunit_shutdown=reboot "kunit.filter_glob=$GLOB" "$@" || rc=$?
# Of a guest that came to no end, what there is.
PYTHONDONTWRITEBYTECODE=1 python3 "$TREE/tools/testing/kunit/kunit.py" parse --json="$JSON" \
	"$LOG" || rc=$?
exit "$rc"
