// SPDX-License-Identifier: GPL-2.0

//! A value that has a meaning in this kernel only.

//@ error: E0277
//@ error: E0599

include!("driver.rs");

pub fn mistake() -> Result {
    //~
    drop(KhoFolio::<&'static u64>::zeroed()?);
    Ok(())
}
