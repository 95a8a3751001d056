// SPDX-License-Identifier: GPL-2.0
/*
 * The entry points that modules with FLBs need. They are defined in Rust.
 */

#include <linux/export.h>
#include <linux/liveupdate.h>

#define EXPORT_RUST_GPL	EXPORT_SYMBOL_GPL

EXPORT_RUST_GPL(liveupdate_register_flb);
EXPORT_RUST_GPL(liveupdate_unregister_flb);
EXPORT_RUST_GPL(liveupdate_flb_get_incoming);
EXPORT_RUST_GPL(liveupdate_flb_put_incoming);
EXPORT_RUST_GPL(liveupdate_flb_get_outgoing);
#ifdef CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING
EXPORT_RUST_GPL(liveupdate_flb_put_outgoing);
#endif
