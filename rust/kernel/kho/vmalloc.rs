// SPDX-License-Identifier: GPL-2.0

//! Many values, in pages that need not be contiguous.

use super::{
    boxed::{
        check,
        header,
        Header, //
    },
    folio::DESCRIPTION,
    restoring,
    Content,
    Handle,
    KhoFolio,
    Restored,
    State,
    Target, //
};
use crate::{
    bindings,
    error::to_result,
    page::PAGE_SIZE,
    prelude::*,
    preserved_data, //
};
use core::{
    mem::{
        forget,
        offset_of, //
    },
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

preserved_data! {
    /// What the next kernel needs to know, alone in a folio of [`DESCRIPTION`] bytes.
    #[derive(Clone)]
    pub(super) struct Description: version 3 {
        /// `struct kho_vmalloc`: which pages there are.
        pub(super) first: u64,
        pub(super) total_pages: u32,
        pub(super) flags: u16,
        pub(super) order: u16,
        /// That of a value.
        pub(super) header: Header,
        /// How many values there are.
        pub(super) len: u64,
    }
}

/// The mark of a description.
const MARK: u64 = u64::from_le_bytes(*b"rustKHOv");

/// `KHO_VMALLOC_ALLOC`: the flags of an area of `vzalloc()`.
const VZALLOC: u16 = 1;

/// How many pages one page of the list of pages names, after the address of the next one.
pub(super) const PAGES_IN_ONE: usize = PAGE_SIZE / size_of::<u64>() - 1;

const _: () = {
    assert!(size_of::<bindings::kho_vmalloc_chunk>() == PAGE_SIZE);
    assert!(offset_of!(bindings::kho_vmalloc_chunk, phys) == size_of::<u64>());
    assert!(offset_of!(Description, header) == size_of::<bindings::kho_vmalloc>());
    assert!(offset_of!(Description, total_pages) == offset_of!(bindings::kho_vmalloc, total_pages));
    assert!(offset_of!(Description, order) == offset_of!(bindings::kho_vmalloc, order));
};

/// How many bytes `len` values have; [`EINVAL`] if there are none, [`E2BIG`] if too many.
fn bytes<T: Content>(len: u64) -> Result<usize> {
    const { assert!(align_of::<T>() <= PAGE_SIZE, "wants more than a page") };
    const { assert!(size_of::<T>() != 0, "has no size") };
    let len = usize::try_from(len).map_err(|_| E2BIG)?;
    match len.checked_mul(size_of::<T>()) {
        Some(0) => Err(EINVAL),
        Some(bytes) if bytes.div_ceil(PAGE_SIZE) <= u32::MAX as usize => Ok(bytes),
        _ => Err(E2BIG),
    }
}

impl Description {
    fn as_kho_vmalloc(&mut self) -> *mut bindings::kho_vmalloc {
        core::ptr::from_mut(self).cast()
    }

    /// [`EINVAL`] unless this describes values of type `T` in pages such as we hand over; says what
    /// is wrong.
    pub(super) fn check<T: Content>(folio: &KhoFolio<Self, impl State>) -> Result {
        if folio.size() != DESCRIPTION {
            pr_err!("kho: what is handed over is no description of pages\n");
            return Err(EINVAL);
        }
        check::<T>(&folio.header, MARK)?;
        let pages = bytes::<T>(folio.len).map_or(0, |bytes| bytes.div_ceil(PAGE_SIZE));
        let is_right =
            folio.total_pages as usize == pages && folio.order == 0 && folio.flags == VZALLOC;
        if pages == 0 || !is_right || !folio.list_is_sound(pages) {
            pr_err!("kho: the pages of {} values are damaged\n", folio.len);
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Whether the list of so many pages is in memory, and ends. KHO follows it without a look;
    /// what it names is checked when it is restored.
    fn list_is_sound(&self, pages: usize) -> bool {
        let mut next = self.first;
        for index in 0..=pages / PAGES_IN_ONE + 1 {
            if next == 0 {
                return index > 0;
            }
            // SAFETY: The function takes any address.
            let page = unsafe { bindings::phys_to_virt(next) };
            // SAFETY: The function takes any address.
            let valid = unsafe { bindings::virt_addr_valid(page) };
            if !valid || next % PAGE_SIZE as u64 != 0 {
                return false;
            }
            let to = core::ptr::from_mut(&mut next).cast();
            // SAFETY: The function reads from any address, as it may not be mapped, to ours.
            if unsafe { bindings::copy_from_kernel_nofault(to, page, size_of::<u64>()) } != 0 {
                return false;
            }
        }
        false
    }
}

/// A slice of any length but zero, owned by this alone, which can be preserved and not be, where it
/// is. For no values hand over [`Handle::NOWHERE`].
///
/// # Invariants
///
/// `values` are valid, and more than none, in an allocation of `vmalloc()`, which this owns. They
/// are preserved as `description` says, if there is one.
///
/// # Examples
///
/// ```
/// use kernel::kho::KhoVmalloc;
///
/// let mut bytes = KhoVmalloc::<u8>::zeroed(100_000)?;
/// bytes[99_999] = 1;
/// # if kernel::kho::is_enabled() {
/// // To be handed over, while `bytes` are kept.
/// let handle = bytes.preserve()?;
/// # let _ = handle;
/// // If there is no live update after all:
/// bytes.unpreserve();
/// # }
/// assert_eq!(bytes[99_999], 1);
/// # Ok::<(), Error>(())
/// ```
pub struct KhoVmalloc<T: Content> {
    values: NonNull<[T]>,
    pub(super) description: Option<KhoFolio<Description>>,
}

    ///
    /// # Context
    ///
    /// [Process context](super#context).
// SAFETY: It owns its values, which are `Send`.
unsafe impl<T: Content> Send for KhoVmalloc<T> {}
// SAFETY: It owns its values, which are `Sync`.
unsafe impl<T: Content> Sync for KhoVmalloc<T> {}

impl<T: Content> KhoVmalloc<T> {
    /// Allocates memory for so many values, and fills it with zeroes. It is not preserved yet.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] for no values, [`E2BIG`] for too many, [`ENOMEM`].
    pub fn zeroed(len: usize) -> Result<Self> {
        // SAFETY: The function may be called with any size.
        let values = unsafe { bindings::vzalloc(bytes::<T>(len as u64)?) };
        // INVARIANT: The memory is new, large enough, and zero, which is a valid `T`.
        Ok(Self {
            values: NonNull::slice_from_raw_parts(NonNull::new(values.cast()).ok_or(ENOMEM)?, len),
            description: None,
    ///
    /// # Context
    ///
    /// [Process context](super#context).
        })
    }

    /// Preserves the values, which the next kernel finds by the handle. Keep them until then; they
    /// can still be written to. If they are preserved already, it is the same handle again.
    ///
    /// # Errors
    ///
    /// [Those of all](super#errors). Nothing has changed then.
    pub fn preserve(&mut self) -> Result<Handle<[T]>> {
        if let Some(description) = &self.description {
            return Ok(Handle::from_bits(description.address()));
        }
        let mut new = KhoFolio::<Description>::alloc(DESCRIPTION)?;
        new.header = header::<T>(MARK);
        new.len = self.len() as u64;
        let values = self.values.as_ptr().cast();
    ///
    /// # Context
    ///
    /// [Process context](super#context).
        // SAFETY: By the type invariants the values came from `vmalloc()`; the description is ours.
        to_result(unsafe { bindings::kho_preserve_vmalloc(values, new.as_kho_vmalloc()) })?;
        let handle = Handle::from_bits(new.address());
        // INVARIANT: They are preserved, as it says.
        self.description = Some(new);
        Ok(handle)
    }

    /// Preserves the values no more: no handle leads to them.
    pub fn unpreserve(&mut self) {
        if let Some(mut description) = self.description.take() {
            // SAFETY: By the type invariants they are preserved as it says.
            unsafe { bindings::kho_unpreserve_vmalloc(description.as_kho_vmalloc()) };
        }
    }

    /// Whether they are preserved.
    pub fn is_preserved(&self) -> bool {
        self.description.is_some()
    }
}

impl<T: Content> Deref for KhoVmalloc<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: By the type invariants they are valid, and borrowed as this is.
        unsafe { self.values.as_ref() }
    }
}

impl<T: Content> DerefMut for KhoVmalloc<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: By the type invariants they are valid, and borrowed as this is.
        unsafe { self.values.as_mut() }
    }
}

impl<T: Content> Drop for KhoVmalloc<T> {
    fn drop(&mut self) {
        self.unpreserve();
        // SAFETY: By the type invariants they came from `vmalloc()`, and are ours.
        unsafe { bindings::vfree(self.values.as_ptr().cast()) };
    }
}

impl<T: Content> Target for [T] {
    type Restored = KhoVmalloc<T>;

    fn restore(address: u64) -> Result<KhoVmalloc<T>> {
        let mut description = KhoFolio::<Description, Restored>::take(address)?;
        if let Err(error) = Description::check::<T>(&description) {
            // Nobody knows whose it is.
            forget(description);
            return Err(error);
        }
        let pages = description.as_kho_vmalloc();
        // SAFETY: The list of pages is in memory, and has an end. The function looks whether what
        // it names was preserved and not restored yet.
        let values = restoring(|| unsafe { bindings::kho_restore_vmalloc(pages) });
        let values = NonNull::new(values.cast()).ok_or(ENOENT)?;
        // INVARIANT: They are ours now, and as many, as was checked; any bytes are a `T`.
        Ok(KhoVmalloc {
            values: NonNull::slice_from_raw_parts(values, description.len as usize),
            description: None,
        })
    }
}
