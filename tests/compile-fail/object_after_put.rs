// SPDX-License-Identifier: GPL-2.0

//! An object that is used after its reference was put.

//@ error: E0505

include!("driver.rs");

pub fn mistake() -> Result {
    let guard = TABLE.incoming()?;
    let table = guard.get();
    //~
    drop(guard);
    pr_info!("{}\n", table.files);
    Ok(())
}
