// SPDX-License-Identifier: GPL-2.0

//! A reference: to an address of this kernel.

//@ error: E0277
//@ error: &

include!("driver.rs");

preserved_data! {
    struct Data: version 1 {
        //~
        field: &'static u64,
    }
}
