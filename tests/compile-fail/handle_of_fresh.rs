// SPDX-License-Identifier: GPL-2.0

//! A handle of a box that is not published: what it leads to would be refused.

//@ error: E0599
//@ error: handle

include!("driver.rs");

pub fn mistake() -> Result {
    let fresh = KhoBox::new(7u64)?;
    //~
    let _ = fresh.handle();
    Ok(())
}
