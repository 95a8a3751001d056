#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# bench.sh: count the instructions that each operation takes in the C and in the Rust core, and
# print both and their ratio. SERIES (the newest that can be had). $CACHE/run/bench has the tables
# (SERIES.txt), all numbers, one a line (SERIES.tsv), and the consoles.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=scripts/toolchain.sh
. "$TOP/scripts/toolchain.sh"

# Numbers of FLBs. C registers 63 at most.
SIZES='1 2 3 16 63 511'

# image CORE: the kernel with the benchmark.
image() {
	printf '%s' "$CACHE/image/$NAME-$1bench"
}

# log_of CORE PHASE N [CPUS|again]: the console of that boot.
log_of() {
	local name="$NAME $*"

	printf '%s' "$RUN/${name// /-}.log"
}

# boots: all that there are to do. The same boot again has to give the same numbers, and two CPUs
# take turns with one object. (With four QEMU hangs in every second boot.)
boots() {
	local core n

	for core in c rust; do
		for n in $SIZES; do
			printf '%s\n' "$core outgoing $n" "$core receive $n"
		done
		printf "$core %s\n" 'memory 63' 'memory 511' 'receive 1 2' 'outgoing 3 again' \
			'receive 3 again'
	done
}

# boot_one CORE PHASE N [CPUS|again]: a guest whose clocks tick once an instruction.
boot_one() {
	local words=("flb_bench.phase=$2" "flb_bench.n=$3" loglevel=7) log
	local -x FLB_TIMEOUT=600 FLB_SMP=1 FLB_ICOUNT=1

	log=$(log_of "$@")
	if [ "$2" = receive ]; then
		# The guest's init goes on from there.
		words[0]=flb_bench.phase=send
		words+=(liveupdate=off flb.mode=bench)
	fi
	if [[ ${4:-} == [0-9]* ]]; then
		words+=(flb_bench.contended=40)
		FLB_SMP=$4
	fi
	"$TOP/scripts/boot.sh" "$(image "$1")" "$RUN/$NAME-$1.initrd" "$log" "${words[@]}" ||
		return 1
	tr -d '\r' <"$log" | sed -n "s/^\(\[[ 0-9.]*\] \)\?flb_bench: /$1 /p" |
		tr ' ' '\t' >"$log.tsv"
	if ! grep -q "$(printf '\tend\t')" "$log.tsv" || grep -aE 'WARNING:|BUG:|Oops' "$log"; then
		die "no result of $2 with $3 FLBs on $1" "log: $log"
	fi
}

count() {
	boots | xargs -P "$JOBS" -L 1 "$0" --one
}

# sizes CORE OBJECT...: bytes of code and constants, and of data.
sizes() {
	local core=$1
	shift

	"llvm-size$LLVM_SUFFIX" "$@" | awk -v core="$core" 'BEGIN { OFS = "\t" }
		NR > 1 { text += $1; data += $2 + $3 }
		END { print core, "text", 0, text, 1; print core, "data", 0, data, 1 }'
}

# collect: core, operation, number of FLBs, total and rounds of each measurement.
collect() {
	local dir=$CACHE/build/$NAME boot

	# shellcheck disable=SC2086 # words
	boots | while read -r boot; do cat "$(log_of $boot).tsv" || return 1; done &&
		sizes c "$dir-cbench/kernel/liveupdate/luo_flb.o" &&
		sizes rust "$dir-rustbench/kernel/liveupdate/flb/"{luo_flb,shim}.o
}

# count_huge: what a file of 1 GiB costs in huge pages, in small ones, and the ratio.
count_huge() {
	local log=$RUN/$NAME-huge.log

	FLB_TIMEOUT=600 FLB_SMP=1 FLB_ICOUNT=1 "$TOP/scripts/boot.sh" "$CACHE/image/$NAME-rust" \
		"$RUN/$NAME-huge.initrd" "$log" flb.mode=scenario flb.scenario=hugetlb-cost \
		flb.chain=rust,rust flb.memory=5G hugepages=514 || return 1
	grep -q '^FLB-RESULT pass' "$log" || die "no result with huge pages" "log: $log"
	tr -d '\r' <"$log" | awk '/^FLB-COST/ {
		printf "%s, %s: %d in huge pages, %d in small ones, ratio 1/%d\n",
			$2, $3, $5, $4, $5 ? $4 / $5 : 0 }'
}

# bench: all of it.
bench() {
	"$TOP/scripts/setup.sh" --all
	found=$("$TOP/scripts/fetch.sh" "$SERIES") || die "no source of Linux $SERIES"
	TREE=${found% *}
	export NAME=${TREE##*/}
	find_llvm || die "llvm is missing" "run scripts/setup.sh"
	for core in c rust; do
		"$TOP/scripts/build.sh" "$TREE" "${core}bench"
	done
	"$TOP/scripts/guest.sh"
	for core in c rust; do
		"$TOP/scripts/initrd.sh" "$RUN/$NAME-$core.initrd" "bench=$(image "$core")"
	done
	"$TOP/scripts/build.sh" "$TREE" rust
	"$TOP/scripts/initrd.sh" "$RUN/$NAME-huge.initrd" "rust=$CACHE/image/$NAME-rust"
	step "Count instructions" count || exit 1
	collect >"$RUN/$NAME.tsv" || die "not all was measured" "see $RUN"
	printf '\nLinux %s\n' "${found##* }"
	python3 "$TOP/scripts/bench/report.py" "$RUN/$NAME.tsv" | tee "$RUN/$NAME.txt"
	if has_hugetlb "$TREE"; then
		printf '\nA file of 1 GiB\n' | tee -a "$RUN/$NAME.txt"
		count_huge | tee -a "$RUN/$NAME.txt"
	fi
	printf '\nAll numbers: %s\n' "$RUN/$NAME.tsv"
}

export FLB_RUN=$CACHE/run/bench
RUN=$FLB_RUN
if [ "${1:-}" = --one ]; then
	shift
	boot_one "$@"
	exit
fi
[ "$ARCH" = x86_64 ] || die "the benchmark is for x86_64" "leave ARCH out"
[ -z "${KDIR:-}" ] || die "the benchmark is of a series" "use SERIES in place of KDIR"
SERIES=${SERIES:-$NEWEST}
"$TOP/scripts/fetch.sh" --check "$SERIES"
cache_dir run/bench
need_cache 4000
lock bench
as_group bench
