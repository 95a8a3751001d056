#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# fuzz.sh [TARGET [FILE]...] | fuzz.sh --collect: coverage-guided fuzzing of what decodes the
# handover (tests/fuzz) by libFuzzer, from the seeds, the corpus, and what earlier runs have found.
# Of all targets, or of one; with files these alone are run, each once. --collect writes the corpus
# anew: the least of all these that reaches as much. FUZZ_RUNS: executions of each target.
# FUZZ_SEED: 0 chooses one. FUZZ_SANITIZER=address: with AddressSanitizer.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"

TARGETS='block fdt luo_v5 name'
FUZZ_RUNS=${FUZZ_RUNS:-300000}
FUZZ_SEED=${FUZZ_SEED:-1}
FUZZ_SANITIZER=${FUZZ_SANITIZER:-}
DIR=$CACHE/fuzz
# A block of 17 entries, a tree of LUO, a number, and two names.
declare -A MAX_LEN=([block]=1106 [fdt]=400 [luo_v5]=9 [name]=96)

# What libFuzzer needs to see which code runs, and which comparisons fail.
flags() {
	local option

	printf -- '-Cpasses=sancov-module'
	for option in level=4 inline-8bit-counters pc-table trace-compares; do
		printf -- ' -Cllvm-args=-sanitizer-coverage-%s' "$option"
	done
	[ -z "$FUZZ_SANITIZER" ] || printf -- ' -Zsanitizer=%s' "$FUZZ_SANITIZER"
}

# The targets, for the host by its name, so that what runs while they are built is without flags.
build_targets() {
	CARGO_TARGET_DIR=$DIR/build forget_others luo-flb-fuzz
	[ -z "$FUZZ_SANITIZER" ] || export RUSTC_BOOTSTRAP=1
	# shellcheck disable=SC2046,SC2086 # targets
	(cd "$TOP" && RUSTFLAGS=$(flags) CARGO_TARGET_DIR=$DIR/build \
		cargo build --locked --profile fuzz --target "$HOST" -p luo-flb-fuzz \
		--features libfuzzer $(printf -- ' --bin %s' $TARGETS)) || return 1
	(cd "$TOP" && CARGO_TARGET_DIR=$DIR/build cargo build --locked -p luo-flb-fuzz --bin seeds)
}

# run TARGET OPTION...: libFuzzer, with its output in a log.
run() {
	local target=$1
	shift

	"$DIR/build/$HOST/fuzz/$target" "$@" >"$RUN/fuzz-$target.log" 2>&1 </dev/null
}

# crashed TARGET: why, in which input, and how to run it again.
crashed() {
	local log=$RUN/fuzz-$1.log why input

	why=$(grep -aA 1 -m 1 'panicked at' "$log" | tail -n 1) || why=$(log_reason "$log")
	input=$(sed -n "s/.*Test unit written to //p" "$log" | tail -n 1)
	printf '%s; %s\n' "${why:-$(log_reason "$log")}" \
		"${input:+replay: $0 $1 $input; }log: $log"
}

# write_seeds TARGET: and the corpus that is committed.
write_seeds() {
	rm -rf "$DIR/seeds/$1" && mkdir -p "$DIR/seeds/$1" "$DIR/corpus/$1" "$DIR/artifacts/$1" &&
		"$DIR/build/debug/seeds" "$1" "$DIR/seeds/$1"
}

# fuzz TARGET: from the seeds, and what has been found before.
fuzz() {
	local target=$1 corpus=$DIR/corpus/$1 seeds=$DIR/seeds/$1 artifacts=$DIR/artifacts/$1

	write_seeds "$target" || return 1
	run "$target" -runs="$FUZZ_RUNS" -seed="$FUZZ_SEED" -max_len="${MAX_LEN[$target]}" \
		-timeout=10 -artifact_prefix="$artifacts/" "$corpus" "$seeds" ||
		{ crashed "$target"; return 1; }
}

# hex DIR: the files in it, a line each.
hex() {
	local file

	for file in "$1"/*; do
		od -An -v -tx1 "$file" | tr -d ' \n'
		echo
	done | sort
}

# collect TARGET: the corpus, without what is a seed, whose names do not begin with its own.
collect() {
	local merged=$DIR/merged seeds=$DIR/seeds/$1

	rm -rf "$merged" && mkdir -p "$merged" && write_seeds "$1" || return 1
	run "$1" -merge=1 -max_len="${MAX_LEN[$1]}" "$merged" "$seeds" "$DIR/corpus/$1" ||
		{ crashed "$1"; return 1; }
	rm -f "$seeds"/corpus-*
	{
		# The licence is that of this file.
		sed -n 2p "${BASH_SOURCE[0]}"
		comm -23 <(hex "$merged") <(hex "$seeds")
	} >"$TOP/tests/fuzz/corpus/$1.hex"
}

# numbers TARGET: what the last line of libFuzzer's says.
numbers() {
	awk '/DONE +cov: / {
		for (i = 1; i < NF; i++) value[$i] = $(i + 1)
		print substr($1, 2), "runs,", value["cov:"], "edges,", value["corp:"], "inputs,",
			value["exec/s:"], "a second"
	}' "$RUN/fuzz-$1.log"
}

# replay TARGET FILE...
replay() {
	run "$@" || { crashed "$1"; return 1; }
}

# fuzz_target TARGET: one line.
fuzz_target() {
	local start out rc=0

	start=$(now_ms)
	out=$(fuzz "$1" 2>&1) || rc=$?
	if [ "$rc" -eq 0 ]; then
		result ok "fuzz/$1" "$(seconds_since "$start")" "$(numbers "$1")"
	else
		result FAIL "fuzz/$1" "$(seconds_since "$start")" "$out"
		FAILED=yes
	fi
}

[ $# -eq 0 ] || [[ " $TARGETS --collect " == *" $1 "* ]] || die "no target $1" "one of: $TARGETS"
[ -z "$FUZZ_SANITIZER" ] || DIR=$CACHE/fuzz-$FUZZ_SANITIZER
HOST=$(rustc -vV | sed -n 's/^host: //p')
FAILED=no
cache_dir "${DIR#"$CACHE/"}" run
lock fuzz
need_space 500
step "fuzz targets" build_targets >&2 || exit 1
if [ "${1:-}" = --collect ]; then
	for target in $TARGETS; do
		collect "$target"
	done
	exit
fi
if [ $# -gt 1 ]; then
	check "fuzz/$1" replay "$@"
	exit
fi
for target in ${1:-$TARGETS}; do
	fuzz_target "$target"
done
[ "$FAILED" = no ]
