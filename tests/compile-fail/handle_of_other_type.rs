// SPDX-License-Identifier: GPL-2.0

//! Another type than that which the handle is of.

//@ error: E0308

include!("driver.rs");

pub fn mistake(data: Handle<Table>) -> Result {
    //~
    let restored: KhoBox<u64, Restored> = data.restore()?;
    drop(restored);
    Ok(())
}
