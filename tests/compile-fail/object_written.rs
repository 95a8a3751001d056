// SPDX-License-Identifier: GPL-2.0

//! An object that is written to without a lock.

//@ error: E0594

include!("driver.rs");

pub fn mistake() -> Result {
    //~
    TABLE.with_outgoing(|table| table.files = 1)
}
