// SPDX-License-Identifier: GPL-2.0

//! | module | tests |
//! | --- | --- |
//! | [`block`] | the table of FLBs |
//! | [`fdt`] | the node of Linux 7.1, with libfdt and the tools of the Device Tree Compiler |
//! | [`luo_v5`] | the number of Linux 7.2 and 7.3 |
//! | [`name`] | the compatible string |
//! | [`refs`] | who holds an object, one caller at a time |
//! | [`state`] | the two state machines, against models |

mod block;
mod config;
mod fdt;
mod luo_v5;
mod name;
mod refs;
mod state;

/// Calls `visit` with every sequence of `len` operations.
fn sequences<T: Copy>(operations: &[T], len: u32, mut visit: impl FnMut(&[T])) {
    for number in 0..operations.len().pow(len) {
        let digits = (0..len).map(|digit| number / operations.len().pow(digit));
        let sequence = digits.map(|digit| operations[digit % operations.len()]);
        visit(&sequence.collect::<Vec<_>>());
    }
}
