// SPDX-License-Identifier: GPL-2.0

//! The two state machines, against models that only count.
//!
//! | module | |
//! | --- | --- |
//! | [`driver`] | does what the machines ask for, as the kernel does, and keeps a record |
//! | [`outgoing`] | sequences of operations, and what has to be true after each |
//! | [`incoming`] | the same for the other direction |
//! | [`reachable`] | all states that there are |
//! | [`corners`] | states that the counting of the kernel excludes |

mod corners;
mod driver;
mod incoming;
mod outgoing;
mod reachable;

/// Calls `visit` with every sequence of `len` operations.
fn sequences<T: Copy>(operations: &[T], len: u32, mut visit: impl FnMut(&[T])) {
    for number in 0..operations.len().pow(len) {
        let digits = (0..len).map(|digit| number / operations.len().pow(digit));
        let sequence = digits.map(|digit| operations[digit % operations.len()]);
        visit(&sequence.collect::<Vec<_>>());
    }
}
