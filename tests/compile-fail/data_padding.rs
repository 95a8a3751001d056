// SPDX-License-Identifier: GPL-2.0

//! Padding, by which whatever was in memory would be handed over.

//@ error: E0080
//@ says: there is padding

include!("driver.rs");

preserved_data! {
    struct Data: version 1 {
        small: u8,
        large: u64,
    }
}
