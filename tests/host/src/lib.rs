// SPDX-License-Identifier: GPL-2.0

//! Host tests of the parts of the core that depend on `core` alone: the very files that the kernel
//! build compiles, under the same module names.

// The kernel uses more of them than the tests do, and the tests are absent from a plain build.
#[allow(dead_code)]
#[path = "../../../abi/mod.rs"]
mod abi;
#[allow(dead_code)]
#[path = "../../../refs.rs"]
mod refs;
#[allow(dead_code)]
#[path = "../../../state.rs"]
mod state;
#[allow(dead_code)]
mod word;

mod hugetlb;

use hugetlb::preserved_data;

#[cfg(test)]
mod tests;
