// SPDX-License-Identifier: GPL-2.0

//! A type that is said to be plain data, and is not.

//@ error: E0277
//@ error: FromBytes
//@ error: AsBytes

include!("driver.rs");

struct Flags(bool);

//~
impl Content for Flags {
    const VERSION: u32 = 1;
}
