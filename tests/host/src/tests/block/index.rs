// SPDX-License-Identifier: GPL-2.0

//! What the entries are put into.

use super::{bytes::Bytes, model, model::Table};
use crate::{
    abi::{
        block::{read, Entry, Error, Failure, Index},
        name::Name,
    },
    tests::config,
};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;

/// Takes so many entries, and then is out of memory.
struct Limited {
    room: usize,
    entries: BTreeMap<Name, Entry>,
}

/// The error of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NoMemory;

impl Limited {
    fn new(room: usize) -> Self {
        Self {
            room,
            entries: BTreeMap::new(),
        }
    }
}

impl Index for Limited {
    type Error = NoMemory;

    fn insert(&mut self, entry: Entry) -> Result<bool, NoMemory> {
        self.room = self.room.checked_sub(1).ok_or(NoMemory)?;
        Ok(self.entries.insert(entry.name, entry).is_none())
    }
}

/// Says of no name, or of every one, that there is one.
struct Stubborn(bool);

impl Index for Stubborn {
    type Error = NoMemory;

    fn insert(&mut self, _: Entry) -> Result<bool, NoMemory> {
        Ok(self.0)
    }
}

#[test]
fn an_error_is_passed_on_with_the_number_of_the_entry() {
    let bytes = Bytes::valid(4096, 5).0;
    for room in 0..5 {
        let mut index = Limited::new(room);
        let result = read(&bytes, 4096, &mut index);
        assert_eq!(result, Err(Failure::Index(room as u64, NoMemory)));
        assert_eq!(index.entries.len(), room);
    }
    assert_eq!(read(&bytes, 4096, &mut Limited::new(5)), Ok(()));
}

#[test]
fn what_comes_first_is_said() {
    // The third entry has no name, and the fifth bears that of the first.
    let mut bytes = Bytes::valid(4096, 5);
    bytes.name(2, &[0; 48]);
    let result = |bytes: &Bytes, room| read(&bytes.0, 4096, &mut Limited::new(room));
    let no_memory = |number| Err(Failure::Index(number, NoMemory));
    assert_eq!(result(&bytes, 1), no_memory(1));
    assert_eq!(
        result(&bytes, 2),
        Err(Failure::Refused(Error::NameEmpty(2)))
    );

    let mut bytes = Bytes::valid(4096, 5);
    bytes.name(4, &super::bytes::field(b"flb-0"));
    assert_eq!(result(&bytes, 4), no_memory(4));
    assert_eq!(
        result(&bytes, 5),
        Err(Failure::Refused(Error::NameDuplicate(4)))
    );
}

#[test]
fn the_index_alone_knows_duplicates() {
    let mut bytes = Bytes::valid(4096, 2);
    assert_eq!(
        read(&bytes.0, 4096, &mut Stubborn(false)),
        Err(Failure::Refused(Error::NameDuplicate(0)))
    );
    bytes.name(1, &super::bytes::field(b"flb-0"));
    assert_eq!(read(&bytes.0, 4096, &mut Stubborn(true)), Ok(()));
}

#[test]
fn nothing_is_put_in_from_a_block_that_is_refused_as_a_whole() {
    let mut index = Limited::new(10);
    for (pgcnt, count) in [(0, 1), (2, 1), (1, 64)] {
        let mut bytes = Bytes::valid(4096, 3);
        bytes.u64(0, pgcnt);
        bytes.u64(8, count);
        assert!(read(&bytes.0, 4096, &mut index).is_err());
    }
    assert!(index.entries.is_empty());
}

proptest! {
    #![proptest_config(config::cases(400))]

    #[test]
    fn duplicates_are_those_that_a_map_finds(names in vec(0..200u8, 0..63)) {
        let mut bytes = Bytes::valid(4096, names.len());
        for (index, name) in names.iter().enumerate() {
            bytes.name(index, &super::bytes::field(format!("flb-{name}").as_bytes()));
        }
        let mut seen = BTreeMap::new();
        let is_again = |(index, name): &(u64, &u8)| seen.insert(**name, *index).is_some();
        let duplicate = (0..).zip(&names).find(is_again);
        let expected = match duplicate {
            Some((index, _)) => Err(Error::NameDuplicate(index)),
            None => Ok(names.len()),
        };
        prop_assert_eq!(model::entries(&bytes.0, 4096), expected);
    }

    #[test]
    fn entries_are_put_in_one_by_one_in_their_order(count in 0..63usize) {
        let bytes = Bytes::valid(4096, count).0;
        let mut table = Table::default();
        prop_assert_eq!(read(&bytes, 4096, &mut table), Ok(()));
        prop_assert_eq!(table.entries.len(), count);
        for (index, entry) in table.entries.iter().enumerate() {
            let name = super::bytes::named(format!("flb-{index}").as_bytes());
            prop_assert_eq!(entry.name, name);
        }
    }
}
