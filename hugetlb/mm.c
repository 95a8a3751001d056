// SPDX-License-Identifier: GPL-2.0
/*
 * What the handler of files in huge pages needs of mm/hugetlb.c, which includes this at its end.
 * It decides nothing: formats, counts and undoing are in Rust, see luo_hugetlb.rs.
 */
#include <linux/memblock.h>
#include "mm.h"

/* At boot: copy what the previous kernel has left, even before there are struct pages. */
bool __ref luo_hugetlb_peek(void *to, phys_addr_t phys, size_t size)
{
	bool there = slab_is_available() ? pfn_valid(PHYS_PFN(phys)) :
					   memblock_is_map_memory(phys);

	return there && PAGE_ALIGNED(phys) && size <= PAGE_SIZE &&
	       !copy_from_kernel_nofault(to, phys_to_virt(phys), size);
}

/* A node on which pages can be counted: this one, unless it has no memory in this kernel. */
int luo_hugetlb_node(unsigned int nid)
{
	if (nid < MAX_NUMNODES && node_online(nid) && node_present_pages(nid))
		return nid;
	return first_online_node;
}

/* All small pages that this machine has. */
unsigned long luo_hugetlb_memory(void)
{
	unsigned long pages = 0;
	int nid;

	for_each_online_node(nid)
		pages += node_present_pages(nid);
	return pages;
}

/*
 * Count pages as allocated that the pool has not seen yet, or never will, and how many are surplus.
 * Whoever subtracts the pools from the memory must find them in both.
 */
void luo_hugetlb_count(struct hstate *h, int nid, long pages, long surplus)
{
	guard(spinlock_irq)(&hugetlb_lock);
	surplus = max(surplus, -(long)h->surplus_huge_pages_node[nid]);
	h->nr_huge_pages += pages;
	h->nr_huge_pages_node[nid] += pages;
	h->surplus_huge_pages += surplus;
	h->surplus_huge_pages_node[nid] += surplus;
	h->max_huge_pages = persistent_huge_pages(h);
	totalram_pages_add(pages * (long)pages_per_huge_page(h));
}

/* A page has come that was counted, maybe on another node. KHO has counted its memory as well. */
void luo_hugetlb_arrived(struct hstate *h, int counted, int nid)
{
	guard(spinlock_irq)(&hugetlb_lock);
	totalram_pages_add(-(long)pages_per_huge_page(h));
	h->nr_huge_pages_node[counted]--;
	h->nr_huge_pages_node[nid]++;
	if (h->surplus_huge_pages_node[counted]) {
		h->surplus_huge_pages_node[counted]--;
		h->surplus_huge_pages_node[nid]++;
	}
}

/* Hold back pages that are reserved, or no longer if the number is negative. */
int luo_hugetlb_hold(struct hstate *h, long pages)
{
	return hugetlb_acct_memory(h, pages);
}

/* Not the files of a mount, and not the memory of shmget(). */
bool luo_hugetlb_is_memfd(struct file *file)
{
	struct inode *inode = file_inode(file);

	return is_file_hugepages(file) && (inode->i_sb->s_flags & SB_KERNMOUNT) &&
	       !IS_PRIVATE(inode) && !inode->i_nlink;
}

/* The size of its pages. */
struct hstate *luo_hugetlb_hstate(struct file *file)
{
	return hstate_file(file);
}

static int luo_hugetlb_check_folio(struct folio *folio)
{
	if (folio_test_hwpoison(folio))
		return -EHWPOISON;
#ifdef CONFIG_ARM64_MTE
	/* Its tags are not handed over. */
	if (folio_test_hugetlb_mte_tagged(folio))
		return -EOPNOTSUPP;
#endif
	return 0;
}

/*
 * A reference to the first page from an index on, where KHO can preserve it; NULL if there is none.
 * It stays, as the caller has the inode locked. Pinned, it is moved out of CMA; referenced, it is
 * not moved.
 */
struct folio *luo_hugetlb_get_folio(struct file *file, unsigned long *index)
{
	unsigned int order = huge_page_order(hstate_file(file));
	unsigned long at = *index << order;
	struct folio *folio;
	pgoff_t offset;
	loff_t pos;
	long ret;
	int err;

	if (!xa_find(&file->f_mapping->i_pages, &at, ULONG_MAX, XA_PRESENT))
		return NULL;
	*index = at >> order;
	pos = (loff_t)at << PAGE_SHIFT;
	/* Preallocated behind the end of the file. */
	if (pos >= i_size_read(file_inode(file)))
		return ERR_PTR(-EOPNOTSUPP);
	/* A page that is poisoned cannot be migrated, and pinning would try for ever. */
	folio = filemap_get_folio(file->f_mapping, at);
	if (IS_ERR(folio))
		return folio;
	err = luo_hugetlb_check_folio(folio);
	folio_put(folio);
	if (err)
		return ERR_PTR(err);
	ret = memfd_pin_folios(file, pos, pos, &folio, 1, &offset);
	if (ret < 0)
		return ERR_PTR(ret);
	folio_get(folio);
	unpin_folio(folio);
	err = luo_hugetlb_check_folio(folio);
	if (!err)
		return folio;
	folio_put(folio);
	return ERR_PTR(err);
}

int luo_hugetlb_folio_node(struct folio *folio)
{
	return folio_nid(folio);
}

/* Of a file whose inode is locked. */
void luo_hugetlb_set_seals(struct file *file, unsigned int seals)
{
	HUGETLBFS_I(file_inode(file))->seals = seals;
}

/*
 * Set the size of a file whose inode is locked, and wait for faults that have looked at it before.
 * Then no page comes behind it: faults and userfaultfd look at the size, and so does fallocate()
 * of a file that must not grow. memfd_pin_folios() looks at it once, before it fills holes; that
 * cannot be waited for. Returns how many small pages there are.
 */
unsigned long luo_hugetlb_set_size(struct inode *inode, loff_t size)
{
	int i;

	i_size_write(inode, size);
	for (i = 0; i < num_fault_mutexes; i++) {
		mutex_lock(&hugetlb_fault_mutex_table[i]);
		mutex_unlock(&hugetlb_fault_mutex_table[i]);
	}
	return inode->i_mapping->nrpages;
}

/* The first part of a file from an index on that is reserved, with pages or without. */
bool luo_hugetlb_next_region(struct inode *inode, long after, long *from, long *to)
{
	struct resv_map *resv = inode_resv_map(inode);
	struct file_region *region;

	guard(spinlock)(&resv->lock);
	list_for_each_entry(region, &resv->regions, link) {
		if (region->to > after) {
			*from = max(region->from, after);
			*to = region->to;
			return true;
		}
	}
	return false;
}

/* Note a part of a new file as reserved. Who holds back pages for it is the caller's. */
int luo_hugetlb_add_region(struct inode *inode, long from, long to)
{
	struct resv_map *resv = inode_resv_map(inode);
	struct hstate *h = hstate_inode(inode);
	struct hugetlb_cgroup *h_cg = NULL;
	long pages, added, needed = 0;
	int err;

	pages = region_chg(resv, from, to, &needed);
	if (pages < 0)
		return pages;
	err = hugetlb_cgroup_charge_cgroup_rsvd(hstate_index(h), pages * pages_per_huge_page(h),
						&h_cg);
	if (err) {
		region_abort(resv, from, to, needed);
		return err;
	}
	added = region_add(resv, from, to, needed, h, h_cg);
	if (added < 0) {
		region_abort(resv, from, to, needed);
		hugetlb_cgroup_uncharge_cgroup_rsvd(hstate_index(h),
						    pages * pages_per_huge_page(h), h_cg);
		return added;
	}
	/* The regions have references of their own. */
	if (h_cg)
		hugetlb_cgroup_put_rsvd_cgroup(h_cg);
	return 0;
}

/* Make a folio that KHO has restored one in use. It is counted already. */
static void luo_hugetlb_init_folio(struct hstate *h, struct folio *folio)
{
	init_new_hugetlb_folio(folio);
	/* Not if somebody happens to look at it. */
	if (folio_ref_freeze(folio, 1)) {
		hugetlb_vmemmap_optimize_folio(h, folio);
		folio_ref_unfreeze(folio, 1);
	}
	spin_lock_irq(&hugetlb_lock);
	list_add(&folio->lru, &h->hugepage_activelist);
	spin_unlock_irq(&hugetlb_lock);
}

static int luo_hugetlb_charge_folio(struct hstate *h, struct folio *folio)
{
	struct hugetlb_cgroup *h_cg = NULL;
	int err;

	err = hugetlb_cgroup_charge_cgroup(hstate_index(h), pages_per_huge_page(h), &h_cg);
	if (err)
		return err;
	spin_lock_irq(&hugetlb_lock);
	hugetlb_cgroup_commit_charge(hstate_index(h), pages_per_huge_page(h), h_cg, folio);
	spin_unlock_irq(&hugetlb_lock);
	return mem_cgroup_charge_hugetlb(folio, current->mm, GFP_KERNEL | __GFP_RETRY_MAYFAIL);
}

/* Put a folio that KHO has restored into a new file. If that fails it is freed. */
int luo_hugetlb_add_folio(struct file *file, unsigned long index, struct folio *folio)
{
	struct inode *inode = file_inode(file);
	struct hstate *h = hstate_inode(inode);
	int err;

	luo_hugetlb_init_folio(h, folio);
	err = luo_hugetlb_charge_folio(h, folio);
	/* Of whom it is charged to now. It is taken off when the folio is freed. */
	lruvec_stat_mod_folio(folio, NR_HUGETLB, pages_per_huge_page(h));
	if (err)
		goto put;
	err = luo_hugetlb_add_region(inode, index, index + 1);
	if (err)
		goto put;
	__folio_mark_uptodate(folio);
	err = hugetlb_add_to_page_cache(folio, inode->i_mapping, index);
	if (err) {
		region_del(inode_resv_map(inode), index, index + 1);
		goto put;
	}
	folio_set_hugetlb_migratable(folio);
	folio_unlock(folio);
put:
	folio_put(folio);
	return err;
}

/* Give a folio that KHO has restored back to the pool, or to the machine if it is surplus. */
void luo_hugetlb_free_folio(struct hstate *h, struct folio *folio)
{
	luo_hugetlb_init_folio(h, folio);
	lruvec_stat_mod_folio(folio, NR_HUGETLB, pages_per_huge_page(h));
	folio_put(folio);
}

void luo_hugetlb_complain(struct file *file, const char *what)
{
	pr_err("HugeTLB: %pD (inode %llu) is not handed over: %s\n", file,
	       (u64)file_inode(file)->i_ino, what);
}

/* 2 MiB pages are allocated in a subsys_initcall(); gigantic ones were before. */
static int __init luo_hugetlb_before_alloc(void)
{
	struct hstate *h;

	if (!hugepages_supported())
		return 0;
	/* hugetlb_init() is about to make this the number of the default size, if it is any. */
	if (!parsed_default_hugepagesz && default_hstate_max_huge_pages) {
		luo_hugetlb_take(HUGETLB_PAGE_ORDER, &default_hstate_max_huge_pages,
				 default_hugepages_in_node);
		h = size_to_hstate(HPAGE_SIZE);
		if (h && !default_hstate_max_huge_pages) {
			h->max_huge_pages = 0;
			memset(h->max_huge_pages_node, 0, sizeof(h->max_huge_pages_node));
		}
	}
	for_each_hstate(h)
		luo_hugetlb_take(h->order, &h->max_huge_pages, h->max_huge_pages_node);
	return 0;
}
arch_initcall(luo_hugetlb_before_alloc);

static int __init luo_hugetlb_after_alloc(void)
{
	if (hugepages_supported())
		luo_hugetlb_count_all();
	return 0;
}
subsys_initcall_sync(luo_hugetlb_after_alloc);
