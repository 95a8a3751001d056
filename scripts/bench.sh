#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# bench.sh: what the operations of the C and the Rust core cost, and their ratio. SERIES (the newest
# that can be had). Writes the tables of the series and the plot into Documentation; all numbers
# are in $CACHE/run/bench/SERIES.tsv. FLB_BENCH_BOOTS: how often each number of CPUs contends (5).
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/faults.sh
. "$TOP/scripts/faults.sh"
# shellcheck source=scripts/toolchain.sh
. "$TOP/scripts/toolchain.sh"

PAGE=$TOP/Documentation/performance.rst
BOOTS=${FLB_BENCH_BOOTS:-5}
# LUO's block of one page has room for 63.
FEW=(1 3 16 63)
MANY=(100 1000 10000)

# image CORE: the kernel with the benchmark.
image() {
	printf '%s' "$CACHE/image/$NAME-$1bench"
}

# values LOG: what the benchmark in it says, without what the console puts before.
values() {
	tr -d '\r' <"$1" | sed -n 's/^\(\[[ 0-9.]*\] \)\{0,1\}flb_bench: //p'
}

# measured LOG: did the benchmark come to its end, and the kernel not complain?
measured() {
	values "$1" | grep -q '^end ' && log_faults "$1" >/dev/null
}

# boot_one CORE PHASE N [CPUS NUMBER]: a guest; with CPUS those contend, at the same time, or for
# NUMBER 0 in turn. Where they do not run at the same time instructions count.
boot_one() {
	local core=$1 phase=$2 n=$3 cpus=${4:-} log=$RUN/$NAME-$1-$2-$3${4:+-smp$4}${5:+-$5}.log
	local words=("flb_bench.phase=$phase" "flb_bench.n=$n" loglevel=7) left=1 how=contended
	local -x FLB_TIMEOUT=600 FLB_SMP=1 FLB_ICOUNT=1

	if [ "$phase" = receive ]; then
		# Userspace goes on from there.
		words[0]=flb_bench.phase=send
		words+=(liveupdate=off flb.mode=bench)
	fi
	if [ "${5:-}" = 0 ]; then
		words+=(flb_bench.contended=40)
		local -x FLB_SMP=$cpus
	elif [ -n "$cpus" ]; then
		words+=(flb_bench.contended=500)
		# A thread for each CPU hangs at times.
		left=5
		local -x FLB_TIMEOUT=60 FLB_SMP=$cpus FLB_ICOUNT='' FLB_ACCEL=tcg,thread=multi
		local -x QEMU=$TOP/scripts/qemu-pinned.sh
	fi
	while ! "$TOP/scripts/boot.sh" "$(image "$core")" "$RUN/$NAME-$core.initrd" "$log" \
			"${words[@]}" || ! measured "$log"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || die "no result of $phase with $n; log: $log"
	done
	[ "${5:-}" != 0 ] || how=turns
	values "$log" | sed "s/^contended-/$how-/; s/^/$core /; s/ /\t/g" >"$log.tsv"
}

# counted: all boots in which instructions count. The last ones say whether they repeat.
counted() {
	local core n

	for core in c rust; do
		for n in "${FEW[@]}" "${MANY[@]}"; do
			echo "$core outgoing $n"
			echo "$core receive $n"
		done
		echo "$core memory 63"
		echo "$core memory 10000"
		echo "$core receive 1 2 0"
		echo "$core receive 1 4 0"
	done
}

contended() {
	local core cpus number

	for ((number = 1; number <= BOOTS; number++)); do
		for cpus in 2 4; do
			for core in c rust; do
				echo "$core receive 1 $cpus $number"
			done
		done
	done
}

# boots JOBS LIST...: those that LIST prints, so many at a time.
boots() {
	local jobs=$1
	shift

	"$@" | xargs -r -P "$jobs" -L 1 "$0" --one
}

# repeats: the same boots again have the same numbers.
repeats() {
	local again=({c,rust}" outgoing 63" {c,rust}" receive 63") log

	for log in "${again[@]}"; do
		log=$RUN/$NAME-${log// /-}.log
		mv "$log.tsv" "$log.first" || return 1
	done
	boots "$JOBS" printf '%s\n' "${again[@]}" || return 1
	for log in "${again[@]}"; do
		log=$RUN/$NAME-${log// /-}.log
		diff "$log.first" "$log.tsv" ||
			{ echo "luo-flb: error: two boots do not agree; log: $log"; return 1; }
	done
}

# follow CORE PHASE CALL...: which instructions single calls consist of, with three FLBs. One CPU
# makes some kernels take the lock out of what is locked, unless they are told not to.
follow() (
	core=$1 phase=$2 log=$RUN/$NAME-$1-$2-followed.log
	words=(noreplace-smp "flb_bench.phase=$phase" flb_bench.n=3 loglevel=7)
	shift 2
	if [ "$phase" = receive ]; then
		words[1]=flb_bench.phase=send
		words+=(liveupdate=off flb.mode=bench)
	fi
	# The path of a socket must be short.
	stub=$(mktemp -d) || exit 1
	trap 'kill "$guest" 2>/dev/null || true; rm -rf "$stub"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	FLB_STUB=$stub/stub FLB_TIMEOUT=300 FLB_SMP=1 FLB_ICOUNT=1 "$TOP/scripts/boot.sh" \
		"$(image "$core")" "$RUN/$NAME-$core.initrd" "$log" "${words[@]}" &
	guest=$!
	LLVM_SUFFIX=$LLVM_SUFFIX "$TOP/scripts/bench-trace.py" \
		"$CACHE/build/$NAME-${core}bench/vmlinux" "$stub/stub" "$@" >"$log.tsv" || exit 1
	wait "$guest"
)

# follow_all: single calls; of what is done more than once, one when all is warm.
follow_all() {
	local core

	for core in c rust; do
		follow "$core" outgoing register=liveupdate_register_flb:5 \
			preserve=luo_flb_file_preserve:3 unpreserve=luo_flb_file_unpreserve:1 \
			preserve-further=luo_flb_file_preserve:103 \
			unpreserve-further=luo_flb_file_unpreserve:1 \
			get-outgoing=liveupdate_flb_get_outgoing:3 \
			put-outgoing=liveupdate_flb_put_outgoing:1 \
			serialize=luo_flb_serialize:1 || return 1
		follow "$core" receive parse=luo_flb_setup_incoming:1 \
			retrieve=liveupdate_flb_get_incoming:1 \
			get-incoming=liveupdate_flb_get_incoming:5 \
			put-incoming=liveupdate_flb_put_incoming:1 \
			finish=luo_flb_file_finish:3 || return 1
	done
}

# followed: core, operation, function, address, how often, whether it locks.
followed() {
	local core phase

	for core in c rust; do
		for phase in outgoing receive; do
			sed "s/^/$core\t/" "$RUN/$NAME-$core-$phase-followed.log.tsv" || return 1
		done
	done >"$RUN/$NAME-followed.tsv"
	"llvm-objdump$LLVM_SUFFIX" -d --no-show-raw-insn \
		--disassemble-symbols=liveupdate_flb_get_outgoing,liveupdate_flb_put_outgoing \
		"$CACHE/build/$NAME-rustbench/vmlinux" >"$RUN/$NAME-fast.s"
}

# sizes CORE OBJECT...: bytes of code and constants, and of data.
sizes() {
	local core=$1
	shift

	"llvm-size$LLVM_SUFFIX" "$@" | awk -v core="$core" 'BEGIN { OFS = "\t" }
		NR > 1 { text += $1; data += $2 + $3 }
		END { print core, "text", 0, text, 1; print core, "data", 0, data, 1 }'
}

# collect: one line a measurement: core, operation, n, total, rounds.
collect() {
	local dir=$CACHE/build/$NAME log

	{
		printf 'core\toperation\tn\ttotal\trounds\n'
		while read -r log; do
			cat "$RUN/$log.log.tsv" || return 1
		done < <({ counted; contended; } | awk -v name="$NAME" '{
			print name "-" $1 "-" $2 "-" $3 ($4 ? "-smp" $4 "-" $5 : "") }')
		sizes c "$dir-cbench/kernel/liveupdate/luo_flb.o" || return 1
		sizes rust "$dir-rustbench/kernel/liveupdate/flb/"{luo_flb,shim}.o || return 1
	} | grep -v "$(printf '\tend\t')" >"$RUN/$NAME.tsv"
}

# marked: has the page a place for the tables?
marked() {
	grep -q "^\.\. begin $SERIES\$" "$PAGE" && grep -q "^\.\. end $SERIES\$" "$PAGE"
}

# put: the tables between the marks of this series in the page.
put() {
	if ! sed -e "/^\.\. begin $SERIES\$/,/^\.\. end $SERIES\$/{//!d}" \
			-e "/^\.\. begin $SERIES\$/r $RUN/$NAME.rst" "$PAGE" >"$PAGE.tmp" ||
	   ! mv "$PAGE.tmp" "$PAGE"; then
		die "cannot write to ${PAGE%/*}" "free some space"
	fi
}

RUN=$CACHE/run/bench
export FLB_RUN=$RUN
# Python leaves nothing in the checkout.
export PYTHONDONTWRITEBYTECODE=1
if [ "${1:-}" = --one ]; then
	shift
	boot_one "$@"
	exit
fi
[ "$ARCH" = x86_64 ] || die "the benchmark is for x86_64" "leave ARCH out"
[ -z "${KDIR:-}" ] || die "the benchmark is of a series" "use SERIES in place of KDIR"
have python3 || die "python3 is missing" "apt-get install python3"
have taskset || die "taskset is missing" "apt-get install util-linux"
SERIES=${SERIES:-$NEWEST}
marked || die "${PAGE##*/} has no place for series '$SERIES'" "one of: $SUPPORTED"
"$TOP/scripts/fetch.sh" --check "$SERIES"
cache_dir run/bench
need_cache 4000
lock bench

"$TOP/scripts/setup.sh"
found=$("$TOP/scripts/fetch.sh" "$SERIES") || die "no source of Linux $SERIES"
TREE=${found% *} VERSION=${found##* }
export NAME=${TREE##*/}
use_toolchain
"$TOP/scripts/build.sh" "$TREE" cbench
"$TOP/scripts/build.sh" "$TREE" rustbench
"$TOP/scripts/guest.sh"
for core in c rust; do
	"$TOP/scripts/initrd.sh" "$RUN/$NAME-$core.initrd" "bench=$(image "$core")"
done
step "Count instructions" boots "$JOBS" counted
step "Count some of them again" repeats
step "Follow single calls" follow_all
step "Contend" boots 1 contended
step "Collect" collect
step "Collect what was followed" followed
"$TOP/scripts/bench-report.py" "$RUN/$NAME.tsv" "Linux $VERSION" "$RUN/$NAME.rst" "$RUN/$NAME.svg"
echo
"$TOP/scripts/bench-followed.py" "$RUN/$NAME-followed.tsv" "$RUN/$NAME-fast.s" |
	tee -a "$RUN/$NAME.rst"
put
if [ "$SERIES" = "$NEWEST" ]; then
	cp "$RUN/$NAME.svg" "${PAGE%.rst}.svg" || die "cannot write to ${PAGE%/*}" "free some space"
fi
printf '\nAll numbers: %s\n' "$RUN/$NAME.tsv"
