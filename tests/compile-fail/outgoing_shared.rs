// SPDX-License-Identifier: GPL-2.0

//! A guard that another thread uses: it may be a lock.

//@ error: E0277
//@ error: cannot be shared between threads

include!("driver.rs");

fn share<T: Sync>(_: &T) {}

pub fn mistake() -> Result {
    //~
    share(&TABLE.outgoing()?);
    Ok(())
}
