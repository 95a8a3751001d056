// SPDX-License-Identifier: GPL-2.0

//! What several tasks do at a time with `refs.rs` and `state.rs`: the very files that the kernel
//! build compiles, with atomics and locks of which loom tries all orders of execution, and all
//! values that the memory model allows to be read.

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
