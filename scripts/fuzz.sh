#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# fuzz.sh [TARGET [FILE...]] | --collect | --miri: run what decodes the handover (tests/fuzz) on any
# bytes by libFuzzer, from the seeds, the corpus, and what earlier runs have found: all targets or
# one, or these files. --collect writes the corpus anew: the least of all that reaches as much.
# --miri: seeds and corpus under Miri. FUZZ_RUNS: executions of each target. FUZZ_SEED: where chance
# starts, 0 anywhere. FUZZ_SANITIZER=address: with AddressSanitizer.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# An array of 17 entries, eight small pages of memory, three counts with four runs, and two names.
declare -A MAX_LEN=([flb_array]=1105 [handover]=2048 [hugetlb]=153 [name]=96)
TARGETS=(flb_array handover hugetlb name)
SANITIZER=${FUZZ_SANITIZER:-}
DIR=$CACHE/fuzz${SANITIZER:+-$SANITIZER}

# What libFuzzer needs to see which code runs, and which comparisons fail.
FLAGS=(-Cpasses=sancov-module ${SANITIZER:+-Zsanitizer=$SANITIZER}
	-Cllvm-args=-sanitizer-coverage-{level=4,inline-8bit-counters,pc-table,trace-compares})

# For the host by its name, so that what runs while the targets are built is without flags.
build() (
	lock fuzz
	export CARGO_TARGET_DIR=$DIR/build
	forget_others luo-flb-fuzz
	[ -z "$SANITIZER" ] || export RUSTC_BOOTSTRAP=1
	cd "$TOP" && RUSTFLAGS=${FLAGS[*]} cargo build --locked --profile fuzz --target "$HOST" \
		-p luo-flb-fuzz --features libfuzzer "${TARGETS[@]/#/--bin=}" &&
		cargo build --locked -p luo-flb-fuzz --bin seeds
)

# run TARGET OPTION...: libFuzzer, with its output in a log; why it failed, and how to see it again.
run() {
	local target=$1 log=$RUN/fuzz-$1.log why input
	shift

	! "$DIR/build/$HOST/fuzz/$target" "$@" >"$log" 2>&1 </dev/null || return 0
	why=$(grep -aA 1 -m 1 'panicked at' "$log" | tail -n 1) || true
	input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
	die "fuzz/$target: ${why:-$(log_reason "$log")}" \
		"${input:+replay: $0 $target $input; }log: $log"
}

# write_seeds TARGET: and the corpus that is committed.
write_seeds() {
	lock "fuzz-$1"
	rm -rf "$DIR/seeds/$1" && mkdir -p "$DIR"/{seeds,corpus,artifacts}/"$1" &&
		"$DIR/build/debug/seeds" "$1" "$DIR/seeds/$1"
}

# fuzz TARGET: one line says what libFuzzer has reached.
fuzz() {
	write_seeds "$1" &&
		run "$1" -runs="${FUZZ_RUNS:-300000}" -seed="${FUZZ_SEED:-1}" -timeout=10 \
			-max_len="${MAX_LEN[$1]}" -artifact_prefix="$DIR/artifacts/$1/" \
			"$DIR/corpus/$1" "$DIR/seeds/$1" &&
		sed -n "s|^#\([0-9]*\)\tDONE *|fuzz/$1: \1 runs, |p" "$RUN/fuzz-$1.log"
}

# hex DIR: the files in it, a line each.
hex() {
	find "$1" -type f -exec sh -c 'od -An -v -tx1 "$1" | tr -d " \n"; echo' _ {} \; | sort
}

# collect TARGET: this file's licence, and the corpus without the seeds.
collect() {
	local merged=$DIR/merged/$1

	rm -rf "$merged" && mkdir -p "$merged" && write_seeds "$1" &&
		run "$1" -merge=1 -max_len="${MAX_LEN[$1]}" "$merged" "$DIR/seeds/$1" \
			"$DIR/corpus/$1" &&
		rm -f "$DIR/seeds/$1"/corpus-* &&
		{ sed -n 2p "$0"; comm -23 <(hex "$merged") <(hex "$DIR/seeds/$1"); } \
			>"$TOP/tests/fuzz/corpus/$1.hex"
}

# miri TARGET: the library that Miri builds for it is in the cache, too.
miri() {
	step "Miri $1" env -C "$TOP" XDG_CACHE_HOME="$CACHE" CARGO_TARGET_DIR="$CACHE/host" \
		cargo +nightly miri test --locked -p luo-flb-fuzz --lib --target "$1"
}

# targets [FILE...]: the command for each of them, or one of them on these.
targets() {
	local target rc=0

	[ "$command" = miri ] || step "Build fuzz targets" build >&2 || exit 1
	if [ $# -gt 0 ]; then
		run "${TARGETS[0]}" "$@"
		return
	fi
	for target in "${TARGETS[@]}"; do
		("$command" "$target") || rc=1
	done
	return "$rc"
}

HOST=$(rustc -vV | sed -n 's/^host: //p')
cache_dir run "${DIR##*/}"
command=fuzz
case ${1:-} in
'') ;;
--collect) command=collect ;;
--miri)
	# Of 64 bits, of 32, and big-endian.
	command=miri TARGETS=({x86_64,i686,s390x}-unknown-linux-gnu)
	cargo +nightly miri --version >/dev/null 2>&1 ||
		die "Miri is missing" "rustup component add --toolchain nightly miri rust-src"
	;;
*)
	[ -n "${MAX_LEN[$1]:-}" ] || die "no target $1" "one of: ${TARGETS[*]}"
	TARGETS=("$1")
	;;
esac
need_space 500
as_group targets "${@:2}"
