// SPDX-License-Identifier: GPL-2.0

//! Fuzzing of what decodes the handover, in the very files that the kernel build compiles.
//!
//! | module | |
//! | --- | --- |
//! | [`block`] | the table of FLBs |
//! | [`fdt`] | the node of Linux 7.1, read by libfdt |
//! | [`luo_v5`] | the number of Linux 7.2 and 7.3 |
//! | [`name`] | the compatible string |
//! | [`seeds`] | inputs to start with, one for each thing that can be wrong |
//!
//! Each target takes any bytes, and panics when something does not hold that has to. It makes a
//! question to the code out of them, and compares the answer with that of an oracle.

// Of the core and of its host tests, each target uses a part.
#[allow(dead_code)]
#[path = "../../../abi/mod.rs"]
mod abi;
#[allow(dead_code)]
#[path = "../../host/src/tests/block/bytes.rs"]
mod bytes;
#[allow(dead_code)]
#[path = "../../host/src/tests/fdt/libfdt.rs"]
mod libfdt;
#[allow(dead_code)]
#[path = "../../host/src/tests/block/model.rs"]
mod model;
#[allow(dead_code)]
#[path = "../../host/src/tests/fdt/tree.rs"]
mod tree;

pub mod block;
pub mod fdt;
mod input;
pub mod luo_v5;
pub mod name;
pub mod seeds;
