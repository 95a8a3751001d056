// SPDX-License-Identifier: GPL-2.0
/*
 * What the Rust core needs of C macros and inline functions, and the fast paths, which are a few
 * instructions each, by the kernel's atomics.
 */

#define pr_fmt(fmt) "luo_flb: " fmt

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/libfdt.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/stringhash.h>
#include <linux/unaligned.h>
#include "../luo_internal.h"
#include "shim.h"

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include "trace.h"

/* Into so many classes FLBs fall for lockdep, in a direction. */
#define LUO_FLB_SHIM_CLASSES	1024

/* Protects who is registered, the FLB array, and what came. Here, to be there from the start. */
DEFINE_MUTEX(luo_flb_shim_registry_lock);

/*
 * A callback may use another FLB, so lockdep has to tell the locks of one from those
 * of the other: by a hash of their names.
 */
static void set_class(struct mutex *lock, const char *name, bool incoming)
{
	static struct lock_class_key classes[2][LUO_FLB_SHIM_CLASSES];
	size_t len = strnlen(name, LIVEUPDATE_FLB_COMPAT_LENGTH);
	u32 class = full_name_hash(NULL, name, len) % LUO_FLB_SHIM_CLASSES;

	lockdep_set_class_and_name(lock, &classes[incoming][class],
				   incoming ? "luo_flb_incoming" : "luo_flb_outgoing");
}

static bool is_owner(struct mutex *lock)
{
#ifdef CONFIG_PREEMPT_RT
	return rt_mutex_owner(&lock->rtmutex) == current;
#else
	return mutex_get_owner(lock) == (unsigned long)current;
#endif
}

/* Locks @lock; false if this task holds it already. */
bool luo_flb_shim_lock(struct mutex *lock)
{
	if (unlikely(mutex_is_locked(lock)) && is_owner(lock))
		return false;

	mutex_lock(lock);
	return true;
}

/* Initialises the mutexes of an FLB at its first use. Returns whether all callbacks are set. */
bool luo_flb_shim_prepare(struct liveupdate_flb *flb)
{
	struct luo_flb_private *private = &ACCESS_PRIVATE(flb, private);
	const struct liveupdate_flb_ops *ops = flb->ops;
	static DEFINE_SPINLOCK(init_lock);

	/* Pairs with the release below: who sees the flag sees the mutexes. */
	if (likely(smp_load_acquire(&private->initialized)))
		return true;

	if (!ops || !ops->preserve || !ops->unpreserve || !ops->retrieve || !ops->finish)
		return false;

	guard(spinlock)(&init_lock);
	if (!private->initialized) {
		mutex_init(&private->outgoing.lock);
		mutex_init(&private->incoming.lock);
		if (IS_ENABLED(CONFIG_LOCKDEP)) {
			set_class(&private->outgoing.lock, flb->compatible, false);
			set_class(&private->incoming.lock, flb->compatible, true);
		}
		/* Pairs with the acquire above. */
		smp_store_release(&private->initialized, true);
	}
	return true;
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

/* The name of a module, or of what is not in one. */
const char *luo_flb_shim_owner(struct module *owner)
{
	return module_name(owner);
}

/* Makes @node the only one in @list; or @list empty, if it is @node. */
void luo_flb_shim_set_list(struct list_head *list, struct list_head *node)
{
	WRITE_ONCE(node->prev, list);
	WRITE_ONCE(node->next, list);
	WRITE_ONCE(list->prev, node);
	/* Pairs with the acquire in Handler::state(). */
	smp_store_release(&list->next, node);
}

/*
 * Before KHO knows what was preserved, when boot code may ask already if the orchestrator is set up
 * as early: the array at @address if there is memory, by its @size.
 */
static void * __init receive_early(u64 address, size_t *size)
{
	u64 *pgcnt = phys_to_virt(address);

	if (!memblock_is_region_memory(address, PAGE_SIZE))
		return NULL;

	*size = min_t(u64, max_t(u64, READ_ONCE(*pgcnt), 1), LUO_FLB_SHIM_MAX_PAGES) << PAGE_SHIFT;
	return memblock_is_region_memory(address, *size) ? pgcnt : NULL;
}

/*
 * Takes over an array from the previous kernel; NULL if there is none at @address. Whether KHO has
 * @restored it is noted: it cannot before the page allocator is up, when boot code may ask already.
 */
void * __ref luo_flb_shim_receive(u64 address, size_t *size, bool *restored)
{
	struct folio *folio;

	if (!slab_is_available())
		return receive_early(address, size);

	folio = kho_restore_folio(address);
	if (!folio)
		return NULL;

	*restored = true;
	*size = folio_size(folio);
	return folio_address(folio);
}

/* Gives an array back. If KHO does not know it, it stays where it is. */
void luo_flb_shim_free(void *array, bool restored)
{
	struct folio *folio = restored ? virt_to_folio(array) :
					 kho_restore_folio(virt_to_phys(array));

	if (folio)
		folio_put(folio);
}

#ifdef CONFIG_LIVEUPDATE_FLB_HAS_FDT
/* Adds the node that announces the array to the tree that LUO is building. */
int luo_flb_shim_announce(void *fdt, u64 address)
{
	int err = fdt_begin_node(fdt, LUO_FDT_FLB_NODE_NAME) ?:
		  fdt_property_string(fdt, "compatible", LUO_FDT_FLB_COMPATIBLE) ?:
		  fdt_property(fdt, LUO_FDT_FLB_HEADER, &address, sizeof(address)) ?:
		  fdt_end_node(fdt);

	return err ? -ENOSPC : 0;
}

/*
 * Finds the address of the array in a tree, whatever it is. libfdt trusts totalsize, so a tree
 * larger than what LUO preserves is none.
 */
int luo_flb_shim_read_tree(const void *fdt, u64 *address)
{
	const u64 *value;
	int node, len;

	node = fdt_check_header(fdt);
	if (!node)
		node = fdt_totalsize(fdt) <= LUO_FDT_SIZE ?
		       fdt_subnode_offset(fdt, 0, LUO_FDT_FLB_NODE_NAME) : -FDT_ERR_TRUNCATED;
	if (node < 0) {
		luo_flb_shim_log_refusal("no node luo-flb, says libfdt", -node);
		return -ENOENT;
	}
	if (fdt_node_check_compatible(fdt, node, LUO_FDT_FLB_COMPATIBLE)) {
		luo_flb_shim_log_refusal("node is not luo-flb-v1", 0);
		return -EINVAL;
	}
	value = fdt_getprop(fdt, node, LUO_FDT_FLB_HEADER, &len);
	if (!value || len != sizeof(*value)) {
		luo_flb_shim_log_refusal("bad luo-flb-header", 0);
		return -EINVAL;
	}
	*address = get_unaligned(value);
	return 0;
}
#else
/* Stores the address of the array in LUO's structure. */
int luo_flb_shim_announce(void *flbs_pa, u64 address)
{
	*(u64 *)flbs_pa = address;
	return 0;
}
#endif

/* struct pages exist everywhere by now, which early initcalls cannot rely on. */
static int __init luo_flb_shim_complete(void)
{
	luo_flb_complete();
	return 0;
}
core_initcall(luo_flb_shim_complete);

#ifdef CONFIG_LIVEUPDATE_FLB_DEBUGFS
late_initcall(luo_flb_debugfs_init);
#endif

/* What is wrong with @who, whose field need not be terminated; @number tells more. */
void luo_flb_shim_log(const char *who, const char *what, s64 number)
{
	pr_err_ratelimited("%.*s: %s (%lld)\n", LIVEUPDATE_FLB_COMPAT_LENGTH, who, what, number);
}

/* Why what was handed over is refused; @number may be a count or an address. */
void luo_flb_shim_log_refusal(const char *what, u64 number)
{
	trace_luo_flb_refuse(what, number);
	pr_err("handover refused: %s (%llu, %#llx)\n", what, number, number);
}

/* The fast paths. refs.rs has the protocol. */

static __always_inline bool try_get(atomic_t *refs)
{
	int old = atomic_read(refs);

	do {
		if (!old || (u32)old > U32_MAX - LUO_FLB_SHIM_REFERENCE)
			return false;
	} while (!atomic_try_cmpxchg_acquire(refs, &old, old + LUO_FLB_SHIM_REFERENCE));

	return true;
}

static __always_inline bool put_not_last(atomic_t *refs)
{
	int old = atomic_read(refs);

	do {
		if ((u32)old <= LUO_FLB_SHIM_REFERENCE)
			return false;
	} while (!atomic_try_cmpxchg_release(refs, &old, old - LUO_FLB_SHIM_REFERENCE));

	return true;
}

/* The slow path takes a mutex. With debugging only, as might_sleep() may reschedule. */
#define check_context()	might_sleep_if(IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP))

int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **objp)
{
	struct luo_flb_private_state *incoming = &ACCESS_PRIVATE(flb, private).incoming;

	check_context();
	if (unlikely(!flb || !objp || !try_get(&incoming->count.refs)))
		return luo_flb_get_incoming_slowpath(flb, objp);

	*objp = READ_ONCE(incoming->obj);
	return 0;
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_incoming);

void liveupdate_flb_put_incoming(struct liveupdate_flb *flb)
{
	check_context();
	if (unlikely(!flb || !put_not_last(&ACCESS_PRIVATE(flb, private).incoming.count.refs)))
		luo_flb_put_slowpath(flb, true);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_incoming);

int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **objp)
{
	struct luo_flb_private_state *outgoing = &ACCESS_PRIVATE(flb, private).outgoing;

	check_context();
#ifdef CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING
	if (unlikely(!flb || !objp || !try_get(&outgoing->count.refs)))
#else
	/* Takes no reference: the caller has a preserved file, which keeps the object. */
	if (unlikely(!flb || !objp || !atomic_read_acquire(&outgoing->count.refs)))
#endif
		return luo_flb_get_outgoing_slowpath(flb, objp);

	*objp = READ_ONCE(outgoing->obj);
	return 0;
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_outgoing);

#ifdef CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb)
{
	check_context();
	if (unlikely(!flb || !put_not_last(&ACCESS_PRIVATE(flb, private).outgoing.count.refs)))
		luo_flb_put_slowpath(flb, false);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_outgoing);
#endif

/* What the core knows of a handler; NULL if it knows nothing. */
static __always_inline struct luo_flb_shim_handler *state_of(struct liveupdate_file_handler *fh)
{
	struct list_head *list = &ACCESS_PRIVATE(fh, flb_list);
	/* Pairs with the release in luo_flb_shim_set_list(). */
	struct list_head *node = smp_load_acquire(&list->next);

	return node && node != list ? list_entry(node, struct luo_flb_shim_handler, node) : NULL;
}

/*
 * The orchestrator has pinned the module of @fh, so that @fh is not unregistered meanwhile, and its
 * state stays its own. A handler that is built in must not be unregistered while files may come.
 */
int luo_flb_file_preserve(struct liveupdate_file_handler *fh)
{
	struct luo_flb_shim_handler *state = state_of(fh);

	return state && try_get(&state->files) ? 0 : luo_flb_preserve_first(fh);
}

void luo_flb_file_unpreserve(struct liveupdate_file_handler *fh)
{
	struct luo_flb_shim_handler *state = state_of(fh);

	if (!state || !put_not_last(&state->files))
		luo_flb_unpreserve_last(fh);
}

/* Those in Rust that modules need: upstream exports none yet, posted clients ask for it. */
#define EXPORT_RUST_GPL EXPORT_SYMBOL_GPL
EXPORT_RUST_GPL(liveupdate_register_flb);
EXPORT_RUST_GPL(liveupdate_unregister_flb);
