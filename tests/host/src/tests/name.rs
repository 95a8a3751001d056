// SPDX-License-Identifier: GPL-2.0

//! Names are C strings in a field of fixed size.

use super::config;
use crate::abi::name::{check, same, Error, Field, LEN};
use proptest::{collection::vec, prelude::*};

/// The field as C's `strncmp(.., LEN)` sees it: up to the NUL, or all of it.
fn model(field: &Field) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(LEN)]
}

/// Fields out of few letters, so that two are often the same, in part or up to the NUL.
fn field() -> impl Strategy<Value = Field> {
    let letter = prop_oneof![20 => Just(b'a'), 1 => Just(b'b'), 2 => Just(0)];
    let bytes = prop_oneof![4 => vec(letter, LEN), 1 => vec(any::<u8>(), LEN)];
    bytes.prop_map(|bytes| bytes.try_into().unwrap())
}

proptest! {
    #![proptest_config(config::cases(2000))]

    #[test]
    fn check_asks_for_a_nul_behind_a_letter(field in field()) {
        let expected = match model(&field).len() {
            LEN => Err(Error::Unterminated),
            0 => Err(Error::Empty),
            _ => Ok(&field),
        };
        prop_assert_eq!(check(&field), expected);
    }

    #[test]
    fn same_compares_c_strings(one in field(), other in field()) {
        prop_assert_eq!(same(&one, &other), model(&one) == model(&other));
        prop_assert_eq!(same(&other, &one), same(&one, &other));
        prop_assert!(same(&one, &one));
    }

    #[test]
    fn same_looks_at_each_byte_up_to_the_nul(
        one in field(),
        at in 0..LEN,
        byte in any::<u8>(),
    ) {
        let mut other = one;
        other[at] = byte;
        prop_assert_eq!(same(&one, &other), model(&one) == model(&other));
    }
}

#[test]
fn the_nul_may_stand_anywhere_but_first() {
    for len in 0..=LEN {
        let mut field = [0xff; LEN];
        if let Some(end) = field.get_mut(len) {
            *end = 0;
        }
        let expected = match len {
            0 => Err(Error::Empty),
            LEN => Err(Error::Unterminated),
            _ => Ok(&field),
        };
        assert_eq!(check(&field), expected, "name of {len} bytes");
    }
}

#[test]
fn a_prefix_is_another_name() {
    let mut one = [b'a'; LEN];
    for len in (1..LEN).rev() {
        let longer = one;
        one[len] = 0;
        assert!(!same(&one, &longer) && !same(&longer, &one), "{len} bytes");
    }
}
