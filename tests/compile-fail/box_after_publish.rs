// SPDX-License-Identifier: GPL-2.0

//! A box that is used after it was published.

//@ error: E0382

include!("driver.rs");

pub fn mistake() -> Result {
    let fresh = KhoBox::new(7u64)?;
    let published = fresh.publish();
    //~
    pr_info!("{} {}\n", *fresh, *published);
    Ok(())
}
