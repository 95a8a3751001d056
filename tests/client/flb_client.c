// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel test client for File-Lifecycle-Bound (FLB) objects.
 *
 * Each FLB saves one page that KHO carries over, so that data is checked and
 * not only the order of calls. Every callback is counted and logged. A test
 * in userspace drives the client through debugfs:
 *
 *	/sys/kernel/debug/luo_flb_client/state		what the kernel's interface
 *							is like, then counters,
 *							one FLB a line
 *	/sys/kernel/debug/luo_flb_client/control	one command a write
 *	/sys/kernel/debug/luo_flb_client/mass		see flb_mass.c
 *	/sys/kernel/debug/luo_flb_client/early		see flb_early.c
 *
 * The client uses include/linux/liveupdate.h alone, and so works over any
 * implementation of that header.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/kho/abi/memfd.h>
#include <linux/kstrtox.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pfn.h>
#include <linux/reboot.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "../../../luo_internal.h"
#include "flb_client.h"

/* How many FLBs names= may list; commands may add more. */
#define CLIENT_MAX_NAMES	16

#define CLIENT_PAGE_MAGIC	0x4c46422d50414745ULL
#define CLIENT_PAGE_WORDS						\
	((PAGE_SIZE - offsetof(struct client_page, words)) / sizeof(u64))

/* How many FLBs can be registered. */
#ifdef CONFIG_LIVEUPDATE_FLB_MAX
#define CLIENT_MAX_FLBS		CONFIG_LIVEUPDATE_FLB_MAX
#else
#define CLIENT_MAX_FLBS							\
	((PAGE_SIZE - sizeof(struct luo_flb_header_ser)) /		\
	 sizeof(struct luo_flb_ser))
#endif

static char client_names[1024] = "demo-iommu-v1,demo-pci-v1,demo-hugetlb-v1";
module_param_string(names, client_names, sizeof(client_names), 0400);
MODULE_PARM_DESC(names, "FLBs that this kernel knows, separated by commas");

static bool client_get;
module_param_named(get, client_get, bool, 0400);
MODULE_PARM_DESC(get, "get and put each incoming FLB before registration");

static char client_retrieve_fails[128];
module_param_string(retrieve_fails, client_retrieve_fails,
		    sizeof(client_retrieve_fails), 0400);
MODULE_PARM_DESC(retrieve_fails, "NAME:N, the first N retrieves fail");

static unsigned int client_linger;
module_param_named(linger, client_linger, uint, 0400);
MODULE_PARM_DESC(linger, "milliseconds between the end of serialization and the reboot");

/* Handed over in place of an address by an FLB whose object is NULL. */
#define CLIENT_NULL_DATA	0x4c46422d4e554c4cULL

/* What crosses the kexec. The checksum covers everything after itself. */
struct client_page {
	u64 magic;
	u64 checksum;
	char name[LIVEUPDATE_FLB_COMPAT_LENGTH];
	u64 seed;
	u64 words[];
};

enum client_op {
	CLIENT_PRESERVE,
	CLIENT_UNPRESERVE,
	CLIENT_RETRIEVE,
	CLIENT_FINISH,
	CLIENT_NR_OPS,
};

static const char *const client_op_names[CLIENT_NR_OPS] = {
	[CLIENT_PRESERVE]	= "preserve",
	[CLIENT_UNPRESERVE]	= "unpreserve",
	[CLIENT_RETRIEVE]	= "retrieve",
	[CLIENT_FINISH]		= "finish",
};

/* Counters belong to the name: they go on when its object is replaced. */
struct client_entry {
	struct list_head list;
	char name[LIVEUPDATE_FLB_COMPAT_LENGTH + 1];
	struct client_object *object;
	atomic_t calls[CLIENT_NR_OPS];
	atomic_t bad;
	/* Calls that are still to fail, and how. */
	atomic_t fail_times[CLIENT_NR_OPS];
	int fail_result[CLIENT_NR_OPS];
	bool null_object;
	/* The last get_outgoing found an object. */
	bool outgoing;
	/* Outgoing references that are to be put by command, and at reboot. */
	int held;
	int held_until_reboot;
};

/*
 * One FLB as the core sees it. Objects are never freed: the core may keep
 * using one after it was unregistered, which is among the things to test.
 */
struct client_object {
	struct liveupdate_flb flb;
	struct client_entry *entry;
	/* The one in whose place it came: kept, and not lost. */
	struct client_object *before;
	bool registered;
	bool retired;
};

/* Serialises setup and commands. Callbacks must not take it. */
static DEFINE_MUTEX(client_lock);
static LIST_HEAD(client_entries);
static struct liveupdate_file_handler *client_handler;
static bool client_ready;

static struct client_entry *client_entry_of(struct liveupdate_flb *flb)
{
	return container_of(flb, struct client_object, flb)->entry;
}

static u64 client_checksum(const struct client_page *page)
{
	const u8 *start = (const u8 *)page->name;
	const u8 *end = (const u8 *)page + PAGE_SIZE;
	u64 hash = 0xcbf29ce484222325ULL;

	while (start < end)
		hash = (hash ^ *start++) * 0x100000001b3ULL;

	return hash;
}

/* @name is the entry's, so it is as long as the field at least. */
static void client_fill(struct client_page *page, const char *name, u64 seed)
{
	size_t i;

	page->magic = CLIENT_PAGE_MAGIC;
	memcpy(page->name, name, sizeof(page->name));
	page->seed = seed;
	for (i = 0; i < CLIENT_PAGE_WORDS; i++)
		page->words[i] = (seed + i) * 0x9e3779b97f4a7c15ULL;
	page->checksum = client_checksum(page);
}

static u64 client_data_of(struct client_page *page)
{
	return page ? virt_to_phys(page) : CLIENT_NULL_DATA;
}

static bool client_page_is_good(struct client_entry *entry,
				const struct client_page *page)
{
	if (entry->null_object || !page)
		return entry->null_object && !page;

	return page->magic == CLIENT_PAGE_MAGIC &&
	       !strncmp(page->name, entry->name, sizeof(page->name)) &&
	       page->checksum == client_checksum(page);
}

static bool client_verify(struct client_entry *entry,
			  const struct client_page *page)
{
	if (client_page_is_good(entry, page))
		return true;

	atomic_inc(&entry->bad);
	pr_err("%s: the preserved page is damaged\n", entry->name);

	return false;
}

/* Count and log a call; nonzero if it was told to fail. */
static int client_called(struct client_entry *entry, enum client_op op)
{
	int nr = atomic_inc_return(&entry->calls[op]);
	int result = 0;

	if (atomic_dec_if_positive(&entry->fail_times[op]) >= 0)
		result = READ_ONCE(entry->fail_result[op]);

	if (result)
		pr_info("%s: %s #%d returns %d\n", entry->name,
			client_op_names[op], nr, result);
	else
		pr_info("%s: %s #%d\n", entry->name, client_op_names[op], nr);

	return result;
}

static int client_flb_preserve(struct liveupdate_flb_op_args *argp)
{
	struct client_entry *entry = client_entry_of(argp->flb);
	struct client_page *page = NULL;
	int err;

	err = client_called(entry, CLIENT_PRESERVE);
	if (err)
		return err;

	if (!entry->null_object) {
		page = kho_alloc_preserve(PAGE_SIZE);
		if (IS_ERR(page))
			return PTR_ERR(page);
		client_fill(page, entry->name, virt_to_phys(page));
	}
	argp->data = client_data_of(page);
	argp->obj = page;

	return 0;
}

static void client_flb_unpreserve(struct liveupdate_flb_op_args *argp)
{
	struct client_entry *entry = client_entry_of(argp->flb);
	struct client_page *page = argp->obj;

	client_called(entry, CLIENT_UNPRESERVE);
	if (!client_verify(entry, page))
		return;

	if (argp->data != client_data_of(page)) {
		atomic_inc(&entry->bad);
		pr_err("%s: unpreserve got other data than preserve gave\n",
		       entry->name);
	}
	if (!page)
		return;
	memset(page, 0, PAGE_SIZE);
	kho_unpreserve_free(page);
}

static int client_flb_retrieve(struct liveupdate_flb_op_args *argp)
{
	struct client_entry *entry = client_entry_of(argp->flb);
	struct client_page *page = NULL;
	int err;

	err = client_called(entry, CLIENT_RETRIEVE);
	if (err)
		return err;

	if (PAGE_ALIGNED(argp->data) && pfn_valid(PHYS_PFN(argp->data)))
		page = phys_to_virt(argp->data);
	if (!client_verify(entry, page) || argp->data != client_data_of(page))
		return -EBADMSG;

	/* The page stays preserved until finish: kho_restore_free() ends that. */
	argp->obj = page;

	return 0;
}

static void client_flb_finish(struct liveupdate_flb_op_args *argp)
{
	struct client_entry *entry = client_entry_of(argp->flb);
	struct client_page *page = argp->obj;

	client_called(entry, CLIENT_FINISH);
	if (!client_verify(entry, page) || !page)
		return;

	/* Whoever retrieves this page again shall notice. */
	memset(page, 0, PAGE_SIZE);
	kho_restore_free(page);
}

static const struct liveupdate_flb_ops client_flb_ops = {
	.preserve	= client_flb_preserve,
	.unpreserve	= client_flb_unpreserve,
	.retrieve	= client_flb_retrieve,
	.finish		= client_flb_finish,
	.owner		= THIS_MODULE,
};

static struct client_entry *client_find(const char *name)
{
	struct client_entry *entry;

	list_for_each_entry(entry, &client_entries, list) {
		if (!strcmp(entry->name, name))
			return entry;
	}

	return NULL;
}

static int client_new_object(struct client_entry *entry)
{
	struct client_object *object = kzalloc_obj(*object);

	if (!object)
		return -ENOMEM;

	object->entry = entry;
	object->before = entry->object;
	object->flb.ops = &client_flb_ops;
	/* Without a NUL when the name has 48 characters: a case to test. */
	memcpy((char *)object->flb.compatible, entry->name,
	       sizeof(object->flb.compatible));
	entry->object = object;

	return 0;
}

static struct client_entry *client_add(const char *name)
{
	struct client_entry *entry;
	int err;

	if (!*name || strlen(name) >= sizeof(entry->name))
		return ERR_PTR(-ENAMETOOLONG);

	entry = kzalloc_obj(*entry);
	if (!entry)
		return ERR_PTR(-ENOMEM);

	strscpy(entry->name, name, sizeof(entry->name));
	err = client_new_object(entry);
	if (err) {
		kfree(entry);
		return ERR_PTR(err);
	}
	list_add_tail(&entry->list, &client_entries);

	return entry;
}

static void client_parse_retrieve_fails(void)
{
	char *times = client_retrieve_fails;
	struct client_entry *entry;
	char *name;
	int nr;

	name = strsep(&times, ":");
	if (!times)
		return;

	entry = client_find(name);
	if (!entry || kstrtoint(times, 10, &nr)) {
		pr_err("retrieve_fails= is not NAME:N of a known FLB\n");
		return;
	}
	entry->fail_result[CLIENT_RETRIEVE] = -EIO;
	atomic_set(&entry->fail_times[CLIENT_RETRIEVE], nr);
}

/* Handlers register before debugfs is there: whoever comes first sets up. */
static void client_setup(void)
{
	char *rest = client_names;
	struct client_entry *entry;
	char *name;
	int nr = 0;

	lockdep_assert_held(&client_lock);

	if (client_ready)
		return;
	client_ready = true;

	while ((name = strsep(&rest, ",")) && nr < CLIENT_MAX_NAMES) {
		if (!*name || client_find(name))
			continue;
		entry = client_add(name);
		if (IS_ERR(entry))
			pr_err("cannot add '%s': %pe\n", name, entry);
		nr++;
	}
	client_parse_retrieve_fails();
}

/* Without live update no handler is ever seen; then any must be refused. */
static struct liveupdate_file_handler *client_target(void)
{
	static struct liveupdate_file_handler nobody;

	if (client_handler)
		return client_handler;

	return liveupdate_enabled() ? NULL : &nobody;
}

struct liveupdate_file_handler *luo_flb_client_handler(void)
{
	guard(mutex)(&client_lock);

	return client_target();
}
EXPORT_SYMBOL_GPL(luo_flb_client_handler);

static int client_register(struct client_entry *entry)
{
	struct liveupdate_file_handler *fh = client_target();
	int err;

	if (!fh)
		return -ENODEV;

	if (entry->object->retired) {
		err = client_new_object(entry);
		if (err)
			return err;
	}

	err = liveupdate_register_flb(fh, &entry->object->flb);
	if (!err)
		entry->object->registered = true;

	return err;
}

static int client_unregister(struct client_entry *entry)
{
	struct liveupdate_file_handler *fh = client_target();

	if (!fh)
		return -ENODEV;

	liveupdate_unregister_flb(fh, &entry->object->flb);
	if (entry->object->registered) {
		entry->object->registered = false;
		entry->object->retired = true;
	}

	return 0;
}

static int client_get_incoming(struct client_entry *entry)
{
	void *untouched = &client_lock;
	void *obj = untouched;
	int err;

	err = liveupdate_flb_get_incoming(&entry->object->flb, &obj);
	if (err && obj != untouched) {
		atomic_inc(&entry->bad);
		pr_err("%s: a failed get touched the result\n", entry->name);
	}
	if (!err)
		client_verify(entry, obj);

	return err;
}

static int client_get_outgoing(struct client_entry *entry)
{
	void *obj = NULL;
	int err;

	err = liveupdate_flb_get_outgoing(&entry->object->flb, &obj);
	entry->outgoing = !err && obj;
	if (entry->outgoing)
		client_verify(entry, obj);

	return err;
}

#ifdef CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING
static int client_hold_outgoing(struct client_entry *entry, int *held)
{
	int err = client_get_outgoing(entry);

	if (!err)
		(*held)++;

	return err;
}

static int client_put_outgoing(struct client_entry *entry, int *held)
{
	liveupdate_flb_put_outgoing(&entry->object->flb);
	/* Putting what is not held is among the things to test. */
	if (*held)
		(*held)--;

	return 0;
}
#else
/* No reference is taken, so there is none to put. */
static int client_hold_outgoing(struct client_entry *entry, int *held)
{
	return client_get_outgoing(entry);
}

static int client_put_outgoing(struct client_entry *entry, int *held)
{
	return -EOPNOTSUPP;
}
#endif

/*
 * liveupdate_reboot() has serialized the state by the time this runs. The next kernel
 * sees from the pages whether any of them was unpreserved though it was handed over.
 */
static int client_reboot(struct notifier_block *nb, unsigned long action,
			 void *unused)
{
	struct client_entry *entry;

	if (client_linger)
		msleep(client_linger);

	guard(mutex)(&client_lock);
	list_for_each_entry(entry, &client_entries, list) {
		while (entry->held_until_reboot)
			client_put_outgoing(entry, &entry->held_until_reboot);
	}

	return NOTIFY_DONE;
}

static struct notifier_block client_reboot_nb = {
	.notifier_call	= client_reboot,
};

void luo_flb_client_register(struct liveupdate_file_handler *fh)
{
	struct client_entry *entry;
	int err;

	liveupdate_test_register(fh);

	guard(mutex)(&client_lock);
	client_setup();

	/* One handler is enough, and keeps the expected counts simple. */
	if (client_handler || strcmp(fh->compatible, MEMFD_LUO_FH_COMPATIBLE))
		return;
	client_handler = fh;

	list_for_each_entry(entry, &client_entries, list) {
		if (!client_get)
			break;
		err = client_get_incoming(entry);
		if (!err)
			liveupdate_flb_put_incoming(&entry->object->flb);
		else if (err != -ENODATA && err != -ENOENT)
			pr_err("%s: get_incoming: %d\n", entry->name, err);
	}

	list_for_each_entry(entry, &client_entries, list) {
		err = client_register(entry);
		if (err)
			pr_err("%s: register: %d\n", entry->name, err);
	}
}

static int client_fail(struct client_entry *entry, const char *which,
		       const char *result, const char *times)
{
	enum client_op op;
	int nr_times;
	int value;
	int err;

	if (!which || !result || !times)
		return -EINVAL;

	if (!strcmp(which, client_op_names[CLIENT_PRESERVE]))
		op = CLIENT_PRESERVE;
	else if (!strcmp(which, client_op_names[CLIENT_RETRIEVE]))
		op = CLIENT_RETRIEVE;
	else
		return -EINVAL;

	err = kstrtoint(result, 0, &value);
	if (err)
		return err;
	err = kstrtoint(times, 0, &nr_times);
	if (err)
		return err;

	atomic_set(&entry->fail_times[op], 0);
	WRITE_ONCE(entry->fail_result[op], value);
	atomic_set(&entry->fail_times[op], nr_times);

	return 0;
}

static int client_command(char *line)
{
	char *words[5] = {};
	struct client_entry *entry;
	char *word;
	int nr = 0;

	line = strim(line);
	while ((word = strsep(&line, " "))) {
		if (!*word)
			continue;
		if (nr == ARRAY_SIZE(words))
			return -E2BIG;
		words[nr++] = word;
	}
	if (nr < 2)
		return -EINVAL;

	guard(mutex)(&client_lock);
	entry = client_find(words[1]);
	if (!entry && !strcmp(words[0], "register")) {
		entry = client_add(words[1]);
		if (IS_ERR(entry))
			return PTR_ERR(entry);
	}
	if (!entry)
		return -ENXIO;

	if (!strcmp(words[0], "fail"))
		return client_fail(entry, words[2], words[3], words[4]);
	if (nr != 2)
		return -EINVAL;

	if (!strcmp(words[0], "register"))
		return client_register(entry);
	if (!strcmp(words[0], "unregister"))
		return client_unregister(entry);
	if (!strcmp(words[0], "get_incoming"))
		return client_get_incoming(entry);
	if (!strcmp(words[0], "get_outgoing"))
		return client_hold_outgoing(entry, &entry->held);
	if (!strcmp(words[0], "put_outgoing"))
		return client_put_outgoing(entry, &entry->held);
	if (!strcmp(words[0], "put_at_reboot"))
		return client_hold_outgoing(entry, &entry->held_until_reboot);
	if (!strcmp(words[0], "put_incoming")) {
		liveupdate_flb_put_incoming(&entry->object->flb);
		return 0;
	}
	if (!strcmp(words[0], "null_object")) {
		entry->null_object = true;
		return 0;
	}

	return -EINVAL;
}

static ssize_t client_control_write(struct file *file, const char __user *ubuf,
				    size_t len, loff_t *ppos)
{
	char line[160];
	int err;

	if (len >= sizeof(line))
		return -E2BIG;
	if (copy_from_user(line, ubuf, len))
		return -EFAULT;
	line[len] = '\0';

	err = client_command(line);
	/* write() has no other way to tell that a positive result came out. */
	if (err > 0)
		err = -EPROTO;

	return err ? err : len;
}

static const struct file_operations client_control_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= client_control_write,
};

static void client_show_contract(struct seq_file *m)
{
	seq_printf(m, "contract: max=%zu", (size_t)CLIENT_MAX_FLBS);
	if (IS_ENABLED(CONFIG_LIVEUPDATE_FLB_RUST))
		seq_puts(m, " rust");
	if (IS_ENABLED(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))
		seq_puts(m, " put_outgoing");
	if (IS_ENABLED(CONFIG_LIVEUPDATE_FLB_HAS_RETRIEVE_STATUS))
		seq_puts(m, " retrieve_once");
	if (IS_ENABLED(CONFIG_LIVEUPDATE_FLB_HAS_FDT))
		seq_puts(m, " fdt");
	seq_putc(m, '\n');
}

static int client_state_show(struct seq_file *m, void *unused)
{
	struct client_entry *entry;
	int op;

	guard(mutex)(&client_lock);
	client_show_contract(m);
	list_for_each_entry(entry, &client_entries, list) {
		seq_puts(m, entry->name);
		for (op = 0; op < CLIENT_NR_OPS; op++)
			seq_printf(m, " %s=%d", client_op_names[op],
				   atomic_read(&entry->calls[op]));
		seq_printf(m, " bad=%d registered=%d out=%d held=%d\n",
			   atomic_read(&entry->bad), entry->object->registered,
			   entry->outgoing,
			   entry->held + entry->held_until_reboot);
	}

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(client_state);

static int __init client_init(void)
{
	struct dentry *dir;

	scoped_guard(mutex, &client_lock)
		client_setup();

	dir = debugfs_create_dir("luo_flb_client", NULL);
	debugfs_create_file("state", 0400, dir, NULL, &client_state_fops);
	debugfs_create_file("control", 0200, dir, NULL, &client_control_fops);
	luo_flb_mass_init(dir);
	luo_flb_early_init(dir);

	return luo_flb_poke_init(dir) ?:
	       register_reboot_notifier(&client_reboot_nb);
}
late_initcall(client_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Test client for File-Lifecycle-Bound objects");
