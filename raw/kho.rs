// SPDX-License-Identifier: GPL-2.0

//! Blocks of memory that Kexec HandOver (KHO) carries to the next kernel.

use crate::bindings;
use core::{ptr::NonNull, slice};
use kernel::{error::from_err_ptr, page::PAGE_SIZE, prelude::*};

/// A block that this kernel preserves for the next one.
///
/// # Invariants
///
/// `block` was returned by `kho_alloc_preserve()` for so many pages and is owned by this object
/// alone.
pub(crate) struct Preserved {
    block: NonNull<u8>,
    pages: usize,
}

// SAFETY: The object owns the block, which any task may use.
unsafe impl Send for Preserved {}

impl Preserved {
    /// What a block can have at most: KHO preserves it as a folio, and restores it as one.
    pub(crate) const MOST_PAGES: usize = 1 << bindings::MAX_PAGE_ORDER;

    /// Allocates contiguous pages of zeroes. May sleep.
    ///
    /// Errors: [`ENOMEM`] if there are none; [`EINVAL`] or [`E2BIG`] for none or too many; or what
    /// else KHO says.
    pub(crate) fn new(pages: usize) -> Result<Self> {
        let len = pages.checked_mul(PAGE_SIZE).ok_or(E2BIG)?;
        // SAFETY: The function refuses what it cannot allocate.
        let block = from_err_ptr(unsafe { bindings::kho_alloc_preserve(len) })?;
        let block = NonNull::new(block.cast()).ok_or(ENOMEM)?;
        // INVARIANT: The block has just been allocated.
        Ok(Self { block, pages })
    }

    /// The physical address, for the next kernel.
    pub(crate) fn address(&self) -> u64 {
        // SAFETY: By the invariant the block is in the kernel's direct mapping.
        unsafe { bindings::luo_flb_shim_block_address(self.block.as_ptr().cast()) }
    }

    /// How many pages there are.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// The content.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: By the invariant there are so many initialised bytes, and `self` is borrowed
        // exclusively. They are part of the direct mapping, so their number does not overflow.
        unsafe { slice::from_raw_parts_mut(self.block.as_ptr(), self.pages * PAGE_SIZE) }
    }
}

impl Drop for Preserved {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the invariant nobody else uses the block.
        unsafe { bindings::kho_unpreserve_free(self.block.as_ptr().cast()) };
    }
}

/// A block that the previous kernel preserved. Dropping it leaves the memory as it is.
///
/// # Invariants
///
/// KHO preserved the `len` bytes from `block` on as one, and will not hand them out again.
pub(crate) struct Restored {
    block: NonNull<u8>,
    len: usize,
}

// SAFETY: The object owns the block, which any task may use.
unsafe impl Send for Restored {}

impl Restored {
    /// Takes over the block at a physical address, which is that of a page; `None` if KHO did not
    /// preserve one there. Can succeed only once for an address.
    pub(crate) fn new(address: u64) -> Option<Self> {
        let mut len = 0;
        // SAFETY: KHO checks whether it preserved memory at the address; `len` is valid for writes.
        let block = unsafe { bindings::luo_flb_shim_block_restore(address, &mut len) };
        // INVARIANT: KHO has just handed out the block, and says how long it is.
        NonNull::new(block.cast()).map(|block| Self { block, len })
    }

    /// The content.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: By the invariant there are `len` bytes. Nobody writes them: the kernel that did
        // is gone. Only if the address was damaged, and is that of memory which KHO preserved for
        // somebody else, a device might. Then what is read is anything, as it would be without the
        // device.
        unsafe { slice::from_raw_parts(self.block.as_ptr(), self.len) }
    }

    /// Gives the memory back.
    ///
    /// To be called when its content shows that it is what was looked for. If the address was
    /// damaged, it may be the memory of somebody else, even of a device.
    pub(crate) fn give_back(self) {
        // SAFETY: By the invariant the memory is out of KHO's hands, and as the caller knows what
        // it is, nobody else's.
        unsafe { bindings::luo_flb_shim_block_put(self.block.as_ptr().cast()) };
    }
}
