#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced by boot.sh: QEMU for ARCH, what a guest of FLB_FLAVOR needs, and whether KVM runs it.
# shellcheck disable=SC2034 # used by boot.sh

MEMORY=1G
case $ARCH in
x86_64)
	QEMU=${QEMU:-qemu-system-x86_64} QEMU_PACKAGE=qemu-system-x86
	# On a busy host the timer may not tick as often as the kernel expects, which panics.
	QEMU_MACHINE=() CONSOLE=ttyS0 KERNEL_WORDS=no_timer_check
	# With a thread for each virtual CPU some 2 % of the boots hang on a busy host, wherever
	# the kernel happens to be, or panic over a timer that is late. With one for all none does.
	TCG=tcg,thread=single
	;;
arm64)
	QEMU=${QEMU:-qemu-system-aarch64} QEMU_PACKAGE=qemu-system-arm
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

# What was found out since this machine booted: kvm, or how guests are emulated.
VERDICT=$CACHE/run/accel-$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo any)

# remember ACCELERATOR
remember() {
	{ printf '%s\n' "$1" >"$VERDICT.$$" && mv "$VERDICT.$$" "$VERDICT"; } 2>/dev/null || true
}

# choose_accel INITRD: sets ACCEL; where KVM is our own choice also SIGN, what the console has to
# show, and LIMIT, within how many seconds, else 0. /dev/kvm may exist and hang, at once or in the
# kernel: only a guest that has come up as far as userspace counts. The first one with an initramfs
# tries, and those beside it are emulated. So is what is no PC, or not on one.
choose_accel() {
	local seconds=${FLB_KVM_SECONDS:-10} fd

	ACCEL=${FLB_ACCEL:-$TCG} LIMIT=0
	[ -z "${FLB_ACCEL:-}" ] && [ "$ARCH/$(uname -m)" = x86_64/x86_64 ] &&
		[ -w "${FLB_KVM:-/dev/kvm}" ] || return 0
	cache_dir run
	case $(cat "$VERDICT" 2>/dev/null) in
	kvm)
		# Once it has worked, a busy host is likelier than KVM that fails.
		ACCEL=kvm SIGN='^\[ *[0-9]+\.[0-9]+\]|FLB-' LIMIT=$((3 * seconds))
		;;
	'')
		[ "$1" != - ] || return 0
		exec {fd}>>"$VERDICT"
		flock -n "$fd" && [ ! -s "$VERDICT" ] || return 0
		ACCEL=kvm SIGN=FLB- LIMIT=$seconds
		;;
	esac
}
