// SPDX-License-Identifier: GPL-2.0

//! What a block means, in the plainest terms: numbers of 128 bits that cannot overflow, and owned
//! values.

use crate::abi::{
    block::{self, Entry, Error, Failure, Index},
    name::Name,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ffi::CStr,
};

/// An entry, owned; the name without its NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) name: Vec<u8>,
    pub(super) data: u64,
    pub(super) files: u32,
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_ne_bytes(number)
}

/// The entries of a block, or the first thing that is wrong with it.
pub(super) fn decode(bytes: &[u8], page_size: usize) -> Result<Vec<Owned>, Error> {
    if bytes.len() < 16 {
        return Err(Error::Truncated(bytes.len() as u64));
    }
    let (pages, count) = (u64_at(bytes, 0), u64_at(bytes, 8));
    let len = u128::from(pages) * page_size as u128;
    if len == 0 || len > bytes.len() as u128 {
        return Err(Error::PageCount(pages));
    }
    if u128::from(count) * 64 > len.saturating_sub(16) {
        return Err(Error::Count(count));
    }

    let mut names = BTreeSet::new();
    let mut entries = Vec::new();
    for index in 0..count {
        let entry = &bytes[16 + 64 * index as usize..][..64];
        let name = match entry[..48].iter().position(|byte| *byte == 0) {
            None => return Err(Error::NameUnterminated(index)),
            Some(0) => return Err(Error::NameEmpty(index)),
            Some(end) => &entry[..end],
        };
        let files = u64_at(entry, 56);
        if files == 0 || files > 0x7fff_ffff {
            return Err(Error::FileCount(files));
        }
        if !names.insert(name) {
            return Err(Error::NameDuplicate(index));
        }
        entries.push(Owned {
            name: name.to_vec(),
            data: u64_at(entry, 48),
            files: files as u32,
        });
    }
    Ok(entries)
}

/// An entry, in the terms of the model.
fn owned(entry: Entry) -> Owned {
    let name = entry.name.to_field();
    let name = CStr::from_bytes_until_nul(&name).map_or(&name[..], CStr::to_bytes);
    Owned {
        name: name.to_vec(),
        data: entry.data,
        files: entry.files,
    }
}

/// The entries of a block in their order, found by a tree of names as in the kernel.
#[derive(Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
    places: BTreeMap<Name, usize>,
}

impl Index for Table {
    type Error = Infallible;

    fn insert(&mut self, entry: Entry) -> Result<bool, Infallible> {
        let place = self.entries.len();
        self.entries.push(entry);
        Ok(self.places.insert(entry.name, place).is_none())
    }
}

/// The entries of a block, or what is wrong with it.
pub(super) fn read(bytes: &[u8], page_size: usize) -> Result<Vec<Entry>, Error> {
    let mut table = Table::default();
    match block::read(bytes, page_size, &mut table) {
        Ok(()) => Ok(table.entries),
        Err(Failure::Refused(error)) => Err(error),
        Err(Failure::Index(_, never)) => match never {},
    }
}

/// What the code under test makes of a block, in the terms of the model.
pub(super) fn actual(bytes: &[u8], page_size: usize) -> Result<Vec<Owned>, Error> {
    read(bytes, page_size).map(|entries| entries.into_iter().map(owned).collect())
}

/// The number of entries of a block, or what is wrong with it.
pub(super) fn entries(bytes: &[u8], page_size: usize) -> Result<usize, Error> {
    read(bytes, page_size).map(|entries| entries.len())
}
