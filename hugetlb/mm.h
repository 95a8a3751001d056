/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the handler of files in huge pages, which is in Rust, and what is static in mm/hugetlb.c.
 */
#ifndef _LUO_HUGETLB_MM_H
#define _LUO_HUGETLB_MM_H

#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/kexec_handover.h>
#include <linux/memfd.h>
#include <linux/pagemap.h>
#include <linux/rwsem.h>
#include <linux/uaccess.h>
#include <uapi/linux/memfd.h>

/* In mm.c. */
bool luo_hugetlb_peek(void *to, phys_addr_t phys, size_t size);
int luo_hugetlb_node(unsigned int nid);
unsigned long luo_hugetlb_memory(void);
void luo_hugetlb_count(struct hstate *h, int nid, long pages, long surplus);
void luo_hugetlb_arrived(struct hstate *h, int counted, int nid);
int luo_hugetlb_hold(struct hstate *h, long pages);
bool luo_hugetlb_is_memfd(struct file *file);
struct hstate *luo_hugetlb_hstate(struct file *file);
struct folio *luo_hugetlb_get_folio(struct file *file, unsigned long *index);
int luo_hugetlb_folio_node(struct folio *folio);
void luo_hugetlb_set_seals(struct file *file, unsigned int seals);
unsigned long luo_hugetlb_set_size(struct inode *inode, loff_t size);
bool luo_hugetlb_next_region(struct inode *inode, long after, long *from, long *to);
int luo_hugetlb_add_region(struct inode *inode, long from, long to);
int luo_hugetlb_add_folio(struct file *file, unsigned long index, struct folio *folio);
void luo_hugetlb_free_folio(struct hstate *h, struct folio *folio);
void luo_hugetlb_complain(struct file *file, const char *what);

/* In Rust. */
void luo_hugetlb_take(unsigned int order, unsigned long *pages, unsigned int *node_pages);
void luo_hugetlb_count_all(void);

#endif /* _LUO_HUGETLB_MM_H */
