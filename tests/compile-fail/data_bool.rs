// SPDX-License-Identifier: GPL-2.0

//! A bool, of which not all bits are a value.

//@ error: E0277
//@ error: bool

include!("driver.rs");

preserved_data! {
    struct Data: version 1 {
        //~
        field: bool,
    }
}
