// SPDX-License-Identifier: GPL-2.0

//! A field that is not always there, whose place would be padding.

//@ error: E0026

include!("driver.rs");

preserved_data! {
    struct Data: version 1 {
        small: u8,
        #[cfg(not(CONFIG_RUST))]
        //~
        spare: [u8; 7],
        large: u64,
    }
}
