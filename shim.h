/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the Rust core needs of C macros and inline functions.
 */
#ifndef _LUO_FLB_SHIM_H
#define _LUO_FLB_SHIM_H

#include <linux/liveupdate.h>

struct module;
struct mutex;

/* A reference in the word of refs.rs. */
#define LUO_FLB_SHIM_REFERENCE	0x100

/* The beginning of what the core knows of a handler, which is linked into its flb_list. */
struct luo_flb_shim_handler {
	struct list_head node;
	atomic_t files;
};

/* How many FLBs can be registered. */
#define LUO_FLB_SHIM_MAX	CONFIG_LIVEUPDATE_FLB_MAX
/* The most pages that are accepted of another kernel's array. */
#define LUO_FLB_SHIM_MAX_PAGES	8

extern struct mutex luo_flb_shim_registry_lock;

bool luo_flb_shim_lock(struct mutex *lock);
bool luo_flb_shim_prepare(struct liveupdate_flb *flb);
bool luo_flb_shim_handler_registered(struct liveupdate_file_handler *fh);
void luo_flb_shim_assert_register_write(void);
bool luo_flb_shim_module_get(struct module *owner);
void luo_flb_shim_module_put(struct module *owner);
const char *luo_flb_shim_owner(struct module *owner);
void luo_flb_shim_set_list(struct list_head *list, struct list_head *node);
void *luo_flb_shim_receive(u64 address, size_t *size, bool *restored);
void luo_flb_shim_free(void *array, bool restored);
int luo_flb_shim_announce(void *to, u64 address);
#ifdef CONFIG_LIVEUPDATE_FLB_HAS_FDT
int luo_flb_shim_read_tree(const void *fdt, u64 *address);
#endif
void luo_flb_shim_log_refusal(const char *what, u64 number);
void luo_flb_shim_log(const char *who, const char *what, s64 number);

/* In Rust. */
void luo_flb_complete(void);
int luo_flb_debugfs_init(void);
int luo_flb_preserve_first(struct liveupdate_file_handler *fh);
void luo_flb_unpreserve_last(struct liveupdate_file_handler *fh);
int luo_flb_get_incoming_slowpath(struct liveupdate_flb *flb, void **objp);
int luo_flb_get_outgoing_slowpath(struct liveupdate_flb *flb, void **objp);
void luo_flb_put_slowpath(struct liveupdate_flb *flb, bool is_incoming);

#endif /* _LUO_FLB_SHIM_H */
