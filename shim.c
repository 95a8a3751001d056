// SPDX-License-Identifier: GPL-2.0
/*
 * What the Rust core needs of C macros and inline functions, and nothing else.
 */

#define pr_fmt(fmt) "luo_flb: " fmt

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/libfdt.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/stringhash.h>
#include "../luo_internal.h"
#include "shim.h"

/* Into so many classes FLBs fall for lockdep, in a direction. */
#define LUO_FLB_SHIM_CLASSES	1024

/* Protects who is registered with whom. Defined here to be there from the start. */
DEFINE_MUTEX(luo_flb_shim_registry_lock);

/*
 * A callback may use another FLB, so lockdep has to tell the locks of one from those
 * of the other: by a hash of their names.
 */
void luo_flb_shim_set_class(struct mutex *lock, const char *name, bool incoming)
{
	static struct lock_class_key classes[2][LUO_FLB_SHIM_CLASSES];
	size_t len = strnlen(name, LIVEUPDATE_FLB_COMPAT_LENGTH);
	u32 class = full_name_hash(NULL, name, len) % LUO_FLB_SHIM_CLASSES;

	lockdep_set_class_and_name(lock, &classes[incoming][class],
				   incoming ? "luo_flb_incoming" : "luo_flb_outgoing");
}

/* The task that holds @lock, at this moment, as a number. */
unsigned long luo_flb_shim_owner(struct mutex *lock)
{
#ifdef CONFIG_PREEMPT_RT
	return (unsigned long)rt_mutex_owner(&lock->rtmutex);
#else
	return mutex_get_owner(lock);
#endif
}

/* The private area of an FLB. All zero is valid, so the first user prepares it. */
void luo_flb_shim_prepare(struct liveupdate_flb *flb)
{
	struct luo_flb_private *private = &ACCESS_PRIVATE(flb, private);
	static DEFINE_SPINLOCK(init_lock);

	/* Pairs with the release below: who sees the flag sees the mutexes. */
	if (likely(smp_load_acquire(&private->initialized)))
		return;

	guard(spinlock)(&init_lock);
	if (!private->initialized) {
		mutex_init(&private->outgoing.lock);
		if (IS_ENABLED(CONFIG_LOCKDEP))
			luo_flb_shim_set_class(&private->outgoing.lock, flb->compatible, false);
		mutex_init(&private->incoming.lock);
		INIT_LIST_HEAD(&private->list);
		/* Pairs with the acquire above. */
		smp_store_release(&private->initialized, true);
	}
}

/*
 * A handler is linked into the orchestrator's list while it is registered. Its
 * node is zero before that and poisoned after; both point to no list.
 */
bool luo_flb_shim_handler_registered(struct liveupdate_file_handler *fh)
{
	struct list_head *node = &ACCESS_PRIVATE(fh, list);

	return node->next && node->next != LIST_POISON1 && !list_empty(node);
}

void luo_flb_shim_assert_register_write(void)
{
	lockdep_assert_held_write(&luo_register_rwlock);
}

bool luo_flb_shim_module_get(struct module *owner)
{
	return try_module_get(owner);
}

void luo_flb_shim_module_put(struct module *owner)
{
	module_put(owner);
}

u64 luo_flb_shim_block_address(void *block)
{
	return virt_to_phys(block);
}

/* Takes over a block from the previous kernel; NULL if KHO knows none at @address. */
void *luo_flb_shim_block_restore(u64 address, size_t *size)
{
	struct folio *folio = kho_restore_folio(address);

	if (!folio)
		return NULL;

	*size = folio_size(folio);
	return folio_address(folio);
}

void luo_flb_shim_block_put(void *block)
{
	folio_put(virt_to_folio(block));
}

#ifdef CONFIG_LIVEUPDATE_FLB_HAS_FDT
/*
 * By its header libfdt knows where a tree ends. Whether that is within what LUO preserves
 * nobody has asked; 0, or a negative error of libfdt.
 */
int luo_flb_shim_check_tree(const void *fdt)
{
	int err = fdt_check_header(fdt);

	if (!err && fdt_totalsize(fdt) > LUO_FDT_SIZE)
		err = -FDT_ERR_TRUNCATED;
	return err;
}
#endif

/* After luo_core.c, which has set up the state for the next kernel at late_initcall. */
static int __init luo_flb_shim_complete(void)
{
	luo_flb_complete();
	return 0;
}
late_initcall_sync(luo_flb_shim_complete);

/* A client broke the contract of the API. */
bool luo_flb_shim_warn(void)
{
	return WARN_ON(true);
}

/* What is wrong with @who, which has up to @len bytes; @number tells more. */
void luo_flb_shim_report(int len, const char *who, const char *what, s64 number)
{
	pr_err("%.*s: %s (%lld)\n", len, who, what, number);
}

/* Why what was handed over is refused; @number may be a count or an address. */
void luo_flb_shim_report_refusal(const char *what, u64 number)
{
	pr_err("handover refused: %s (%llu, %#llx)\n", what, number, number);
}
