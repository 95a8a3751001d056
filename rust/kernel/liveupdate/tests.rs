// SPDX-License-Identifier: GPL-2.0

//! FLBs and handlers on the running orchestrator, as far as one kernel goes.
//!
//! Suites run one after the other, so that what the callbacks record belongs to one test.

use super::{
    file,
    flb,
    FileHandler,
    Flb,
    OpenFile,
    Owner,
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
    liveupdate_flb, liveupdate_misc, liveupdate_owner,
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
    types::ForeignOwnable,
};

#[allow(improper_ctypes)]
extern "C" {
    // What the orchestrator calls for a file.
    fn luo_flb_file_preserve(handler: *mut bindings::liveupdate_file_handler) -> c_int;
    fn luo_flb_file_unpreserve(handler: *mut bindings::liveupdate_file_handler);
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

liveupdate_flb! {
    static SHARED: Shared;
}

impl Flb for Shared {
    const COMPATIBLE: &'static CStr = c"kunit-shared-v1";
    const OWNER: Owner = liveupdate_owner!();
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

liveupdate_flb! {
    static BROKEN: Broken;
}

impl Flb for Broken {
    // As long as a name can be.
    const COMPATIBLE: &'static CStr = c"kunit-broken-0123456789-0123456789-0123456-v001";
    const OWNER: Owner = liveupdate_owner!();
    type Data = ();
    type Outgoing = ();
    type Incoming = ();

    fn preserve() -> Result<((), ())> {
        Err(ENOSPC)
    }

    fn unpreserve((): ()) {}

    fn retrieve((): ()) -> Result {
        Ok(())
    }

    fn finish((): ()) {}
}

/// A device of which only the files are of interest.
struct Device(u32);

liveupdate_misc! {
    static DEVICE: Device;
}

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

liveupdate_misc! {
    static OTHER_DEVICE: OtherDevice;
}

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

/// Has all callbacks.
struct Full;

static FULL: file::Definition<Full> = file::Definition::new();

#[vtable]
impl FileHandler for Full {
    const COMPATIBLE: &'static CStr = c"kunit-full-v1";
    const OWNER: Owner = liveupdate_owner!();
    type Data = u64;
    type Private = KBox<Object>;

    fn can_preserve(file: &OpenFile) -> bool {
        DEVICE.private(file).is_some()
    }

    fn preserve(file: &OpenFile) -> Result<(u64, KBox<Object>)> {
        let number = DEVICE.private(file).ok_or(EBADF)?.0.into();
        Ok((number, KBox::new(Object(number + 1), GFP_KERNEL)?))
    }

    fn unpreserve(_file: &OpenFile, data: u64, private: KBox<Object>) {
        if data + 1 == private.0 {
            UNPRESERVED.up();
        }
    }

    fn freeze(_file: &OpenFile, data: u64, private: &Object) -> Result<u64> {
        match private.0 {
            8 => Ok(data + 100),
            _ => Err(EBUSY),
        }
    }

    fn unfreeze(_file: &OpenFile, data: u64, private: &Object) {
        if (data, private.0) == (7, 8) {
            UNPRESERVED.up();
        }
    }

    fn retrieve(data: u64) -> Result<ARef<OpenFile>> {
        device_file(u32::try_from(data)?)
    }

    fn can_finish(status: RetrieveStatus<'_>, _data: u64) -> bool {
        matches!(status, RetrieveStatus::Retrieved(_))
    }

    fn finish(status: RetrieveStatus<'_>, data: u64) {
        let count = match status {
            RetrieveStatus::NotRetrieved => &PRESERVED,
            RetrieveStatus::Failed(error) if error == EIO => &UNPRESERVED,
            RetrieveStatus::Failed(_) => return,
            RetrieveStatus::Retrieved(_) => &DROPPED,
        };
        if data == 5 {
            count.up();
        }
    }
}

/// Has what it must have.
struct Plain;

static PLAIN: file::Definition<Plain> = file::Definition::new();

#[vtable]
impl FileHandler for Plain {
    const COMPATIBLE: &'static CStr = c"kunit-plain-v1";
    const OWNER: Owner = liveupdate_owner!();
    type Data = ();
    type Private = ();

    fn can_preserve(_file: &OpenFile) -> bool {
        false
    }

    fn preserve(_file: &OpenFile) -> Result<((), ())> {
        Err(ENODEV)
    }

    fn unpreserve(_file: &OpenFile, _data: (), _private: ()) {}

    fn retrieve(_data: ()) -> Result<ARef<OpenFile>> {
        Err(ENODEV)
    }

    fn finish(_status: RetrieveStatus<'_>, _data: ()) {}
}

/// The callbacks as C sees them.
fn flb_ops<F: flb::Defined>(flb: &flb::Definition<F>) -> &bindings::liveupdate_flb_ops {
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

fn file_args(file: Option<&OpenFile>, data: u64) -> bindings::liveupdate_file_op_args {
    bindings::liveupdate_file_op_args {
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

#[kunit_tests(rust_liveupdate_flb)]
mod flbs {
    use super::*;

    #[test]
    fn guards_are_a_pointer() {
        assert_eq!(size_of::<flb::Incoming<Shared>>(), size_of::<usize>());
        assert_eq!(size_of::<flb::Outgoing<Shared>>(), size_of::<usize>());
        assert_eq!(
            size_of::<flb::Registration<'_, Shared, Full>>(),
            size_of::<usize>()
        );
        assert_eq!(size_of::<file::Registration<Full>>(), size_of::<usize>());
    }

    #[test]
    fn c_sees_name_and_callbacks() {
        // SAFETY: Constant fields of a static.
        let name = unsafe { (*BROKEN.as_raw()).compatible };
        assert_eq!(name[..47], *Broken::COMPATIBLE.to_bytes());
        assert_eq!(name[47], 0);
        // SAFETY: As above.
        let name = unsafe { (*SHARED.as_raw()).compatible };
        assert_eq!(name[..16], *b"kunit-shared-v1\0");
        assert!(name[16..].iter().all(|byte| *byte == 0));
        let ops = flb_ops(&SHARED);
        assert!(ops.preserve.is_some() && ops.unpreserve.is_some());
        assert!(ops.retrieve.is_some() && ops.finish.is_some());
        assert!(ops.owner.is_null());
    }

    #[test]
    fn callbacks_convert() -> Result {
        reset();
        let ops = flb_ops(&SHARED);
        let mut args = flb_args(0, core::ptr::null_mut());
        call_flb(ops.preserve, &mut args)?;
        assert_eq!(args.data, 42);
        assert!(!args.obj.is_null());
        assert_eq!(DROPPED.take(), 0);
        // SAFETY: What `preserve` has left.
        unsafe { ops.unpreserve.ok_or(ENXIO)?(&mut args) };
        assert_eq!((UNPRESERVED.take(), DROPPED.take()), (1, 1));

        let mut args = flb_args(77, core::ptr::null_mut());
        call_flb(ops.retrieve, &mut args)?;
        // SAFETY: What `retrieve` has left.
        let seen = unsafe { KBox::<Object>::borrow(args.obj) }.0;
        assert_eq!(seen, 77);
        // SAFETY: As above.
        unsafe { ops.finish.ok_or(ENXIO)?(&mut args) };
        assert_eq!(DROPPED.take(), 1);
        Ok(())
    }

    #[test]
    fn errors_are_negative_and_leave_nothing() {
        let mut args = flb_args(0, core::ptr::null_mut());
        assert!(call_flb(flb_ops(&SHARED).retrieve, &mut args) == Err(EIO));
        assert!(args.obj.is_null());
        assert!(call_flb(flb_ops(&BROKEN).preserve, &mut args) == Err(ENOSPC));
        assert!(args.obj.is_null());
    }

    #[test]
    fn nothing_was_handed_over() {
        let got = SHARED.incoming().map(|object| object.get().0);
        assert!(got == Err(Error::from_errno(-(bindings::ENODATA as i32))));
    }

    #[test]
    fn nothing_is_preserved() {
        let got = SHARED.outgoing().map(|object| object.get().0);
        assert!(got == Err(ENOENT));
    }

    #[test]
    fn registered_once_with_a_handler() -> Result {
        let handler = PLAIN.register()?;
        let first = SHARED.register(&handler)?;
        assert!(SHARED.register(&handler).err() == Some(EEXIST));
        drop(first);
        drop(SHARED.register(&handler)?);
        Ok(())
    }

    #[test]
    fn object_of_the_first_file() -> Result {
        let handler = FULL.register()?.with(&SHARED)?;
        reset();
        let file = Preserved::new(&FULL)?;
        let second = Preserved::new(&FULL)?;
        let seen = SHARED.outgoing()?.get().0;
        let again = SHARED.outgoing()?.get().0;
        drop(second);
        let last = SHARED.outgoing()?.get().0;
        let before = (PRESERVED.take(), UNPRESERVED.take(), DROPPED.take());
        drop(file);
        let after = (PRESERVED.take(), UNPRESERVED.take(), DROPPED.take());
        let gone = SHARED.outgoing().err();
        drop(handler);
        assert_eq!((seen, again, last), (43, 43, 43));
        assert_eq!((before, after), ((1, 0, 0), (0, 1, 1)));
        assert!(gone == Some(ENOENT));
        Ok(())
    }

    #[test]
    fn failure_is_that_of_the_file() -> Result {
        let handler = FULL.register()?.with(&SHARED)?.with(&BROKEN)?;
        reset();
        let error = Preserved::new(&FULL).err();
        let counts = (PRESERVED.take(), UNPRESERVED.take(), DROPPED.take());
        drop(handler);
        assert!(error == Some(ENOSPC));
        assert_eq!(counts, (1, 1, 1));
        Ok(())
    }

    #[test]
    fn flb_of_several_handlers() -> Result {
        let full = FULL.register()?.with(&SHARED)?;
        let plain = PLAIN.register()?.with(&SHARED)?;
        reset();
        let (one, two) = (Preserved::new(&FULL)?, Preserved::new(&PLAIN)?);
        drop(one);
        let seen = SHARED.outgoing()?.get().0;
        let before = (PRESERVED.take(), UNPRESERVED.take());
        drop(two);
        let after = UNPRESERVED.take();
        drop((full, plain));
        assert_eq!((seen, before, after), (43, (1, 0), 1));
        Ok(())
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
#[kunit_tests(rust_liveupdate_outgoing)]
mod counted {
    use super::*;

    #[test]
    fn reference_outlives_the_last_file() -> Result {
        let handler = FULL.register()?.with(&SHARED)?;
        reset();
        let file = Preserved::new(&FULL)?;
        let object = SHARED.outgoing()?;
        drop(file);
        let held = (object.get().0, DROPPED.take());
        drop(object);
        let after = (UNPRESERVED.take(), DROPPED.take());
        drop(handler);
        assert_eq!((held, after), ((43, 0), (1, 1)));
        Ok(())
    }
}

#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))]
#[kunit_tests(rust_liveupdate_outgoing)]
mod locked {
    use super::*;

    #[test]
    fn object_is_locked() -> Result {
        let handler = FULL.register()?.with(&SHARED)?;
        let file = Preserved::new(&FULL)?;
        let held = [
            is_locked(),
            SHARED.outgoing().is_ok_and(|_held| is_locked()),
            is_locked(),
        ];
        drop(file);
        let nothing = (SHARED.outgoing().err(), is_locked());
        drop(handler);
        assert_eq!(held, [false, true, false]);
        assert!(nothing == (Some(ENOENT), false));
        Ok(())
    }

    /// Whether somebody holds the lock that files are preserved and unpreserved with.
    fn is_locked() -> bool {
        // SAFETY: The FLB was registered, so that its locks are initialised.
        unsafe {
            let lock = &raw mut (*SHARED.as_raw()).private.outgoing.lock;
            if bindings::mutex_trylock(lock) == 0 {
                return true;
            }
            bindings::mutex_unlock(lock);
        }
        false
    }
}

#[kunit_tests(rust_liveupdate_file)]
mod files {
    use super::*;

    #[test]
    fn c_sees_what_there_is() {
        let full = file_ops(&FULL);
        assert!(full.freeze.is_some() && full.unfreeze.is_some() && full.can_finish.is_some());
        let plain = file_ops(&PLAIN);
        assert!(plain.freeze.is_none() && plain.unfreeze.is_none() && plain.can_finish.is_none());
        for ops in [full, plain] {
            assert!(ops.can_preserve.is_some() && ops.preserve.is_some());
            assert!(ops.unpreserve.is_some() && ops.retrieve.is_some() && ops.finish.is_some());
            assert!(ops.owner.is_null());
        }
        // SAFETY: Constant field of a static.
        let name = unsafe { (*FULL.as_raw()).compatible };
        assert_eq!(name[..14], *b"kunit-full-v1\0");
    }

    #[test]
    fn registered_once() -> Result {
        let registration = FULL.register()?;
        assert!(FULL.register().err() == Some(EEXIST));
        drop(registration);
        drop(FULL.register()?);
        Ok(())
    }

    #[test]
    fn failed_with_unregisters() -> Result {
        let twice = FULL.register()?.with(&SHARED)?.with(&SHARED).err();
        assert!(twice == Some(EEXIST));
        drop(FULL.register()?.with(&SHARED)?);
        Ok(())
    }

    #[test]
    fn files_of_a_device() -> Result {
        let file = device_file(6)?;
        assert_eq!(DEVICE.private(&file).map(|device| device.0), Some(6));
        assert!(OTHER_DEVICE.private(&file).is_none());
        let other = KBox::new(OtherDevice(0), GFP_KERNEL)?;
        let other = OTHER_DEVICE.restored_file(c"kunit", other, flags::O_RDWR)?;
        assert!(DEVICE.private(&other).is_none());
        let can = file_ops(&FULL).can_preserve.ok_or(ENXIO)?;
        // SAFETY: The files are in use.
        let seen = unsafe {
            (
                can(FULL.as_raw(), file.as_ptr()),
                can(FULL.as_raw(), other.as_ptr()),
            )
        };
        assert_eq!(seen, (true, false));
        Ok(())
    }

    #[test]
    fn preserve_and_back() -> Result {
        reset();
        let file = device_file(7)?;
        let ops = file_ops(&FULL);
        let mut args = file_args(Some(&file), 0);
        call_file(ops.preserve, &mut args)?;
        assert_eq!(args.serialized_data, 7);
        // SAFETY: What `preserve` has left.
        unsafe { ops.unfreeze.ok_or(ENXIO)?(&mut args) };
        assert_eq!(UNPRESERVED.take(), 1);
        call_file(ops.freeze, &mut args)?;
        assert_eq!(args.serialized_data, 107);
        args.serialized_data = 7;
        // SAFETY: What `preserve` has left.
        unsafe { ops.unpreserve.ok_or(ENXIO)?(&mut args) };
        assert_eq!((UNPRESERVED.take(), DROPPED.take()), (1, 1));
        Ok(())
    }

    #[test]
    fn failures_change_nothing() -> Result {
        let ops = file_ops(&FULL);
        let file = device_file(9)?;
        let mut args = file_args(Some(&file), 0);
        call_file(ops.preserve, &mut args)?;
        assert!(call_file(ops.freeze, &mut args) == Err(EBUSY));
        assert_eq!(args.serialized_data, 9);
        // SAFETY: What `preserve` has left.
        unsafe { ops.unpreserve.ok_or(ENXIO)?(&mut args) };

        let mut args = file_args(None, u64::MAX);
        assert!(call_file(ops.retrieve, &mut args) == Err(EINVAL));
        assert!(args.file.is_null());
        let other = KBox::new(OtherDevice(0), GFP_KERNEL)?;
        let other = OTHER_DEVICE.restored_file(c"kunit", other, flags::O_RDWR)?;
        let mut args = file_args(Some(&other), 0);
        assert!(call_file(ops.preserve, &mut args) == Err(EBADF));
        assert!(args.private_data.is_null());
        Ok(())
    }

    #[test]
    fn retrieve_gives_a_file() -> Result {
        let mut args = file_args(None, 31);
        call_file(file_ops(&FULL).retrieve, &mut args)?;
        let file = core::ptr::NonNull::new(args.file).ok_or(ENXIO)?;
        // SAFETY: The callback has left a reference to a file.
        let file = unsafe { ARef::<OpenFile>::from_raw(file.cast()) };
        assert_eq!(DEVICE.private(&file).map(|device| device.0), Some(31));
        assert!(file.flags() & flags::O_ACCMODE == flags::O_RDWR);
        Ok(())
    }

    #[test]
    fn status_is_told() -> Result {
        reset();
        let ops = file_ops(&FULL);
        let file = device_file(1)?;
        for (status, can) in [(0, false), (-5, false), (1, true)] {
            let mut args = file_args((status > 0).then_some(&*file), 5);
            args.retrieve_status = status;
            // SAFETY: There is a file if the status is that of success.
            let seen = unsafe {
                ops.finish.ok_or(ENXIO)?(&mut args);
                ops.can_finish.ok_or(ENXIO)?(&mut args)
            };
            assert_eq!(seen, can);
        }
        assert_eq!(
            (PRESERVED.take(), UNPRESERVED.take(), DROPPED.take()),
            (1, 1, 1)
        );
        Ok(())
    }
}
