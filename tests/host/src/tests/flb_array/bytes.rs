// SPDX-License-Identifier: GPL-2.0

//! Arrays put together by hand: the offsets are those of the C structures, spelt out.

use crate::abi::{
    flb_array::{Entry, Header},
    name::{self, Name},
};

/// Convert bytes to words.
pub(crate) fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_ne_bytes(bytes.try_into().unwrap());
    }
    words
}

/// Pad `name` with NULs.
pub(crate) fn field(name: &[u8]) -> [u8; name::LEN] {
    let mut field = [0; name::LEN];
    field[..name.len()].copy_from_slice(name);
    field
}

/// Return `name`, as the writer takes it.
pub(crate) fn named(name: &[u8]) -> Name {
    Name::new(&field(name)).unwrap()
}

/// Bytes of an array, which may be as wrong as the test wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    /// Make a header, and `len` bytes of garbage behind its start.
    pub(crate) fn new(len: usize, pgcnt: u64, count: u64) -> Self {
        let mut bytes = Self(vec![0xa5; len]);
        bytes.u64(0, pgcnt);
        bytes.u64(8, count);
        bytes
    }

    /// Make so many pages with `count` entries that are all valid.
    pub(crate) fn valid(page_size: usize, pages: usize, count: usize) -> Self {
        let mut bytes = Self::new(pages * page_size, pages as u64, count as u64);
        for index in 0..count {
            bytes.entry(index, &field(format!("flb-{index}").as_bytes()), 7, 1);
        }
        bytes
    }

    /// Store an entry.
    pub(crate) fn entry(&mut self, index: usize, name: &[u8; 48], data: u64, files: u64) {
        self.name(index, name);
        self.u64(16 + 64 * index + 48, data);
        self.files(index, files);
    }

    /// Store the name of an entry.
    pub(crate) fn name(&mut self, index: usize, name: &[u8; 48]) {
        let at = 16 + 64 * index;
        self.0[at..at + 48].copy_from_slice(name);
    }

    /// Store the file count of an entry.
    pub(crate) fn files(&mut self, index: usize, files: u64) {
        self.u64(16 + 64 * index + 56, files);
    }

    /// Store a number.
    pub(crate) fn u64(&mut self, at: usize, number: u64) {
        self.0[at..at + 8].copy_from_slice(&number.to_ne_bytes());
    }
}

/// Memory with an array, as the kernel looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) header: Header,
    pub(crate) entries: Vec<Entry>,
}

impl Memory {
    /// Make memory of these bytes. A header that is cut short is padded with zeroes, an entry that
    /// is cut short is left out.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let (start, entries) = bytes.split_at(bytes.len().min(16));
        let mut header = [0; 16];
        header[..start.len()].copy_from_slice(start);
        let [pages, count] = words(&header);
        let entries = entries.chunks_exact(64).map(|entry| Entry {
            name: entry[..48].try_into().unwrap(),
            data: words::<8>(entry)[6],
            files: words::<8>(entry)[7],
        });
        Self {
            header: Header { pages, count },
            entries: entries.collect(),
        }
    }

    /// Return the bytes.
    pub(crate) fn bytes(&self) -> Bytes {
        let Header { pages, count } = self.header;
        let mut bytes = Bytes::new(16 + 64 * self.entries.len(), pages, count);
        for (index, entry) in self.entries.iter().enumerate() {
            bytes.entry(index, &entry.name, entry.data, entry.files);
        }
        bytes
    }
}
