// SPDX-License-Identifier: GPL-2.0

#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/mm.h>

__rust_helper phys_addr_t rust_helper_virt_to_phys(void *address)
{
	return virt_to_phys(address);
}

__rust_helper void *rust_helper_phys_to_virt(phys_addr_t address)
{
	return phys_to_virt(address);
}

__rust_helper bool rust_helper_virt_addr_valid(const void *address)
{
	return virt_addr_valid(address);
}

__rust_helper struct folio *rust_helper_virt_to_folio(const void *address)
{
	return virt_to_folio(address);
}

__rust_helper void *rust_helper_folio_address(const struct folio *folio)
{
	return folio_address(folio);
}

__rust_helper size_t rust_helper_folio_size(const struct folio *folio)
{
	return folio_size(folio);
}

__rust_helper void rust_helper_folio_put(struct folio *folio)
{
	folio_put(folio);
}

/* A file like one that was opened by name: pread() and pwrite() work. */
__rust_helper struct file *
rust_helper_anon_inode_getfile_positioned(const char *name,
					  const struct file_operations *fops,
					  void *priv, int flags)
{
	return anon_inode_getfile_fmode(name, fops, priv, flags,
					FMODE_PREAD | FMODE_PWRITE);
}
