// SPDX-License-Identifier: GPL-2.0

//! The table of FLBs: a byte that chooses the page size and what is around the bytes, a byte that
//! says when an index is full, and the memory that is handed over.

use crate::{
    abi::block::{self, pages, Entry, Error, Failure, Index, Writer, MAX_FILES},
    bytes::{self, Bytes},
    input::Input,
    model::{actual, decode, read, Owned, Table},
};

/// Page sizes, of kernels and others; with small ones a short input has entries of several pages.
const PAGE_SIZES: [usize; 8] = [4096, 64, 80, 144, 16384, 65536, 0, usize::MAX];
/// In the first byte: zeroes follow the input, up to two pages of 4096.
const PADDED: u8 = 8;

/// An index that takes so many entries and no more.
struct Full {
    room: usize,
    table: Table,
}

impl Index for Full {
    type Error = usize;

    fn insert(&mut self, entry: Entry) -> Result<bool, usize> {
        if self.table.entries.len() == self.room {
            return Err(self.room);
        }
        let Ok(inserted) = self.table.insert(entry);
        Ok(inserted)
    }
}

/// An index that is full ends the reading there, unless something is wrong before.
fn into_full_index(bytes: &[u8], page_size: usize, room: usize, whole: &Result<Vec<Owned>, Error>) {
    let mut index = Full {
        room,
        table: Table::default(),
    };
    match block::read(bytes, page_size, &mut index) {
        Ok(()) => assert!(whole.as_ref().is_ok_and(|entries| entries.len() <= room)),
        Err(Failure::Refused(error)) => assert_eq!(Some(&error), whole.as_ref().err()),
        Err(Failure::Index(number, full)) => {
            assert_eq!((number, full), (room as u64, room));
            assert!(whole.as_ref().map_or(true, |entries| entries.len() > room));
        }
    }
}

/// Entries are what the documentation says.
fn invariants(entries: &[Owned], bytes: &[u8]) {
    assert!(
        entries.len() <= block::capacity(bytes.len()),
        "more than fit"
    );
    let mut names: Vec<_> = entries.iter().map(|entry| &entry.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), entries.len(), "names are not distinct");
    for entry in entries {
        assert!(
            (1..=47).contains(&entry.name.len()) && !entry.name.contains(&0),
            "name"
        );
        assert!((1..=MAX_FILES).contains(&entry.files), "files");
    }
}

/// A block of its own size with these entries, in memory full of garbage.
fn written(entries: &[Entry], page_size: usize) -> Vec<u8> {
    let pages = pages(entries.len(), page_size);
    let mut bytes = vec![0xa5; pages * page_size];
    let mut writer = Writer::new(&mut bytes, pages as u64).unwrap();
    for entry in entries {
        assert!(writer.push(entry), "no room");
    }
    writer.finish();
    bytes
}

/// What is written of the entries is what the format says, and is read as these entries.
fn write(owned: &[Owned], entries: &[Entry]) {
    const PAGE_SIZE: usize = 256;
    let bytes = written(entries, PAGE_SIZE);
    assert_eq!(
        read(&bytes, PAGE_SIZE).as_deref(),
        Ok(entries),
        "what is written is read"
    );

    let pages = bytes.len() / PAGE_SIZE;
    let mut expected = Bytes::new(bytes.len(), pages as u64, owned.len() as u64);
    for (index, entry) in owned.iter().enumerate() {
        let name = bytes::field(&entry.name);
        expected.entry(index, &name, entry.data, entry.files.into());
    }
    assert!(bytes == expected.0, "what is written");
}

/// The number that an error shows is in the memory, or that of an entry in it.
fn said(error: Error, bytes: &[u8]) {
    let (text, number) = error.describe();
    assert!(!text.is_empty(), "nothing is said");
    let number = match error {
        Error::Truncated(len) => return assert_eq!(len, bytes.len() as u64),
        Error::PageCount(number) | Error::Count(number) | Error::FileCount(number) => {
            assert!(bytes
                .chunks_exact(8)
                .any(|bytes| *bytes == number.to_ne_bytes()));
            return;
        }
        _ => number,
    };
    assert!(
        number < block::capacity(bytes.len()) as u64,
        "no such entry"
    );
}

/// What an input asks: the memory, the page size, and how many entries an index has room for.
fn question(data: &[u8]) -> (Vec<u8>, usize, usize) {
    let mut input = Input(data);
    let choice = input.byte();
    let room = input.byte();
    let mut bytes = input.0.to_vec();
    if choice & PADDED != 0 && bytes.len() < 8192 {
        bytes.resize(8192, 0);
    }
    (bytes, PAGE_SIZES[usize::from(choice % PADDED)], room.into())
}

/// How many entries there are.
#[cfg(test)]
pub(crate) fn answer(data: &[u8]) -> Result<usize, Error> {
    let (bytes, page_size, _) = question(data);
    actual(&bytes, page_size).map(|entries| entries.len())
}

/// Any memory is a table or says what is wrong with it, as the model does.
pub fn check(data: &[u8]) {
    let (bytes, page_size, room) = question(data);
    let entries = actual(&bytes, page_size);
    assert_eq!(entries, decode(&bytes, page_size), "the model");
    assert_eq!(entries, actual(&bytes, page_size), "read twice");
    into_full_index(&bytes, page_size, room, &entries);
    match entries {
        Ok(entries) => {
            invariants(&entries, &bytes);
            write(&entries, &read(&bytes, page_size).unwrap());
        }
        Err(error) => said(error, &bytes),
    }
}
