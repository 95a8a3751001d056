// SPDX-License-Identifier: GPL-2.0

//! Memory that stays in place while the kernel is replaced (Kexec HandOver, KHO).
//!
//! ```text
//! this kernel       KhoBox::new ─▶ KhoBox ──publish──▶ KhoBox<_, Published> ─▶ Handle
//!                                                                                │ kexec
//! the next kernel   KhoBox<_, Restored> ◀──────────────Handle::restore──────── Handle
//! ```
//!
//! A box owns its memory, in each of its states: dropped, it gives it back, which may sleep. There
//! is nothing to do to hand it over but to keep it until the kexec, and to tell the next kernel its
//! [`Handle`].
//!
//! In front of the data is a header that says what they are, so that a handle that leads elsewhere
//! and data of another version or size are refused. It is filled in when the box is published: no
//! other one can be restored.
//!
//! C header: [`include/linux/kexec_handover.h`](srctree/include/linux/kexec_handover.h)

mod content;
mod handle;
mod slice;
#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
mod tests;

#[doc(hidden)]
pub use self::content::{
    mix,
    plain_size, //
};
pub use self::{
    content::Content,
    handle::Handle,
    slice::{
        KhoSlice,
        SliceHandle, //
    },
};

use super::Handover;
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::c_void,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        Atomic,
        Full, //
    },
    types::ForeignOwnable, //
};
use core::{
    any::TypeId,
    marker::PhantomData,
    mem::{
        align_of,
        forget,
        size_of, //
    },
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull,
};

/// What a [`KhoBox`] or a [`KhoSlice`] is at in its way to the next kernel.
pub trait State: private::Sealed + 'static {
    /// Whether the memory came from the previous kernel, and is not preserved for the next.
    #[doc(hidden)]
    const RESTORED: bool;
}

/// To be filled in; no handle leads to it.
pub struct Fresh;

/// Has a handle, by which the next kernel finds it.
pub struct Published;

/// Found by its handle, in the memory of the previous kernel. For the next kernel it is lost,
/// unless it is preserved again.
pub struct Restored;

impl State for Fresh {
    const RESTORED: bool = false;
}

impl State for Published {
    const RESTORED: bool = false;
}

impl State for Restored {
    const RESTORED: bool = true;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Fresh {}
    impl Sealed for super::Published {}
    impl Sealed for super::Restored {}
}

// Handles have 64 bits, and so have the addresses of all kernels that can be handed over to.
const _: () = assert!(size_of::<bindings::phys_addr_t>() == size_of::<u64>());

/// What stands in front of the data.
#[repr(C)]
struct Header {
    magic: u64,
    /// [`Content::VERSION`].
    version: u32,
    /// Where the data begin.
    offset: u32,
    /// How many bytes they have.
    size: u64,
    /// [`Content::VERSIONS`].
    versions: u64,
}

impl Header {
    const MAGIC: u64 = u64::from_le_bytes(*b"rustKHO1");
    /// Of the description of a slice, which nothing that a driver publishes can pass for.
    const SLICE: u64 = u64::from_le_bytes(*b"rustKHOs");
    const EMPTY: u64 = 0;

    /// What the header of a published `T` is.
    fn of<T: Content>() -> Self {
        Self {
            magic: match TypeId::of::<T>() == TypeId::of::<slice::Description>() {
                true => Self::SLICE,
                false => Self::MAGIC,
            },
            version: T::VERSION,
            offset: const { offset_of_data::<T>() as u32 },
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
    fn check<T: Content>(&self) -> Result {
        let wanted = Self::of::<T>();
        if self.magic != wanted.magic {
            pr_err!("liveupdate: memory that was not published so is handed over\n");
        } else if self.version != wanted.version {
            pr_err!(
                "liveupdate: data of version {} are handed over, {} is wanted\n",
                self.version,
                wanted.version
            );
        } else if self.size != wanted.size || self.offset != wanted.offset {
            pr_err!(
                "liveupdate: {} bytes of data at {} are handed over, not {} at {}\n",
                self.size,
                self.offset,
                wanted.size,
                wanted.offset
            );
        } else if self.versions != wanted.versions {
            pr_err!("liveupdate: parts of the data are of other versions\n");
        } else {
            return Ok(());
        }
        Err(EINVAL)
    }
}

/// Where the data begin.
const fn offset_of_data<T: Content>() -> usize {
    assert!(align_of::<T>() <= PAGE_SIZE, "wants more than a page");
    size_of::<Header>().next_multiple_of(align_of::<T>())
}

/// How much memory a box takes, of which KHO makes a power of two pages.
const fn box_size<T: Content>() -> usize {
    match offset_of_data::<T>().checked_add(size_of::<T>()) {
        Some(size) => size,
        None => panic!("too large"),
    }
}

/// A value in preserved memory, owned by this box alone.
///
/// # Invariants
///
/// `memory` is a page-aligned allocation of at least `box_size` initialised bytes, which this
/// owns: a header, and a `T` after it. In the state [`Restored`] it is a folio of this kernel's, in
/// the others it came from `kho_alloc_preserve()` or is preserved in the same way. In the state
/// [`Published`] the header is that of a `T`.
///
/// # Examples
///
/// ```
/// use kernel::{liveupdate::KhoBox, preserved_data};
///
/// preserved_data! {
///     pub struct Table: version 3 {
///         pub entries: [u64; 1000],
///     }
/// }
///
/// # if kernel::liveupdate::kho::is_enabled() {
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
pub struct KhoBox<T: Content, S: State = Fresh> {
    memory: NonNull<Header>,
    _content: PhantomData<(T, S)>,
}

// SAFETY: A box owns its value, which is `Send`.
unsafe impl<T: Content, S: State> Send for KhoBox<T, S> {}
// SAFETY: A box owns its value, which is `Sync`.
unsafe impl<T: Content, S: State> Sync for KhoBox<T, S> {}

/// One restores at a time: KHO looks whether memory was restored already, and notes that it is,
/// without a lock.
struct Restoring;

/// Bit 0 is the lock.
static RESTORING: Atomic<usize> = Atomic::new(0);

impl Restoring {
    fn lock() -> Self {
        // SAFETY: The word is a static. The function sleeps until it has set the bit.
        unsafe {
            bindings::out_of_line_wait_on_bit_lock(
                RESTORING.as_ptr().cast(),
                0,
                Some(bindings::bit_wait),
                bindings::TASK_UNINTERRUPTIBLE,
            )
        };
        Self
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        // Fully ordered, as the waiters are looked for after it.
        RESTORING.xchg(0, Full);
        // SAFETY: The word is a static.
        unsafe { bindings::wake_up_bit(RESTORING.as_ptr().cast(), 0) };
    }
}

/// Whether memory can be preserved at all, which is decided on the command line (`kho=`).
#[inline]
pub fn is_enabled() -> bool {
    // SAFETY: The function reads a flag.
    unsafe { bindings::kho_is_enabled() }
}

impl<T: Content> KhoBox<T> {
    /// Allocates memory that is preserved, and fills it with zeroes. It is physically contiguous.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`]; [`E2BIG`] if it is too large for one allocation; `EOPNOTSUPP` if memory cannot
    /// be preserved.
    ///
    /// Context: process, may sleep.
    pub fn zeroed() -> Result<Self> {
        if !is_enabled() {
            return Err(Error::from_errno(-(bindings::EOPNOTSUPP as i32)));
        }
        // SAFETY: The function may be called with any size.
        let memory =
            from_err_ptr(unsafe { bindings::kho_alloc_preserve(const { box_size::<T>() }) })?;
        let memory = NonNull::new(memory.cast()).ok_or(ENOMEM)?;
        // INVARIANT: It is new, as large as it was asked for, and zero, which is a valid `T`.
        Ok(Self {
            memory,
            _content: PhantomData,
        })
    }

    /// Moves a value to memory that is preserved. It is on the stack before: what is large should
    /// be written in place, to a box that is [`zeroed`](Self::zeroed).
    ///
    /// # Errors
    ///
    /// Those of [`zeroed`](Self::zeroed).
    ///
    /// Context: process, may sleep.
    pub fn new(value: T) -> Result<Self> {
        let mut new = Self::zeroed()?;
        *new = value;
        Ok(new)
    }

    /// Gives it a handle, by which the next kernel finds it.
    pub fn publish(self) -> KhoBox<T, Published> {
        // INVARIANT: The header is that of a `T`.
        self.into_state(Header::of::<T>())
    }
}

impl<T: Content> KhoBox<T, Published> {
    /// What the next kernel needs to find it. It must be kept until then.
    pub fn handle(&self) -> Handle<T> {
        // SAFETY: The memory is in the linear mapping, as all folios that have an address.
        let address = unsafe { bindings::virt_to_phys(self.memory.as_ptr().cast()) };
        Handle::from_bits(address)
    }

    /// Takes it back: no handle leads to it any more.
    pub fn unpublish(self) -> KhoBox<T> {
        self.into_state(Header::empty::<T>())
    }
}

impl<T: Content> KhoBox<T, Restored> {
    /// Refuses memory that is not a published `T`. Nobody knows whose it is, so it is not
    /// given back.
    fn checked(self) -> Result<Self> {
        // SAFETY: By the invariant there is room for a header, and any bytes are one.
        match unsafe { self.memory.as_ref() }.check::<T>() {
            Ok(()) => Ok(self),
            Err(error) => {
                forget(self);
                Err(error)
            }
        }
    }

    /// Preserves it for the next kernel too, where it is.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`]; the box is dropped then, and its memory given back.
    ///
    /// Context: process, may sleep.
    pub fn preserve(self) -> Result<KhoBox<T>> {
        // SAFETY: By the invariant this is a folio, and ours.
        to_result(unsafe {
            bindings::kho_preserve_folio(bindings::virt_to_folio(self.memory.as_ptr().cast()))
        })?;
        // INVARIANT: It is preserved now.
        Ok(self.into_state(Header::empty::<T>()))
    }
}

impl<T: Content, S: State> KhoBox<T, S> {
    /// The same memory with another header, which must be that of the new state.
    fn into_state<N: State>(self, header: Header) -> KhoBox<T, N> {
        let memory = self.memory;
        forget(self);
        // SAFETY: By the invariant there is a header, and it is ours.
        unsafe { memory.write(header) };
        // INVARIANT: Nothing else has changed, and the other box is forgotten.
        KhoBox {
            memory,
            _content: PhantomData,
        }
    }

    fn data(&self) -> NonNull<T> {
        // SAFETY: By the invariant there is a `T`.
        unsafe { self.memory.byte_add(const { offset_of_data::<T>() }).cast() }
    }
}

impl<T: Content, S: State> Deref for KhoBox<T, S> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the invariant.
        unsafe { self.data().as_ref() }
    }
}

impl<T: Content, S: State> DerefMut for KhoBox<T, S> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the invariant.
        unsafe { self.data().as_mut() }
    }
}

impl<T: Content, S: State> Drop for KhoBox<T, S> {
    fn drop(&mut self) {
        let memory = self.memory.as_ptr().cast::<c_void>();
        if S::RESTORED {
            // SAFETY: By the invariant this is a folio, and ours.
            unsafe { bindings::folio_put(bindings::virt_to_folio(memory)) };
        } else {
            // SAFETY: By the invariant it came from `kho_alloc_preserve()`, or is as if it had.
            unsafe { bindings::kho_unpreserve_free(memory) };
        }
    }
}

// SAFETY: The memory is not null, and aligned as that of a header.
unsafe impl<T: Content, S: State> ForeignOwnable for KhoBox<T, S> {
    const FOREIGN_ALIGN: usize = PAGE_SIZE;

    type Borrowed<'a> = &'a T;
    type BorrowedMut<'a> = &'a mut T;

    fn into_foreign(self) -> *mut c_void {
        let memory = self.memory;
        forget(self);
        memory.as_ptr().cast()
    }

    unsafe fn from_foreign(memory: *mut c_void) -> Self {
        // INVARIANT: It came from a box like this, which was forgotten.
        Self {
            // SAFETY: By the requirements of this function.
            memory: unsafe { NonNull::new_unchecked(memory.cast()) },
            _content: PhantomData,
        }
    }

    unsafe fn borrow<'a>(memory: *mut c_void) -> &'a T {
        // SAFETY: By the requirements of this function; there is a `T` behind the header.
        unsafe { &*memory.byte_add(const { offset_of_data::<T>() }).cast() }
    }

    unsafe fn borrow_mut<'a>(memory: *mut c_void) -> &'a mut T {
        // SAFETY: As above.
        unsafe { &mut *memory.byte_add(const { offset_of_data::<T>() }).cast() }
    }
}
