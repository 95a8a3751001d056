#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced: QEMU for ARCH, and its accelerator. /dev/kvm may exist and hang: only a guest that runs
# counts.
# shellcheck disable=SC2034 # used by those that source it

MEMORY=1G
case $ARCH in
x86_64)
	QEMU_NAME=qemu-system-x86_64 QEMU_PACKAGE=qemu-system-x86
	# On a busy host the kernel takes the emulated timer behind the IO-APIC, when it is late,
	# for a broken one, and panics.
	QEMU_MACHINE=() CONSOLE=ttyS0 KERNEL_WORDS=noapic
	;;
arm64)
	QEMU_NAME=qemu-system-aarch64 QEMU_PACKAGE=qemu-system-arm
	QEMU_MACHINE=(-M virt) CONSOLE=ttyAMA0 KERNEL_WORDS=
	;;
*) die "ARCH=$ARCH is not known" "one of: x86_64 arm64" ;;
esac
# The largest block of such pages is 512 MiB, and KHO's three scratch areas are multiples of it.
# Left to itself KHO makes the last of them larger than the others together.
if [ "${FLB_PAGES:-}" = 64k ]; then
	MEMORY=3G KERNEL_WORDS=kho_scratch=512M,512M,512M
fi

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

# accel: kvm or tcg; probed once a boot of this machine. FLB_ACCEL overrides. Guests that are no
# PCs, or not on one, run on tcg.
accel() {
	local file result=tcg

	file=$CACHE/run/accel-$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo any)
	if [ -n "${FLB_ACCEL:-}" ]; then
		result=$FLB_ACCEL
	elif [ "$ARCH/$(uname -m)" != x86_64/x86_64 ]; then
		result=tcg
	elif [ -s "$file" ]; then
		result=$(cat "$file")
	else
		cache_dir run
		if [ -w /dev/kvm ] && probe_kvm "$file.disk.$$"; then
			result=kvm
		fi
		rm -f "$file.disk.$$"
		printf '%s\n' "$result" >"$file.$$" && mv "$file.$$" "$file"
	fi
	printf '%s\n' "$result"
}
