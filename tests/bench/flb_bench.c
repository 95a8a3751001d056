// SPDX-License-Identifier: GPL-2.0
/*
 * What the operations on File-Lifecycle-Bound (FLB) objects cost, over any
 * implementation of include/linux/liveupdate.h.
 *
 * It runs at boot when flb_bench.phase= says what to measure, with
 * flb_bench.n= FLBs, and restarts the machine. One line a measurement:
 *
 *	flb_bench: OPERATION N TICKS ROUNDS
 *
 * TICKS of the time stamp counter are for all rounds. Under QEMU with
 * -icount shift=0 a tick is an instruction, and interrupts are off while it
 * counts, so that the numbers are the same in every run. What cannot be
 * measured has an error, a negative number, in place of TICKS, and no rounds.
 *
 * Phases:
 *
 *	outgoing	register, preserve, get and serialize
 *	memory		what registered FLBs occupy
 *	send		leave a block of N entries to the next kernel, and go on
 *			to userspace, which is to kexec
 *	receive		there: parse the block, retrieve, get and finish
 *
 * With flb_bench.contended=MS a thread on each CPU gets and puts the same
 * object in phase receive instead, for so many milliseconds a window, and TICKS
 * are operations per second, ROUNDS the number of CPUs. With -icount QEMU runs
 * the CPUs in turn on one thread, so that these numbers repeat too.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/libfdt.h>
#include <linux/limits.h>
#include <linux/liveupdate.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/timex.h>
#include <linux/vmstat.h>
#include "../../../luo_internal.h"

/* After a first one that is not counted. */
#define BENCH_ROUNDS		100

/* Of each incoming FLB, more than are finished here. */
#define BENCH_FILES		1000

#define BENCH_WINDOWS		5

/* Handlers beside the first, in phase memory. */
#define BENCH_HANDLERS		63

#define BENCH_SUBTREE		"flb-bench"

static char bench_phase[16];
module_param_string(phase, bench_phase, sizeof(bench_phase), 0400);
MODULE_PARM_DESC(phase, "what to measure at boot: outgoing, memory, send or receive");

static unsigned int bench_n = 1;
module_param_named(n, bench_n, uint, 0400);
MODULE_PARM_DESC(n, "number of FLBs");

static unsigned int bench_contended;
module_param_named(contended, bench_contended, uint, 0400);
MODULE_PARM_DESC(contended, "operations per second of all CPUs on one object, in windows of ms");

static bool bench_can_preserve(struct liveupdate_file_handler *fh,
			       struct file *file)
{
	return false;
}

static int bench_file_op(struct liveupdate_file_op_args *args)
{
	return -ENODEV;
}

static void bench_file_end(struct liveupdate_file_op_args *args)
{
}

static const struct liveupdate_file_ops bench_file_ops = {
	.can_preserve	= bench_can_preserve,
	.preserve	= bench_file_op,
	.unpreserve	= bench_file_end,
	.retrieve	= bench_file_op,
	.finish		= bench_file_end,
	.owner		= THIS_MODULE,
};

static int bench_op(struct liveupdate_flb_op_args *args)
{
	args->data = 1;
	args->obj = args->flb;
	return 0;
}

static void bench_end(struct liveupdate_flb_op_args *args)
{
}

static const struct liveupdate_flb_ops bench_ops = {
	.preserve	= bench_op,
	.unpreserve	= bench_end,
	.retrieve	= bench_op,
	.finish		= bench_end,
	.owner		= THIS_MODULE,
};

static struct liveupdate_file_handler *bench_handler;
static struct liveupdate_flb *bench_flbs;
/* The one with number N. */
static struct liveupdate_flb *bench_last;

static void bench_name(char *name, unsigned int number)
{
	snprintf(name, LIVEUPDATE_FLB_COMPAT_LENGTH, "flb-bench-%05u-v1", number);
}

static void bench_report(const char *what, s64 ticks, unsigned int rounds)
{
	pr_info("%s %u %lld %u\n", what, bench_n, ticks, rounds);
}

/* Ticks that a statement takes, and those to find out. */
#define bench_raw(statement)						\
({									\
	unsigned long __flags;						\
	cycles_t __start, __end;					\
									\
	local_irq_save(__flags);					\
	__start = get_cycles();						\
	barrier();							\
	statement;							\
	barrier();							\
	__end = get_cycles();						\
	local_irq_restore(__flags);					\
	__end - __start;						\
})

#define bench_ticks(statement)						\
	((s64)(bench_raw(statement) - bench_raw(barrier())))

/* Many times; the first is not counted. */
#define bench(what, statement)						\
({									\
	s64 __sum = 0;							\
									\
	for (unsigned int __i = 0; __i <= BENCH_ROUNDS; __i++) {	\
		s64 __ticks = bench_ticks(statement);			\
									\
		__sum += __i ? __ticks : 0;				\
	}								\
	bench_report(what, __sum, BENCH_ROUNDS);			\
})

/* Pages of all zones that are in use, with none in the lists of a CPU. */
static s64 bench_used(void)
{
	struct zone *zone;
	s64 free = 0;

	drain_local_pages(NULL);
	for_each_populated_zone(zone)
		free += zone_page_state_snapshot(zone, NR_FREE_PAGES);

	return -free;
}

static struct liveupdate_file_handler *__init bench_new_handler(unsigned int number)
{
	struct liveupdate_file_handler *fh;
	int err;

	fh = kzalloc_obj(*fh);
	if (!fh)
		return ERR_PTR(-ENOMEM);

	fh->ops = &bench_file_ops;
	snprintf((char *)fh->compatible, sizeof(fh->compatible), "flb-bench-%u-v1", number);
	err = liveupdate_register_file_handler(fh);

	return err ? ERR_PTR(err) : fh;
}

static int __init bench_make_flbs(void)
{
	bench_flbs = kvzalloc_objs(*bench_flbs, bench_n);
	if (!bench_flbs)
		return -ENOMEM;

	for (unsigned int i = 0; i < bench_n; i++) {
		bench_flbs[i].ops = &bench_ops;
		bench_name((char *)bench_flbs[i].compatible, i + 1);
	}
	bench_last = &bench_flbs[bench_n - 1];

	return 0;
}

static int __init bench_register(struct liveupdate_file_handler *fh)
{
	for (unsigned int i = 0; i < bench_n; i++) {
		int err = liveupdate_register_flb(fh, &bench_flbs[i]);

		if (err)
			return err;
	}

	return 0;
}

static __always_inline void bench_get_put_outgoing(struct liveupdate_flb *flb)
{
	void *obj;

	if (liveupdate_flb_get_outgoing(flb, &obj))
		return;
#ifdef CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING
	liveupdate_flb_put_outgoing(flb);
#endif
}

static __always_inline void bench_get_put_incoming(struct liveupdate_flb *flb)
{
	void *obj;

	if (!liveupdate_flb_get_incoming(flb, &obj))
		liveupdate_flb_put_incoming(flb);
}

struct bench_thread {
	void (*get_put)(struct liveupdate_flb *flb);
	struct completion done;
	u64 count;
	u64 start;
	u64 end;
};

static atomic_t bench_waiting;

/* From when all threads are there. */
static int bench_thread(void *data)
{
	struct bench_thread *thread = data;
	unsigned long end;
	u64 count = 0;

	atomic_dec(&bench_waiting);
	while (atomic_read(&bench_waiting))
		cpu_relax();

	thread->start = ktime_get_ns();
	end = jiffies + msecs_to_jiffies(bench_contended);
	do {
		for (unsigned int i = 0; i < 100; i++)
			thread->get_put(bench_last);
		count += 100;
	} while (time_before(jiffies, end));
	thread->end = ktime_get_ns();
	thread->count = count;
	complete(&thread->done);

	return 0;
}

static int __init bench_window(const char *what, struct bench_thread *threads,
			       void (*get_put)(struct liveupdate_flb *flb))
{
	u64 count = 0, start = U64_MAX, end = 0;
	unsigned int cpu;

	atomic_set(&bench_waiting, num_online_cpus());
	for_each_online_cpu(cpu) {
		struct task_struct *task;

		threads[cpu].get_put = get_put;
		init_completion(&threads[cpu].done);
		task = kthread_create_on_cpu(bench_thread, &threads[cpu], cpu, "flb_bench/%u");
		if (IS_ERR(task))
			return PTR_ERR(task);
		wake_up_process(task);
	}
	for_each_online_cpu(cpu) {
		wait_for_completion(&threads[cpu].done);
		count += threads[cpu].count;
		start = min(start, threads[cpu].start);
		end = max(end, threads[cpu].end);
	}
	bench_report(what, count * NSEC_PER_SEC / (end - start), num_online_cpus());

	return 0;
}

static int __init bench_contend(void)
{
	struct bench_thread *threads;
	int err;

	err = bench_register(bench_handler);
	if (err)
		return err;

	err = luo_flb_file_preserve(bench_handler);
	if (err)
		return err;

	threads = kzalloc_objs(*threads, nr_cpu_ids);
	if (!threads)
		return -ENOMEM;

	for (unsigned int i = 0; i < BENCH_WINDOWS && !err; i++) {
		err = bench_window("contended-incoming", threads, bench_get_put_incoming);
		err = err ?: bench_window("contended-outgoing", threads, bench_get_put_outgoing);
	}

	return err;
}

static int __init bench_outgoing(void)
{
	s64 ticks, registered = 0, unregistered = 0;
	void *obj;
	int err;

	bench("get-nothing", err = liveupdate_flb_get_incoming(bench_last, &obj));
	if (err != -ENODATA)
		return -EINVAL;

	err = bench_register(bench_handler);
	if (err)
		return err;

	for (unsigned int i = 0; i <= BENCH_ROUNDS; i++) {
		ticks = bench_ticks(liveupdate_unregister_flb(bench_handler, bench_last));
		unregistered += i ? ticks : 0;
		ticks = bench_ticks(err = liveupdate_register_flb(bench_handler, bench_last));
		registered += i ? ticks : 0;
		if (err)
			return err;
	}
	bench_report("register", registered, BENCH_ROUNDS);
	bench_report("unregister", unregistered, BENCH_ROUNDS);

	bench("preserve-first", {
		err = luo_flb_file_preserve(bench_handler);
		luo_flb_file_unpreserve(bench_handler);
	});
	if (err)
		return err;

	err = luo_flb_file_preserve(bench_handler);
	if (err)
		return err;

	bench("preserve-further", {
		luo_flb_file_preserve(bench_handler);
		luo_flb_file_unpreserve(bench_handler);
	});
	bench("get-put-outgoing", bench_get_put_outgoing(bench_last));
	/* Once: nothing changes any more after it. */
	bench_report("serialize", bench_ticks(luo_flb_serialize()), 1);

	return 0;
}

static int __init bench_memory(void)
{
	struct liveupdate_file_handler *handlers[BENCH_HANDLERS];
	s64 used;
	int err;

	for (unsigned int i = 0; i < BENCH_HANDLERS; i++) {
		handlers[i] = bench_new_handler(i + 2);
		if (IS_ERR(handlers[i]))
			return PTR_ERR(handlers[i]);
	}

	used = bench_used();
	err = bench_register(bench_handler);
	if (err)
		return err;
	bench_report("pages-registered", bench_used() - used, 1);
	/* Many FLBs can be counted in pages as they are. */
	if (bench_n > BENCH_HANDLERS)
		return 0;

	used = bench_used();
	for (unsigned int i = 0; i < BENCH_HANDLERS; i++) {
		err = bench_register(handlers[i]);
		if (err)
			return err;
	}
	bench_report("pages-handlers", bench_used() - used, BENCH_HANDLERS);

	return 0;
}

static size_t __init bench_block_size(void)
{
	return sizeof(struct luo_flb_header_ser) + bench_n * sizeof(struct luo_flb_ser);
}

static int __init bench_send(void)
{
	size_t size = bench_block_size();
	struct luo_flb_header_ser *header;
	struct luo_flb_ser *entries;

	header = kho_alloc_preserve(size);
	if (IS_ERR(header))
		return PTR_ERR(header);

	header->pgcnt = DIV_ROUND_UP(size, PAGE_SIZE);
	header->count = bench_n;
	entries = (struct luo_flb_ser *)(header + 1);
	for (unsigned int i = 0; i < bench_n; i++) {
		bench_name(entries[i].name, i + 1);
		entries[i].data = 1;
		entries[i].count = BENCH_FILES;
	}

	return kho_add_subtree(BENCH_SUBTREE, header, size);
}

#ifdef CONFIG_LIVEUPDATE_FLB_HAS_FDT
static int __init bench_parse(phys_addr_t block, s64 *ticks)
{
	u64 address = block;
	int err = 0;
	void *fdt;

	fdt = (void *)get_zeroed_page(GFP_KERNEL);
	if (!fdt)
		return -ENOMEM;

	err |= fdt_create(fdt, PAGE_SIZE);
	err |= fdt_finish_reservemap(fdt);
	err |= fdt_begin_node(fdt, "");
	err |= fdt_begin_node(fdt, LUO_FDT_FLB_NODE_NAME);
	err |= fdt_property_string(fdt, "compatible", LUO_FDT_FLB_COMPATIBLE);
	err |= fdt_property(fdt, LUO_FDT_FLB_HEADER, &address, sizeof(address));
	err |= fdt_end_node(fdt);
	err |= fdt_end_node(fdt);
	err |= fdt_finish(fdt);
	if (err)
		return -EINVAL;

	*ticks = bench_ticks(err = luo_flb_setup_incoming(fdt));

	return err;
}
#else
static int __init bench_parse(phys_addr_t block, s64 *ticks)
{
	*ticks = bench_ticks(luo_flb_setup_incoming(block));

	return 0;
}
#endif

static int __init bench_receive(void)
{
	struct liveupdate_flb *middle = &bench_flbs[bench_n / 2];
	phys_addr_t block;
	s64 ticks, parse, used;
	size_t size;
	void *obj;
	int err;

	err = kho_retrieve_subtree(BENCH_SUBTREE, &block, &size);
	if (err)
		return err;
	if (size != bench_block_size())
		return -EINVAL;

	used = bench_used();
	err = bench_parse(block, &parse);
	if (err)
		return err;

	/* Each once: that is what it is for. */
	ticks = bench_ticks(err = liveupdate_flb_get_incoming(bench_last, &obj));
	if (err)
		return err;
	if (obj != bench_last)
		return -EINVAL;
	if (bench_contended)
		return bench_contend();

	bench_report("parse", parse, 1);
	bench_report("retrieve-last", ticks, 1);

	if (middle != bench_last) {
		ticks = bench_ticks(liveupdate_flb_get_incoming(middle, &obj));
		bench_report("retrieve-middle", ticks, 1);
	}
	ticks = 0;
	for (unsigned int i = 0; i < bench_n; i++) {
		if (&bench_flbs[i] == bench_last || &bench_flbs[i] == middle)
			continue;
		ticks += bench_ticks(err = liveupdate_flb_get_incoming(&bench_flbs[i], &obj));
		if (err)
			return err;
	}
	bench_report("retrieve-others", ticks, 1);
	/* The block counts until it is given back. */
	bench_report("pages-received", bench_used() - used + (1 << get_order(size)), 1);
	bench("get-put-incoming", bench_get_put_incoming(bench_last));

	err = bench_register(bench_handler);
	if (err)
		return err;
	bench("finish-further", luo_flb_file_finish(bench_handler));

	for (unsigned int i = BENCH_ROUNDS + 1; i < BENCH_FILES; i++)
		luo_flb_file_finish(bench_handler);
	for (unsigned int i = 0; i < bench_n; i++)
		liveupdate_flb_put_incoming(&bench_flbs[i]);
	bench("get-finished", err = liveupdate_flb_get_incoming(bench_last, &obj));

	return err == -ENODATA ? 0 : -EINVAL;
}

static int __init bench_run(void)
{
	int err;

	bench_handler = bench_new_handler(1);
	if (IS_ERR(bench_handler))
		return PTR_ERR(bench_handler);

	err = bench_make_flbs();
	if (err)
		return err;

	if (!strcmp(bench_phase, "outgoing"))
		return bench_outgoing();
	if (!strcmp(bench_phase, "memory"))
		return bench_memory();
	if (!strcmp(bench_phase, "receive"))
		return bench_receive();

	return -EINVAL;
}

/* The orchestrator is ready by then. */
static int __init bench_init(void)
{
	int err;

	if (!bench_phase[0])
		return 0;

	if (!bench_n)
		bench_n = 1;

	if (!strcmp(bench_phase, "send"))
		return bench_send();

	err = bench_run();
	if (err)
		bench_report("error", err, 0);
	bench_report("end", 0, 0);
	emergency_restart();

	return 0;
}
late_initcall_sync(bench_init);
