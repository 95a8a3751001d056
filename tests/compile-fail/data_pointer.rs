// SPDX-License-Identifier: GPL-2.0

//! A pointer: to an address of this kernel.

//@ error: E0277
//@ error: *mut u64

include!("driver.rs");

preserved_data! {
    struct Data: version 1 {
        //~
        field: *mut u64,
    }
}
