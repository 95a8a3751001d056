// SPDX-License-Identifier: GPL-2.0

//! The format is the one of the C header, and frozen.

use super::{
    bytes::{field, named, Bytes},
    model,
};
use crate::abi::{
    block::{Entry, Writer, ENTRY_COUNT, ENTRY_DATA, ENTRY_LEN, HEADER_COUNT, HEADER_LEN},
    name,
};
use std::mem::{offset_of, size_of};

/// `struct luo_flb_header_ser`, packed in C.
#[repr(C, packed)]
struct Header {
    pgcnt: u64,
    count: u64,
}

/// `struct luo_flb_ser`, packed in C.
#[repr(C, packed)]
struct Record {
    name: [u8; 48],
    data: u64,
    count: u64,
}

#[test]
fn sizes_and_offsets_are_those_of_the_c_structures() {
    assert_eq!(HEADER_LEN, size_of::<Header>());
    assert_eq!(0, offset_of!(Header, pgcnt));
    assert_eq!(HEADER_COUNT, offset_of!(Header, count));
    assert_eq!(ENTRY_LEN, size_of::<Record>());
    assert_eq!(0, offset_of!(Record, name));
    assert_eq!(name::LEN, offset_of!(Record, data));
    assert_eq!(ENTRY_DATA, offset_of!(Record, data));
    assert_eq!(ENTRY_COUNT, offset_of!(Record, count));
}

#[test]
fn the_writer_stores_what_a_hand_does() {
    let mut by_hand = Bytes(vec![0; 4096]);
    by_hand.u64(0, 1);
    by_hand.u64(8, 2);
    by_hand.entry(0, &field(b"one"), 0x1122_3344_5566_7788, 3);
    by_hand.entry(1, &field(b"two"), u64::MAX, 0x7fff_ffff);

    let mut written = vec![0; 4096];
    let mut writer = Writer::new(&mut written, 1).unwrap();
    for (name, data, files) in [
        (b"one", 0x1122_3344_5566_7788, 3),
        (b"two", u64::MAX, 0x7fff_ffff),
    ] {
        let name = named(name);
        assert!(writer.push(&Entry { name, data, files }));
    }
    writer.finish();
    assert!(written == by_hand.0);
}

/// One page with two entries, as a little-endian kernel hands it over. Behind it, all is zero.
#[cfg(target_endian = "little")]
const GOLDEN: &str = "
    0100000000000000                    pgcnt = 1
    0200000000000000                    count = 2

    64656d6f2d696f6d 6d752d7631000000   demo-iommu-v1
    0000000000000000 0000000000000000
    0000000000000000 0000000000000000
    0070563412000000                    data = 0x1234567000
    0300000000000000                    count = 3

    6161616161616161 6161616161616161   47 letters a
    6161616161616161 6161616161616161
    6161616161616161 6161616161616100
    ffffffffffffffff                    data = u64::MAX
    ffffff7f00000000                    count = i32::MAX
";

/// The bytes of [`GOLDEN`]: words of 16 digits; the rest is remarks.
#[cfg(target_endian = "little")]
fn golden() -> Vec<u8> {
    let words = GOLDEN.split_whitespace().filter(|word| word.len() == 16);
    let mut bytes: Vec<u8> = words
        .map(|word| u64::from_str_radix(word, 16).unwrap())
        .flat_map(u64::to_be_bytes)
        .collect();
    assert_eq!(bytes.len(), 16 + 2 * 64);
    bytes.resize(4096, 0);
    bytes
}

#[cfg(target_endian = "little")]
#[test]
fn the_golden_block_is_written_and_read() {
    let entries = [
        Entry {
            name: named(b"demo-iommu-v1"),
            data: 0x12_3456_7000,
            files: 3,
        },
        Entry {
            name: named(&[b'a'; 47]),
            data: u64::MAX,
            files: 0x7fff_ffff,
        },
    ];

    let mut bytes = vec![0; 4096];
    let mut writer = Writer::new(&mut bytes, 1).unwrap();
    assert!(entries.iter().all(|entry| writer.push(entry)));
    writer.finish();
    assert!(bytes == golden());

    assert_eq!(model::read(&golden(), 4096), Ok(entries.to_vec()));
}
