// SPDX-License-Identifier: GPL-2.0

//! An enumeration, of which not all bits are a value.

//@ error: E0277
//@ error: Option

include!("driver.rs");

preserved_data! {
    struct Data: version 1 {
        //~
        field: Option<u8>,
    }
}
