// SPDX-License-Identifier: GPL-2.0
/*
 * A File-Lifecycle-Bound (FLB) object in a module that can be unloaded.
 *
 * It is registered with the handler of memfds while the module is loaded. A
 * reference to what the previous kernel handed over is taken by writing 1 to
 * /sys/module/flb_module/parameters/incoming, and put by writing 0.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include "flb_client.h"

#define MODULE_FLB_NAME		"demo-module-v1"

/* What is handed over. */
#define MODULE_DATA		0x4c46422d4d4f4455ULL

/* The object, in either direction. */
static int module_object;

static int module_preserve(struct liveupdate_flb_op_args *argp)
{
	pr_info(MODULE_FLB_NAME ": preserve\n");
	argp->data = MODULE_DATA;
	argp->obj = &module_object;

	return 0;
}

static void module_unpreserve(struct liveupdate_flb_op_args *argp)
{
	pr_info(MODULE_FLB_NAME ": unpreserve\n");
	WARN_ON(argp->data != MODULE_DATA || argp->obj != &module_object);
}

static int module_retrieve(struct liveupdate_flb_op_args *argp)
{
	pr_info(MODULE_FLB_NAME ": retrieve\n");
	if (argp->data != MODULE_DATA)
		return -EBADMSG;

	argp->obj = &module_object;

	return 0;
}

static void module_finish(struct liveupdate_flb_op_args *argp)
{
	pr_info(MODULE_FLB_NAME ": finish\n");
	WARN_ON(argp->obj != &module_object);
}

static const struct liveupdate_flb_ops module_flb_ops = {
	.preserve	= module_preserve,
	.unpreserve	= module_unpreserve,
	.retrieve	= module_retrieve,
	.finish		= module_finish,
	.owner		= THIS_MODULE,
};

static struct liveupdate_flb module_flb = {
	.ops		= &module_flb_ops,
	.compatible	= MODULE_FLB_NAME,
};

static int incoming_set(const char *value, const struct kernel_param *param)
{
	void *object;
	bool get;
	int err;

	err = kstrtobool(value, &get);
	if (err)
		return err;

	if (!get) {
		liveupdate_flb_put_incoming(&module_flb);
		return 0;
	}

	err = liveupdate_flb_get_incoming(&module_flb, &object);
	WARN_ON(!err && object != &module_object);

	return err;
}

static const struct kernel_param_ops incoming_ops = {
	.set = incoming_set,
};
module_param_cb(incoming, &incoming_ops, NULL, 0200);
MODULE_PARM_DESC(incoming, "get or put what the previous kernel handed over");

static int __init flb_module_init(void)
{
	return liveupdate_register_flb(luo_flb_client_handler(), &module_flb);
}
module_init(flb_module_init);

static void __exit flb_module_exit(void)
{
	liveupdate_unregister_flb(luo_flb_client_handler(), &module_flb);
}
module_exit(flb_module_exit);

MODULE_DESCRIPTION("FLB object in a module");
MODULE_LICENSE("GPL");
