/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the Rust core needs of C macros and inline functions.
 */
#ifndef _LUO_FLB_SHIM_H
#define _LUO_FLB_SHIM_H

#include <linux/liveupdate.h>

struct module;
struct mutex;

extern struct mutex luo_flb_shim_registry_lock;

void luo_flb_shim_set_class(struct mutex *lock, const char *name, bool incoming);
unsigned long luo_flb_shim_owner(struct mutex *lock);
void luo_flb_shim_prepare(struct liveupdate_flb *flb);
bool luo_flb_shim_handler_registered(struct liveupdate_file_handler *fh);
void luo_flb_shim_assert_register_write(void);
bool luo_flb_shim_module_get(struct module *owner);
void luo_flb_shim_module_put(struct module *owner);
u64 luo_flb_shim_block_address(void *block);
void *luo_flb_shim_block_restore(u64 address, size_t *size);
void luo_flb_shim_block_put(void *block);
#ifdef CONFIG_LIVEUPDATE_FLB_HAS_FDT
int luo_flb_shim_check_tree(const void *fdt);
#endif
bool luo_flb_shim_warn(void);
void luo_flb_shim_report_refusal(const char *what, u64 number);
void luo_flb_shim_report(int len, const char *who, const char *what, s64 number);

/* In Rust. */
void luo_flb_complete(void);

#endif /* _LUO_FLB_SHIM_H */
