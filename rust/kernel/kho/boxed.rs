// SPDX-License-Identifier: GPL-2.0

//! A value that says what it is, in physically contiguous memory.

use super::{
    Content,
    Handle,
    KhoFolio,
    Layout,
    Preserved,
    Restored,
    Target, //
};
use crate::prelude::*;

/// What stands in front of data: a mark, their version, their size, and what their parts are.
pub(super) type Header = [u64; 4];

/// The mark of a [`KhoBox`].
pub(super) const BOX: u64 = u64::from_le_bytes(*b"rustKHO2");

/// The header of data of type `T`.
pub(super) const fn header<T: Content>(mark: u64) -> Header {
    [mark, T::VERSION as u64, size_of::<T>() as u64, T::VERSIONS]
}

/// [`EINVAL`] unless this is that header; says what is wrong.
pub(super) fn check<T: Content>(found: &Header, mark: u64) -> Result {
    let wanted = header::<T>(mark);
    if *found == wanted {
        return Ok(());
    }
    // Of what is somebody else's nothing is told.
    match found[0] == mark {
        true => pr_err!("kho: data with {found:x?} are handed over, not {wanted:x?}\n"),
        false => pr_err!("kho: memory that was not preserved so is handed over\n"),
    }
    Err(EINVAL)
}

/// A value with a header in front of it, for a [`KhoBox`].
#[repr(C)]
pub struct Versioned<T> {
    pub(super) header: Header,
    data: T,
}

// SAFETY: Any bytes are a header, and a `T`.
unsafe impl<T: Content> Layout for Versioned<T> {
    type Value = T;

    fn value(&self) -> &T {
        &self.data
    }

    fn value_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

/// A [`KhoFolio`] with a header, which says the version, the size and what the parts are. Another
/// type that has the same is not told from it. Until it is asked for a handle it has no header.
///
/// # Examples
///
/// ```
/// use kernel::{kho::KhoBox, preserved_data};
///
/// preserved_data! {
///     pub struct Table: version 3 {
///         pub entries: [u64; 1000],
///     }
/// }
///
/// # if kernel::kho::is_enabled() {
/// let mut table = KhoBox::<Table>::zeroed()?;
/// table.entries[17] = 4;
/// // To be handed over, while `table` is kept.
/// let handle = table.handle();
/// # let _ = handle;
/// // If there is no live update after all:
/// drop(table);
/// # }
/// # Ok::<(), Error>(())
/// ```
pub type KhoBox<T, S = Preserved> = KhoFolio<Versioned<T>, S>;

impl<T: Content> KhoBox<T> {
    /// Moves a value to memory that is preserved. It is on the stack before: what is large should
    /// be written in place, to a box that is [`zeroed`](KhoFolio::zeroed).
    ///
    /// # Errors
    ///
    /// Those of [`KhoFolio::zeroed`].
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    pub fn new(value: T) -> Result<Self> {
        let mut new = Self::zeroed()?;
        *new = value;
        Ok(new)
    }

    /// What the next kernel needs to find it. It must be kept until then.
    pub fn handle(&mut self) -> Handle<T> {
        self.layout_mut().header = header::<T>(BOX);
        Handle::from_bits(self.address())
    }
}

impl<T: Content> Target for T {
    type Restored = KhoBox<T, Restored>;

    fn restore(address: u64) -> Result<Self::Restored> {
        KhoFolio::take(address, |restored: &Self::Restored| {
            check::<T>(&restored.layout().header, BOX)
        })
    }
}
