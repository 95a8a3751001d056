// SPDX-License-Identifier: GPL-2.0

//! The protocol by which objects are held, and the two states over it, by several tasks at a time:
//! the very files that the kernel build compiles, with atomics of which loom tries all orders of
//! execution, and all values that the memory model allows to be read.

#![cfg(test)]

// The kernel uses more of them than the model does.
#[allow(dead_code)]
#[path = "../../../refs.rs"]
mod refs;
#[allow(dead_code)]
#[path = "../../../state.rs"]
mod state;
mod word;

mod tests;
