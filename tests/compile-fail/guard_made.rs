// SPDX-License-Identifier: GPL-2.0

//! A guard that is made from nothing.

//@ error: E0451
//@ error: private

include!("driver.rs");

pub fn mistake() -> Result {
    drop(flb::Incoming::<Table> {
        //~
        object: core::ptr::NonNull::dangling(),
        flb: &TABLE,
        _object: core::marker::PhantomData,
    });
    Ok(())
}
