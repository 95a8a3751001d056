// SPDX-License-Identifier: GPL-2.0

//! Memory without a header, from any address: nothing says whose it is.

//@ error: E0133

include!("driver.rs");

pub fn mistake(address: u64) -> Result {
    //~
    drop(KhoFolio::<u64, Restored>::restore(address)?);
    Ok(())
}
