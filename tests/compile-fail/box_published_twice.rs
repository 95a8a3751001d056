// SPDX-License-Identifier: GPL-2.0

//! A box that is published twice.

//@ error: E0382

include!("driver.rs");

pub fn mistake() -> Result {
    let fresh = KhoBox::new(7u64)?;
    drop(fresh.publish());
    //~
    drop(fresh.publish());
    Ok(())
}
