// SPDX-License-Identifier: GPL-2.0

//! Fuzzing of what decodes the handover, in the very files that the kernel build compiles.
//!
//! | module | |
//! | --- | --- |
//! | [`flb_array`] | the FLB array |
//! | [`name`] | the compatible string |
//! | [`hugetlb`] | the counts and the runs of huge pages |
//! | [`handover`] | what `flbdump` is given, such as a machine's memory |
//! | [`seeds`] | inputs to start with, one for each thing that can be wrong |
//!
//! Each target takes any bytes, and panics when something does not hold that has to. `flbdump` has
//! to say the same of them.

// Of the core and of its host tests, each target uses a part.
#[allow(dead_code)]
#[path = "../../../abi/mod.rs"]
mod abi;
#[allow(dead_code)]
#[path = "../../host/src/tests/flb_array/bytes.rs"]
mod bytes;
#[allow(dead_code)]
#[path = "../../host/src/tests/flb_array/model.rs"]
mod model;

#[path = "../../host/src/hugetlb.rs"]
mod huge;

use huge::preserved_data;

pub mod flb_array;
pub mod handover;
pub mod hugetlb;
pub mod name;
pub mod seeds;

/// Take the first `N` bytes of an input. What is missing at its end is zero.
fn take<const N: usize>(input: &mut &[u8]) -> [u8; N] {
    let (bytes, rest) = input.split_at(N.min(input.len()));
    let mut array = [0; N];
    array[..bytes.len()].copy_from_slice(bytes);
    *input = rest;
    array
}
