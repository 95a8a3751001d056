// SPDX-License-Identifier: GPL-2.0

//! An object that is used after its guard was dropped, and may be finished.

//@ error: E0716

include!("driver.rs");

pub fn mistake() -> Result {
    //~
    let table = TABLE.incoming()?.get();
    pr_info!("{}\n", table.files);
    Ok(())
}
