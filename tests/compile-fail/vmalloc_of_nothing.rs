// SPDX-License-Identifier: GPL-2.0

//! Values without a size, of which no memory tells how many there are.

//@ error: E0080
//@ says: has no size

include!("driver.rs");

pub fn mistake() -> Result {
    drop(KhoVmalloc::<[u64; 0]>::zeroed(7)?);
    Ok(())
}
