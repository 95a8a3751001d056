/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads to see the C side: the public API, the interface to the
 * rest of the orchestrator, libfdt, KHO, and the shim.
 */
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/libfdt.h>
#include <linux/liveupdate.h>
#include "../luo_internal.h"
#include "shim.h"
#ifdef CONFIG_LIVEUPDATE_FLB_FAULTS
#include "tests/kunit/faults.h"
#endif
