// SPDX-License-Identifier: GPL-2.0
/*
 * Damages what is handed over, for tests of the kernel that receives it.
 *
 * A write to luo_flb_client/poke is a physical address in the first 8 bytes, an
 * offset in the next 8, and bytes. When the kernel reboots, after the orchestrator
 * has serialized its state, they are stored at the address if the offset is 0, or
 * else so far behind the physical address that stands there. If there are no bytes,
 * that address is what is stored. A read tells where the state is.
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

struct poke {
	struct list_head list;
	size_t len;
	u64 address;
	u64 offset;
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
	u64 where[2];
	struct poke *poke;

	if (len < sizeof(where) || len > sizeof(where) + PAGE_SIZE)
		return -EINVAL;
	if (copy_from_user(where, ubuf, sizeof(where)))
		return -EFAULT;
	if (!poke_is_possible(where[0], len - sizeof(where)))
		return -EFAULT;

	poke = kmalloc(struct_size(poke, bytes, len - sizeof(where)),
		       GFP_KERNEL);
	if (!poke)
		return -ENOMEM;
	poke->address = where[0];
	poke->offset = where[1];
	poke->len = len - sizeof(where);
	if (copy_from_user(poke->bytes, ubuf + sizeof(where), poke->len)) {
		kfree(poke);
		return -EFAULT;
	}

	guard(mutex)(&poke_lock);
	list_add_tail(&poke->list, &poke_list);

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
	u64 *at = phys_to_virt(poke->address);
	void *behind;

	if (!poke->offset) {
		memcpy(at, poke->bytes, poke->len);
		return;
	}
	behind = phys_to_virt(*at) + poke->offset;
	if (poke->len)
		memcpy(behind, poke->bytes, poke->len);
	else
		memcpy(behind, at, sizeof(*at));
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
