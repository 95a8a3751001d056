// SPDX-License-Identifier: GPL-2.0

//! The compatible string: two fields of 48 bytes each.

use crate::{
    abi::name::{Name, LEN},
    bytes::{field, Bytes},
    take,
};
use flbdump::report::Part;
use std::ffi::CStr;

/// Return the string in a field, by what the library says of C strings.
fn oracle(field: &[u8; LEN]) -> Option<&[u8]> {
    let name = CStr::from_bytes_until_nul(field).ok()?.to_bytes();
    (!name.is_empty()).then_some(name)
}

/// Return what `flbdump` says of an array with two such names.
pub(crate) fn dump(mut input: &[u8]) -> Part {
    let mut bytes = Bytes::valid(4096, 1, 2);
    bytes.name(0, &take(&mut input));
    bytes.name(1, &take(&mut input));
    flbdump::array::decode(&bytes.0, 4096)
}

/// Return the strings in two fields.
#[cfg(test)]
pub(crate) fn answer(mut input: &[u8]) -> [Option<usize>; 2] {
    let fields: [[u8; LEN]; 2] = [take(&mut input), take(&mut input)];
    fields.map(|field| {
        let name = Name::new(&field)?;
        name.field().iter().position(|byte| *byte == 0)
    })
}

/// Check that any two fields are names if they hold strings, and the same if these are.
pub fn check(input: &[u8]) {
    let mut rest = input;
    let fields: [[u8; LEN]; 2] = [take(&mut rest), take(&mut rest)];
    let strings = fields.each_ref().map(oracle);
    let names = fields.each_ref().map(Name::new);
    let fine = strings.iter().all(Option::is_some) && strings[0] != strings[1];
    assert_eq!(dump(input).damage.is_none(), fine, "flbdump");
    for (name, string) in names.iter().zip(strings) {
        let padded = name.map(|name| *name.field());
        assert_eq!(padded, string.map(field), "what is read, padded");
    }
    if let [Some(one), Some(other)] = names {
        let same = strings[0] == strings[1];
        assert_eq!(one.is_in(other.field()), same, "the same");
        assert_eq!(other.is_in(one.field()), same, "the same");
    }
}
