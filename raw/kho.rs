// SPDX-License-Identifier: GPL-2.0

//! FLB arrays, in memory that Kexec HandOver (KHO) carries to the next kernel.

use super::Flb;
use crate::{
    abi::{
        flb_array::{self, Entry, Header, Refusal, Writer},
        name::{Field, Name},
    },
    bindings,
    state::{EntryState, FileFinished, RETRIEVED, RETRIEVING},
};
use core::{
    mem::{align_of, offset_of, replace, size_of},
    ptr::NonNull,
    slice,
};
use kernel::{error::from_err_ptr, page::PAGE_SIZE, prelude::*};

/// The parts of an array of `len` bytes.
///
/// # Safety
///
/// There must be so many initialised bytes, at least a header, aligned for one, which belong to the
/// caller alone during `'a`.
unsafe fn parts<'a>(array: NonNull<Header>, len: usize) -> (&'a mut Header, &'a mut [Entry]) {
    // SAFETY: By the requirements of this function, as many entries fit; any bytes are valid.
    unsafe {
        let entries = array.add(1).cast().as_ptr();
        let entries = slice::from_raw_parts_mut(entries, flb_array::capacity(len));
        (&mut *array.as_ptr(), entries)
    }
}

/// An array that this kernel preserves for the next one. Dropping it gives the memory back.
///
/// # Invariants
///
/// Points to [`Preserved::PAGES`] pages from `kho_alloc_preserve()`, which this object owns.
pub(crate) struct Preserved(NonNull<Header>);

// SAFETY: The object owns the memory, which any task may use.
unsafe impl Send for Preserved {}

impl Preserved {
    /// Its size, in pages.
    pub(crate) const PAGES: usize =
        flb_array::pages(bindings::LUO_FLB_SHIM_MAX as usize, PAGE_SIZE);

    /// Allocate an array of zeroes. May sleep. Errors: [`ENOMEM`], or what KHO says.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The function refuses what it cannot allocate.
        let array = unsafe { bindings::kho_alloc_preserve(Self::PAGES * PAGE_SIZE) };
        // INVARIANT: The pages have just been allocated.
        let mut array = Self(NonNull::new(from_err_ptr(array)?.cast()).ok_or(ENOMEM)?);
        // Write a header that says: no entries.
        array.writer();
        Ok(array)
    }

    /// The physical address, for the next kernel.
    pub(crate) fn address(&self) -> u64 {
        // SAFETY: By the type invariants the array is in the kernel's direct mapping.
        unsafe { bindings::virt_to_phys(self.0.as_ptr().cast()) }
    }

    /// Start to write the array.
    pub(crate) fn writer(&mut self) -> Writer<'_> {
        // SAFETY: By the type invariants there is so much memory, zeroed at first, and `self` is
        // borrowed exclusively.
        let (header, entries) = unsafe { parts(self.0, Self::PAGES * PAGE_SIZE) };
        Writer::new(header, entries, Self::PAGES)
    }
}

impl Drop for Preserved {
    fn drop(&mut self) {
        // SAFETY: By the type invariants nobody else uses the memory.
        unsafe { bindings::kho_unpreserve_free(self.0.as_ptr().cast()) };
    }
}

/// An array that the previous kernel preserved, validated. Dropping it leaves the memory as it is.
///
/// # Invariants
///
/// Points to a header and `count` entries, used through this object alone until they are freed. If
/// `restored`, KHO has handed them out as a folio.
pub(crate) struct Received {
    array: NonNull<Header>,
    count: usize,
    restored: bool,
}

// SAFETY: The object owns the memory, which any task may use.
unsafe impl Send for Received {}

impl Received {
    /// Take over the array at a physical address, and validate it, see [`flb_array::validate`].
    /// Before the page allocator is up only whether there is memory can be told of the address.
    pub(crate) fn new(address: u64) -> Result<Self, Refusal> {
        if !flb_array::is_address(address, PAGE_SIZE as u64) {
            return Err((c"bad address", address));
        }
        let (mut len, mut restored) = (0, false);
        // SAFETY: The function checks the address; the others are valid for writes.
        let array = unsafe { bindings::luo_flb_shim_receive(address, &mut len, &mut restored) };
        let array = NonNull::new(array.cast()).ok_or((c"no preserved memory at", address))?;
        // What is longer is no array, and would take ever longer to look through.
        if len > flb_array::MAX_PAGES * PAGE_SIZE {
            return Err((c"array too long, bytes", len as u64));
        }
        // SAFETY: There are `len` bytes, at least a page. The previous kernel is gone, and no
        // memory is handed out twice. If the address was damaged, the memory may be another one's;
        // then what is read is anything, and it is not written to unless it looks like an array.
        let (header, entries) = unsafe { parts(array, len) };
        let count = flb_array::validate(header, entries, PAGE_SIZE)?.len();
        // INVARIANT: By what was validated.
        Ok(Self {
            array,
            count,
            restored,
        })
    }

    /// Give the memory back.
    pub(crate) fn free(self) {
        // SAFETY: By the type invariants the memory is nobody else's.
        unsafe { bindings::luo_flb_shim_free(self.array.as_ptr().cast(), self.restored) };
    }

    /// The entries.
    pub(crate) fn entries(&mut self) -> &mut [IncomingEntry] {
        // SAFETY: By the type invariants there are so many, and `self` is borrowed exclusively. The
        // layout is asserted below.
        unsafe { slice::from_raw_parts_mut(self.array.add(1).cast().as_ptr(), self.count) }
    }
}

/// An entry that was handed over, and what has become of it, where it was handed over.
///
/// # Invariants
///
/// `data` is the handle for `retrieve`. While the state is `RETRIEVING` or `RETRIEVED` it is the
/// address of the FLB that has claimed the entry; in the latter it holds a reference to its owner.
/// Once that is finished it means nothing.
#[repr(C)]
pub(crate) struct IncomingEntry {
    name: Field,
    data: u64,
    state: EntryState,
}

impl IncomingEntry {
    /// Whether this is the entry with a name.
    #[inline]
    pub(crate) fn is_named(&self, name: &Name) -> bool {
        name.is_in(&self.name)
    }

    #[cfg(CONFIG_LIVEUPDATE_FLB_DEBUGFS)]
    pub(crate) fn name(&self) -> &Field {
        &self.name
    }

    /// What became of it.
    #[cfg(CONFIG_LIVEUPDATE_FLB_DEBUGFS)]
    pub(crate) fn state(&self) -> &EntryState {
        &self.state
    }

    /// The handle for `retrieve`, unless it was claimed.
    #[cfg(CONFIG_LIVEUPDATE_FLB_DEBUGFS)]
    pub(crate) fn data(&self) -> u64 {
        self.data
    }

    /// Claim the entry for `flb` in order to run `retrieve` with the handle; see
    /// [`EntryState::claim`].
    pub(crate) fn claim(&mut self, flb: Flb) -> Result<u64, i32> {
        self.state.claim()?;
        Ok(replace(&mut self.data, flb.as_ptr() as u64))
    }

    /// `retrieve` has succeeded for the FLB that claimed the entry, whose owner is pinned; see
    /// [`EntryState::retrieved`].
    pub(crate) fn retrieved(&mut self) -> bool {
        self.state.retrieved()
    }

    /// `retrieve` has failed with the handle `data`; see [`EntryState::failed`].
    pub(crate) fn failed(&mut self, data: u64, error: Error, again: bool) -> bool {
        self.data = data;
        self.state.failed(error.to_errno(), again)
    }

    /// See [`EntryState::finished`].
    pub(crate) fn finished(&mut self) {
        self.state.finished();
    }

    /// See [`EntryState::drop_file`].
    pub(crate) fn drop_file(&mut self, error: Option<Error>) -> FileFinished {
        self.state.drop_file(error.map(Error::to_errno))
    }

    /// Whether the entry is claimed for this FLB, and not finished.
    pub(crate) fn is_of(&self, flb: Flb) -> bool {
        let is_claimed = matches!(self.state.status(), RETRIEVING | RETRIEVED);
        is_claimed && self.data == flb.as_ptr() as u64
    }

    /// The FLB that has retrieved the entry. It is there as long as something holds the object.
    pub(crate) fn flb(&self) -> Option<Flb> {
        // INVARIANT: By the type invariants.
        let flb = NonNull::new(self.data as *mut _).map(Flb);
        flb.filter(|_| self.state.status() == RETRIEVED)
    }
}

// The layouts of `abi` are those of the C headers.
static_assert!(size_of::<bindings::luo_flb_header_ser>() == size_of::<Header>());
static_assert!(offset_of!(bindings::luo_flb_header_ser, pgcnt) == offset_of!(Header, pages));
static_assert!(offset_of!(bindings::luo_flb_header_ser, count) == offset_of!(Header, count));
static_assert!(size_of::<bindings::luo_flb_ser>() == size_of::<Entry>());
static_assert!(offset_of!(bindings::luo_flb_ser, name) == offset_of!(Entry, name));
static_assert!(offset_of!(bindings::luo_flb_ser, data) == offset_of!(Entry, data));
static_assert!(offset_of!(bindings::luo_flb_ser, count) == offset_of!(Entry, files));
static_assert!(bindings::LIVEUPDATE_FLB_COMPAT_LENGTH as usize == size_of::<Field>());

// And so is that of an entry in use.
static_assert!(size_of::<IncomingEntry>() == size_of::<Entry>());
static_assert!(align_of::<IncomingEntry>() == align_of::<Entry>());
static_assert!(offset_of!(IncomingEntry, data) == offset_of!(Entry, data));
static_assert!(offset_of!(IncomingEntry, state) == offset_of!(Entry, files));
static_assert!(Preserved::PAGES <= flb_array::MAX_PAGES);
static_assert!(flb_array::MAX_PAGES == bindings::LUO_FLB_SHIM_MAX_PAGES as usize);
