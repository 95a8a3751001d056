// SPDX-License-Identifier: GPL-2.0

//! A handle of a box that is not preserved any more.

//@ error: E0599
//@ error: handle

include!("driver.rs");

pub fn mistake(data: Handle<Table>) -> Result {
    let restored: KhoBox<Table, Restored> = data.restore()?;
    //~
    let _ = restored.handle();
    Ok(())
}
