// SPDX-License-Identifier: GPL-2.0

//! Many values in preserved memory, of many pages.

use super::{
    boxed::Versioned,
    folio,
    Content,
    Fresh,
    Handle,
    KhoBox,
    Published,
    Restored,
    Restoring,
    State, //
};
use crate::{
    bindings, error::to_result, ffi::c_void, page::PAGE_SIZE, prelude::*, preserved_data,
    types::ForeignOwnable,
};
use core::{
    marker::PhantomData,
    mem::{
        align_of,
        forget,
        offset_of,
        size_of, //
    },
    ops::{
        Deref,
        DerefMut, //
    }, //
};

preserved_data! {
    /// What the next kernel needs to know of a slice.
    ///
    /// It takes two pages, see [`folio::DESCRIPTION`].
    pub(super) struct Description: version 2 {
        /// `struct kho_vmalloc`: which pages there are.
        first: u64,
        total_pages: u32,
        flags: u16,
        order: u16,
        /// Where they are mapped in the kernel that owns this; of no meaning to another.
        values: u64,
        /// [`Content::VERSIONS`] of a value.
        versions: u64,
        /// How many values there are, of which size and version.
        len: u64,
        size: u32,
        version: u32,
        spare: [u8; PAGE_SIZE],
    }
}

/// How many pages one page of the list of pages names, after the address of the next one.
const PAGES_IN_ONE: usize = PAGE_SIZE / size_of::<u64>() - 1;

const _: () = {
    assert!(size_of::<Versioned<Description>>() > PAGE_SIZE);
    assert!(size_of::<Versioned<Description>>() <= folio::DESCRIPTION);
    assert!(size_of::<bindings::kho_vmalloc_chunk>() == PAGE_SIZE);
    assert!(offset_of!(bindings::kho_vmalloc_chunk, phys) == size_of::<u64>());
    assert!(offset_of!(Description, values) == size_of::<bindings::kho_vmalloc>());
    assert!(offset_of!(Description, total_pages) == offset_of!(bindings::kho_vmalloc, total_pages));
    assert!(offset_of!(Description, flags) == offset_of!(bindings::kho_vmalloc, flags));
    assert!(offset_of!(Description, order) == offset_of!(bindings::kho_vmalloc, order));
};

impl Description {
    fn as_kho_vmalloc(&mut self) -> *mut bindings::kho_vmalloc {
        core::ptr::from_mut(self).cast()
    }

    /// How many bytes `len` values have; [`EINVAL`] if there are none, [`E2BIG`] if too many.
    fn bytes<T: Content>(len: u64) -> Result<usize> {
        const { assert!(align_of::<T>() <= PAGE_SIZE, "wants more than a page") };
        const { assert!(size_of::<T>() != 0, "has no size") };
        let bytes = usize::try_from(len)
            .ok()
            .and_then(|len| len.checked_mul(size_of::<T>()))
            .filter(|bytes| bytes.div_ceil(PAGE_SIZE) <= u32::MAX as usize)
            .ok_or(E2BIG)?;
        if bytes == 0 {
            return Err(EINVAL);
        }
        Ok(bytes)
    }

    /// [`EINVAL`] unless this describes values of type `T` in pages such as we hand over.
    fn check<T: Content>(&self) -> Result {
        if self.version != T::VERSION
            || self.versions != T::VERSIONS
            || self.size as usize != size_of::<T>()
        {
            pr_err!(
                "kho: values of version {} with {} bytes are handed over, not {} with {}\n",
                self.version,
                self.size,
                T::VERSION,
                size_of::<T>()
            );
            return Err(EINVAL);
        }
        let pages = Self::bytes::<T>(self.len)
            .map_err(|_| EINVAL)?
            .div_ceil(PAGE_SIZE);
        if self.total_pages as usize != pages || self.order != 0 || !self.list_is_sound(pages) {
            pr_err!("kho: the pages of {} values are damaged\n", self.len);
            return Err(EINVAL);
        }
        Ok(())
    }

    fn values<T>(&self) -> *mut T {
        self.values as *mut T
    }

    fn count(&self) -> usize {
        self.len as usize
    }

    /// Whether the list of so many pages is in memory, and ends. KHO follows it without a look;
    /// what it names is checked when it is restored.
    fn list_is_sound(&self, pages: usize) -> bool {
        let mut next = self.first;
        for index in 0..=pages / PAGES_IN_ONE + 1 {
            if next == 0 {
                return index > 0;
            }
            // SAFETY: The functions take any address.
            let (page, valid) = unsafe {
                let page = bindings::phys_to_virt(next);
                (page, bindings::virt_addr_valid(page))
            };
            if !valid || next % PAGE_SIZE as u64 != 0 {
                return false;
            }
            // SAFETY: There is memory, which is aligned. Should it not be what is handed over,
            // somebody may write to it.
            next = unsafe { page.cast::<u64>().read_volatile() };
        }
        false
    }
}

/// Values in preserved memory, owned by this alone: a slice of any length, whose pages need not be
/// contiguous.
///
/// # Invariants
///
/// `description` leads to an allocation of `vmalloc()`, which this owns, of as many valid values as
/// it says, and more than none. In the states [`Fresh`] and [`Published`] it is preserved, as the
/// description says.
///
/// # Examples
///
/// ```
/// use kernel::kho::KhoSlice;
///
/// # if kernel::kho::is_enabled() {
/// let mut bytes = KhoSlice::<u8>::zeroed(100_000)?;
/// bytes[99_999] = 1;
/// let bytes = bytes.publish();
/// let handle = bytes.handle();
/// # let _ = handle;
/// # }
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
pub struct KhoSlice<T: Content, S: State = Fresh> {
    description: KhoBox<Description, S>,
    _values: PhantomData<T>,
}

// SAFETY: It owns its values, which are `Send`.
unsafe impl<T: Content, S: State> Send for KhoSlice<T, S> {}
// SAFETY: It owns its values, which are `Sync`.
unsafe impl<T: Content, S: State> Sync for KhoSlice<T, S> {}

impl<T: Content> KhoSlice<T> {
    /// Allocates memory for so many values, fills it with zeroes, and has it preserved.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] for no values, [`E2BIG`] for too many, [`ENOMEM`], and `EOPNOTSUPP` if memory
    /// cannot be preserved.
    ///
    /// # Context
    ///
    /// Process, may sleep.
    pub fn zeroed(len: usize) -> Result<Self> {
        let bytes = Description::bytes::<T>(len as u64)?;
        let mut description = KhoBox::<Description>::zeroed()?;
        // SAFETY: The function may be called with any size.
        let values = unsafe { bindings::vzalloc(bytes) };
        if values.is_null() {
            return Err(ENOMEM);
        }
        description.values = values as u64;
        description.len = len as u64;
        description.size = size_of::<T>() as u32;
        description.version = T::VERSION;
        description.versions = T::VERSIONS;
        // SAFETY: The memory came from `vzalloc`; the description is ours to write.
        to_result(unsafe { bindings::kho_preserve_vmalloc(values, description.as_kho_vmalloc()) })
            .inspect_err(|_| {
                // SAFETY: Nobody else has it.
                unsafe { bindings::vfree(values) };
            })?;
        // INVARIANT: It is new and preserved, and zero, which is a valid `T`.
        Ok(Self {
            description,
            _values: PhantomData,
        })
    }

    /// Copies values to memory that is preserved.
    ///
    /// # Errors
    ///
    /// Those of [`zeroed`](Self::zeroed).
    ///
    /// # Context
    ///
    /// Process, may sleep.
    pub fn copy_of(values: &[T]) -> Result<Self>
    where
        T: Copy,
    {
        let mut new = Self::zeroed(values.len())?;
        for (to, from) in new.iter_mut().zip(values) {
            *to = *from;
        }
        Ok(new)
    }

    /// Gives it a handle, by which the next kernel finds it.
    pub fn publish(self) -> KhoSlice<T, Published> {
        // INVARIANT: The description has not changed, and is preserved.
        KhoSlice {
            description: self.into_description().publish(),
            _values: PhantomData,
        }
    }
}

impl<T: Content> KhoSlice<T, Published> {
    /// What the next kernel needs to find it. It must be kept until then.
    pub fn handle(&self) -> SliceHandle<T> {
        Handle::from_bits(self.description.handle().into_bits())
    }

    /// Takes it back: no handle leads to it any more.
    pub fn unpublish(self) -> KhoSlice<T> {
        // INVARIANT: The description has not changed, and is preserved.
        KhoSlice {
            description: self.into_description().unpublish(),
            _values: PhantomData,
        }
    }
}

impl<T: Content, S: State> KhoSlice<T, S> {
    /// The description, with which the values are owned.
    fn into_description(self) -> KhoBox<Description, S> {
        // SAFETY: It is not used twice, as `self` is forgotten.
        let description = unsafe { core::ptr::read(&self.description) };
        forget(self);
        description
    }
}

impl<T: Content, S: State> Deref for KhoSlice<T, S> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: By the invariant.
        unsafe { core::slice::from_raw_parts(self.description.values(), self.description.count()) }
    }
}

impl<T: Content, S: State> DerefMut for KhoSlice<T, S> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: By the invariant.
        unsafe {
            core::slice::from_raw_parts_mut(self.description.values(), self.description.count())
        }
    }
}

impl<T: Content, S: State> Drop for KhoSlice<T, S> {
    fn drop(&mut self) {
        // SAFETY: By the invariant it is ours, and preserved as described unless it was restored.
        unsafe {
            if !S::RESTORED {
                bindings::kho_unpreserve_vmalloc(self.description.as_kho_vmalloc());
            }
            bindings::vfree(self.description.values::<c_void>());
        }
    }
}

// SAFETY: It is the pointer of the box of the description.
unsafe impl<T: Content, S: State> ForeignOwnable for KhoSlice<T, S> {
    const FOREIGN_ALIGN: usize = KhoBox::<Description, S>::FOREIGN_ALIGN;

    type Borrowed<'a> = &'a [T];
    type BorrowedMut<'a> = &'a mut [T];

    fn into_foreign(self) -> *mut c_void {
        self.into_description().into_foreign()
    }

    unsafe fn from_foreign(description: *mut c_void) -> Self {
        // INVARIANT: It came from a slice like this, which was forgotten.
        Self {
            // SAFETY: By the requirements of this function.
            description: unsafe { KhoBox::from_foreign(description) },
            _values: PhantomData,
        }
    }

    unsafe fn borrow<'a>(description: *mut c_void) -> &'a [T] {
        // SAFETY: By the requirements of this function, and the invariant.
        unsafe {
            let description = KhoBox::<Description, S>::borrow(description);
            core::slice::from_raw_parts(description.values(), description.count())
        }
    }

    unsafe fn borrow_mut<'a>(description: *mut c_void) -> &'a mut [T] {
        // SAFETY: By the requirements of this function, and the invariant.
        unsafe {
            let description = KhoBox::<Description, S>::borrow(description);
            core::slice::from_raw_parts_mut(description.values(), description.count())
        }
    }
}

/// Where a published [`KhoSlice`] is.
pub type SliceHandle<T> = Handle<[T]>;

impl<T: Content> Handle<[T]> {
    /// Takes over the values that the previous kernel has published, without copying them.
    ///
    /// What is in them is what that kernel says: check what you rely on.
    ///
    /// # Errors
    ///
    /// Those of [`Handle::restore`], and [`ENOENT`] too if some of the pages are not there, or if
    /// there is no memory to map them. What was there is lost then.
    ///
    /// # Context
    ///
    /// Process, may sleep.
    pub fn restore(self) -> Result<KhoSlice<T, Restored>> {
        let mut description = Handle::<Description>::from_bits(self.into_bits()).restore()?;
        let values = match description.check::<T>() {
            Ok(()) => {
                let _restoring = Restoring::lock();
                // SAFETY: The list of pages is in memory, and has an end. The function looks
                // whether what it names was preserved and not restored yet. Code of C restores what
                // is its own meanwhile.
                unsafe { bindings::kho_restore_vmalloc(description.as_kho_vmalloc()) }
            }
            Err(error) => {
                description.folio.forget();
                return Err(error);
            }
        };
        if values.is_null() {
            description.folio.forget();
            return Err(ENOENT);
        }
        description.values = values as u64;
        // INVARIANT: It is ours now, and large enough, as was checked; any bytes are a `T`.
        Ok(KhoSlice {
            description,
            _values: PhantomData,
        })
    }
}

#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
#[crate::macros::kunit_tests(rust_kho_slice)]
mod tests {
    use super::*;
    use crate::kho::tests::needs_kho;

    /// Changes a description of three pages that is right, and looks whether it is refused.
    fn refused(change: impl FnOnce(&mut Description)) -> Result<bool> {
        let mut slice = KhoSlice::<u32>::zeroed(PAGE_SIZE / 2 + 1)?;
        let first = slice.description.first;
        let total_pages = slice.description.total_pages;
        let order = slice.description.order;
        change(&mut slice.description);
        let result = slice.description.check::<u32>();
        slice.description.first = first;
        slice.description.total_pages = total_pages;
        slice.description.order = order;
        Ok(result == Err(EINVAL))
    }

    #[test]
    fn right_description() -> Result {
        needs_kho();
        assert!(!refused(|_| ())?);
        Ok(())
    }

    #[test]
    fn other_values_are_refused() -> Result {
        needs_kho();
        assert!(refused(|description| description.version = 1)?);
        assert!(refused(|description| description.versions ^= 1)?);
        assert!(refused(|description| description.size = 8)?);
        let bytes = KhoSlice::<u8>::zeroed(4)?;
        assert!(bytes.description.check::<i8>().is_ok());
        assert!(bytes.description.check::<u16>() == Err(EINVAL));
        Ok(())
    }

    #[test]
    fn wrong_numbers_are_refused() -> Result {
        needs_kho();
        for len in [0, 1, PAGE_SIZE as u64, u64::MAX, u64::MAX / 4 + 1] {
            assert!(refused(|description| description.len = len)?);
        }
        for pages in [0, 2, 4, u32::MAX] {
            assert!(refused(|description| description.total_pages = pages)?);
        }
        assert!(refused(|description| description.order = 1)?);
        Ok(())
    }

    #[test]
    fn list_that_leads_astray_is_refused() -> Result {
        needs_kho();
        // Nowhere; not aligned; above all memory that there can be.
        for first in [0, 1, !0, !0 << 20] {
            assert!(refused(|description| description.first = first)?);
        }
        Ok(())
    }

    #[test]
    fn list_without_an_end_is_refused() -> Result {
        needs_kho();
        let slice = KhoSlice::<u8>::zeroed(1)?;
        // SAFETY: The functions take any address; the page is ours until it is preserved no more.
        let next = unsafe {
            let page = bindings::phys_to_virt(slice.description.first).cast::<u64>();
            core::mem::replace(&mut *page, slice.description.first)
        };
        let result = slice.description.check::<u8>();
        // SAFETY: As above.
        unsafe {
            *bindings::phys_to_virt(slice.description.first).cast::<u64>() = next;
        }
        assert!(result == Err(EINVAL));
        Ok(())
    }

    #[test]
    fn lists_of_several_pages() -> Result {
        needs_kho();
        for pages in [PAGES_IN_ONE - 1, PAGES_IN_ONE, PAGES_IN_ONE + 1] {
            // With pages of 64 KiB these are 512 MiB.
            if pages > 1000 {
                break;
            }
            let slice = KhoSlice::<u8>::zeroed(pages * PAGE_SIZE)?;
            assert!(slice.description.check::<u8>().is_ok());
        }
        Ok(())
    }
}
