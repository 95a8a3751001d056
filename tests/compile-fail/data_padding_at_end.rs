// SPDX-License-Identifier: GPL-2.0

//! Padding at the end.

//@ error: E0080
//@ says: there is padding

include!("driver.rs");

preserved_data! {
    struct Data: version 1 {
        large: u64,
        small: u8,
    }
}
