// SPDX-License-Identifier: GPL-2.0

//! Names in the table.

use super::{
    bytes::{field, Bytes},
    model,
};
use crate::abi::{block::Error, name};

/// What becomes of a block of four entries when the third bears a name.
fn third(name: &name::Field) -> Result<usize, Error> {
    let mut bytes = Bytes::valid(4096, 4);
    bytes.name(2, name);
    model::entries(&bytes.0, 4096)
}

#[test]
fn one_to_47_bytes() {
    assert_eq!(third(&field(b"")), Err(Error::NameEmpty(2)));
    assert_eq!(third(&field(b"a")), Ok(4));
    assert_eq!(third(&field(&[b'a'; 46])), Ok(4));
    assert_eq!(third(&field(&[b'a'; 47])), Ok(4));
    assert_eq!(third(&field(&[b'a'; 48])), Err(Error::NameUnterminated(2)));
}

#[test]
fn an_empty_name_is_empty_whatever_stands_behind_its_nul() {
    let mut name = field(b"?garbage");
    name[0] = 0;
    assert_eq!(third(&name), Err(Error::NameEmpty(2)));
}

#[test]
fn the_last_byte_of_the_field_is_the_last_that_counts() {
    // A NUL in the data behind the field does not terminate the name.
    let mut bytes = Bytes::valid(4096, 1);
    bytes.entry(0, &[b'a'; 48], 0, 1);
    let entries = model::entries(&bytes.0, 4096);
    assert_eq!(entries, Err(Error::NameUnterminated(0)));
}

#[test]
fn duplicates_are_found_at_any_distance() {
    for (later, earlier) in [(1, 0), (3, 0), (3, 2), (62, 0), (62, 61)] {
        let mut bytes = Bytes::valid(4096, 63);
        bytes.name(later, &field(format!("flb-{earlier}").as_bytes()));
        assert_eq!(
            model::entries(&bytes.0, 4096),
            Err(Error::NameDuplicate(later as u64))
        );
    }
}

#[test]
fn garbage_behind_the_nul_hides_no_duplicate() {
    let mut name = field(b"flb-0");
    name[6..].fill(0x5a);
    assert_eq!(third(&name), Err(Error::NameDuplicate(2)));
}

#[test]
fn a_prefix_is_no_duplicate() {
    assert_eq!(third(&field(b"flb-")), Ok(4));
    assert_eq!(third(&field(b"flb-00")), Ok(4));
}

#[test]
fn names_behind_the_last_entry_do_not_count() {
    let mut bytes = Bytes::valid(4096, 4);
    bytes.name(3, &field(b"flb-0"));
    bytes.u64(8, 3);
    assert_eq!(model::entries(&bytes.0, 4096), Ok(3));
}
