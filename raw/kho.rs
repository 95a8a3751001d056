// SPDX-License-Identifier: GPL-2.0

//! FLB arrays, in memory that Kexec HandOver (KHO) carries to the next kernel.

use super::Flb;
use crate::{
    abi::{
        flb_array::{self, Entry, Header, Writer},
        name::{Field, Name},
    },
    bindings,
    state::{self, EntryState, Status},
    word::Number,
};
use core::{
    mem::{align_of, offset_of, size_of},
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

/// An array that this kernel preserves for the next one.
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
        NonNull::new(from_err_ptr(array)?.cast())
            .map(Self)
            .ok_or(ENOMEM)
    }

    /// The physical address, for the next kernel.
    pub(crate) fn address(&self) -> u64 {
        // SAFETY: By the type invariants the array is in the kernel's direct mapping.
        unsafe { bindings::luo_flb_shim_address(self.0.as_ptr().cast()) }
    }

    /// Start to write the array.
    pub(crate) fn writer(&mut self) -> Writer<'_> {
        // SAFETY: By the type invariants there is so much memory, zeroed at first, and `self` is
        // borrowed exclusively.
        let (header, entries) = unsafe { parts(self.0, Self::PAGES * PAGE_SIZE) };
        Writer::new(header, entries, Self::PAGES)
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
impl Preserved {
    /// The content.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: By the type invariants there is so much memory, zeroed at first.
        unsafe { slice::from_raw_parts(self.0.as_ptr().cast(), Self::PAGES * PAGE_SIZE) }
    }
}

impl Drop for Preserved {
    fn drop(&mut self) {
        // SAFETY: By the type invariants nobody else uses the memory.
        unsafe { bindings::kho_unpreserve_free(self.0.as_ptr().cast()) };
    }
}

/// Memory that the previous kernel preserved. Dropping it leaves the memory as it is.
///
/// # Invariants
///
/// Points to `len` bytes, at least a page, which are used through this object alone until they are
/// freed. If `restored`, KHO has handed them out as a folio.
pub(crate) struct Received {
    array: NonNull<Header>,
    len: usize,
    restored: bool,
}

// SAFETY: The object owns the memory, which any task may use.
unsafe impl Send for Received {}
// SAFETY: As above.
unsafe impl Sync for Received {}

impl Received {
    /// Take over the memory at a physical address, which is that of a page; `None` if there is none
    /// that was preserved. Before the page allocator is up only whether it is memory can be told.
    pub(crate) fn new(address: u64) -> Option<Self> {
        let (mut len, mut restored) = (0, false);
        // SAFETY: The function checks the address; the others are valid for writes.
        let array = unsafe { bindings::luo_flb_shim_receive(address, &mut len, &mut restored) };
        // INVARIANT: The previous kernel is gone, and no memory is handed out twice. If the address
        // was damaged, the memory may be another one's; then what is read is anything, and it is
        // not written to unless it looks like an array.
        NonNull::new(array.cast()).map(|array| Self {
            array,
            len,
            restored,
        })
    }

    /// Size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Validate the array, see [`flb_array::validate`]; the number of entries.
    pub(crate) fn validate(&mut self) -> Result<usize, flb_array::Error> {
        // SAFETY: By the type invariants there is so much memory, and `self` is borrowed
        // exclusively.
        let (header, entries) = unsafe { parts(self.array, self.len) };
        flb_array::validate(header, entries, PAGE_SIZE).map(<[_]>::len)
    }

    /// Give the memory back. To be called once, when it was validated, as it may be another one's
    /// otherwise, and no entry is used any more: [`Incoming`](crate::incoming::Incoming) counts who
    /// does.
    pub(crate) fn free(&self) {
        // SAFETY: By the type invariants the memory is nobody else's.
        unsafe { bindings::luo_flb_shim_free(self.array.as_ptr().cast(), self.restored) };
    }

    /// The entries, of which there are `count`.
    pub(crate) fn entries(&self, count: usize) -> &[IncomingEntry] {
        let count = count.min(flb_array::capacity(self.len));
        // SAFETY: By the type invariants there is so much memory. The layout of the entries is
        // asserted below, and from the time of validation on they are accessed in this way only.
        unsafe { slice::from_raw_parts(self.array.add(1).cast().as_ptr(), count) }
    }
}

/// An entry that was handed over, and what has become of it, where it was handed over.
///
/// # Invariants
///
/// `data` is the handle for `retrieve`. From when the state is `Retrieved`, it is the address of an
/// FLB that holds a reference to its owner until it is finished.
#[repr(C)]
pub(crate) struct IncomingEntry {
    name: Field,
    data: Number,
    state: EntryState,
}

impl IncomingEntry {
    /// Whether this is the entry with a name.
    #[inline]
    pub(crate) fn is_named(&self, name: &Name) -> bool {
        name.is_in(&self.name)
    }

    /// Claim the entry in order to run `retrieve` with the handle; see [`EntryState::claim`].
    pub(crate) fn claim(&self) -> Result<u64, Status> {
        self.state.claim().map(|()| self.data.load())
    }

    /// `retrieve` has succeeded for `flb`, whose owner is pinned, and for the task that claimed the
    /// entry; see [`EntryState::retrieved`].
    pub(crate) fn retrieved(&self, flb: Flb) -> bool {
        // INVARIANT: The state is not `Retrieved` yet, and will be.
        self.data.store(flb.as_ptr() as u64);
        self.state.retrieved()
    }

    /// See [`EntryState::failed`].
    pub(crate) fn failed(&self, error: Error, again: bool) -> bool {
        self.state.failed(error.to_errno(), again)
    }

    /// See [`EntryState::finished`].
    pub(crate) fn finished(&self) {
        self.state.finished();
    }

    /// A file is finished, see [`EntryState::finish_file`].
    pub(crate) fn finish_file(&self, claim: bool) -> FileFinished {
        match self.state.finish_file(claim) {
            state::FileFinished::Held => FileFinished::Held,
            state::FileFinished::Last => FileFinished::Last,
            state::FileFinished::Claimed => FileFinished::Claimed(self.data.load()),
            // SAFETY: By the type invariants this is the address of an FLB. It stays valid: files
            // hold its object until the caller releases it, as this was the last file.
            state::FileFinished::Release => {
                match unsafe { Flb::from_raw(self.data.load() as *mut _) } {
                    Some(flb) => FileFinished::Release(flb),
                    None => FileFinished::Held,
                }
            }
        }
    }
}

/// What follows when a file is finished.
pub(crate) enum FileFinished {
    /// Other files are not finished, or there is nothing to finish with them.
    Held,
    /// It is the last, and the entry is not retrieved: lock the FLB, and finish it with `claim`.
    Last,
    /// It was the last, and the entry is claimed: run `retrieve` with this handle, and `finish`.
    Claimed(u64),
    /// It was the last, and files hold the object of this FLB no more.
    Release(Flb),
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
static_assert!(flb_array::MAX_PAGES == bindings::LUO_FLB_SHIM_MAX_PAGES as usize);
