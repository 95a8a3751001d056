// SPDX-License-Identifier: GPL-2.0

//! A handle of values that are not published.

//@ error: E0599
//@ error: handle

include!("driver.rs");

pub fn mistake() -> Result {
    let fresh = KhoSlice::<u8>::zeroed(7)?;
    //~
    let _ = fresh.handle();
    Ok(())
}
