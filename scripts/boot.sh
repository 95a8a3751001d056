#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# boot.sh KERNEL INITRD|- LOG [CMDLINE...]: run QEMU until the guest powers off; the console goes to
# LOG. Of the kernel's messages it has the warnings; others would end up amid the guest's lines,
# and the guest reads the kernel log itself. Where KVM does not run the kernel it is emulated.
# FLB_TIMEOUT: seconds (120). FLB_SMP: virtual CPUs (2). FLB_ICOUNT=1: a tick of the guest's clocks
# is an instruction. FLB_STORY=1: show the guest's lines for a person as they come.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/accel.sh
. "$TOP/scripts/accel.sh"

# Nothing goes on where whoever wanted it is gone.
[ -n "${FLB_BOUND:-}" ] || FLB_BOUND=1 exec setpriv --pdeathsig TERM "$0" "$@"

# story: the guest's lines for a person, without their mark.
story() {
	if [ -n "${FLB_STORY:-}" ]; then
		sed -un 's/\r$//; s/^.*FLB-STORY \{0,1\}//p'
	else
		cat >/dev/null
	fi
}

# came_up: does the log show that KVM runs the guest? The first one to see that tells all others.
came_up() {
	grep -aqE "$SIGN" "$LOG" || return 1
	[ -s "$VERDICT" ] || remember kvm
}

# watch: end QEMU when the guest does not come up in time.
watch() {
	local tries

	for ((tries = 5 * LIMIT; tries > 0; tries--)); do
		! came_up && kill -0 "$QEMU_PID" || return 0
		sleep 0.2
	done
	kill "$QEMU_PID" || true
}

# In the background and waited for, so that a signal ends QEMU too. Under load timeout may be gone
# before it knows of QEMU, which then ends as well.
run_qemu() {
	local cpu=max cpus=${FLB_SMP:-2} out out_pid rc=0

	[ "$ACCEL" != kvm ] || cpu=host
	# Each round of a string instruction counts: pages are to be cleared by words, not bytes.
	[ -z "${FLB_ICOUNT:-}" ] || cpu=max,-erms
	exec {out}> >(tee "$LOG" | story)
	out_pid=$!
	# The kernel finds CPUs by the MP table, which names one of each socket.
	setpriv --pdeathsig TERM timeout -k 2 "$TIMEOUT" setpriv --pdeathsig KILL "$QEMU" \
		"${QEMU_MACHINE[@]}" -accel "$ACCEL" -cpu "$cpu" -m "$MEMORY" \
		-smp "$cpus,sockets=$cpus" "${EXTRA[@]}" -nodefaults -display none -serial stdio \
		-monitor none -no-reboot -kernel "$KERNEL" -append "$APPEND" \
		</dev/null >&"$out" 2>&1 &
	QEMU_PID=$!
	exec {out}>&-
	# Where QEMU aborts, bash would have a line about it.
	{
		[ "$LIMIT" -eq 0 ] || watch
		wait "$QEMU_PID" || rc=$?
	} 2>/dev/null
	QEMU_PID=
	wait "$out_pid" || true
	return "$rc"
}

# add_nodes: if there are to be some, each has as much memory as another.
add_nodes() {
	local node size

	size=$(($(numfmt --from=iec "$MEMORY") / (NODES > 0 ? NODES : 1)))
	for ((node = 0; node < NODES; node++)); do
		EXTRA+=(-object "memory-backend-ram,id=node$node,size=$size"
			-numa "node,memdev=node$node")
	done
}

stop_qemu() {
	[ -n "$QEMU_PID" ] || return 0
	{ kill "$QEMU_PID"; wait "$QEMU_PID"; kill -KILL -- "-$QEMU_PID"; } 2>/dev/null || true
}

last_line() {
	tr -d '\r' <"$LOG" | grep -a . | tail -n 1 | cut -c 1-200 || true
}

[ $# -ge 3 ] || die "usage: boot.sh KERNEL INITRD|- LOG [CMDLINE...]"
KERNEL=$1 INITRD=$2 LOG=$3 TIMEOUT=${FLB_TIMEOUT:-120} NODES=0
shift 3
[ -f "$KERNEL" ] || die "no kernel image $KERNEL" "run scripts/build.sh"
[ "$INITRD" = - ] || [ -f "$INITRD" ] || die "no initramfs $INITRD" "run scripts/initrd.sh"
have "$QEMU" || die "$QEMU is missing" "apt-get install $QEMU_PACKAGE"
APPEND="console=$CONSOLE $KERNEL_WORDS loglevel=5 panic=-1 liveupdate=on kho=on $*"
# For scenarios that need more memory than others, or need it on nodes, or whose clocks count
# instructions. What these are need not be measured then, for which a kernel spins for seconds.
for word; do
	case $word in
	flb.memory=*) MEMORY=${word#*=} ;;
	flb.nodes=*) NODES=${word#*=} ;;
	flb.icount=*)
		FLB_ICOUNT=1 FLB_SMP=1
		APPEND+=' tsc_early_khz=1000000 nolapic_timer'
		;;
	esac
done
EXTRA=() QEMU_PID='' rc=0
add_nodes
[ "$INITRD" = - ] || EXTRA+=(-initrd "$INITRD")
if [ -n "${FLB_ICOUNT:-}" ]; then
	FLB_ACCEL=tcg,thread=single
	EXTRA+=(-icount "shift=0,sleep=off" -rtc "clock=vm,base=2025-01-01")
fi
choose_accel "$INITRD"
: 2>/dev/null >"$LOG" || die "cannot write to $LOG" "free some space"
trap stop_qemu EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
run_qemu || rc=$?
if [ "$LIMIT" -gt 0 ] && ! came_up; then
	mv "$LOG" "$LOG.kvm"
	ACCEL=$TCG LIMIT=0 rc=0
	run_qemu || rc=$?
	# Where emulation does not help either, KVM was not at fault.
	if grep -aqE "$SIGN" "$LOG"; then
		[ ! -s "$VERDICT" ] || note "KVM no longer runs guests: they are emulated until" \
			"this machine boots again; log: $LOG.kvm"
		remember "$TCG"
	fi
fi
case $rc in
0) ;;
124|137) die "the guest ($ACCEL) did not end within $TIMEOUT s, last line: $(last_line)" \
	"where it is only slow, set FLB_TIMEOUT to more seconds; log: $LOG" ;;
*) die "QEMU ($ACCEL) failed: $(last_line)" "log: $LOG" ;;
esac
