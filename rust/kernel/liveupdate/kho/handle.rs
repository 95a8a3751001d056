// SPDX-License-Identifier: GPL-2.0

//! Where preserved memory is, for the next kernel.

use super::{
    super::Handover,
    box_size,
    Content,
    KhoBox,
    Restored,
    Restoring, //
};
use crate::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Where a published [`KhoBox`] is: its physical address, which fits into the 64 bits that
/// callbacks hand over, and into preserved data.
///
/// Any 64 bits are a handle. What does not lead to a published `T` is refused, and what was
/// restored once is not there a second time.
#[repr(transparent)]
pub struct Handle<T: Content> {
    address: u64,
    _content: PhantomData<fn() -> T>,
}

impl<T: Content> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Content> Copy for Handle<T> {}

// SAFETY: A number and nothing else.
unsafe impl<T: Content> FromBytes for Handle<T> {}
// SAFETY: A number and nothing else.
unsafe impl<T: Content> AsBytes for Handle<T> {}

// What it leads to has a header of its own.
impl<T: Content> Content for Handle<T> {
    const VERSION: u32 = 0;
}

impl<T: Content> Handover for Handle<T> {
    #[inline]
    fn into_bits(self) -> u64 {
        self.address
    }

    #[inline]
    fn from_bits(bits: u64) -> Self {
        Self {
            address: bits,
            _content: PhantomData,
        }
    }
}

impl<T: Content> Handle<T> {
    /// Leads nowhere, like one that is zero.
    pub const NOWHERE: Self = Self {
        address: 0,
        _content: PhantomData,
    };

    /// Takes over what the previous kernel has published, without copying it.
    ///
    /// What is in it is what that kernel says: check what you rely on.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the address is not one that can be, or if what is there is of another version
    /// or size, which the kernel log tells. It is lost then, as it was taken from KHO and nobody
    /// knows whose it is. [`ENOENT`] if there is no preserved memory, or no longer, of which KHO
    /// warns once.
    ///
    /// Context: process, may sleep.
    pub fn restore(self) -> Result<KhoBox<T, Restored>> {
        if self.address == 0 || self.address % PAGE_SIZE as u64 != 0 {
            pr_err!(
                "liveupdate: {:#x} is handed over as an address\n",
                self.address
            );
            return Err(EINVAL);
        }
        let restoring = Restoring::lock();
        // SAFETY: The function takes any address: it looks whether there is memory, and whether it
        // was preserved and not restored yet, which nobody else does meanwhile.
        let folio = unsafe { bindings::kho_restore_folio(self.address) };
        drop(restoring);
        if folio.is_null() {
            return Err(ENOENT);
        }
        // SAFETY: The folio is ours.
        let (size, memory) =
            unsafe { (bindings::folio_size(folio), bindings::folio_address(folio)) };
        if size < const { box_size::<T>() } {
            pr_err!("liveupdate: too little memory is handed over: {size} bytes\n");
            return Err(EINVAL);
        }
        let memory = NonNull::new(memory.cast()).ok_or(EINVAL)?;
        // INVARIANT: Nobody else has this folio, it is large enough, and any bytes are a `T`.
        KhoBox::<T, Restored> {
            memory,
            _content: PhantomData,
        }
        .checked()
    }
}
