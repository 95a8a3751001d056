// SPDX-License-Identifier: GPL-2.0

//! Data that want more than a page to be aligned, as no memory that is restored is.

//@ error: E0080
//@ says: wants more than a page

include!("driver.rs");

preserved_data! {
    #[repr(align(131072))]
    struct Data: version 1 {
        field: [u8; 131072],
    }
}

pub fn mistake(data: Handle<Data>) -> Result {
    drop(data.restore()?);
    Ok(())
}
