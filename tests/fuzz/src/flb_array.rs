// SPDX-License-Identifier: GPL-2.0

//! The FLB array: a byte that chooses the page size and what is around the bytes, and the memory
//! that is handed over.

use crate::{
    abi::flb_array::{capacity, pages, Refusal, Writer, DUPLICATE, MAX_FILES, NAME},
    bytes::{field, named, Bytes, Memory},
    model::{decode, validate, Owned},
    take,
};
use flbdump::report::Part;

/// Page sizes, of kernels and others; with small ones a short input has entries of several pages.
const PAGE_SIZES: [usize; 8] = [4096, 64, 80, 144, 16384, 65536, 0, usize::MAX];
/// In the first byte: zeroes follow the input, up to two pages of 4096.
const PADDED: u8 = 8;

/// Check that entries are what the documentation says.
fn invariants(entries: &[Owned], bytes: &[u8]) {
    assert!(entries.len() <= capacity(bytes.len()), "more than fit");
    let mut names: Vec<_> = entries.iter().map(|entry| &entry.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), entries.len(), "names are not distinct");
    for entry in entries {
        assert!((1..=47).contains(&entry.name.len()), "name");
        assert!((1..=MAX_FILES).contains(&entry.files), "files");
    }
}

/// Check that what is written of the entries is what the format says, and is valid.
fn write(entries: &[Owned]) {
    const PAGE_SIZE: usize = 256;
    let pages = pages(entries.len(), PAGE_SIZE);
    let mut expected = Bytes::new(pages * PAGE_SIZE, pages as u64, entries.len() as u64);
    let mut memory = Memory::new(&expected.0);
    let mut writer = Writer::new(&mut memory.header, &mut memory.entries, pages);
    for (index, entry) in entries.iter().enumerate() {
        let name = named(&entry.name);
        // Several handlers may have files.
        assert!(
            writer.push(&name, entry.data, entry.files - entry.files / 2),
            "room"
        );
        assert!(
            writer.add_files(&name, entry.files / 2),
            "the entry is there"
        );
        expected.entry(index, &field(&entry.name), entry.data, entry.files.into());
    }
    assert_eq!(memory, Memory::new(&expected.0), "what is written");
    assert_eq!(
        validate(&expected.0, PAGE_SIZE).as_deref(),
        Ok(entries),
        "what is read"
    );
}

/// Check that the number that a refusal shows is in the memory, or that of an entry in it.
fn described((what, number): Refusal, bytes: &[u8]) {
    if what == NAME || what == DUPLICATE {
        assert!(number < capacity(bytes.len()) as u64, "no such entry");
        return;
    }
    let memory = Memory::new(bytes);
    let header = [memory.header.pages, memory.header.count];
    let files = memory.entries.iter().map(|entry| entry.files);
    let mut numbers = header.into_iter().chain(files);
    assert!(numbers.any(|other| other == number), "no such number");
}

/// Return what an input asks: the memory and the page size.
fn question(mut input: &[u8]) -> (Vec<u8>, usize) {
    let [choice] = take(&mut input);
    let mut bytes = input.to_vec();
    if choice & PADDED != 0 && bytes.len() < 8192 {
        bytes.resize(8192, 0);
    }
    (bytes, PAGE_SIZES[usize::from(choice % PADDED)])
}

/// Return what `flbdump` says.
pub(crate) fn dump(input: &[u8]) -> Part {
    let (bytes, page_size) = question(input);
    flbdump::array::decode(&bytes, page_size)
}

/// Return how many entries there are.
#[cfg(test)]
pub(crate) fn answer(input: &[u8]) -> Result<usize, Refusal> {
    let (bytes, page_size) = question(input);
    validate(&bytes, page_size).map(|entries| entries.len())
}

/// Check that any memory is an array or has something wrong with it, as the model says.
pub fn check(input: &[u8]) {
    let (bytes, page_size) = question(input);
    let entries = validate(&bytes, page_size);
    assert_eq!(entries, decode(&bytes, page_size), "the model");
    let damage = dump(input).damage;
    let refusal = damage.as_ref().map(|damage| (&*damage.what, damage.number));
    let expected = entries.as_ref().err();
    let expected = expected.map(|(what, number)| (what.to_str().unwrap(), Some(*number)));
    assert_eq!(refusal, expected, "flbdump");
    match entries {
        Ok(entries) => {
            invariants(&entries, &bytes);
            write(&entries);
        }
        Err(error) => described(error, &bytes),
    }
}
