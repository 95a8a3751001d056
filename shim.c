// SPDX-License-Identifier: GPL-2.0
/*
 * What the Rust core needs of C macros and inline functions, and nothing else.
 */

#define pr_fmt(fmt) "luo_flb: " fmt

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include "../luo_internal.h"
#include "shim.h"

/* Protects who is registered with whom. Defined here to be there from the start. */
DEFINE_MUTEX(luo_flb_shim_registry_lock);

/* The private area of an FLB. All zero is valid, so the first user prepares it. */
struct luo_flb_private *luo_flb_shim_private(struct liveupdate_flb *flb)
{
	struct luo_flb_private *private = &ACCESS_PRIVATE(flb, private);
	static DEFINE_SPINLOCK(init_lock);

	/* Pairs with the release below: who sees the flag sees the mutexes. */
	if (likely(smp_load_acquire(&private->initialized)))
		return private;

	guard(spinlock)(&init_lock);
	if (!private->initialized) {
		mutex_init(&private->outgoing.lock);
		mutex_init(&private->incoming.lock);
		INIT_LIST_HEAD(&private->list);
		private->users = 0;
		/* Pairs with the acquire above. */
		smp_store_release(&private->initialized, true);
	}

	return private;
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

/* Taking this lock again would wait forever. Not known where a mutex is an rt_mutex. */
bool luo_flb_shim_held_by_current(struct mutex *lock)
{
#ifdef CONFIG_PREEMPT_RT
	return false;
#else
	/* The low bits of the owner are flags; a task is aligned to more than that. */
	return (atomic_long_read(&lock->owner) & ~7L) == (long)current;
#endif
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

void luo_flb_shim_block_free(void *block)
{
	folio_put(virt_to_folio(block));
}

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
