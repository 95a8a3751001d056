// SPDX-License-Identifier: GPL-2.0

//! The format is the one of the C header, and frozen.

use super::{
    bytes::{named, Bytes, Memory},
    model::{self, Owned},
};
use crate::abi::flb_array::{Entry, Header, Writer};
use std::mem::{align_of, offset_of, size_of};

#[test]
fn matches_the_c_structures() {
    assert_eq!((size_of::<Header>(), align_of::<Header>()), (16, 8));
    assert_eq!(offset_of!(Header, pages), 0);
    assert_eq!(offset_of!(Header, count), 8);
    assert_eq!((size_of::<Entry>(), align_of::<Entry>()), (64, 8));
    assert_eq!(offset_of!(Entry, name), 0);
    assert_eq!(offset_of!(Entry, data), 48);
    assert_eq!(offset_of!(Entry, files), 56);
}

/// The start of an array of one page with two entries, as a little-endian kernel hands it over.
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

/// Return the bytes of [`GOLDEN`]: words of 16 digits; the rest is remarks.
#[cfg(target_endian = "little")]
fn golden() -> Vec<u8> {
    let words = GOLDEN.split_whitespace().filter(|word| word.len() == 16);
    let bytes: Vec<u8> = words
        .map(|word| u64::from_str_radix(word, 16).unwrap())
        .flat_map(u64::to_be_bytes)
        .collect();
    assert_eq!(bytes.len(), 16 + 2 * 64);
    bytes
}

#[cfg(target_endian = "little")]
#[test]
fn writes_and_validates_the_golden_array() {
    let entry = |name: &[u8], data, files| Owned {
        name: name.to_vec(),
        data,
        files,
    };
    let entries = [
        entry(b"demo-iommu-v1", 0x12_3456_7000, 3),
        entry(&[b'a'; 47], u64::MAX, 0x7fff_ffff),
    ];
    let mut memory = Memory::new(&Bytes::new(16 + 2 * 64, 0, 0).0);
    let mut writer = Writer::new(&mut memory.header, &mut memory.entries, 1);
    for entry in &entries {
        assert!(writer.push(&named(&entry.name), entry.data, entry.files));
    }
    assert_eq!(memory.bytes().0, golden());

    let mut page = golden();
    page.resize(4096, 0);
    assert_eq!(model::validate(&page, 4096), Ok(entries.to_vec()));
}
