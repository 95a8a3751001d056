// SPDX-License-Identifier: GPL-2.0

//! A box that is used after it was preserved once more.

//@ error: E0382

include!("driver.rs");

pub fn mistake(data: Handle<Table>) -> Result {
    let restored = data.restore()?;
    drop(restored.preserve().map_err(|(error, _)| error)?);
    //~
    drop(restored);
    Ok(())
}
