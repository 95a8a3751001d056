// SPDX-License-Identifier: GPL-2.0

//! A box that is copied: its memory would be freed twice.

//@ error: E0599
//@ error: clone

include!("driver.rs");

pub fn mistake() -> Result {
    let fresh = KhoBox::<Table>::zeroed()?;
    //~
    drop(fresh.clone());
    Ok(())
}
