// SPDX-License-Identifier: GPL-2.0
/*
 * FLBs in any number, for tests of what a kernel can hand over.
 *
 * They are alike: what an FLB saves follows from its number and the generation
 * alone, and costs no memory. Their callbacks log nothing as long as they are
 * called in turn and with the right data. The rest is driven through debugfs:
 *
 *	/sys/kernel/debug/luo_flb_client/mass
 *
 * Reading gives one line. For each callback it has all calls and, behind the
 * slash, the most calls that one FLB had: with 56/1 of 56 FLBs each was called
 * once.
 *
 *	n=56 registered=56 preserve=56/1 unpreserve=0/0 retrieve=0/0 finish=0/0 bad=0
 *
 * Writing takes a command. A range ends before its second number; the first
 * failure ends the command, and what it did until then stays.
 *
 *	new N GENERATION	There are N FLBs. What they save is that of
 *				this generation, what they are given back has
 *				to be that of the one before. Once per boot.
 *	register FIRST END	with the handler of memfds
 *	unregister FIRST END
 *	touch FIRST END STEP	get_incoming, and put_incoming, of every STEPth
 *	fail FIRST END		The next preserve of each is refused with -EIO,
 *				and does not count.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/liveupdate.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "flb_client.h"

/* The log is not for every one of them. */
#define MASS_MAX_COMPLAINTS	8

enum mass_op {
	MASS_PRESERVE,
	MASS_UNPRESERVE,
	MASS_RETRIEVE,
	MASS_FINISH,
	MASS_NR_OPS,
};

static const char *const mass_op_names[MASS_NR_OPS] = {
	[MASS_PRESERVE]		= "preserve",
	[MASS_UNPRESERVE]	= "unpreserve",
	[MASS_RETRIEVE]		= "retrieve",
	[MASS_FINISH]		= "finish",
};

/* Its own address is its object, in both directions. */
struct mass_flb {
	struct liveupdate_flb flb;
	/* Each is written under the lock of the FLB's direction. */
	u16 calls[MASS_NR_OPS];
	bool registered;
	bool fails;
};

/* Serialises commands. Callbacks must not take it. */
static DEFINE_MUTEX(mass_lock);
/* As the FLBs of flb_client.c never freed. */
static struct mass_flb *mass_flbs;
static unsigned int mass_n;
static unsigned int mass_registered;
static u32 mass_generation;
static atomic_t mass_calls[MASS_NR_OPS];
static atomic_t mass_bad;

/* All different: the multiplier is odd, and what it multiplies tells them. */
static u64 mass_data(const struct mass_flb *mass, u32 generation)
{
	u64 number = mass - mass_flbs;

	return ((u64)generation << 32 | number) * 0x9e3779b97f4a7c15ULL + 1;
}

static bool mass_check(const struct mass_flb *mass, const char *what, bool good)
{
	if (!good && atomic_inc_return(&mass_bad) <= MASS_MAX_COMPLAINTS)
		pr_err("%s: %s out of turn, or with wrong data\n",
		       mass->flb.compatible, what);

	return good;
}

static bool mass_called(struct mass_flb *mass, enum mass_op op, bool good)
{
	mass->calls[op]++;
	atomic_inc(&mass_calls[op]);

	return mass_check(mass, mass_op_names[op], good);
}

static bool mass_is_preserved(const struct mass_flb *mass)
{
	return mass->calls[MASS_PRESERVE] != mass->calls[MASS_UNPRESERVE];
}

static int mass_preserve(struct liveupdate_flb_op_args *argp)
{
	struct mass_flb *mass = container_of(argp->flb, struct mass_flb, flb);

	if (mass->fails) {
		mass->fails = false;
		return -EIO;
	}

	mass_called(mass, MASS_PRESERVE,
		    mass->registered && !mass_is_preserved(mass));
	argp->data = mass_data(mass, mass_generation);
	argp->obj = mass;

	return 0;
}

static void mass_unpreserve(struct liveupdate_flb_op_args *argp)
{
	struct mass_flb *mass = container_of(argp->flb, struct mass_flb, flb);

	mass_called(mass, MASS_UNPRESERVE,
		    mass_is_preserved(mass) && argp->obj == mass &&
		    argp->data == mass_data(mass, mass_generation));
}

static int mass_retrieve(struct liveupdate_flb_op_args *argp)
{
	struct mass_flb *mass = container_of(argp->flb, struct mass_flb, flb);

	if (!mass_called(mass, MASS_RETRIEVE,
			 !mass->calls[MASS_RETRIEVE] &&
			 argp->data == mass_data(mass, mass_generation - 1)))
		return -EBADMSG;

	argp->obj = mass;

	return 0;
}

static void mass_finish(struct liveupdate_flb_op_args *argp)
{
	struct mass_flb *mass = container_of(argp->flb, struct mass_flb, flb);

	mass_called(mass, MASS_FINISH,
		    mass->calls[MASS_RETRIEVE] == 1 &&
		    !mass->calls[MASS_FINISH] && argp->obj == mass);
}

static const struct liveupdate_flb_ops mass_flb_ops = {
	.preserve	= mass_preserve,
	.unpreserve	= mass_unpreserve,
	.retrieve	= mass_retrieve,
	.finish		= mass_finish,
	.owner		= THIS_MODULE,
};

static int mass_new(unsigned int n, u32 generation)
{
	struct mass_flb *flbs;
	unsigned int i;

	if (mass_flbs)
		return -EEXIST;
	if (!n)
		return -EINVAL;

	flbs = kvcalloc(n, sizeof(*flbs), GFP_KERNEL);
	if (!flbs)
		return -ENOMEM;

	for (i = 0; i < n; i++) {
		flbs[i].flb.ops = &mass_flb_ops;
		snprintf((char *)flbs[i].flb.compatible,
			 sizeof(flbs[i].flb.compatible), "mass-%05u-v1", i);
	}
	mass_generation = generation;
	mass_flbs = flbs;
	mass_n = n;

	return 0;
}

static int mass_register(struct mass_flb *mass)
{
	struct liveupdate_file_handler *fh = luo_flb_client_handler();
	int err;

	if (!fh)
		return -ENODEV;

	err = liveupdate_register_flb(fh, &mass->flb);
	if (!err) {
		mass->registered = true;
		mass_registered++;
	}

	return err;
}

static int mass_unregister(struct mass_flb *mass)
{
	struct liveupdate_file_handler *fh = luo_flb_client_handler();

	if (!fh)
		return -ENODEV;
	if (!mass->registered)
		return -ENOENT;

	liveupdate_unregister_flb(fh, &mass->flb);
	mass->registered = false;
	mass_registered--;

	return 0;
}

static int mass_touch(struct mass_flb *mass)
{
	void *obj = NULL;
	int err;

	err = liveupdate_flb_get_incoming(&mass->flb, &obj);
	if (err)
		return err;

	mass_check(mass, "get_incoming", obj == mass);
	liveupdate_flb_put_incoming(&mass->flb);

	return 0;
}

static int mass_fail(struct mass_flb *mass)
{
	mass->fails = true;

	return 0;
}

static int mass_for_each(unsigned int first, unsigned int end,
			 unsigned int step, int (*what)(struct mass_flb *mass))
{
	int err = 0;

	if (first > end || end > mass_n || !step)
		return -EINVAL;

	while (!err && first < end) {
		err = what(&mass_flbs[first]);
		if (step >= end - first)
			break;
		first += step;
	}

	return err;
}

static int mass_command(const char *line)
{
	unsigned int a, b, c;
	char command[12];
	int nr;

	nr = sscanf(line, "%11s %u %u %u", command, &a, &b, &c);

	guard(mutex)(&mass_lock);
	if (nr == 3 && !strcmp(command, "new"))
		return mass_new(a, b);
	if (nr == 3 && !strcmp(command, "register"))
		return mass_for_each(a, b, 1, mass_register);
	if (nr == 3 && !strcmp(command, "unregister"))
		return mass_for_each(a, b, 1, mass_unregister);
	if (nr == 3 && !strcmp(command, "fail"))
		return mass_for_each(a, b, 1, mass_fail);
	if (nr == 4 && !strcmp(command, "touch"))
		return mass_for_each(a, b, c, mass_touch);

	return -EINVAL;
}

static ssize_t mass_write(struct file *file, const char __user *ubuf,
			  size_t len, loff_t *ppos)
{
	char line[64];
	int err;

	if (len >= sizeof(line))
		return -E2BIG;
	if (copy_from_user(line, ubuf, len))
		return -EFAULT;
	line[len] = '\0';

	err = mass_command(line);
	/* write() has no other way to tell that a positive result came out. */
	if (err > 0)
		err = -EPROTO;

	return err ? err : len;
}

static u16 mass_most_calls(enum mass_op op)
{
	unsigned int i;
	u16 most = 0;

	for (i = 0; i < mass_n; i++)
		most = max(most, mass_flbs[i].calls[op]);

	return most;
}

static int mass_show(struct seq_file *m, void *unused)
{
	int op;

	guard(mutex)(&mass_lock);
	seq_printf(m, "n=%u registered=%u", mass_n, mass_registered);
	for (op = 0; op < MASS_NR_OPS; op++)
		seq_printf(m, " %s=%d/%u", mass_op_names[op],
			   atomic_read(&mass_calls[op]), mass_most_calls(op));
	seq_printf(m, " bad=%d\n", atomic_read(&mass_bad));

	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(mass);

void luo_flb_mass_init(struct dentry *dir)
{
	debugfs_create_file("mass", 0600, dir, NULL, &mass_fops);
}
