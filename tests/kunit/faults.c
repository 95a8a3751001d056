// SPDX-License-Identifier: GPL-2.0
/*
 * Allocations that fail on demand.
 *
 * The kernel's fault injection has the allocators ask a function each whether an
 * allocation shall fail. Here they are probed, and answer for the task that tests:
 * one of its allocations fails, or some in a row. (The fail-nth of a task spares those
 * that may sleep, unless debugfs says otherwise, which nobody can write to this early.)
 */

#include <linux/array_size.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/error-injection.h>
#include <linux/gfp.h>
#include <linux/kprobes.h>
#include <linux/sched.h>
#include "faults.h"

/* A function that is asked, or that allocates itself. */
struct luo_flb_fault_point {
	struct kprobe probe;
	const char *symbol;
	/* Which of its arguments the flags are. */
	unsigned int gfp;
	/* What it returns for the allocation to fail. */
	unsigned long refusal;
};

/* Only the task that tests changes what is here, and only it is looked for. */
static struct {
	struct task_struct *task;
	unsigned int seen;
	unsigned int first;
	unsigned int last;
} luo_flb_faults;

/* Whether this is one that the task makes, and that can fail; not one in an interrupt. */
static bool luo_flb_faults_counts(gfp_t gfp)
{
	return current == READ_ONCE(luo_flb_faults.task) &&
	       gfpflags_allow_blocking(gfp) && !(gfp & __GFP_NOFAIL);
}

static int luo_flb_faults_asked(struct kprobe *probe, struct pt_regs *regs)
{
	struct luo_flb_fault_point *point =
		container_of(probe, struct luo_flb_fault_point, probe);
	unsigned long gfp = regs_get_kernel_argument(regs, point->gfp);

	if (!luo_flb_faults_counts((__force gfp_t)gfp))
		return 0;
	luo_flb_faults.seen++;
	if (luo_flb_faults.seen < luo_flb_faults.first ||
	    luo_flb_faults.seen > luo_flb_faults.last)
		return 0;

	regs_set_return_value(regs, point->refusal);
	override_function_with_return(regs);

	return 1;
}

NOKPROBE_SYMBOL(luo_flb_faults_asked);

/* With a handler of this kind a probe is not made a jump, which cannot return for the function. */
static void luo_flb_faults_passed(struct kprobe *probe, struct pt_regs *regs,
				  unsigned long flags)
{
}

static struct luo_flb_fault_point luo_flb_fault_points[] = {
	{ .symbol = "should_failslab", .gfp = 1, .refusal = -ENOMEM },
	{ .symbol = "should_fail_alloc_page", .gfp = 0, .refusal = true },
};

static bool luo_flb_faults_installed;

/* Stays as it is if it is there already. */
int luo_flb_faults_install(void)
{
	struct kprobe *probes[ARRAY_SIZE(luo_flb_fault_points)];
	int i, err;

	if (luo_flb_faults_installed)
		return 0;

	for (i = 0; i < ARRAY_SIZE(luo_flb_fault_points); i++) {
		struct luo_flb_fault_point *point = &luo_flb_fault_points[i];

		point->probe = (struct kprobe) {
			.symbol_name = point->symbol,
			.pre_handler = luo_flb_faults_asked,
			.post_handler = luo_flb_faults_passed,
		};
		probes[i] = &point->probe;
	}
	err = register_kprobes(probes, ARRAY_SIZE(probes));
	luo_flb_faults_installed = !err;
	return err;
}

void luo_flb_faults_remove(void)
{
	struct kprobe *probes[ARRAY_SIZE(luo_flb_fault_points)];
	int i;

	if (!luo_flb_faults_installed)
		return;

	for (i = 0; i < ARRAY_SIZE(luo_flb_fault_points); i++)
		probes[i] = &luo_flb_fault_points[i].probe;
	unregister_kprobes(probes, ARRAY_SIZE(probes));
	luo_flb_faults_installed = false;
}

/* From now on allocations of this task fail, from the @first to the @last; the first is 1. */
void luo_flb_faults_begin(unsigned int first, unsigned int last)
{
	luo_flb_faults.seen = 0;
	luo_flb_faults.first = first;
	luo_flb_faults.last = last;
	WRITE_ONCE(luo_flb_faults.task, current);
}

/* No more. How many there were, with those that have failed. */
unsigned int luo_flb_faults_end(void)
{
	WRITE_ONCE(luo_flb_faults.task, NULL);
	return luo_flb_faults.seen;
}
