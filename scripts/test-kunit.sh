#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test-kunit.sh TREE [c]: boot the kunit build with the kernel's own kunit.py, once for the core,
# the Rust API and the examples in its documentation each; or the build with the C core, for the
# Rust API over it. One line a case.
# FLB_FLAVOR=64k|debug|kcsan: such builds; the last two are those of the kexec tests.
# FLB_SUITES=GLOB: the kunit build once, for these suites.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/testlib.sh
. "$TOP/scripts/testlib.sh"
# shellcheck source=scripts/accel.sh
. "$TOP/scripts/accel.sh"

# run_kunit GLOB: only our suites, as the kernel crate has some too. kunit.py's own choice of
# accelerator hangs where KVM does not work: the wrapper goes first.
run_kunit() {
	(
		cd "$TREE" && PATH=$TOP/scripts/qemu-wrap:$PATH PYTHONDONTWRITEBYTECODE=1 \
			python3 tools/testing/kunit/kunit.py exec --arch="$ARCH" \
			--build_dir="$BUILD" --timeout="${FLB_TIMEOUT:-120}" --json="$JSON" \
			--kernel_args=liveupdate=on --kernel_args=kho=on \
			--kernel_args=kunit.enable=1 --kernel_args=kunit.autorun=1 \
			--qemu_args='-smp 4' --kernel_args=panic=-1 \
			${KERNEL_WORDS:+--kernel_args="$KERNEL_WORDS"} \
			"$1"
	) >"$LOG" 2>&1 </dev/null
}

# cases: from the results in JSON, one line each; a suite in a suite has a longer name.
cases() {
	python3 - "$JSON" "$PREFIX" <<-'PY'
	import json, sys

	MARK = {"PASS": "ok", "SKIP": "SKIP"}

	def walk(group, prefix):
	    name = prefix + "/" + group["name"] if group.get("name") else prefix
	    for case in group.get("test_cases", []):
	        print(MARK.get(case["status"], "FAIL"), name + "/" + case["name"])
	    for sub in group.get("sub_groups", []):
	        walk(sub, name)

	with open(sys.argv[1]) as file:
	    top = json.load(file)
	top["name"] = ""
	walk(top, sys.argv[2])
	PY
}

# without_expected LOG: prints it without the warnings of cases whose names say that they warn.
without_expected() {
	awk '
		/^(\[[^]]*\])? *(not )?ok [0-9]+ / {
			if ($0 ~ /_warns\r?$/)
				gsub(/[^\n]*WARNING: [^\n]* luo_flb_shim_warn[^\n]*\n/, "", held)
			printf "%s%s\n", held, $0
			held = ""
			next
		}
		{ held = held $0 "\n" }
		END { printf "%s", held }
	' "$1"
}

# boot NAME GLOB: the cases of one boot, and what else is to be said of it.
boot() {
	local start took found faults mark name rc=0
	GROUP=$PREFIX$1
	LOG=$RUN/$GROUP.log
	JSON=$RUN/$GROUP.json

	rm -f "$JSON" "$BUILD/test.log"
	start=$(now_ms)
	run_kunit "$2" || rc=$?
	took=$(seconds_since "$start")
	found=$(cases 2>/dev/null) || found=
	while read -r mark name; do
		[ -z "$mark" ] || result "$mark" "$name" 0
	done <<<"$found"
	cp "$BUILD/test.log" "$RUN/$GROUP-console.log" 2>/dev/null || true
	if [ -z "$found" ]; then
		result FAIL "$GROUP/boot" "$took" "$(log_reason "$LOG"); see $LOG"
	elif ! faults=$(log_faults <(without_expected "$BUILD/test.log")); then
		result FAIL "$GROUP/boot" "$took" \
			"$(head -n 1 <<<"$faults"); see $RUN/$GROUP-console.log"
	elif [ "$rc" -ne 0 ] && ! grep -q '^FAIL' <<<"$found"; then
		result FAIL "$GROUP/boot" "$took" "kunit.py: $(log_reason "$LOG"); see $LOG"
	else
		result ok "$GROUP/boot" "$took"
	fi
}

[ $# -eq 1 ] || [ "${2:-}" = c ] || die "usage: test-kunit.sh TREE [c]"
TREE=$1
KIND=${2:-kunit}
case ${FLB_FLAVOR:-} in
debug|kcsan) KIND=rust FLB_TIMEOUT=${FLB_TIMEOUT:-600} ;;
esac
NAME=${TREE##*/}
BUILD=$CACHE/build/$(variant "$NAME" "$KIND${FLB_FLAVOR:-}")
PREFIX=kunit-$(arch_name "$NAME")${FLB_FLAVOR:+-$FLB_FLAVOR}
mkdir -p "$RUN"
if [ "$KIND" = c ]; then
	PREFIX+=-c
	boot -api 'rust_liveupdate*'
elif [ -n "${FLB_SUITES:-}" ]; then
	boot '' "$FLB_SUITES"
else
	boot '' 'luo_flb*'
	boot -api 'rust_liveupdate*'
	boot -docs 'rust_doctests_kernel.*_liveupdate_*'
fi
