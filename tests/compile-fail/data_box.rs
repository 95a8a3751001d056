// SPDX-License-Identifier: GPL-2.0

//! A box, whose memory does not cross the kexec; its handle would.

//@ error: E0277
//@ error: KhoFolio

include!("driver.rs");

preserved_data! {
    struct Data: version 1 {
        //~
        field: KhoBox<u64>,
    }
}
