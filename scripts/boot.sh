#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# boot.sh KERNEL INITRD LOG [CMDLINE...]: run QEMU until the guest powers off; the console goes to
# LOG. Of the kernel's messages it has the warnings; others would end up amid the guest's lines,
# and the guest reads the kernel log itself.
# FLB_TIMEOUT: seconds (120). FLB_SMP: virtual CPUs (2). FLB_ICOUNT=1: a tick of the guest's clocks
# is an instruction. FLB_STUB=PATH: the guest waits for a debugger at that socket. FLB_STORY=1: show
# the guest's lines for a person as they come.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/accel.sh
. "$TOP/scripts/accel.sh"

QEMU=${QEMU:-$QEMU_NAME}
TIMEOUT=${FLB_TIMEOUT:-120}

# story: the guest's lines for a person, without their mark.
story() {
	if [ -n "${FLB_STORY:-}" ]; then
		sed -un 's/\r$//; s/^.*FLB-STORY \{0,1\}//p'
	else
		cat >/dev/null
	fi
}

# In the background and waited for, so that a signal ends QEMU and all that it started too.
run_qemu() {
	local cpu=max out out_pid rc=0

	[ "$ACCEL" != kvm ] || cpu=host
	# Each round of a string instruction counts: pages are to be cleared by words, not bytes.
	[ -z "${FLB_ICOUNT:-}" ] || cpu=max,-erms
	exec {out}> >(tee "$LOG" | story)
	out_pid=$!
	timeout -k 5 "$TIMEOUT" "$QEMU" "${QEMU_MACHINE[@]}" -accel "$ACCEL" -cpu "$cpu" \
		-m "$MEMORY" -smp "${FLB_SMP:-2}" "${COUNT[@]}" "${STUB[@]}" \
		-nodefaults -display none -serial stdio -monitor none -no-reboot \
		-kernel "$KERNEL" -initrd "$INITRD" \
		-append "$APPEND" \
		</dev/null >&"$out" 2>&1 &
	QEMU_PID=$!
	exec {out}>&-
	wait "$QEMU_PID" || rc=$?
	QEMU_PID=
	wait "$out_pid" || true
	return "$rc"
}

stop_qemu() {
	[ -z "$QEMU_PID" ] || kill "$QEMU_PID" 2>/dev/null || true
}

last_line() {
	tr -d '\r' <"$LOG" | grep -a . | tail -n 1 | cut -c 1-200 || true
}

[ $# -ge 3 ] || die "usage: boot.sh KERNEL INITRD LOG [CMDLINE...]"
KERNEL=$1 INITRD=$2 LOG=$3
shift 3
[ -f "$KERNEL" ] || die "no kernel image $KERNEL" "run scripts/build.sh"
[ -f "$INITRD" ] || die "no initramfs $INITRD" "run scripts/initrd.sh"
have "$QEMU" || die "$QEMU is missing" "apt-get install $QEMU_PACKAGE"
APPEND="console=$CONSOLE $KERNEL_WORDS loglevel=5 panic=-1 liveupdate=on kho=on $*"
ACCEL=$(accel)
COUNT=() STUB=()
[ -z "${FLB_STUB:-}" ] || STUB=(-S -gdb "unix:$FLB_STUB,server=on,wait=off")
if [ -n "${FLB_ICOUNT:-}" ]; then
	ACCEL=tcg,thread=single
	COUNT=(-icount "shift=0,sleep=off" -rtc "clock=vm,base=2025-01-01")
fi
: 2>/dev/null >"$LOG" || die "cannot write to $LOG" "free some space"
QEMU_PID=
trap stop_qemu EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
rc=0
run_qemu || rc=$?
case $rc in
0) ;;
124|137) die "QEMU ($ACCEL) did not end within $TIMEOUT s, last line: $(last_line)" \
	"try FLB_ACCEL=tcg or a larger FLB_TIMEOUT; log: $LOG" ;;
*) die "QEMU ($ACCEL) failed: $(last_line)" "log: $LOG" ;;
esac
