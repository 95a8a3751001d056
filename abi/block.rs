// SPDX-License-Identifier: GPL-2.0

//! The table of FLBs: a contiguous block of preserved pages.
//!
//! ```text
//!   0  u64 pgcnt       pages of the block, this header included
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

/// Size of the header.
pub(crate) const HEADER_LEN: usize = 16;
/// Size of an entry.
pub(crate) const ENTRY_LEN: usize = 64;
/// Offset of `count` in the header.
pub(crate) const HEADER_COUNT: usize = 8;
/// Offset of `data` in an entry.
pub(crate) const ENTRY_DATA: usize = name::LEN;
/// Offset of `count` in an entry.
pub(crate) const ENTRY_COUNT: usize = 56;
/// The most files that may depend on an FLB: what a C `refcount_t` can hold.
pub(crate) const MAX_FILES: u32 = i32::MAX as u32;

/// How many entries fit in a block of `len` bytes.
pub(crate) const fn capacity(len: usize) -> usize {
    len.saturating_sub(HEADER_LEN) / ENTRY_LEN
}

/// How many pages of `page_size` bytes a block with room for `entries` has, at least one.
pub(crate) const fn pages(entries: usize, page_size: usize) -> usize {
    let len = entries.saturating_mul(ENTRY_LEN).saturating_add(HEADER_LEN);
    len.div_ceil(page_size)
}

/// Whether a block can be at a physical address; `page_size` is a power of two.
pub(crate) fn is_address(address: u64, page_size: u64) -> bool {
    address != 0 && address & (page_size - 1) == 0
}

/// What a preserved FLB leaves to the next kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its compatible string.
    pub(crate) name: Name,
    /// The opaque handle that its `preserve` callback returned.
    pub(crate) data: u64,
    /// The number of preserved files that depend on it.
    ///
    /// In a block that was read this is between 1 and [`MAX_FILES`].
    pub(crate) files: u32,
}

/// Why a block is refused. Each variant carries the offending number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The memory handed over is smaller than the header.
    Truncated(u64),
    /// `pgcnt` is zero, or more than the memory that was handed over.
    PageCount(u64),
    /// `count` is more than what fits in the pages.
    Count(u64),
    /// The entry with this index has no NUL in its name.
    NameUnterminated(u64),
    /// The entry with this index has an empty name.
    NameEmpty(u64),
    /// The entry with this index bears the name of an earlier one.
    NameDuplicate(u64),
    /// An entry says that this many files depend on it.
    FileCount(u64),
}

impl Error {
    /// What is wrong, and the number that shows it, for the log.
    pub(crate) fn describe(self) -> (&'static CStr, u64) {
        match self {
            Error::Truncated(bytes) => (c"block too short, bytes", bytes),
            Error::PageCount(pages) => (c"bad page count", pages),
            Error::Count(entries) => (c"bad entry count", entries),
            Error::NameUnterminated(index) => (c"name not terminated, entry", index),
            Error::NameEmpty(index) => (c"name empty, entry", index),
            Error::NameDuplicate(index) => (c"duplicate name, entry", index),
            Error::FileCount(files) => (c"bad file count", files),
        }
    }
}

/// Fills a block for the next kernel.
///
/// The entry count is written by [`Writer::finish`]; until then the block is empty, so it can be
/// written again at any time without ever being inconsistent.
pub(crate) struct Writer<'a> {
    header: &'a mut [u8],
    free: core::slice::ChunksExactMut<'a, u8>,
    capacity: usize,
}

impl<'a> Writer<'a> {
    /// Starts a block that fills the `pages` pages of `bytes`; `None` if the header does not fit.
    pub(crate) fn new(bytes: &'a mut [u8], pages: u64) -> Option<Self> {
        let (header, free) = bytes.split_at_mut_checked(HEADER_LEN)?;
        put_u64(header, 0, pages);
        put_u64(header, HEADER_COUNT, 0);
        let free = free.chunks_exact_mut(ENTRY_LEN);
        Some(Self {
            header,
            capacity: free.len(),
            free,
        })
    }

    /// Appends an entry; `false` if the block is full.
    #[must_use]
    pub(crate) fn push(&mut self, entry: &Entry) -> bool {
        let Some(field) = self.free.next() else {
            return false;
        };
        if let Some(to) = field.first_chunk_mut() {
            *to = entry.name.to_field();
        }
        put_u64(field, ENTRY_DATA, entry.data);
        put_u64(field, ENTRY_COUNT, entry.files.into());
        true
    }

    /// Makes the entries valid.
    pub(crate) fn finish(self) {
        let count = self.capacity.saturating_sub(self.free.len());
        put_u64(self.header, HEADER_COUNT, count as u64);
    }
}

/// What the entries of a block are put into.
pub(crate) trait Index {
    /// What else goes wrong.
    type Error;

    /// Puts an entry in; `false` if there is one of its name.
    fn insert(&mut self, entry: Entry) -> Result<bool, Self::Error>;
}

/// Why a block has not been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure<E> {
    /// It is not what the format says.
    Refused(Error),
    /// The entry with this number could not be put into the index.
    Index(u64, E),
}

/// Reads the block in `bytes`, the memory that was handed over, whose pages have `page_size` bytes.
///
/// Each entry that is put into the index has a name that differs from those of all others, and a
/// file count between 1 and [`MAX_FILES`]. After a failure the index is of no use.
pub(crate) fn read<I: Index>(
    bytes: &[u8],
    page_size: usize,
    index: &mut I,
) -> Result<(), Failure<I::Error>> {
    let entries = table(bytes, page_size).map_err(Failure::Refused)?;
    for (number, field) in (0..).zip(entries.chunks_exact(ENTRY_LEN)) {
        let entry = entry(field, number).map_err(Failure::Refused)?;
        match index.insert(entry) {
            Ok(true) => {}
            Ok(false) => return Err(Failure::Refused(Error::NameDuplicate(number))),
            Err(error) => return Err(Failure::Index(number, error)),
        }
    }
    Ok(())
}

/// The bytes of the entries that the header announces.
fn table(bytes: &[u8], page_size: usize) -> Result<&[u8], Error> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER_LEN) else {
        return Err(Error::Truncated(bytes.len() as u64));
    };

    let pages = get_u64(header, 0);
    let len = usize::try_from(pages)
        .ok()
        .and_then(|pages| pages.checked_mul(page_size))
        .filter(|len| (1..=bytes.len()).contains(len))
        .ok_or(Error::PageCount(pages))?;

    let count = get_u64(header, HEADER_COUNT);
    usize::try_from(count)
        .ok()
        .filter(|count| *count <= capacity(len))
        .and_then(|count| rest.get(..count.checked_mul(ENTRY_LEN)?))
        .ok_or(Error::Count(count))
}

/// Reads and checks one entry, the `number`-th.
fn entry(field: &[u8], number: u64) -> Result<Entry, Error> {
    let name = field.first_chunk().unwrap_or(&[0; name::LEN]);
    let name = Name::new(name).map_err(|error| match error {
        name::Error::Unterminated => Error::NameUnterminated(number),
        name::Error::Empty => Error::NameEmpty(number),
    })?;
    let count = get_u64(field, ENTRY_COUNT);
    match u32::try_from(count) {
        Ok(files @ 1..=MAX_FILES) => Ok(Entry {
            name,
            data: get_u64(field, ENTRY_DATA),
            files,
        }),
        _ => Err(Error::FileCount(count)),
    }
}

/// The number at `offset`; zero beyond the end, which callers exclude.
fn get_u64(bytes: &[u8], offset: usize) -> u64 {
    match bytes.get(offset..).and_then(<[u8]>::first_chunk) {
        Some(number) => u64::from_ne_bytes(*number),
        None => 0,
    }
}

/// Stores a number at `offset`; nothing beyond the end, which callers exclude.
fn put_u64(bytes: &mut [u8], offset: usize, number: u64) {
    if let Some(field) = bytes.get_mut(offset..).and_then(<[u8]>::first_chunk_mut) {
        *field = number.to_ne_bytes();
    }
}
