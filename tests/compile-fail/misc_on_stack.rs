// SPDX-License-Identifier: GPL-2.0

//! Operations on the stack, which files would keep a pointer to.

//@ error: E0597

#![allow(dead_code, missing_docs, unused_imports)]

include!("driver.rs");

use kernel::{
    liveupdate::misc,
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

pub fn mistake() -> Result {
    let lamps = misc::Definition::<Lamp>::new();
    let lamp = KBox::new(Lamp, GFP_KERNEL)?;
    //~
    drop(lamps.restored_file(c"lamp", lamp, 0)?);
    Ok(())
}
