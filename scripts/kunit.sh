#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# kunit.sh TREE VARIANT JSON GLOB [WORD...]: boot a build with the kernel's own kunit.py for the
# suites that match; the results go to JSON, the console to test.log of the build.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/accel.sh
. "$TOP/scripts/accel.sh"

[ $# -ge 4 ] || die "usage: kunit.sh TREE VARIANT JSON GLOB [WORD...]"
TREE=$CACHE/tree/$1 BUILD=$CACHE/build/$2 JSON=$3 GLOB=$4
shift 4
[ $# -gt 0 ] || set -- liveupdate=on kho=on
cd "$TREE"
# Its own choice of accelerator hangs where KVM does not work: the wrapper goes first.
PATH=$TOP/scripts/qemu-wrap:$PATH PYTHONDONTWRITEBYTECODE=1 \
	exec python3 tools/testing/kunit/kunit.py exec --arch="$ARCH" --build_dir="$BUILD" \
	--timeout="${FLB_TIMEOUT:-120}" --json="$JSON" --qemu_args='-smp 4' \
	--kernel_args=panic=-1 --kernel_args=kunit.enable=1 --kernel_args=kunit.autorun=1 \
	--kernel_args="$KERNEL_WORDS" "${@/#/--kernel_args=}" "$GLOB"
