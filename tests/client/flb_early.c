// SPDX-License-Identifier: GPL-2.0
/*
 * An FLB that is asked for before there is any allocator, as by code that reserves
 * memory at boot.
 *
 * With flb_early.get=1 on the command line the handover is taken, and the object got,
 * while the kernel parses its command line: after mm_core_init_early() and before
 * mm_core_init(). The rest is driven through debugfs:
 *
 *	/sys/kernel/debug/luo_flb_client/early
 *
 * Reading gives one line: whether the slab allocator was there already, the results
 * of taking the handover and of get_incoming, how often each callback ran, and how
 * many calls were out of turn or had wrong data. Writing takes a command: register
 * (with the handler of memfds), get, or put.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "../../../luo_internal.h"
#include "flb_client.h"

#define EARLY_DATA	0x4c46422d4541524cULL

/* Serialises commands. */
static DEFINE_MUTEX(early_lock);

/* Each number of calls is written under a lock of the FLB. */
static int early_preserved;
static int early_unpreserved;
static int early_retrieved;
static int early_finished;
static int early_bad;

static bool early_slab;
static int early_setup_result = -EAGAIN;
static int early_get_result = -EAGAIN;

static void early_check(bool good)
{
	if (!good)
		early_bad++;
}

/* The object is the FLB itself. */
static int early_preserve(struct liveupdate_flb_op_args *argp)
{
	early_preserved++;
	argp->data = EARLY_DATA;
	argp->obj = argp->flb;

	return 0;
}

static void early_unpreserve(struct liveupdate_flb_op_args *argp)
{
	early_unpreserved++;
	early_check(argp->obj == argp->flb && argp->data == EARLY_DATA);
}

static int early_retrieve(struct liveupdate_flb_op_args *argp)
{
	early_retrieved++;
	early_check(argp->data == EARLY_DATA);
	argp->obj = argp->flb;

	return 0;
}

static void early_finish(struct liveupdate_flb_op_args *argp)
{
	early_finished++;
	early_check(argp->obj == argp->flb);
}

static const struct liveupdate_flb_ops early_ops = {
	.preserve	= early_preserve,
	.unpreserve	= early_unpreserve,
	.retrieve	= early_retrieve,
	.finish		= early_finish,
	.owner		= THIS_MODULE,
};

static struct liveupdate_flb early_flb = {
	.ops		= &early_ops,
	.compatible	= "demo-early-v1",
};

static int early_get(void)
{
	void *obj = NULL;
	int err;

	err = liveupdate_flb_get_incoming(&early_flb, &obj);
	early_check(obj == (err ? NULL : &early_flb));

	return err;
}

#ifdef CONFIG_LIVEUPDATE_FLB_HAS_FDT
static int __init early_take(void)
{
	phys_addr_t tree;
	int err;

	err = kho_retrieve_subtree(LUO_FDT_KHO_ENTRY_NAME, &tree, NULL);

	return err ?: luo_flb_setup_incoming(phys_to_virt(tree));
}
#else
static int __init early_take(void)
{
	struct luo_ser *ser;
	phys_addr_t state;
	int err;

	err = kho_retrieve_subtree(LUO_KHO_ENTRY_NAME, &state, NULL);
	if (err)
		return err;

	ser = phys_to_virt(state);
	luo_flb_setup_incoming(ser->flbs_pa);

	return 0;
}
#endif

/* Runs at boot only: the parameter is not in sysfs. */
static int __ref early_param_set(const char *val, const struct kernel_param *kp)
{
	early_slab = slab_is_available();
	early_setup_result = early_take();
	if (!early_setup_result)
		early_get_result = early_get();

	return 0;
}

static const struct kernel_param_ops early_param_ops = {
	.set	= early_param_set,
};
module_param_cb(get, &early_param_ops, NULL, 0);
MODULE_PARM_DESC(get, "take the handover and get the object at once");

static int early_command(const char *command)
{
	struct liveupdate_file_handler *fh = luo_flb_client_handler();

	guard(mutex)(&early_lock);
	if (!strcmp(command, "register"))
		return fh ? liveupdate_register_flb(fh, &early_flb) : -ENODEV;
	if (!strcmp(command, "get"))
		return early_get();
	if (!strcmp(command, "put")) {
		liveupdate_flb_put_incoming(&early_flb);
		return 0;
	}

	return -EINVAL;
}

static ssize_t early_write(struct file *file, const char __user *ubuf,
			   size_t len, loff_t *ppos)
{
	char command[12];
	int err;

	if (len >= sizeof(command))
		return -E2BIG;
	if (copy_from_user(command, ubuf, len))
		return -EFAULT;
	command[len] = '\0';

	err = early_command(command);

	return err ? err : len;
}

static int early_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "slab=%d setup=%d get=%d", early_slab, early_setup_result,
		   early_get_result);
	seq_printf(m, " preserve=%d unpreserve=%d retrieve=%d finish=%d bad=%d\n",
		   early_preserved, early_unpreserved, early_retrieved,
		   early_finished, early_bad);

	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(early);

void luo_flb_early_init(struct dentry *dir)
{
	debugfs_create_file("early", 0600, dir, NULL, &early_fops);
}
