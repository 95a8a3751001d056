// SPDX-License-Identifier: GPL-2.0

//! An outgoing object that is used after the closure that has it.

//@ error: lifetime may not live long enough

include!("driver.rs");

pub fn mistake() -> Result {
    //~
    let table = TABLE.with_outgoing(|table| table)?;
    pr_info!("{}\n", table.files);
    Ok(())
}
