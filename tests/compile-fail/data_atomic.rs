// SPDX-License-Identifier: GPL-2.0

//! Data that change while they are shared.

//@ error: E0277
//@ error: Atomic

include!("driver.rs");

preserved_data! {
    struct Data: version 1 {
        //~
        field: kernel::sync::atomic::Atomic<u64>,
    }
}
