// SPDX-License-Identifier: GPL-2.0

//! What the writer leaves behind.

use super::{
    bytes::{field, named, Bytes, Memory},
    model, PAGE_SIZES,
};
use crate::abi::flb_array::{capacity, pages, Writer};

/// Push entries until one is refused; return how many were taken.
fn push(writer: &mut Writer<'_>, count: usize) -> usize {
    let taken = (0..count).take_while(|index| {
        writer.push(&named(format!("new-{index}").as_bytes()), *index as u64, 1)
    });
    taken.count()
}

/// Write `count` entries into memory.
fn write(memory: &mut Memory, pages: usize, count: usize) {
    let mut writer = Writer::new(&mut memory.header, &mut memory.entries, pages);
    assert_eq!(push(&mut writer, count), count);
}

#[test]
fn takes_as_many_entries_as_fit() {
    for page_size in PAGE_SIZES {
        for count in [1, 2, 8] {
            let most = capacity(count * page_size);
            assert_eq!(pages(most, page_size), count);
            let mut memory = Memory::new(&Bytes::new(count * page_size, 0, 0).0);
            let mut writer = Writer::new(&mut memory.header, &mut memory.entries, count);
            assert_eq!(push(&mut writer, most + 10), most);
            assert_eq!(push(&mut writer, 1), 0);
            let mut bytes = memory.bytes().0;
            bytes.resize(count * page_size, 0);
            let entries = model::validate(&bytes, page_size).unwrap();
            let data = entries.iter().map(|entry| entry.data);
            assert!(data.eq(0..most as u64));
        }
    }
}

#[test]
fn adds_files_to_the_entry_of_a_name() {
    let mut memory = Memory::new(&Bytes::valid(4096, 1, 5).0);
    let mut writer = Writer::new(&mut memory.header, &mut memory.entries, 1);
    // What was there before does not count.
    assert!(!writer.add_files(&named(b"flb-0"), 1));
    for name in [b"new-0", b"new-1"] {
        assert!(writer.push(&named(name), 5, 1));
    }
    assert!(writer.add_files(&named(b"new-1"), 2));
    assert!(writer.add_files(&named(b"new-1"), 3));
    assert!(!writer.add_files(&named(b"new-2"), 1));
    assert_eq!(memory.entries[0].files, 1);
    assert_eq!(memory.entries[1].files, 6);
    assert_eq!(memory.header.count, 2);
}

#[test]
fn counts_what_it_has_written() {
    let mut memory = Memory::new(&Bytes::valid(4096, 1, 5).0);
    for count in [0, 3] {
        write(&mut memory, 1, count);
        assert_eq!(
            (memory.header.pages, memory.header.count),
            (1, count as u64)
        );
    }
}

#[test]
fn leaves_no_entry_over_when_it_writes_again() {
    let mut memory = Memory::new(&Bytes::valid(4096, 1, 63).0);
    for count in [40, 7, 1, 0, 2] {
        let before = memory.bytes();
        write(&mut memory, 1, count);
        let mut expected = Bytes(before.0);
        expected.u64(0, 1);
        expected.u64(8, count as u64);
        for index in 0..count {
            let name = field(format!("new-{index}").as_bytes());
            expected.entry(index, &name, index as u64, 1);
        }
        assert_eq!(memory.bytes(), expected, "{count} entries");
    }
}
