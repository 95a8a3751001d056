// SPDX-License-Identifier: GPL-2.0

//! Data without a version.

//@ error: no rules expected

include!("driver.rs");

preserved_data! {
    //~
    struct Data {
        field: u64,
    }
}
