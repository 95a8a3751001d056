// SPDX-License-Identifier: GPL-2.0

//! What an array means, in the plainest terms: numbers of 128 bits that cannot overflow, and owned
//! values.

use super::bytes::{Bytes, Memory};
use crate::abi::{
    flb_array::{self, Entry, Refusal, DUPLICATE, ENTRY_COUNT, FILE_COUNT, NAME, PAGE_COUNT},
    name,
};
use std::collections::BTreeSet;

/// An entry, owned; the name without its NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) name: Vec<u8>,
    pub(crate) data: u64,
    pub(crate) files: u32,
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Return the entries of an array, or what is wrong with it: the header first, then each name and
/// file count, then names that are there twice.
pub(crate) fn decode(bytes: &[u8], page_size: usize) -> Result<Vec<Owned>, Refusal> {
    let mut bytes = bytes.to_vec();
    if bytes.len() < 16 {
        bytes.resize(16, 0);
    }
    let room = (bytes.len() as u128 - 16) / 64;
    let (pages, count) = (u64_at(&bytes, 0), u64_at(&bytes, 8));
    let fit = (u128::from(pages) * page_size as u128).saturating_sub(16) / 64;
    if fit == 0 || fit > room {
        return Err((PAGE_COUNT, pages));
    }
    if u128::from(count) > fit {
        return Err((ENTRY_COUNT, count));
    }

    let mut entries = Vec::new();
    for (index, entry) in bytes[16..].chunks(64).take(count as usize).enumerate() {
        let name = match entry[..48].iter().position(|byte| *byte == 0) {
            None | Some(0) => return Err((NAME, index as u64)),
            Some(end) => entry[..end].to_vec(),
        };
        let (data, files) = (u64_at(entry, 48), u64_at(entry, 56));
        if files == 0 || files > 0x7fff_ffff {
            return Err((FILE_COUNT, files));
        }
        let files = files as u32;
        entries.push(Owned { name, data, files });
    }
    let mut names = BTreeSet::new();
    match entries.iter().position(|entry| !names.insert(&entry.name)) {
        Some(index) => Err((DUPLICATE, index as u64)),
        None => Ok(entries),
    }
}

/// Return an entry, in the terms of the model. Its name has to be padded.
fn owned(entry: &Entry) -> Owned {
    let field = entry.name;
    let name: Vec<_> = field.into_iter().take_while(|byte| *byte != 0).collect();
    assert!(
        field[name.len()..] == [0; name::LEN][name.len()..],
        "padded"
    );
    Owned {
        name,
        data: entry.data,
        files: entry.files.try_into().unwrap(),
    }
}

/// Validate an array, and check that names are padded only when nothing else is wrong, and that
/// nothing else is changed.
pub(crate) fn validate(bytes: &[u8], page_size: usize) -> Result<Vec<Owned>, Refusal> {
    let mut memory = Memory::new(bytes);
    let mut expected = memory.bytes();
    let result = flb_array::validate(&memory.header, &mut memory.entries, page_size);
    let result = result.map(<[_]>::to_vec);
    let padded = match result {
        Ok(ref entries) => {
            assert_eq!(
                memory.entries[..entries.len()],
                entries[..],
                "where they are"
            );
            entries.len()
        }
        // It was found when it had been padded.
        Err((what, index)) if what == DUPLICATE => index as usize + 1,
        Err(_) => 0,
    };
    pad(&mut expected, padded);
    assert_eq!(memory.bytes(), expected, "what is changed");
    Ok(result?.iter().map(owned).collect())
}

/// Pad the names of the first entries with NULs.
fn pad(bytes: &mut Bytes, entries: usize) {
    for entry in bytes.0[16..].chunks_mut(64).take(entries) {
        let end = entry.iter().position(|byte| *byte == 0).unwrap();
        entry[end..48].fill(0);
    }
}

/// Return the number of entries of an array, or what is wrong with it.
pub(crate) fn count(bytes: &Bytes, page_size: usize) -> Result<usize, Refusal> {
    validate(&bytes.0, page_size).map(|entries| entries.len())
}
