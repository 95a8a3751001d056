// SPDX-License-Identifier: GPL-2.0

//! A device has two tables of file operations, so that its files are taken for those of another.

//@ error: E0119
//@ says: conflicting implementations of trait

#![allow(dead_code, missing_docs, unused_imports)]

include!("driver.rs");

use kernel::{
    liveupdate_misc,
    miscdevice::{
        MiscDevice,
        MiscDeviceRegistration, //
    },
};

struct Lamp;

#[vtable]
impl MiscDevice for Lamp {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        Err(ENODEV)
    }
}

liveupdate_misc! {
    static LAMP: Lamp;
}

//~
liveupdate_misc! {
    static LANTERN: Lamp;
}
