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
    mem::offset_of,
    ops::{
        Deref,
        DerefMut, //
    }, //
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

/// How many pages `len` values have; [`EINVAL`] if there are none, [`E2BIG`] if too many.
fn pages<T: Content>(len: u64) -> Result<u32> {
    const { assert!(align_of::<T>() <= PAGE_SIZE, "wants more than a page") };
    const { assert!(size_of::<T>() != 0, "has no size") };
    const { assert!(!core::mem::needs_drop::<T>(), "is not plain") };
    let len = usize::try_from(len).map_err(|_| E2BIG)?;
    let bytes = len.checked_mul(size_of::<T>()).ok_or(E2BIG)?;
    match bytes.div_ceil(PAGE_SIZE) {
        0 => Err(EINVAL),
        pages => u32::try_from(pages).map_err(|_| E2BIG),
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
        let pages = pages::<T>(folio.len).unwrap_or(0);
        let is_right = folio.total_pages == pages && folio.order == 0 && folio.flags == VZALLOC;
        if pages == 0 || !is_right || !folio.list_is_sound(pages as usize) {
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
/// There are `values`, and they are preserved as `description` says, if there is one.
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
    values: VVec<T>,
    pub(super) description: Option<KhoFolio<Description>>,
}

impl<T: Content> KhoVmalloc<T> {
    /// Allocates memory for so many values, and fills it with zeroes. It is not preserved yet.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] for no values, [`E2BIG`] for too many, [`ENOMEM`].
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    pub fn zeroed(len: usize) -> Result<Self> {
        pages::<T>(len as u64)?;
        let mut values = VVec::with_capacity(len, GFP_KERNEL | __GFP_ZERO)?;
        // SAFETY: There is room for as many, and it is zero, which is a valid `T`.
        unsafe { values.inc_len(len) };
        // INVARIANT: There is more than none, and they are not preserved.
        Ok(Self {
            values,
            description: None,
        })
    }

    /// Preserves the values, which the next kernel finds by the handle. Keep them until then; they
    /// can still be written to. If they are preserved already, it is the same handle again.
    ///
    /// # Errors
    ///
    /// [Those of all](super#errors). Nothing has changed then.
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    pub fn preserve(&mut self) -> Result<Handle<[T]>> {
        if let Some(description) = &self.description {
            return Ok(Handle::from_bits(description.address()));
        }
        let mut new = KhoFolio::<Description>::alloc(DESCRIPTION)?;
        new.header = header::<T>(MARK);
        new.len = self.len() as u64;
        let values = self.values.as_mut_ptr().cast();
        // SAFETY: As there are values, they are in an area of `vmalloc()`; the description is ours.
        to_result(unsafe { bindings::kho_preserve_vmalloc(values, new.as_kho_vmalloc()) })?;
        let handle = Handle::from_bits(new.address());
        // INVARIANT: They are preserved, as it says.
        self.description = Some(new);
        Ok(handle)
    }

    /// Preserves the values no more: no handle leads to them.
    ///
    /// # Context
    ///
    /// [Process context](super#context).
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
        &self.values
    }
}

impl<T: Content> DerefMut for KhoVmalloc<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values
    }
}

impl<T: Content> Drop for KhoVmalloc<T> {
    fn drop(&mut self) {
        self.unpreserve();
    }
}

impl<T: Content> Target for [T] {
    type Restored = KhoVmalloc<T>;

    fn restore(address: u64) -> Result<KhoVmalloc<T>> {
        let mut description =
            KhoFolio::<Description, Restored>::take(address, Description::check::<T>)?;
        let pages = description.as_kho_vmalloc();
        // SAFETY: The list of pages is in memory, and has an end. The function looks whether what
        // it names was preserved and not restored yet.
        let values = restoring(|| unsafe { bindings::kho_restore_vmalloc(pages) });
        if values.is_null() {
            return Err(ENOENT);
        }
        let len = description.len as usize;
        // INVARIANT: There are values, and they are not preserved.
        Ok(KhoVmalloc {
            // SAFETY: The area is one of `vmalloc()`, ours now, and as large, as was checked; any
            // bytes are a `T`.
            values: unsafe { VVec::from_raw_parts(values.cast(), len, len) },
            description: None,
        })
    }
}
