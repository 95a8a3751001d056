#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced: QEMU for ARCH, and its accelerator. /dev/kvm may exist and hang: only a guest that runs
# counts.
# shellcheck disable=SC2034 # used by those that source it

MEMORY=1G
case $ARCH in
x86_64)
	QEMU_NAME=qemu-system-x86_64 QEMU_PACKAGE=qemu-system-x86
	# On a busy host the timer may not tick as often as the kernel expects, which panics.
	QEMU_MACHINE=() CONSOLE=ttyS0 KERNEL_WORDS=no_timer_check
	# With a thread for each virtual CPU some 2 % of the boots hang on a busy host, wherever
	# the kernel happens to be, or panic over a timer that is late. With one for all none does.
	TCG=tcg,thread=single
	;;
arm64)
	QEMU_NAME=qemu-system-aarch64 QEMU_PACKAGE=qemu-system-arm
	QEMU_MACHINE=(-M virt) CONSOLE=ttyAMA0 KERNEL_WORDS=
	TCG=tcg
	;;
*) die "ARCH=$ARCH is not known" "one of: x86_64 arm64" ;;
esac
case ${FLB_FLAVOR:-} in
64k)
	# The largest block of such pages is 512 MiB, and KHO's three scratch areas are multiples
	# of it. Left to itself KHO makes the last of them larger than the others together.
	MEMORY=3G KERNEL_WORDS=kho_scratch=512M,512M,512M
	;;
debug)
	# What KHO chooses by itself does not fit beside KASAN's shadow. With five levels of page
	# tables KASAN reports an interrupt that comes while the kernel identifies the processor.
	KERNEL_WORDS+=' kho_scratch=32M,32M,400M no5lvl'
	;;
cfi)
	# Struct pages are set up late above 4 GiB only.
	MEMORY=5G
	;;
esac

ACCEL_PROBE_SECONDS=5

# A boot sector that writes 0x10 to the debug-exit port: QEMU then ends with status 0x21.
probe_kvm() {
	local disk=$1 rc=0

	printf '\xb0\x10\xe6\xf4\xf4\xeb\xfd' >"$disk"
	truncate -s 510 "$disk"
	printf '\x55\xaa' >>"$disk"
	# In a subshell, where bash keeps it to itself when QEMU aborts.
	(timeout -k 1 "$ACCEL_PROBE_SECONDS" "$QEMU" -accel kvm -cpu host -m 64 -nodefaults \
		-display none -device isa-debug-exit,iobase=0xf4,iosize=4 \
		-drive "file=$disk,format=raw"; exit $?) </dev/null >/dev/null 2>&1 || rc=$?
	[ "$rc" -eq 33 ]
}

# accel: what -accel takes; whether KVM works is probed once a boot of this machine. FLB_ACCEL
# overrides. Guests that are no PCs, or not on one, are emulated.
accel() {
	local file result=$TCG

	file=$CACHE/run/kvm-$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo any)
	if [ -n "${FLB_ACCEL:-}" ]; then
		result=$FLB_ACCEL
	elif [ "$ARCH/$(uname -m)" = x86_64/x86_64 ]; then
		if [ ! -s "$file" ]; then
			cache_dir run
			[ -w /dev/kvm ] && probe_kvm "$file.disk.$$" && result=kvm
			rm -f "$file.disk.$$"
			printf '%s\n' "$result" >"$file.$$" && mv "$file.$$" "$file"
		fi
		result=$(cat "$file")
	fi
	printf '%s\n' "$result"
}
