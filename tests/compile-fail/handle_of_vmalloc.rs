// SPDX-License-Identifier: GPL-2.0

//! A box where the handle is that of a vmalloc area.

//@ error: E0308

include!("driver.rs");

pub fn mistake(data: Handle<[u8]>) -> Result {
    //~
    let restored: KhoBox<u8, Restored> = data.restore()?;
    drop(restored);
    Ok(())
}
