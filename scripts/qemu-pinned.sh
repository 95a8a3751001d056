#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# qemu-pinned.sh ARGUMENT...: QEMU for a PC, each virtual CPU on a processor of its own as far as
# they go. Else the host may run two of them in turn on one, and nothing is contended.
set -euo pipefail

# pin PID: the threads, which are there a moment after the start.
pin() {
	local pid=$1 task name

	for _ in {1..20}; do
		sleep 0.1
		for task in "/proc/$pid/task"/*; do
			name=$(cat "$task/comm" 2>/dev/null) || continue
			[[ $name =~ ^CPU\ ([0-9]+)/ ]] || continue
			taskset -cp "$((BASH_REMATCH[1] % $(nproc)))" "${task##*/}" || true
		done
	done >/dev/null 2>&1
}

pin $$ &
exec qemu-system-x86_64 -name guest,debug-threads=on "$@"
