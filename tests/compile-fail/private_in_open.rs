// SPDX-License-Identifier: GPL-2.0

//! What belongs to a file is looked at while it is opened, when it is something else.

//@ error: E0308
//@ says: expected `&OpenFile`, found `&File`

#![allow(dead_code, missing_docs, unused_imports)]

include!("driver.rs");

use kernel::{
    liveupdate::misc,
    miscdevice::{
        MiscDevice,
        MiscDeviceRegistration, //
    },
};

struct Lamp(u32);

static LAMP: misc::Definition<Lamp> = misc::Definition::new();

#[vtable]
impl MiscDevice for Lamp {
    type Ptr = KBox<Self>;

    fn open(file: &File, _device: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        //~
        let number = LAMP.private(file).map_or(0, |lamp| lamp.0);
        Ok(KBox::new(Lamp(number), GFP_KERNEL)?)
    }
}
