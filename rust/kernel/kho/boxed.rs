// SPDX-License-Identifier: GPL-2.0

//! A value that says what it is, in physically contiguous memory.

use super::{
    slice,
    Content,
    Fresh,
    Handle,
    KhoFolio,
    Published,
    Restored,
    State, //
};
use crate::{
    ffi::c_void,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    types::ForeignOwnable, //
};
use core::{
    any::TypeId,
    mem::offset_of,
    ops::{
        Deref,
        DerefMut, //
    }, //
};

/// What stands in front of the data.
#[repr(C)]
pub(super) struct Header {
    pub(super) magic: u64,
    /// [`Content::VERSION`].
    pub(super) version: u32,
    /// Where the data begin.
    pub(super) offset: u32,
    /// How many bytes they have.
    pub(super) size: u64,
    /// [`Content::VERSIONS`].
    pub(super) versions: u64,
}

impl Header {
    pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"rustKHO1");
    /// Of the description of a slice.
    const SLICE: u64 = u64::from_le_bytes(*b"rustKHOs");
    const EMPTY: u64 = 0;

    /// What the header of a published `T` is.
    pub(super) fn of<T: Content>() -> Self {
        Self {
            magic: match is_description::<T>() {
                true => Self::SLICE,
                false => Self::MAGIC,
            },
            version: T::VERSION,
            offset: const { offset_of!(Versioned<T>, data) as u32 },
            size: size_of::<T>() as u64,
            versions: T::VERSIONS,
        }
    }

    /// What it is before it is published.
    fn empty<T: Content>() -> Self {
        Self {
            magic: Self::EMPTY,
            ..Self::of::<T>()
        }
    }

    /// [`EINVAL`] unless this is the header of a published `T`; says what is wrong.
    pub(super) fn check<T: Content>(&self) -> Result {
        let wanted = Self::of::<T>();
        if self.magic != wanted.magic {
            pr_err!("kho: memory that was not published so is handed over\n");
        } else if self.version != wanted.version {
            pr_err!(
                "kho: data of version {} are handed over, {} is wanted\n",
                self.version,
                wanted.version
            );
        } else if self.size != wanted.size || self.offset != wanted.offset {
            pr_err!(
                "kho: {} bytes of data at {} are handed over, not {} at {}\n",
                self.size,
                self.offset,
                wanted.size,
                wanted.offset
            );
        } else if self.versions != wanted.versions {
            pr_err!("kho: parts of the data are of other versions\n");
        } else {
            return Ok(());
        }
        Err(EINVAL)
    }
}

/// Whether this is what describes slices, for which nothing of a driver's must pass: it has a mark
/// of its own, in memory of a size that has no value of a driver's at its beginning.
pub(super) fn is_description<T: Content>() -> bool {
    TypeId::of::<T>() == TypeId::of::<slice::Description>()
}

/// A value with its header.
#[repr(C)]
pub(super) struct Versioned<T> {
    pub(super) header: Header,
    pub(super) data: T,
}

// SAFETY: Any bytes are a header, and a `T`.
unsafe impl<T: Content> FromBytes for Versioned<T> {}
// SAFETY: So are they of both. What is between and behind them was zero when the memory was
// allocated, and stays so: both are written one by one, and none of these is ever on the stack.
unsafe impl<T: Content> AsBytes for Versioned<T> {}

/// A value in preserved memory, owned by this box alone.
///
/// It is physically contiguous. In front of it is a header with its version, size, and what its
/// parts are, which is filled in when the box is published: no other one can be restored. Another
/// type of the same version, size and parts is not told from it.
///
/// # Invariants
///
/// In the state [`Published`] the header is that of a `T`.
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
/// let table = table.publish();
/// // To be handed over, while `table` is kept.
/// let handle = table.handle();
/// # let _ = handle;
/// // If there is no live update after all:
/// drop(table);
/// # }
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
pub struct KhoBox<T: Content, S: State = Fresh> {
    pub(super) folio: KhoFolio<Versioned<T>, S>,
}

impl<T: Content> KhoBox<T> {
    /// Allocates memory that is preserved, and fills it with zeroes.
    ///
    /// # Errors
    ///
    /// Those of [`KhoFolio::zeroed`].
    ///
    /// # Context
    ///
    /// Process, may sleep.
    pub fn zeroed() -> Result<Self> {
        Ok(Self {
            folio: KhoFolio::alloc(0)?,
        })
    }

    /// Moves a value to memory that is preserved. It is on the stack before: what is large should
    /// be written in place, to a box that is [`zeroed`](Self::zeroed).
    ///
    /// # Errors
    ///
    /// Those of [`KhoFolio::zeroed`].
    ///
    /// # Context
    ///
    /// Process, may sleep.
    pub fn new(value: T) -> Result<Self> {
        let mut new = Self::zeroed()?;
        *new = value;
        Ok(new)
    }

    /// Gives it a handle, by which the next kernel finds it.
    pub fn publish(mut self) -> KhoBox<T, Published> {
        self.folio.header = Header::of::<T>();
        // INVARIANT: The header is that of a `T`.
        KhoBox {
            folio: self.folio.into_state(),
        }
    }
}

impl<T: Content> KhoBox<T, Published> {
    /// What the next kernel needs to find it. It must be kept until then.
    pub fn handle(&self) -> Handle<T> {
        Handle::from_bits(self.folio.address())
    }

    /// Takes it back: no handle leads to it any more.
    pub fn unpublish(mut self) -> KhoBox<T> {
        self.folio.header = Header::empty::<T>();
        KhoBox {
            folio: self.folio.into_state(),
        }
    }
}

impl<T: Content> KhoBox<T, Restored> {
    /// Refuses memory that is not a published `T`. Nobody knows whose it is, so it is not
    /// given back.
    pub(super) fn checked(self) -> Result<Self> {
        match self.folio.header.check::<T>() {
            Ok(()) => Ok(self),
            Err(error) => {
                self.folio.forget();
                Err(error)
            }
        }
    }

    /// Preserves it for the next kernel too, where it is.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`]; `EOPNOTSUPP` if memory cannot be preserved. The box is dropped then, and its
    /// memory given back.
    ///
    /// # Context
    ///
    /// Process, may sleep.
    pub fn preserve(mut self) -> Result<KhoBox<T>> {
        self.folio.header = Header::empty::<T>();
        Ok(KhoBox {
            folio: self.folio.preserve_as()?,
        })
    }
}

impl<T: Content, S: State> Deref for KhoBox<T, S> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.folio.data
    }
}

impl<T: Content, S: State> DerefMut for KhoBox<T, S> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.folio.data
    }
}

// SAFETY: It is that of the folio.
unsafe impl<T: Content, S: State> ForeignOwnable for KhoBox<T, S> {
    const FOREIGN_ALIGN: usize = KhoFolio::<Versioned<T>, S>::FOREIGN_ALIGN;

    type Borrowed<'a> = &'a T;
    type BorrowedMut<'a> = &'a mut T;

    fn into_foreign(self) -> *mut c_void {
        self.folio.into_foreign()
    }

    unsafe fn from_foreign(memory: *mut c_void) -> Self {
        // INVARIANT: It came from a box like this, which was forgotten.
        Self {
            // SAFETY: By the requirements of this function.
            folio: unsafe { KhoFolio::from_foreign(memory) },
        }
    }

    unsafe fn borrow<'a>(memory: *mut c_void) -> &'a T {
        // SAFETY: By the requirements of this function.
        &unsafe { KhoFolio::<Versioned<T>, S>::borrow(memory) }.data
    }

    unsafe fn borrow_mut<'a>(memory: *mut c_void) -> &'a mut T {
        // SAFETY: By the requirements of this function.
        &mut unsafe { KhoFolio::<Versioned<T>, S>::borrow_mut(memory) }.data
    }
}
