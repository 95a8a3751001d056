// SPDX-License-Identifier: GPL-2.0

//! A guard that is copied: there is one reference, and there would be two puts.

//@ error: E0599
//@ error: clone

include!("driver.rs");

pub fn mistake() -> Result {
    let guard = TABLE.outgoing()?;
    //~
    drop(guard.clone());
    Ok(())
}
