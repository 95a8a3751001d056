// SPDX-License-Identifier: GPL-2.0

//! Any bytes, any entries.

use super::{
    bytes::{field, Bytes, Memory},
    model::{decode, validate, Owned},
};
use crate::{
    abi::{
        flb_array::{Writer, MAX_FILES},
        name::{Name, LEN},
    },
    tests::config,
};
use proptest::{array, collection::vec, prelude::*, sample::select};
use std::collections::BTreeSet;

/// Make entries that may be in one array, and garbage for the rest of their fields.
fn entries(most: usize) -> impl Strategy<Value = Vec<(Owned, u8)>> {
    let files = prop_oneof![1..=4u32, Just(MAX_FILES), 1..=MAX_FILES];
    let entry = (vec(1..=u8::MAX, 1..LEN), any::<u64>(), files)
        .prop_map(|(name, data, files)| Owned { name, data, files });
    vec((entry, any::<u8>()), 0..=most).prop_map(|mut entries| {
        let mut names = BTreeSet::new();
        entries.retain(|(entry, _)| names.insert(entry.name.clone()));
        entries
    })
}

/// Make a field with a name, and garbage behind its NUL.
fn dirty(name: &[u8], garbage: u8) -> [u8; LEN] {
    let mut field = field(name);
    field[name.len() + 1..].fill(garbage);
    field
}

/// Write entries into a page, with names that were read from fields with garbage.
fn write(entries: &[(Owned, u8)], dirt: u8) -> Bytes {
    let mut memory = Memory::new(&[dirt; 4096]);
    let mut writer = Writer::new(&mut memory.header, &mut memory.entries, 1);
    for (entry, garbage) in entries {
        let name = Name::new(&dirty(&entry.name, *garbage)).unwrap();
        assert!(writer.push(&name, entry.data, entry.files));
    }
    let mut bytes = memory.bytes();
    bytes.0.resize(4096, dirt);
    bytes
}

/// Prefer the numbers on which decisions depend.
fn number(interesting: &'static [u64]) -> impl Strategy<Value = u64> {
    prop_oneof![8 => select(interesting), 1 => any::<u64>()]
}

const PAGES: &[u64] = &[1, 1, 1, 2, 2, 3, 0, 1 << 52, (1 << 52) + 1, u64::MAX];
const COUNTS: &[u64] = &[0, 1, 2, 3, 3, 4, 5, 63, 64, 127, 128, (1 << 58) + 1];
const FILES: &[u64] = &[1, 1, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, 0, (1 << 32) + 1];

/// Make names of which some are wrong and many the same.
fn bad_name() -> impl Strategy<Value = [u8; LEN]> {
    let letter = prop_oneof![Just(b'a'), Just(b'b'), Just(0)];
    let short =
        (array::uniform4(letter), any::<u8>()).prop_map(|(name, garbage)| dirty(&name, garbage));
    prop_oneof![30 => short, 1 => Just([b'a'; LEN])]
}

/// Make an array whose header and entries are right often enough to get past the first check.
fn bad_array() -> impl Strategy<Value = Bytes> {
    let len = prop_oneof![Just(4096usize), Just(8192usize)];
    let entries = vec((bad_name(), any::<u64>(), number(FILES)), 0..6);
    (len, number(PAGES), number(COUNTS), entries).prop_map(|(len, pages, count, entries)| {
        let mut bytes = Bytes::new(len, pages, count);
        for (index, (name, data, files)) in entries.iter().enumerate() {
            bytes.entry(index, name, *data, *files);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(config::cases(400))]

    #[test]
    fn validates_what_is_written(entries in entries(63), dirt in any::<u8>()) {
        let bytes = write(&entries, dirt);
        let entries: Vec<_> = entries.into_iter().map(|(entry, _)| entry).collect();
        let mut by_hand = Bytes(vec![dirt; 4096]);
        by_hand.u64(0, 1);
        by_hand.u64(8, entries.len() as u64);
        for (index, entry) in entries.iter().enumerate() {
            by_hand.entry(index, &field(&entry.name), entry.data, entry.files.into());
        }
        prop_assert_eq!(&bytes, &by_hand);
        prop_assert_eq!(validate(&bytes.0, 4096), Ok(entries));
    }

    #[test]
    fn matches_the_model_with_one_wrong_byte(
        entries in entries(8),
        at in 0..16 + 9 * 64usize,
        byte in any::<u8>(),
    ) {
        let mut bytes = write(&entries, 0).0;
        bytes[at] = byte;
        prop_assert_eq!(validate(&bytes, 4096), decode(&bytes, 4096));
    }
}

proptest! {
    #![proptest_config(config::cases(4000))]

    #[test]
    fn matches_the_model_with_almost_right_bytes(bytes in bad_array()) {
        prop_assert_eq!(validate(&bytes.0, 4096), decode(&bytes.0, 4096));
    }

    #[test]
    fn matches_the_model_with_any_bytes(
        mut bytes in vec(any::<u8>().prop_map(|byte| byte.saturating_sub(128)), 16..300),
        header in prop_oneof![3 => (0..3u64, 0..5u64), 1 => any::<(u64, u64)>()],
        page_size in prop_oneof![10 => 0..300usize, 1 => Just(usize::MAX)],
    ) {
        bytes[..8].copy_from_slice(&header.0.to_ne_bytes());
        bytes[8..16].copy_from_slice(&header.1.to_ne_bytes());
        prop_assert_eq!(validate(&bytes, page_size), decode(&bytes, page_size));
    }
}

#[test]
fn matches_the_model_with_each_wrong_byte() {
    let valid = Bytes::valid(144, 1, 2).0;
    for at in 0..valid.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = valid.clone();
            bytes[at] = byte;
            let (actual, expected) = (validate(&bytes, 144), decode(&bytes, 144));
            assert_eq!(actual, expected, "byte {at} = {byte:#x}");
        }
    }
}
