// SPDX-License-Identifier: GPL-2.0

//! Blocks put together by hand: the offsets are those of the C structures, spelt out.

use crate::abi::name::{self, Name};

/// `name`, terminated and padded with zeroes.
pub(super) fn field(name: &[u8]) -> name::Field {
    let mut field = [0; 48];
    field[..name.len()].copy_from_slice(name);
    field
}

/// `name`, as the writer takes it.
pub(super) fn named(name: &[u8]) -> Name {
    Name::new(&field(name)).unwrap()
}

/// Memory that holds a block, which may be as wrong as the test wants.
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Bytes {
    /// `len` bytes of garbage behind a header.
    pub(super) fn new(len: usize, pgcnt: u64, count: u64) -> Self {
        let mut bytes = Self(vec![0xa5; len]);
        bytes.u64(0, pgcnt);
        bytes.u64(8, count);
        bytes
    }

    /// One page with `count` entries that are all valid.
    pub(super) fn valid(page_size: usize, count: usize) -> Self {
        Self::pages(page_size, 1, count)
    }

    /// So many pages with `count` entries that are all valid.
    pub(super) fn pages(page_size: usize, pages: usize, count: usize) -> Self {
        let mut bytes = Self::new(pages * page_size, pages as u64, count as u64);
        for index in 0..count {
            bytes.entry(index, &field(format!("flb-{index}").as_bytes()), 7, 1);
        }
        bytes
    }

    /// Stores an entry.
    pub(super) fn entry(&mut self, index: usize, name: &name::Field, data: u64, files: u64) {
        let at = 16 + 64 * index;
        self.0[at..at + 48].copy_from_slice(name);
        self.u64(at + 48, data);
        self.u64(at + 56, files);
    }

    /// Stores the name of an entry.
    pub(super) fn name(&mut self, index: usize, name: &name::Field) {
        let at = 16 + 64 * index;
        self.0[at..at + 48].copy_from_slice(name);
    }

    /// Stores the file count of an entry.
    pub(super) fn files(&mut self, index: usize, files: u64) {
        self.u64(16 + 64 * index + 56, files);
    }

    /// Stores a number.
    pub(super) fn u64(&mut self, at: usize, number: u64) {
        self.0[at..at + 8].copy_from_slice(&number.to_ne_bytes());
    }
}
