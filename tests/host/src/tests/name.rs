// SPDX-License-Identifier: GPL-2.0

//! Names are C strings in a field of fixed size.

use super::config;
use crate::abi::name::{is_same, Field, Name, LEN};
use proptest::{collection::vec, prelude::*};

/// Return the field as C's `strncmp(.., LEN)` sees it: up to the NUL, or all of it.
fn model(field: &Field) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(LEN)]
}

/// Return the padded field, if there is a name in it.
fn expected(field: &Field) -> Option<Field> {
    let len = model(field).len();
    let mut field = *field;
    field[len..].fill(0);
    (1..LEN).contains(&len).then_some(field)
}

fn actual(field: &Field) -> Option<Field> {
    Name::new(field).map(|name| *name.field())
}

/// Make fields out of few letters, so that two are often the same, in part or up to the NUL.
fn field() -> impl Strategy<Value = Field> {
    let letter = prop_oneof![20 => Just(b'a'), 1 => Just(b'b'), 2 => Just(0)];
    let high = prop_oneof![20 => Just(0x80), 1 => Just(0x7f), 1 => Just(1), 1 => Just(0)];
    let bytes = prop_oneof![4 => vec(letter, LEN), 1 => vec(high, LEN), 1 => vec(any::<u8>(), LEN)];
    bytes.prop_map(|bytes| bytes.try_into().unwrap())
}

/// Check whether a name is said to be in a padded field if, and only if, the strings are the same.
fn check_is_in(one: &Field, other: &Field) -> Result<(), TestCaseError> {
    if let (Some(name), Some(padded)) = (Name::new(one), expected(other)) {
        let same = model(one) == model(other);
        prop_assert_eq!(name.is_in(&padded), same);
        prop_assert_eq!(is_same(&padded, name.field()), same);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config::cases(2000))]

    #[test]
    fn reads_up_to_the_nul(field in field()) {
        prop_assert_eq!(actual(&field), expected(&field));
    }

    #[test]
    fn finds_equal_strings(one in field(), other in field()) {
        check_is_in(&one, &other)?;
        check_is_in(&one, &one)?;
    }

    #[test]
    fn finds_strings_that_differ_in_one_byte(one in field(), at in 0..LEN, byte in any::<u8>()) {
        let mut other = one;
        other[at] = byte;
        check_is_in(&one, &other)?;
    }
}

#[test]
fn finds_the_nul_in_every_place() {
    for len in 0..=LEN {
        for garbage in [0, 1, b'b', 0x80, 0xff] {
            let mut field = [garbage; LEN];
            field[..len].fill(0xff);
            if let Some(end) = field.get_mut(len) {
                *end = 0;
            }
            assert_eq!(actual(&field), expected(&field), "name of {len} bytes");
        }
    }
}

#[test]
fn accepts_every_letter_in_every_place() {
    for at in 0..LEN - 1 {
        for letter in 1..=u8::MAX {
            for others in [1, 0x7f, 0x80, 0xff] {
                let mut field = [others; LEN];
                field[at] = letter;
                field[LEN - 1] = 0;
                assert_eq!(actual(&field), Some(field), "{letter:#x} at {at}");
            }
        }
    }
}
