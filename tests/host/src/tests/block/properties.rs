// SPDX-License-Identifier: GPL-2.0

//! Any bytes, any entries.

use super::{
    bytes::Bytes,
    model::{self, Owned},
};
use crate::{
    abi::block::{Entry, Writer, MAX_FILES},
    abi::name::{self, Name},
    tests::config,
};
use proptest::{array, collection::vec, prelude::*};
use std::collections::BTreeSet;

/// Entries that may stand in one table, and garbage for the rest of their fields.
fn entries(most: usize) -> impl Strategy<Value = Vec<(Owned, u8)>> {
    let files = prop_oneof![1..=4u32, Just(MAX_FILES), 1..=MAX_FILES];
    let entry = (vec(1..=u8::MAX, 1..name::LEN), any::<u64>(), files)
        .prop_map(|(name, data, files)| Owned { name, data, files });
    vec((entry, any::<u8>()), 0..=most).prop_map(|mut entries| {
        let mut names = BTreeSet::new();
        entries.retain(|(entry, _)| names.insert(entry.name.clone()));
        entries
    })
}

/// A field with a name, and garbage behind its NUL.
fn dirty(name: &[u8], garbage: u8) -> name::Field {
    let mut field = [garbage; name::LEN];
    field[..name.len()].copy_from_slice(name);
    field[name.len()] = 0;
    field
}

/// Writes entries, with names that were read from fields with garbage.
fn write(bytes: &mut [u8], pages: u64, entries: &[(Owned, u8)]) {
    let mut writer = Writer::new(bytes, pages).unwrap();
    for (entry, garbage) in entries {
        let name = dirty(&entry.name, *garbage);
        assert!(writer.push(&Entry {
            name: Name::new(&name).unwrap(),
            data: entry.data,
            files: entry.files,
        }));
    }
    writer.finish();
}

fn plain(entries: Vec<(Owned, u8)>) -> Vec<Owned> {
    entries.into_iter().map(|(entry, _)| entry).collect()
}

/// Mostly the numbers on which decisions hang.
fn number(interesting: &'static [u64]) -> impl Strategy<Value = u64> {
    prop_oneof![8 => proptest::sample::select(interesting), 1 => any::<u64>()]
}

/// Names of which some are wrong and many the same.
fn bad_name() -> impl Strategy<Value = name::Field> {
    let letter = prop_oneof![Just(b'a'), Just(b'b'), Just(0)];
    let short = (array::uniform4(letter), any::<u8>()).prop_map(|(name, garbage)| {
        let mut field = [garbage; name::LEN];
        field[..4].copy_from_slice(&name);
        field[4] = 0;
        field
    });
    prop_oneof![30 => short, 1 => Just([b'a'; name::LEN])]
}

/// Memory whose header and entries are right often enough to get past the first check.
fn bad_block() -> impl Strategy<Value = Vec<u8>> {
    let pgcnt = number(&[1, 1, 1, 2, 2, 3, 0, 1 << 52, (1 << 52) + 1, u64::MAX]);
    let count = number(&[
        0,
        1,
        2,
        3,
        3,
        4,
        5,
        62,
        63,
        64,
        127,
        128,
        1 << 58,
        (1 << 58) + 1,
    ]);
    let files = number(&[
        1,
        1,
        1,
        2,
        3,
        0x7fff_ffff,
        0x8000_0000,
        0,
        1 << 32,
        (1 << 32) + 1,
    ]);
    let records = vec((bad_name(), any::<u64>(), files), 0..6);
    (
        prop_oneof![Just(4096usize), Just(8192usize)],
        pgcnt,
        count,
        records,
    )
        .prop_map(|(len, pgcnt, count, records)| {
            let mut bytes = Bytes::new(len, pgcnt, count);
            for (index, (name, data, files)) in records.iter().enumerate() {
                bytes.entry(index, name, *data, *files);
            }
            bytes.0
        })
}

proptest! {
    #![proptest_config(config::cases(400))]

    #[test]
    fn what_is_written_is_read(entries in entries(63), dirt in any::<u8>()) {
        let mut bytes = vec![dirt; 4096];
        write(&mut bytes, 1, &entries);
        prop_assert_eq!(model::actual(&bytes, 4096), Ok(plain(entries)));
    }

    #[test]
    fn garbage_behind_names_is_not_handed_on(entries in entries(20), dirt in any::<u8>()) {
        let mut bytes = vec![dirt; 4096];
        write(&mut bytes, 1, &entries);
        for ((entry, _), record) in entries.iter().zip(bytes[16..].chunks_exact(64)) {
            prop_assert!(record[..48] == dirty(&entry.name, 0));
        }
    }

    #[test]
    fn garbage_behind_names_is_not_read(entries in entries(20)) {
        let mut bytes = Bytes::new(4096, 1, entries.len() as u64);
        for (index, (entry, garbage)) in entries.iter().enumerate() {
            let name = dirty(&entry.name, *garbage);
            bytes.entry(index, &name, entry.data, entry.files.into());
        }
        prop_assert_eq!(model::actual(&bytes.0, 4096), Ok(plain(entries)));
    }

    #[test]
    fn what_is_written_again_is_all_that_is_read(
        first in entries(40),
        second in entries(40),
    ) {
        let mut bytes = vec![0; 8192];
        write(&mut bytes, 2, &first);
        write(&mut bytes, 2, &second);
        prop_assert_eq!(model::actual(&bytes, 4096), Ok(plain(second)));
    }

    #[test]
    fn one_wrong_byte_makes_no_invalid_table(
        entries in entries(8),
        at in 0..16 + 9 * 64usize,
        byte in any::<u8>(),
    ) {
        let mut bytes = vec![0; 4096];
        write(&mut bytes, 1, &entries);
        bytes[at] = byte;
        prop_assert_eq!(model::actual(&bytes, 4096), model::decode(&bytes, 4096));
    }
}

proptest! {
    #![proptest_config(config::cases(4000))]

    #[test]
    fn bytes_almost_right_mean_what_the_model_says(bytes in bad_block()) {
        prop_assert_eq!(model::actual(&bytes, 4096), model::decode(&bytes, 4096));
    }

    #[test]
    fn any_bytes_mean_what_the_model_says(
        bytes in vec(any::<u8>(), 0..300),
        page_size in prop_oneof![0..300usize, Just(usize::MAX)],
    ) {
        prop_assert_eq!(model::actual(&bytes, page_size), model::decode(&bytes, page_size));
    }

    #[test]
    fn any_bytes_behind_a_small_header_mean_what_the_model_says(
        mut bytes in vec(any::<u8>().prop_map(|byte| byte.saturating_sub(128)), 16..300),
        (pgcnt, count) in (0..3u64, 0..5u64),
        page_size in 0..300usize,
    ) {
        bytes[..8].copy_from_slice(&pgcnt.to_ne_bytes());
        bytes[8..16].copy_from_slice(&count.to_ne_bytes());
        prop_assert_eq!(model::actual(&bytes, page_size), model::decode(&bytes, page_size));
    }
}

#[test]
fn every_byte_of_a_valid_block_may_be_wrong_in_every_way() {
    let valid = Bytes::valid(144, 2).0;
    for at in 0..valid.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = valid.clone();
            bytes[at] = byte;
            let (actual, expected) = (model::actual(&bytes, 144), model::decode(&bytes, 144));
            assert_eq!(actual, expected, "byte {at} = {byte:#x}");
        }
    }
}
