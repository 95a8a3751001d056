// SPDX-License-Identifier: GPL-2.0

//! An FLB of a handler that is not registered.

//@ error: E0308

include!("driver.rs");

pub fn mistake() -> Result {
    //~
    drop(TABLE.register(&FILES)?);
    Ok(())
}
