// SPDX-License-Identifier: GPL-2.0

//! A function: at an address of this kernel.

//@ error: E0277
//@ error: fn()

include!("driver.rs");

preserved_data! {
    struct Data: version 1 {
        //~
        field: fn(),
    }
}
