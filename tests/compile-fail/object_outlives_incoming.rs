// SPDX-License-Identifier: GPL-2.0

//! An object that leaves the scope of its guard.

//@ error: E0597

include!("driver.rs");

pub fn mistake() -> Result {
    let table;
    {
        let guard = TABLE.incoming()?;
        //~
        table = guard.get();
    }
    pr_info!("{}\n", table.files);
    Ok(())
}
