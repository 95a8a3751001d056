// SPDX-License-Identifier: GPL-2.0

//! The FLB array: contiguous preserved pages.
//!
//! ```text
//!   0  u64 pgcnt       pages of the array, this header included
//!   8  u64 count       entries that follow
//!  16  entry[count]:   char name[48]; u64 data; u64 count;       64 bytes each
//! ```
//!
//! Numbers are native-endian. An entry's `count` is the number of preserved files that depend on
//! the FLB; an FLB on which none depends has no entry.
//!
//! C header: `include/linux/kho/abi/luo.h`, `struct luo_flb_header_ser` and `struct luo_flb_ser`.

use super::name::{self, Name};
use core::ffi::CStr;

/// The beginning of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Header {
    /// Pages of the array.
    pub(crate) pages: u64,
    /// Entries that follow.
    pub(crate) count: u64,
}

/// What a preserved FLB leaves to the next kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Entry {
    /// Its compatible string.
    pub(crate) name: name::Field,
    /// The opaque handle that its `preserve` callback returned.
    pub(crate) data: u64,
    /// The number of preserved files that depend on it, between 1 and [`MAX_FILES`].
    pub(crate) files: u64,
}

/// The most files that may depend on an FLB: what a C `refcount_t` can hold.
pub(crate) const MAX_FILES: u32 = i32::MAX as u32;

/// The most pages that are accepted: 511 entries, if a page has 4 KiB.
pub(crate) const MAX_PAGES: usize = 8;

/// How many entries fit in an array of `len` bytes.
pub(crate) const fn capacity(len: usize) -> usize {
    len.saturating_sub(size_of::<Header>()) / size_of::<Entry>()
}

/// How many pages of `page_size` bytes an array of `entries` needs, at least one.
pub(crate) const fn pages(entries: usize, page_size: usize) -> usize {
    let len = entries.saturating_mul(size_of::<Entry>());
    len.saturating_add(size_of::<Header>()).div_ceil(page_size)
}

/// Whether an array can be at a physical address; `page_size` is a power of two.
pub(crate) fn is_address(address: u64, page_size: u64) -> bool {
    address != 0 && address & (page_size - 1) == 0
}

/// Why an array is refused: what is wrong, and a number that shows it.
pub(crate) type Refusal = (&'static CStr, u64);

/// `pgcnt` is zero, or more than the memory that was handed over.
pub(crate) const PAGE_COUNT: &CStr = c"bad page count";
/// `count` is more than what fits in the pages.
pub(crate) const ENTRY_COUNT: &CStr = c"bad entry count";
/// The name of the entry with this index is empty or not terminated.
pub(crate) const NAME: &CStr = c"bad name, entry";
/// The entry with this index bears the name of an earlier one.
pub(crate) const DUPLICATE: &CStr = c"duplicate name, entry";
/// An entry says that this many files depend on it.
pub(crate) const FILE_COUNT: &CStr = c"bad file count";

/// Validate the array that was handed over in memory with room for `entries`, and return its own.
///
/// Each of them then has a file count between 1 and [`MAX_FILES`], and a name that no other one
/// has, padded with NULs. Nothing is written before names and counts were found right: the memory
/// may be another one's.
pub(crate) fn validate<'a>(
    header: &Header,
    entries: &'a mut [Entry],
    page_size: usize,
) -> Result<&'a [Entry], Refusal> {
    // Machines with live update have 64 bits.
    let len = (header.pages as usize).saturating_mul(page_size);
    let entries = entries
        .get_mut(..capacity(len))
        .filter(|entries| !entries.is_empty());
    let entries = entries.ok_or((PAGE_COUNT, header.pages))?;
    let entries = entries.get_mut(..header.count as usize);
    let entries = entries.ok_or((ENTRY_COUNT, header.count))?;

    for (index, entry) in entries.iter().enumerate() {
        if Name::new(&entry.name).is_none() {
            return Err((NAME, index as u64));
        }
        if !(1..=u64::from(MAX_FILES)).contains(&entry.files) {
            return Err((FILE_COUNT, entry.files));
        }
    }
    for index in 0..entries.len() {
        let Some((before, [entry, ..])) = entries.split_at_mut_checked(index) else {
            break;
        };
        name::pad(&mut entry.name);
        let mut before = before.iter();
        if before.any(|other| name::is_same(&other.name, &entry.name)) {
            return Err((DUPLICATE, index as u64));
        }
    }
    Ok(entries)
}

/// Fills an array for the next kernel. Entries are counted when they are written, so the array is
/// never inconsistent.
pub(crate) struct Writer<'a> {
    header: &'a mut Header,
    entries: &'a mut [Entry],
}

impl<'a> Writer<'a> {
    /// Start an array of so many pages.
    pub(crate) fn new(header: &'a mut Header, entries: &'a mut [Entry], pages: usize) -> Self {
        *header = Header {
            pages: pages as u64,
            count: 0,
        };
        Self { header, entries }
    }

    /// Add so many files to the entry of a name; `false` if there is none.
    #[must_use]
    pub(crate) fn add_files(&mut self, name: &Name, files: u32) -> bool {
        let mut written = self.entries.iter_mut().take(self.header.count as usize);
        let entry = written.find(|entry| name.is_in(&entry.name));
        entry.map(|entry| entry.files += u64::from(files)).is_some()
    }

    /// Append an entry; `false` if there is no room.
    #[must_use]
    pub(crate) fn push(&mut self, name: &Name, data: u64, files: u32) -> bool {
        let Some(entry) = self.entries.get_mut(self.header.count as usize) else {
            return false;
        };
        *entry = Entry {
            name: *name.field(),
            data,
            files: files.into(),
        };
        self.header.count += 1;
        true
    }
}
