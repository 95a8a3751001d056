#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced by overlay.sh and series.sh: what existing files of a kernel tree get.
# shellcheck disable=SC2034 # used by those that source it

# The files of the kernel tree that get a block at their end, and its text. Make variables are for
# the kernel's make. The samples are not tristate: C does not export what they call.
# shellcheck disable=SC2016
declare -A BLOCK=(
[kernel/liveupdate/Makefile]='# The Rust FLB core in place of the C one, test clients, a benchmark.
ifdef CONFIG_LIVEUPDATE_FLB_RUST
luo-y := $(filter-out luo_flb.o,$(luo-y))
endif
ifneq ($(CONFIG_LIVEUPDATE_FLB_RUST)$(CONFIG_LIVEUPDATE_FLB_CLIENT),)
obj-y += flb/
else ifneq ($(CONFIG_LIVEUPDATE_FLB_BENCH)$(CONFIG_LIVEUPDATE_HUGETLB),)
obj-y += flb/
endif
ifdef CONFIG_LIVEUPDATE_FLB_CLIENT
CFLAGS_luo_file.o += -Dliveupdate_test_register=luo_flb_client_register
endif'
[kernel/liveupdate/Kconfig]='source "kernel/liveupdate/flb/Kconfig"'
[rust/bindings/bindings_helper.h]='#include <linux/anon_inodes.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/vmalloc.h>
#ifdef CONFIG_LIVEUPDATE_FLB_RUST
#include "../../kernel/liveupdate/flb/trace.h"
#endif
#ifdef CONFIG_LIVEUPDATE_HUGETLB
#include "../../kernel/liveupdate/flb/hugetlb/mm.h"
#endif'
[rust/helpers/helpers.c]='#include "liveupdate.c"'
[rust/kernel/lib.rs]='#[cfg(CONFIG_KEXEC_HANDOVER)]
pub mod kho;
#[cfg(CONFIG_LIVEUPDATE)]
pub mod liveupdate;'
[mm/hugetlb.c]='#ifdef CONFIG_LIVEUPDATE_HUGETLB
#include "../kernel/liveupdate/flb/hugetlb/mm.c"
#endif'
[mm/memfd_luo.c]='#ifdef CONFIG_SAMPLE_RUST_LIVEUPDATE_DEVICES
int rust_liveupdate_devices_register_flb(struct liveupdate_file_handler *fh);

static int __init memfd_luo_register_devices(void)
{
	return rust_liveupdate_devices_register_flb(&memfd_luo_handler);
}
late_initcall_sync(memfd_luo_register_devices);
#endif'
[samples/rust/Makefile]='obj-$(CONFIG_SAMPLE_RUST_LIVEUPDATE) += rust_liveupdate.o
obj-$(CONFIG_SAMPLE_RUST_LIVEUPDATE_DEVICES) += rust_liveupdate_devices.o'
[samples/rust/Kconfig]='config SAMPLE_RUST_LIVEUPDATE
	bool "Live-updatable misc device"
	depends on SAMPLES && SAMPLES_RUST && LIVEUPDATE
	help
	  This option builds a Rust misc device whose open files survive a
	  live update, together with the table that they share. A program
	  that has one open finds its notes again in the next kernel, under
	  the token that it gave when it preserved the file.

	  If unsure, say N.

config SAMPLE_RUST_LIVEUPDATE_DEVICES
	bool "List of devices that follows memfds through a live update"
	depends on SAMPLES && SAMPLES_RUST && LIVEUPDATE_MEMFD
	help
	  This option builds a few devices in Rust, of which a list is handed
	  over to the next kernel with memfds that are. With none on the
	  command line (rust_liveupdate_devices.devices=) nothing is.

	  If unsure, say N.'
)
