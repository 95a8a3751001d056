// SPDX-License-Identifier: GPL-2.0

//! Physically contiguous memory, with nothing in it but the driver's value.

use super::{
    is_enabled,
    restoring,
    Layout,
    Preserved,
    Restored,
    State, //
};
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
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
/// There is no header: it can be in a layout of `include/linux/kho/abi/`, or be memory that a
/// driver has already. What is restored is what the previous kernel says: check what you rely on.
///
/// # Invariants
///
/// `value` is the beginning of a folio in the linear mapping, which this owns: of as many
/// initialised bytes as an `L` has, or more. It is preserved, or not, as the state says.
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
pub struct KhoFolio<L: Layout, S: State = Preserved> {
    value: NonNull<L>,
    _state: PhantomData<(L, S)>,
}

// SAFETY: It owns its value, which is `Send`.
unsafe impl<L: Layout, S: State> Send for KhoFolio<L, S> {}
// SAFETY: It owns its value, which is `Sync`.
unsafe impl<L: Layout, S: State> Sync for KhoFolio<L, S> {}

/// What describes a [`KhoVmalloc`](super::KhoVmalloc) is in a folio of so many bytes, and nothing
/// else that is preserved through this module. Code of C may preserve others, such as memfd's.
pub(super) const DESCRIPTION: usize = 2 * PAGE_SIZE;

impl<L: Layout> KhoFolio<L> {
    /// Allocates memory that is preserved, and fills it with zeroes.
    ///
    /// # Errors
    ///
    /// [`E2BIG`] if it is too large for one allocation, and [those of all](super#errors).
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    pub fn zeroed() -> Result<Self> {
        match size_of::<L>().next_power_of_two() {
            DESCRIPTION => Self::alloc(2 * DESCRIPTION),
            size => Self::alloc(size),
        }
    }

    /// Allocates so many bytes, as many as an `L` has or more.
    pub(super) fn alloc(size: usize) -> Result<Self> {
        is_up()?;
        // SAFETY: The function may be called with any size.
        let value = from_err_ptr(unsafe { bindings::kho_alloc_preserve(size) })?;
        // INVARIANT: It is new and preserved, large enough, and zero, which is a valid `L`.
        Ok(Self::own(NonNull::new(value.cast()).ok_or(ENOMEM)?))
    }

    /// Preserves a folio that a driver has already, where it is: from one page to what the machine
    /// has as its largest.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if it is too small, or has two pages, which no driver's folio may have;
    /// [those of all](super#errors), and of `kho_preserve_folio()`. It stays the caller's then.
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    ///
    /// # Safety
    ///
    /// - `folio` is in the linear mapping, in no memory that KHO takes for the next kernel
    ///   ("scratch"), and not preserved.
    /// - A reference to it is the caller's and is given to this if it succeeds.
    /// - Its bytes are initialised, and accessed through this alone from then on; its order stays.
    pub unsafe fn from_raw(folio: *mut bindings::folio) -> Result<Self> {
        // SAFETY: The caller has a reference to the folio.
        let size = unsafe { bindings::folio_size(folio) };
        if size < size_of::<L>() || size == DESCRIPTION {
            return Err(EINVAL);
        }
        is_up()?;
        // SAFETY: The caller has a reference to the folio.
        let value = NonNull::new(unsafe { bindings::folio_address(folio) }.cast()).ok_or(EINVAL)?;
        // SAFETY: The folio is the caller's, and neither preserved nor in scratch memory.
        to_result(unsafe { bindings::kho_preserve_folio(folio) })?;
        // INVARIANT: The folio is large enough, in the linear mapping, initialised, ours, and
        // preserved now.
        Ok(Self::own(value))
    }

    /// Preserves it no more.
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    pub fn unpreserve(self) -> KhoFolio<L, Restored> {
        // SAFETY: By the type invariants it is preserved.
        unsafe { bindings::kho_unpreserve_folio(self.folio()) };
        // INVARIANT: It is not preserved any more.
        KhoFolio::own(self.into_value())
    }
}

impl<L: Layout> KhoFolio<L, Restored> {
    /// Takes over what the previous kernel has preserved, without copying it.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the address is not one that can be, or there is less memory than `L` needs,
    /// which the kernel log tells. The memory is lost then. [`ENOENT`] if there is no preserved
    /// memory, or no longer, of which KHO warns once.
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    ///
    /// # Safety
    ///
    /// `address` is what the owner of this memory in the previous kernel has left: in KHO's tree,
    /// to the orchestrator, or in memory that was restored like this. With another address another
    /// one's memory could be taken, as there is nothing in it that says whose it is.
    pub unsafe fn restore(address: u64) -> Result<Self> {
        Self::take(address, |_| Ok(()))
    }

    /// Takes over what the previous kernel has preserved, whoever has. What is refused is lost:
    /// nobody knows whose it is.
    pub(super) fn take(address: u64, check: impl FnOnce(&Self) -> Result) -> Result<Self> {
        if address == 0 || address % PAGE_SIZE as u64 != 0 {
            pr_err!("kho: {address:#x} is handed over as an address\n");
            return Err(EINVAL);
        }
        // SAFETY: The function takes any address: it looks whether there is memory, and whether it
        // was preserved and not restored yet.
        let folio = restoring(|| unsafe { bindings::kho_restore_folio(address) });
        if folio.is_null() {
            return Err(ENOENT);
        }
        // SAFETY: The folio is ours.
        let size = unsafe { bindings::folio_size(folio) };
        if size < size_of::<L>() {
            pr_err!("kho: memory of {size} bytes is handed over, too little\n");
            return Err(EINVAL);
        }
        // SAFETY: The folio is ours.
        let value = NonNull::new(unsafe { bindings::folio_address(folio) }.cast()).ok_or(EINVAL)?;
        // INVARIANT: Nobody else has this folio, it is large enough, and any bytes are an `L`.
        let restored = Self::own(value);
        if let Err(error) = check(&restored) {
            forget(restored);
            return Err(error);
        }
        Ok(restored)
    }

    /// Preserves it for the next kernel too, where it is.
    ///
    /// # Errors
    ///
    /// Those of [`KhoFolio::from_raw`], with what was to be preserved, which has not changed.
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    pub fn preserve(self) -> Result<KhoFolio<L>, (Error, Self)> {
        // SAFETY: By the type invariants it is ours alone, initialised and not preserved.
        match unsafe { KhoFolio::from_raw(self.folio()) } {
            Ok(preserved) => {
                forget(self);
                Ok(preserved)
            }
            Err(error) => Err((error, self)),
        }
    }

    /// The folio, which is the caller's from now on.
    pub fn into_raw(self) -> *mut bindings::folio {
        let folio = self.folio();
        forget(self);
        folio
    }
}

impl<L: Layout, S: State> KhoFolio<L, S> {
    /// The physical address, by which the next kernel finds it. It must be kept until then.
    pub fn address(&self) -> u64 {
        // SAFETY: By the type invariants it is in the linear mapping.
        unsafe { bindings::virt_to_phys(self.value.as_ptr().cast()) }
    }

    pub(super) fn layout(&self) -> &L {
        // SAFETY: By the type invariants there is an initialised `L`, which is borrowed as this is.
        unsafe { self.value.as_ref() }
    }

    pub(super) fn layout_mut(&mut self) -> &mut L {
        // SAFETY: By the type invariants there is an initialised `L`, which is borrowed as this is.
        unsafe { self.value.as_mut() }
    }

    /// How large the folio is.
    pub(super) fn size(&self) -> usize {
        // SAFETY: By the type invariants it is a folio of ours.
        unsafe { bindings::folio_size(self.folio()) }
    }

    fn folio(&self) -> *mut bindings::folio {
        // SAFETY: By the type invariants it is in the linear mapping.
        unsafe { bindings::virt_to_folio(self.value.as_ptr().cast()) }
    }

    /// The callers see to the invariants. Folios are aligned as pages.
    fn own(value: NonNull<L>) -> Self {
        const { assert!(align_of::<L>() <= PAGE_SIZE, "wants more than a page") };
        Self {
            value,
            _state: PhantomData,
        }
    }

    fn into_value(self) -> NonNull<L> {
        let value = self.value;
        forget(self);
        value
    }
}

/// `EOPNOTSUPP` unless memory can be preserved.
fn is_up() -> Result {
    match is_enabled() {
        true => Ok(()),
        false => Err(Error::from_errno(-(bindings::EOPNOTSUPP as i32))),
    }
}

impl<L: Layout, S: State> Deref for KhoFolio<L, S> {
    type Target = L::Value;

    fn deref(&self) -> &L::Value {
        self.layout().value()
    }
}

impl<L: Layout, S: State> DerefMut for KhoFolio<L, S> {
    fn deref_mut(&mut self) -> &mut L::Value {
        self.layout_mut().value_mut()
    }
}

impl<L: Layout, S: State> Drop for KhoFolio<L, S> {
    fn drop(&mut self) {
        let folio = self.folio();
        if S::PRESERVED {
            // SAFETY: By the type invariants it is preserved.
            unsafe { bindings::kho_unpreserve_folio(folio) };
        }
        // SAFETY: By the type invariants the reference is ours.
        unsafe { bindings::folio_put(folio) };
    }
}

// SAFETY: The memory is not null, and aligned as a page.
unsafe impl<L: Layout, S: State> ForeignOwnable for KhoFolio<L, S> {
    const FOREIGN_ALIGN: usize = PAGE_SIZE;

    type Borrowed<'a> = &'a L::Value;
    type BorrowedMut<'a> = &'a mut L::Value;

    fn into_foreign(self) -> *mut c_void {
        self.into_value().as_ptr().cast()
    }

    unsafe fn from_foreign(value: *mut c_void) -> Self {
        // SAFETY: The caller has it from `into_foreign`, so it is not null.
        let value = unsafe { NonNull::new_unchecked(value.cast()) };
        // INVARIANT: It came from a folio like this, which was forgotten.
        Self::own(value)
    }

    unsafe fn borrow<'a>(value: *mut c_void) -> &'a L::Value {
        // SAFETY: The caller has it from `into_foreign`, and nobody writes to it for `'a`.
        unsafe { &*value.cast::<L>() }.value()
    }

    unsafe fn borrow_mut<'a>(value: *mut c_void) -> &'a mut L::Value {
        // SAFETY: The caller has it from `into_foreign`, and nobody else uses it for `'a`.
        unsafe { &mut *value.cast::<L>() }.value_mut()
    }
}
