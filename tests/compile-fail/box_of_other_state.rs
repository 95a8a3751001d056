// SPDX-License-Identifier: GPL-2.0

//! A state of a box that there is not.

//@ error: E0277
//@ error: Sealed

include!("driver.rs");

struct Mine;

//~
impl kernel::kho::State for Mine {
    const PRESERVED: bool = true;
}
