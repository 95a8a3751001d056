#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test-compile-fail.sh TREE [TEST]...: the drivers of tests/compile-fail, which must not build with
# the rust build of TREE, for the reason that each tells; none.rs and module.rs must. What the
# compiler says is in $RUN/compile-fail-TREE.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"
# shellcheck source=scripts/toolchain.sh
. "$TOP/scripts/toolchain.sh"

# builds TEST: the driver without a mistake, by kbuild, which writes below $DIR only.
builds() {
	local log=$DIR/$1.log

	make -C "$TREE" O="$BUILD" M="$DIR" LLVM="${LLVM_SUFFIX:-1}" ARCH="$ARCH" "$1.o" \
		>"$log" 2>&1 || { log_reason "$log"; return 1; }
	! grep -m 1 '^warning' "$log"
}

# compile TEST: by the command that kbuild has noted for the control, which includes the
# generation of code: constants of generic types are evaluated only then.
compile() {
	local log=$DIR/$1.log

	(cd "$DIR" && eval "RUSTC_BOOTSTRAP=1 ${COMMAND//none./$1.}") >"$log" 2>&1
}

# header TEST KEY: what a test says about itself.
header() {
	sed -n "s|^//@ $2: ||p" "$DIR/$1.rs"
}

# refused TEST: does it fail to build, in the line after //~, with each "error" in the first line
# of one, no error that has none of these, and each "says" anywhere?
refused() {
	local log=$DIR/$1.log text line errors

	! compile "$1" || { echo "it builds"; return 1; }
	errors=$(grep '^error' "$log" | grep -vE '^error: (aborting due|could not compile)') || true
	while IFS= read -r text; do
		grep -qF -- "$text" <<<"$errors" ||
			{ echo "no error has '$text'; see $log"; return 1; }
	done < <(header "$1" error)
	while IFS= read -r text; do
		grep -qF -- "$text" "$log" ||
			{ echo "it does not say '$text'; see $log"; return 1; }
	done < <(header "$1" says)
	line=$(grep -vF -f <(header "$1" error) <<<"$errors" | head -n 1) || true
	[ -z "$line" ] || { echo "unexpected: $line; see $log"; return 1; }
	while IFS=: read -r line _; do
		grep -qF "$1.rs:$((line + 1)):" "$log" ||
			{ echo "no word of line $((line + 1)); see $log"; return 1; }
	done < <(grep -n '//~' "$DIR/$1.rs")
}

[ $# -ge 1 ] || die "usage: test-compile-fail.sh TREE [TEST]..."
TREE=$1
shift
NAME=$(arch_name "${TREE##*/}")
BUILD=$CACHE/build/$NAME-rust
GROUP=compile-fail-$NAME
DIR=$RUN/$GROUP
use_toolchain
rm -rf "$DIR" && mkdir -p "$DIR" && cp "$TOP"/tests/compile-fail/*.rs "$DIR"
printf '%s\n' 'obj-y += none.o' 'obj-m += module.o' >"$DIR/Kbuild"
# shellcheck disable=SC2046 # names
[ $# -gt 0 ] || set -- $(cd "$DIR" && grep -l '^//@' -- *.rs | sed 's/\.rs$//')
check "$GROUP/module" builds module
check "$GROUP/none" builds none
[ -f "$DIR/none.o" ] || exit 0
COMMAND=$(sed -n 's/^savedcmd_none\.o := \(.*none\.rs\) .*/\1/p' "$DIR/.none.o.cmd")
[ -n "$COMMAND" ] || die "no command in $DIR/.none.o.cmd"
printf '%s\n' "$@" | {
	while read -r name; do
		while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do wait -n; done
		check "$GROUP/$name" refused "$name" &
	done
	wait
}
