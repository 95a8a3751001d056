// SPDX-License-Identifier: GPL-2.0
/*
 * Damages what is handed over, for tests of the kernel that receives it.
 *
 * A write to luo_flb_client/poke is a physical address in the first 8 bytes, how
 * many offsets follow in the next 8, these in 8 each, and bytes. When the kernel
 * reboots, after the orchestrator has serialized its state, the bytes are stored: at
 * the address, or so far behind the physical address that stands there as the first
 * offset says, or so far behind the one that stands there, and so on. If there are
 * no bytes, the last address on the way is stored. A read tells where the state is.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pfn.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "flb_client.h"

#define POKE_MAX_OFFSETS	8

struct poke {
	struct list_head list;
	size_t len;
	struct {
		u64 address;
		u64 nr_offsets;
	} head;
	u64 offsets[POKE_MAX_OFFSETS];
	u8 bytes[];
};

static DEFINE_MUTEX(poke_lock);
static LIST_HEAD(poke_list);

/* Of memory in the direct mapping, within one page. */
static bool poke_is_possible(u64 address, size_t len)
{
	return pfn_valid(PHYS_PFN(address)) &&
	       len <= PAGE_SIZE - offset_in_page(address);
}

static ssize_t poke_write(struct file *file, const char __user *ubuf,
			  size_t len, loff_t *ppos)
{
	size_t offsets_len, rest = len;
	struct poke *poke __free(kfree) = NULL;

	if (len < sizeof(poke->head) || len > sizeof(*poke) + PAGE_SIZE)
		return -EINVAL;
	poke = kzalloc(struct_size(poke, bytes, len), GFP_KERNEL);
	if (!poke)
		return -ENOMEM;
	if (copy_from_user(&poke->head, ubuf, sizeof(poke->head)))
		return -EFAULT;
	rest -= sizeof(poke->head);
	offsets_len = poke->head.nr_offsets * sizeof(u64);
	if (poke->head.nr_offsets > POKE_MAX_OFFSETS || offsets_len > rest)
		return -EINVAL;
	rest -= offsets_len;
	if (!poke_is_possible(poke->head.address, rest))
		return -EFAULT;
	ubuf += sizeof(poke->head);
	if (copy_from_user(poke->offsets, ubuf, offsets_len) ||
	    copy_from_user(poke->bytes, ubuf + offsets_len, rest))
		return -EFAULT;
	poke->len = rest;

	guard(mutex)(&poke_lock);
	list_add_tail(&no_free_ptr(poke)->list, &poke_list);

	return len;
}

/* KHO shows the orchestrator's state as a blob. */
static u64 poke_state_address(void)
{
	static const char *const path[] = { "kho", "out", "sub_fdts", "LUO" };
	struct debugfs_blob_wrapper *blob;
	struct dentry *dentry = NULL;
	u64 address;
	int i;

	for (i = 0; i < ARRAY_SIZE(path); i++) {
		struct dentry *child = debugfs_lookup(path[i], dentry);

		dput(dentry);
		if (!child)
			return 0;
		dentry = child;
	}

	blob = d_inode(dentry)->i_private;
	address = virt_to_phys(blob->data);
	dput(dentry);

	return address;
}

static ssize_t poke_read(struct file *file, char __user *ubuf, size_t len,
			 loff_t *ppos)
{
	char line[32];
	int size = scnprintf(line, sizeof(line), "state = %#llx\n",
			     poke_state_address());

	return simple_read_from_buffer(ubuf, len, ppos, line, size);
}

static const struct file_operations poke_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.read	= poke_read,
	.write	= poke_write,
	.llseek	= noop_llseek,
};

static void poke_store(const struct poke *poke)
{
	void *at = phys_to_virt(poke->head.address);
	u64 *way = NULL;
	u64 i;

	for (i = 0; i < poke->head.nr_offsets; i++) {
		way = at;
		at = phys_to_virt(*way) + poke->offsets[i];
	}
	if (poke->len || !way)
		memcpy(at, poke->bytes, poke->len);
	else
		memcpy(at, way, sizeof(*way));
}

static int poke_reboot(struct notifier_block *nb, unsigned long action,
		       void *data)
{
	struct poke *poke;

	guard(mutex)(&poke_lock);
	list_for_each_entry(poke, &poke_list, list)
		poke_store(poke);

	return NOTIFY_DONE;
}

/* After all others. */
static struct notifier_block poke_reboot_nb = {
	.notifier_call	= poke_reboot,
	.priority	= INT_MIN,
};

int luo_flb_poke_init(struct dentry *dir)
{
	debugfs_create_file("poke", 0600, dir, NULL, &poke_fops);

	return register_reboot_notifier(&poke_reboot_nb);
}
