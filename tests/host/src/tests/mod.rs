// SPDX-License-Identifier: GPL-2.0

//! | module | tests |
//! | --- | --- |
//! | [`flb_array`] | the FLB array |
//! | [`name`] | the compatible string |
//! | [`refs`] | who holds an object, one caller at a time |
//! | [`state`] | what becomes of an entry, one caller at a time |

mod config;
mod flb_array;
mod name;
mod refs;
mod state;

/// Call `visit` with every sequence of `len` operations.
fn sequences<T: Copy>(operations: &[T], len: u32, mut visit: impl FnMut(&[T])) {
    for number in 0..operations.len().pow(len) {
        let digits = (0..len).map(|digit| number / operations.len().pow(digit));
        let sequence = digits.map(|digit| operations[digit % operations.len()]);
        visit(&sequence.collect::<Vec<_>>());
    }
}
