// SPDX-License-Identifier: GPL-2.0

//! The compatible string: two fields of 48 bytes each.

use crate::{
    abi::name::{Error, Field, Name, LEN},
    input::Input,
};
use std::ffi::CStr;

/// The string in a field, by what the library says of C strings.
pub(crate) fn oracle(field: &Field) -> Result<&[u8], Error> {
    match CStr::from_bytes_until_nul(field).map(CStr::to_bytes) {
        Err(_) => Err(Error::Unterminated),
        Ok([]) => Err(Error::Empty),
        Ok(name) => Ok(name),
    }
}

/// Reads one field.
fn read(field: &Field) -> Option<(Name, &[u8])> {
    let name = Name::new(field);
    assert_eq!(name, Name::new(field), "read twice");
    let expected = oracle(field);
    assert_eq!(name.err(), expected.err(), "what is wrong");
    Some((name.ok()?, expected.ok()?))
}

/// What is written of a name is that name, and nothing else.
fn write(name: Name, string: &[u8]) {
    let field = name.to_field();
    let (start, rest) = field.split_at(string.len());
    assert_eq!(start, string, "what is written");
    assert!(
        !rest.is_empty() && rest.iter().all(|byte| *byte == 0),
        "behind the name"
    );
    assert_eq!(Name::new(&field), Ok(name), "what is written is read");
}

/// The strings in two fields.
#[cfg(test)]
pub(crate) fn answer(data: &[u8]) -> [Result<usize, Error>; 2] {
    let mut input = Input(data);
    [input.array::<LEN>(), input.array::<LEN>()]
        .map(|field| Name::new(&field).map(|_| oracle(&field).map_or(0, <[u8]>::len)))
}

/// Any two fields are names that are ordered as their strings, or what is said to be wrong is.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let fields: [Field; 2] = [input.array::<LEN>(), input.array::<LEN>()];
    let names = fields.each_ref().map(read);
    for (name, string) in names.iter().flatten() {
        write(*name, string);
    }
    if let [Some((one, one_string)), Some((other, other_string))] = names {
        assert_eq!(one == other, one_string == other_string, "the same");
        assert_eq!(one.cmp(&other), one_string.cmp(other_string), "order");
    }
}
