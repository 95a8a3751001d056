// SPDX-License-Identifier: GPL-2.0

//! A reference that is put twice.

//@ error: E0382
//@ error: use of moved value

include!("driver.rs");

pub fn mistake() -> Result {
    let guard = TABLE.incoming()?;
    drop(guard);
    //~
    drop(guard);
    Ok(())
}
