// SPDX-License-Identifier: GPL-2.0

//! FLBs and handlers on the running orchestrator, as far as one kernel goes.
//!
//! Suites run one after the other, so that what the callbacks record belongs to one test.

#[cfg(CONFIG_LIVEUPDATE_FLB_FAULTS)]
mod faults;
mod files;
mod flbs;

use super::{
    file::{
        self,
        Finish,
        Freeze,
        Preserve,
        Retrieve,
        Unpreserve, //
    },
    flb,
    is_enabled,
    misc,
    FileHandler,
    Flb,
    OpenFile,
    RetrieveStatus, //
};
use crate::{
    bindings,
    error::to_result,
    ffi::{
        c_int,
        c_void, //
    },
    fs::{
        file::flags,
        File, //
    },
    kho::tests::skip_unless,
    miscdevice::{
        MiscDevice,
        MiscDeviceRegistration, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    },
    types::ForeignOwnable, //
};

#[allow(improper_ctypes)]
extern "C" {
    // What the orchestrator calls for a file.
    fn luo_flb_file_preserve(handler: *mut bindings::liveupdate_file_handler) -> c_int;
    fn luo_flb_file_unpreserve(handler: *mut bindings::liveupdate_file_handler);
}

/// Skips the test if live update is off.
pub(super) fn needs_liveupdate() {
    skip_unless(is_enabled(), c"live update is off");
}

/// How often a callback ran.
struct Count(Atomic<i32>);

impl Count {
    const fn new() -> Self {
        Self(Atomic::new(0))
    }

    fn up(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// How often since the last time.
    fn take(&self) -> i32 {
        self.0.xchg(0, Relaxed)
    }
}

/// Number of calls, and what an object is dropped with.
static PRESERVED: Count = Count::new();
static UNPRESERVED: Count = Count::new();
static DROPPED: Count = Count::new();

/// An object whose end is seen.
struct Object(u64);

impl Drop for Object {
    fn drop(&mut self) {
        DROPPED.up();
    }
}

struct Shared;

static SHARED: flb::Definition<Shared> = flb::Definition::new();

#[vtable]
impl Flb for Shared {
    const COMPATIBLE: &'static CStr = c"kunit-shared-v1";
    type Data = u64;
    type Outgoing = KBox<Object>;
    type Incoming = KBox<Object>;

    fn preserve() -> Result<(u64, KBox<Object>)> {
        PRESERVED.up();
        Ok((42, KBox::new(Object(43), GFP_KERNEL)?))
    }

    fn unpreserve(object: KBox<Object>) {
        if object.0 == 43 {
            UNPRESERVED.up();
        }
    }

    fn retrieve(data: u64) -> Result<KBox<Object>> {
        match data {
            0 => Err(EIO),
            _ => Ok(KBox::new(Object(data), GFP_KERNEL)?),
        }
    }

    fn finish(_object: KBox<Object>) {}
}

struct Broken;

static BROKEN: flb::Definition<Broken> = flb::Definition::new();

#[vtable]
impl Flb for Broken {
    // As long as a name can be.
    const COMPATIBLE: &'static CStr = c"kunit-broken-0123456789-0123456789-0123456-v001";
    type Data = u64;
    type Outgoing = ();
    type Incoming = ();

    fn preserve() -> Result<(u64, ())> {
        Err(ENOSPC)
    }

    fn unpreserve((): ()) {}

    fn retrieve(_data: u64) -> Result {
        Ok(())
    }

    fn finish((): ()) {}
}

/// A device of which only the files are of interest.
struct Device(u32);

#[link_section = ".data..ro_after_init"]
static DEVICE: misc::Definition<Device> = misc::Definition::new();

#[vtable]
impl MiscDevice for Device {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        Err(ENODEV)
    }
}

/// Another device, which does the same.
#[allow(dead_code)]
struct OtherDevice(u32);

#[link_section = ".data..ro_after_init"]
static OTHER_DEVICE: misc::Definition<OtherDevice> = misc::Definition::new();

#[vtable]
impl MiscDevice for OtherDevice {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        Err(ENODEV)
    }
}

fn device_file(number: u32) -> Result<ARef<OpenFile>> {
    let device = KBox::new(Device(number), GFP_KERNEL)?;
    DEVICE.restored_file(c"kunit", device, flags::O_RDWR)
}

/// Has all callbacks, and a number of its own.
struct Full(u64);

static FULL: file::Definition<Full> = file::Definition::new(Full(1));

#[vtable]
impl FileHandler for Full {
    const COMPATIBLE: &'static CStr = c"kunit-full-v1";
    type Data = u64;
    type Private = KBox<Object>;

    fn can_preserve(&self, file: &OpenFile) -> bool {
        DEVICE.private(file).is_some()
    }

    fn preserve(&self, args: Preserve<'_>) -> Result<(u64, KBox<Object>)> {
        let number = DEVICE.private(args.file).ok_or(EBADF)?.0.into();
        Ok((number, KBox::new(Object(number + self.0), GFP_KERNEL)?))
    }

    fn unpreserve(&self, args: Unpreserve<'_, Self>) {
        if args.data + self.0 == args.private.0 {
            UNPRESERVED.up();
        }
    }

    fn freeze(&self, args: Freeze<'_, Self>) -> Result<u64> {
        if args.private.0 != 8 {
            return Err(EBUSY);
        }
        args.private.0 += 100;
        Ok(args.data + 100)
    }

    fn unfreeze(&self, args: Freeze<'_, Self>) {
        if (args.data, args.private.0) == (107, 108) {
            args.private.0 = 8;
            UNPRESERVED.up();
        }
    }

    #[cfg(CONFIG_LIVEUPDATE_HAS_GET_ID)]
    fn id(file: &OpenFile) -> usize {
        DEVICE.private(file).map_or(0, |device| device.0 as usize)
    }

    fn retrieve(&self, args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        device_file(u32::try_from(args.data)?)
    }

    fn can_finish(&self, args: Finish<'_, Self>) -> bool {
        matches!(args.status, RetrieveStatus::Retrieved(_))
    }

    fn finish(&self, args: Finish<'_, Self>) {
        let count = match args.status {
            RetrieveStatus::NotRetrieved => &PRESERVED,
            RetrieveStatus::Failed(error) if error == EIO => &UNPRESERVED,
            RetrieveStatus::Failed(_) => return,
            RetrieveStatus::Retrieved(_) => &DROPPED,
        };
        if args.data == 5 {
            count.up();
        }
    }
}

/// Has what it must have.
struct Plain;

static PLAIN: file::Definition<Plain> = file::Definition::new(Plain);

#[vtable]
impl FileHandler for Plain {
    const COMPATIBLE: &'static CStr = c"kunit-plain-v1";
    type Data = u64;
    type Private = ();

    fn can_preserve(&self, _file: &OpenFile) -> bool {
        false
    }

    fn preserve(&self, _args: Preserve<'_>) -> Result<(u64, ())> {
        Err(ENODEV)
    }

    fn unpreserve(&self, _args: Unpreserve<'_, Self>) {}

    fn retrieve(&self, _args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        Err(ENODEV)
    }

    fn finish(&self, _args: Finish<'_, Self>) {}
}

/// The callbacks as C sees them.
fn flb_ops<F: Flb>(flb: &flb::Definition<F>) -> &bindings::liveupdate_flb_ops {
    // SAFETY: A static has valid callbacks.
    unsafe { &*(*flb.as_raw()).ops }
}

fn file_ops<H: FileHandler>(handler: &file::Definition<H>) -> &bindings::liveupdate_file_ops {
    // SAFETY: A static has valid callbacks.
    unsafe { &*(*handler.as_raw()).ops }
}

/// Calls a callback of an FLB that returns something.
fn call_flb(
    callback: Option<unsafe extern "C" fn(*mut bindings::liveupdate_flb_op_args) -> c_int>,
    args: &mut bindings::liveupdate_flb_op_args,
) -> Result {
    // SAFETY: The arguments are ours.
    to_result(unsafe { callback.ok_or(ENXIO)?(args) })
}

fn flb_args(data: u64, obj: *mut c_void) -> bindings::liveupdate_flb_op_args {
    bindings::liveupdate_flb_op_args {
        data,
        obj,
        ..pin_init::zeroed()
    }
}

/// Calls a callback of a handler that returns something.
fn call_file(
    callback: Option<unsafe extern "C" fn(*mut bindings::liveupdate_file_op_args) -> c_int>,
    args: &mut bindings::liveupdate_file_op_args,
) -> Result {
    // SAFETY: The arguments are ours.
    to_result(unsafe { callback.ok_or(ENXIO)?(args) })
}

/// Arguments for the callbacks of `FULL`.
fn file_args(file: Option<&OpenFile>, data: u64) -> bindings::liveupdate_file_op_args {
    bindings::liveupdate_file_op_args {
        handler: FULL.as_raw(),
        file: file.map_or(core::ptr::null_mut(), |file| file.as_ptr()),
        serialized_data: data,
        ..pin_init::zeroed()
    }
}

/// A registered handler on which files can be preserved, as far as its FLBs are concerned.
struct Preserved<'a, H: FileHandler>(&'a file::Definition<H>);

impl<'a, H: FileHandler> Preserved<'a, H> {
    fn new(handler: &'a file::Definition<H>) -> Result<Self> {
        // SAFETY: The callers have registered it.
        to_result(unsafe { luo_flb_file_preserve(handler.as_raw()) })?;
        Ok(Self(handler))
    }
}

impl<H: FileHandler> Drop for Preserved<'_, H> {
    fn drop(&mut self) {
        // SAFETY: A file was preserved by `new`.
        unsafe { luo_flb_file_unpreserve(self.0.as_raw()) };
    }
}

fn reset() {
    for count in [&PRESERVED, &UNPRESERVED, &DROPPED] {
        count.take();
    }
}
