// SPDX-License-Identifier: GPL-2.0

//! Physically contiguous memory, with nothing in it but the driver's value.

use super::{
    Plain,
    Preserved,
    Restored,
    Restoring,
    State, //
};
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::c_void,
    page::PAGE_SIZE,
    prelude::*,
    types::ForeignOwnable, //
};
use core::{
    marker::PhantomData,
    mem::forget,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

// Addresses are handed over in 64 bits.
const _: () = assert!(size_of::<bindings::phys_addr_t>() == size_of::<u64>());

/// A value at the beginning of a folio, owned by this alone.
///
/// There is no header: it can be read and written in a layout of `include/linux/kho/abi/`. What is
/// restored is what the previous kernel says, whatever it was.
///
/// # Invariants
///
/// `value` is the beginning of a folio in the linear mapping, which this owns: of as many
/// initialised bytes as a `T` has, or more. It is preserved, unless the state says [`Restored`].
///
/// # Examples
///
/// ```
/// use kernel::kho::{self, KhoFolio};
///
/// # if kho::is_enabled() {
/// let mut table = KhoFolio::<[u64; 512]>::zeroed()?;
/// table[17] = 4;
/// // To be handed over, while `table` is kept.
/// let address = table.address();
/// # let _ = address;
/// # }
/// # Ok::<(), Error>(())
/// ```
pub struct KhoFolio<T: Plain, S: State = Preserved> {
    value: NonNull<T>,
    _state: PhantomData<(T, S)>,
}

// SAFETY: It owns its value, which is `Send`.
unsafe impl<T: Plain, S: State> Send for KhoFolio<T, S> {}
// SAFETY: It owns its value, which is `Sync`.
unsafe impl<T: Plain, S: State> Sync for KhoFolio<T, S> {}

/// A folio of so many bytes never has a driver's value at its beginning: descriptions of slices are
/// such, and nothing else can pass for one.
pub(super) const DESCRIPTION: usize = 2 * PAGE_SIZE;

/// Takes over a folio of `least` to `most` bytes that the previous kernel has preserved; see
/// [`KhoFolio::restore`].
fn take(address: u64, least: usize, most: usize) -> Result<NonNull<c_void>> {
    if address == 0 || address % PAGE_SIZE as u64 != 0 {
        pr_err!("kho: {address:#x} is handed over as an address\n");
        return Err(EINVAL);
    }
    let restoring = Restoring::lock();
    // SAFETY: The function takes any address: it looks whether there is memory, and whether it was
    // preserved and not restored yet. Code of C restores what is its own meanwhile.
    let folio = unsafe { bindings::kho_restore_folio(address) };
    drop(restoring);
    if folio.is_null() {
        return Err(ENOENT);
    }
    // SAFETY: The folio is ours.
    let size = unsafe { bindings::folio_size(folio) };
    if !(least..=most).contains(&size) {
        pr_err!("kho: memory of {size} bytes is handed over, at least {least} are wanted\n");
        return Err(EINVAL);
    }
    // SAFETY: As above.
    NonNull::new(unsafe { bindings::folio_address(folio) }).ok_or(EINVAL)
}

impl<T: Plain> KhoFolio<T> {
    /// Allocates memory that is preserved, and fills it with zeroes.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`]; [`E2BIG`] if it is too large for one allocation; `EOPNOTSUPP` if memory cannot
    /// be preserved.
    ///
    /// # Context
    ///
    /// Process, may sleep. Not before `fs_initcall()`s, by which KHO is set up; it warns.
    pub fn zeroed() -> Result<Self> {
        let size = match size_of::<T>() {
            size if size > PAGE_SIZE && size <= DESCRIPTION => DESCRIPTION + 1,
            size => size,
        };
        Self::alloc(size)
    }

    /// Moves a value to memory that is preserved. It is on the stack before: what is large should
    /// be written in place, to memory that is [`zeroed`](Self::zeroed).
    ///
    /// # Errors
    ///
    /// Those of [`zeroed`](Self::zeroed).
    ///
    /// # Context
    ///
    /// Process, may sleep.
    pub fn new(value: T) -> Result<Self> {
        let mut new = Self::zeroed()?;
        *new = value;
        Ok(new)
    }

    /// Preserves a folio that a driver has already, where it is: from one page to what the machine
    /// has as its largest.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if it is too small, or has two pages, which descriptions of slices have;
    /// `EOPNOTSUPP` if memory cannot be preserved; those of `kho_preserve_folio()`. The folio stays
    /// the caller's then.
    ///
    /// # Context
    ///
    /// Process, may sleep.
    ///
    /// # Safety
    ///
    /// - `folio` is in the linear mapping, in no memory that KHO takes for the next kernel
    ///   ("scratch"), and not preserved.
    /// - A reference to it is the caller's and is given to this if it succeeds.
    /// - Its bytes are initialised, and accessed through this alone from then on; its order stays.
    pub unsafe fn from_raw(folio: *mut bindings::folio) -> Result<Self> {
        // SAFETY: By the requirements of this function.
        let size = unsafe { bindings::folio_size(folio) };
        if size < size_of::<T>() || size == DESCRIPTION {
            return Err(EINVAL);
        }
        is_up()?;
        // SAFETY: By the requirements of this function.
        let value = NonNull::new(unsafe { bindings::folio_address(folio) }.cast()).ok_or(EINVAL)?;
        // SAFETY: As above.
        to_result(unsafe { bindings::kho_preserve_folio(folio) })?;
        // INVARIANT: By the requirements of this function, and what was checked.
        Ok(Self {
            value,
            _state: PhantomData,
        })
    }

    /// Preserves it no more. It is like one that was restored then.
    ///
    /// # Context
    ///
    /// Process, may sleep.
    pub fn unpreserve(self) -> KhoFolio<T, Restored> {
        // SAFETY: By the type invariants it is preserved.
        unsafe { bindings::kho_unpreserve_folio(self.folio()) };
        // INVARIANT: It is not preserved any more.
        KhoFolio {
            value: self.forget(),
            _state: PhantomData,
        }
    }
}

impl<T: Plain> KhoFolio<T, Restored> {
    /// Takes over what the previous kernel has preserved, without copying it.
    ///
    /// What is in it is what that kernel says: check what you rely on.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the address is not one that can be, or there is less memory than `T` needs,
    /// which the kernel log tells. The memory is lost then. [`ENOENT`] if there is no preserved
    /// memory, or no longer, of which KHO warns once.
    ///
    /// # Context
    ///
    /// Process, may sleep.
    ///
    /// # Safety
    ///
    /// `address` is what the owner of this memory in the previous kernel has left: in KHO's tree,
    /// to the orchestrator, or in memory that was restored like this. With another address another
    /// one's memory could be taken, as there is nothing in it that says whose it is.
    pub unsafe fn restore(address: u64) -> Result<Self> {
        Self::take(address, usize::MAX)
    }

    /// Takes over a folio of at most so many bytes, whoever has preserved it.
    pub(super) fn take(address: u64, most: usize) -> Result<Self> {
        let value = take(address, size_of::<T>(), most)?.cast();
        // INVARIANT: Nobody else has this folio, it is large enough, and any bytes are a `T`.
        Ok(Self {
            value,
            _state: PhantomData,
        })
    }

    /// Preserves it for the next kernel too, where it is.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`]; [`EINVAL`] if it has two pages, which descriptions of slices have; `EOPNOTSUPP`
    /// if memory cannot be preserved. It is dropped then, and its memory given back.
    ///
    /// # Context
    ///
    /// Process, may sleep.
    pub fn preserve(self) -> Result<KhoFolio<T>> {
        // SAFETY: By the type invariants this is a folio.
        if unsafe { bindings::folio_size(self.folio()) } == DESCRIPTION {
            return Err(EINVAL);
        }
        self.preserve_as()
    }

    /// The folio, which is the caller's from now on.
    pub fn into_raw(self) -> *mut bindings::folio {
        let folio = self.folio();
        self.forget();
        folio
    }

    pub(super) fn preserve_as<N: State>(self) -> Result<KhoFolio<T, N>> {
        const { assert!(!N::RESTORED) };
        is_up()?;
        // SAFETY: By the type invariants this is a folio, and ours.
        to_result(unsafe { bindings::kho_preserve_folio(self.folio()) })?;
        // INVARIANT: It is preserved now.
        Ok(KhoFolio {
            value: self.forget(),
            _state: PhantomData,
        })
    }
}

impl<T: Plain, S: State> KhoFolio<T, S> {
    /// The physical address, by which the next kernel finds it. It must be kept until then.
    pub fn address(&self) -> u64 {
        // SAFETY: By the type invariants it is in the linear mapping.
        unsafe { bindings::virt_to_phys(self.value.as_ptr().cast()) }
    }

    /// Allocates so much memory that is preserved, in any state of such memory.
    pub(super) fn alloc(size: usize) -> Result<Self> {
        const { assert!(!S::RESTORED) };
        const { assert!(align_of::<T>() <= PAGE_SIZE, "wants more than a page") };
        is_up()?;
        // SAFETY: The function may be called with any size.
        let value = from_err_ptr(unsafe {
            bindings::kho_alloc_preserve(size.max(size_of::<T>())) //
        })?;
        // INVARIANT: It is new, large enough, and zero, which is a valid `T`.
        Ok(Self {
            value: NonNull::new(value.cast()).ok_or(ENOMEM)?,
            _state: PhantomData,
        })
    }

    /// The same memory in another state in which it is as preserved as in this one.
    pub(super) fn into_state<N: State>(self) -> KhoFolio<T, N> {
        const { assert!(N::RESTORED == S::RESTORED) };
        // INVARIANT: Nothing has changed.
        KhoFolio {
            value: self.forget(),
            _state: PhantomData,
        }
    }

    /// Leaves the memory as it is, without an owner.
    pub(super) fn forget(self) -> NonNull<T> {
        let value = self.value;
        forget(self);
        value
    }

    fn folio(&self) -> *mut bindings::folio {
        // SAFETY: By the type invariants it is in the linear mapping.
        unsafe { bindings::virt_to_folio(self.value.as_ptr().cast()) }
    }
}

/// `EOPNOTSUPP` unless memory can be preserved.
fn is_up() -> Result {
    match super::is_enabled() {
        true => Ok(()),
        false => Err(Error::from_errno(-(bindings::EOPNOTSUPP as i32))),
    }
}

impl<T: Plain, S: State> Deref for KhoFolio<T, S> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants.
        unsafe { self.value.as_ref() }
    }
}

impl<T: Plain, S: State> DerefMut for KhoFolio<T, S> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariants.
        unsafe { self.value.as_mut() }
    }
}

impl<T: Plain, S: State> Drop for KhoFolio<T, S> {
    fn drop(&mut self) {
        let folio = self.folio();
        if !S::RESTORED {
            // SAFETY: By the type invariants it is preserved.
            unsafe { bindings::kho_unpreserve_folio(folio) };
        }
        // SAFETY: By the type invariants the reference is ours.
        unsafe { bindings::folio_put(folio) };
    }
}

// SAFETY: The memory is not null, and aligned as a page.
unsafe impl<T: Plain, S: State> ForeignOwnable for KhoFolio<T, S> {
    const FOREIGN_ALIGN: usize = PAGE_SIZE;

    type Borrowed<'a> = &'a T;
    type BorrowedMut<'a> = &'a mut T;

    fn into_foreign(self) -> *mut c_void {
        self.forget().as_ptr().cast()
    }

    unsafe fn from_foreign(value: *mut c_void) -> Self {
        // INVARIANT: It came from a folio like this, which was forgotten.
        Self {
            // SAFETY: By the requirements of this function.
            value: unsafe { NonNull::new_unchecked(value.cast()) },
            _state: PhantomData,
        }
    }

    unsafe fn borrow<'a>(value: *mut c_void) -> &'a T {
        // SAFETY: By the requirements of this function.
        unsafe { &*value.cast() }
    }

    unsafe fn borrow_mut<'a>(value: *mut c_void) -> &'a mut T {
        // SAFETY: By the requirements of this function.
        unsafe { &mut *value.cast() }
    }
}
