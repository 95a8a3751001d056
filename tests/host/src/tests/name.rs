// SPDX-License-Identifier: GPL-2.0

//! Names are C strings in a field of fixed size.

use super::config;
use crate::abi::name::{Error, Field, Name, LEN};
use proptest::{collection::vec, prelude::*};

/// The field as C's `strncmp(.., LEN)` sees it: up to the NUL, or all of it.
fn model(field: &Field) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(LEN)]
}

/// What becomes of a field.
fn expected(field: &Field) -> Result<Field, Error> {
    match model(field).len() {
        LEN => Err(Error::Unterminated),
        0 => Err(Error::Empty),
        len => {
            let mut field = *field;
            field[len..].fill(0);
            Ok(field)
        }
    }
}

fn actual(field: &Field) -> Result<Field, Error> {
    Name::new(field).map(Name::to_field)
}

/// Fields out of few letters, so that two are often the same, in part or up to the NUL.
fn field() -> impl Strategy<Value = Field> {
    let letter = prop_oneof![20 => Just(b'a'), 1 => Just(b'b'), 2 => Just(0)];
    let high = prop_oneof![20 => Just(0x80), 1 => Just(0x7f), 1 => Just(1), 1 => Just(0)];
    let bytes = prop_oneof![4 => vec(letter, LEN), 1 => vec(high, LEN), 1 => vec(any::<u8>(), LEN)];
    bytes.prop_map(|bytes| bytes.try_into().unwrap())
}

/// Fields with a name, and what stands before its NUL.
fn named() -> impl Strategy<Value = (Field, Vec<u8>)> {
    let letter = prop_oneof![20 => Just(b'a'), 1 => Just(b'b'), 1 => Just(0xff), 1 => 1..=u8::MAX];
    (vec(letter, 1..LEN), vec(any::<u8>(), LEN)).prop_map(|(name, garbage)| {
        let mut field: Field = garbage.try_into().unwrap();
        field[..name.len()].copy_from_slice(&name);
        field[name.len()] = 0;
        (field, name)
    })
}

proptest! {
    #![proptest_config(config::cases(2000))]

    #[test]
    fn a_name_is_what_stands_before_the_nul(field in field()) {
        prop_assert_eq!(actual(&field), expected(&field));
    }

    #[test]
    fn a_name_goes_to_a_field_and_back((field, _) in named()) {
        let name = Name::new(&field).unwrap();
        prop_assert_eq!(Name::new(&name.to_field()), Ok(name));
    }

    #[test]
    fn names_are_the_same_if_the_strings_are(one in field(), other in field()) {
        if let (Ok(one_name), Ok(other_name)) = (Name::new(&one), Name::new(&other)) {
            prop_assert_eq!(one_name == other_name, model(&one) == model(&other));
        }
    }

    #[test]
    fn names_are_ordered_as_the_strings_are(
        (one, one_string) in named(),
        (other, other_string) in named(),
    ) {
        let (one, other) = (Name::new(&one).unwrap(), Name::new(&other).unwrap());
        prop_assert_eq!(one.cmp(&other), one_string.cmp(&other_string));
    }

    #[test]
    fn each_byte_up_to_the_nul_counts_and_none_behind(
        (one, _) in named(),
        at in 0..LEN,
        byte in any::<u8>(),
    ) {
        let mut other = one;
        other[at] = byte;
        prop_assert_eq!(actual(&other), expected(&other));
        if let Ok(name) = Name::new(&other) {
            prop_assert_eq!(name == Name::new(&one).unwrap(), model(&one) == model(&other));
        }
    }
}

#[test]
fn the_nul_may_stand_anywhere_but_first() {
    for len in 0..=LEN {
        let mut field = [0xff; LEN];
        if let Some(end) = field.get_mut(len) {
            *end = 0;
        }
        assert_eq!(actual(&field), expected(&field), "name of {len} bytes");
    }
}

#[test]
fn every_byte_is_a_letter_in_every_place_but_the_nul() {
    for at in 0..LEN - 1 {
        for letter in 1..=u8::MAX {
            for others in [1, 0x7f, 0x80, 0xff] {
                let mut field = [others; LEN];
                field[at] = letter;
                field[LEN - 1] = 0;
                assert_eq!(actual(&field), Ok(field), "{letter:#x} at {at}");
            }
        }
    }
}

#[test]
fn a_prefix_is_another_name_and_comes_first() {
    let mut field = [b'a'; LEN];
    field[LEN - 1] = 0;
    for len in (1..LEN - 1).rev() {
        let longer = Name::new(&field).unwrap();
        field[len] = 0;
        let shorter = Name::new(&field).unwrap();
        assert!(shorter != longer && shorter < longer, "{len} bytes");
    }
}

#[test]
fn the_first_byte_that_differs_decides() {
    for at in 0..LEN - 1 {
        let mut smaller = [0x80; LEN];
        smaller[LEN - 1] = 0;
        let mut larger = smaller;
        larger[at] = 0x81;
        // What follows would say the opposite.
        larger[at + 1..LEN - 1].fill(1);
        assert!(
            Name::new(&smaller).unwrap() < Name::new(&larger).unwrap(),
            "byte {at}"
        );
    }
}
