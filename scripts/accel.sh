#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced: QEMU's accelerator. /dev/kvm may exist and hang: only a guest that runs counts.

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

# accel: kvm or tcg; probed once a boot of this machine. FLB_ACCEL overrides.
accel() {
	local file result=tcg

	file=$CACHE/run/accel-$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo any)
	if [ -n "${FLB_ACCEL:-}" ]; then
		result=$FLB_ACCEL
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
