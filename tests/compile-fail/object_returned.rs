// SPDX-License-Identifier: GPL-2.0

//! An object that is returned without its guard.

//@ error: E0515

include!("driver.rs");

pub fn mistake() -> Result<&'static Table> {
    let guard = TABLE.incoming()?;
    //~
    Ok(guard.get())
}
