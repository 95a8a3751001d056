// SPDX-License-Identifier: GPL-2.0

//! Misc devices whose files survive a kexec.
//!
//! The operations of an open file tell of which type its private data are. So a device that is to
//! be recognised has a table of its own, in a static [`Definition`], through which it is registered
//! and its files are made and recognised. (The tables of [`MiscDeviceRegistration`] are constants:
//! those of two devices may be one.)

use super::OpenFile;
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*,
    sync::aref::ARef,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The registration of a misc device, which is in force until this is dropped.
pub type Registration = MiscDeviceRegistration<()>;

/// The static of a misc device whose files a [`FileHandler`](super::FileHandler) has to recognise.
/// Place it where it is read-only after boot, as below: it is a table of functions.
///
/// Where the kernel's [`MiscDevice`] has no owner the device must not be a module's.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::{file::flags, File},
///     liveupdate::misc,
///     miscdevice::{MiscDevice, MiscDeviceRegistration},
///     prelude::*,
/// };
///
/// struct Lamp(u32);
///
/// #[link_section = ".data..ro_after_init"]
/// static LAMP: misc::Definition<Lamp> = misc::Definition::new();
///
/// #[vtable]
/// impl MiscDevice for Lamp {
///     type Ptr = KBox<Self>;
///
///     fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
///         Ok(KBox::new(Lamp(0), GFP_KERNEL)?)
///     }
/// }
///
/// let file = LAMP.restored_file(c"lamp", KBox::new(Lamp(3), GFP_KERNEL)?, flags::O_RDWR)?;
/// assert_eq!(LAMP.private(&file).map(|lamp| lamp.0), Some(3));
/// # Ok::<(), Error>(())
/// ```
pub struct Definition<T: MiscDevice + 'static> {
    /// As the compiler thinks that it might be written to, nothing else has this address.
    operations: Opaque<bindings::file_operations>,
    _device: PhantomData<T>,
}

// SAFETY: The operations are constant.
unsafe impl<T: MiscDevice + 'static> Sync for Definition<T> {}

impl<T: MiscDevice + 'static> Definition<T> {
    /// For a static.
    #[expect(clippy::new_without_default)]
    pub const fn new() -> Self {
        let device = MiscDeviceOptions { name: c"" }.into_raw::<T>();
        Self {
            // SAFETY: The operations of a misc device are a constant.
            operations: Opaque::new(unsafe { *device.fops }),
            _device: PhantomData,
        }
    }

    /// Registers the device, until the returned value is dropped.
    ///
    /// # Errors
    ///
    /// Those of `misc_register()`.
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    pub fn register(
        &'static self,
        options: MiscDeviceOptions,
    ) -> impl PinInit<Registration, Error> {
        let register = move |slot: *mut Registration| {
            // A registration is transparent.
            let slot = slot.cast::<bindings::miscdevice>();
            let mut device = options.into_raw::<T>();
            device.fops = self.operations.get();
            // SAFETY: The slot is ours to write.
            unsafe { slot.write(device) };
            // SAFETY: It is pinned, and the device is unregistered before it is gone. The
            // operations are those of `T`, which want a `struct miscdevice` in the place of a
            // `MiscDeviceRegistration<T>`.
            to_result(unsafe { bindings::misc_register(slot) })
        };
        // SAFETY: If there is no error the device is registered, as the invariants want it.
        unsafe { pin_init::pin_init_from_closure(register) }
    }

    /// What an open file of this device, or of [`restored_file`](Self::restored_file), has as its
    /// own; [`None`] if it is another file.
    pub fn private<'a>(
        &'static self,
        file: &'a OpenFile,
    ) -> Option<<T::Ptr as ForeignOwnable>::Borrowed<'a>> {
        // SAFETY: The operations of a file do not change once it is open.
        if unsafe { (*file.as_ptr()).f_op } != self.operations.get().cast_const() {
            return None;
        }
        // SAFETY: The private data of a file of ours do not change once it is open.
        let private = unsafe { (*file.as_ptr()).private_data };
        // SAFETY: Only this device has these operations. Its open files have what `T::open` or the
        // caller of `restored_file` has left. It is taken from them when they are released, which
        // they are not while they are borrowed as open files.
        Some(unsafe { T::Ptr::borrow(private) })
    }

    /// Makes a file that reads and writes as one that was opened, with what `open` would have made.
    /// Of `flags`, the access mode and `O_NONBLOCK` are heeded: give those of the file that was
    /// preserved, lest somebody gets write access by a live update. It is not in any file system;
    /// `name` is what `/proc/*/fd` shows. Its position is 0.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `ENFILE`, and what else files cannot be made for. `device` is dropped then.
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    pub fn restored_file(
        &'static self,
        name: &'static CStr,
        device: T::Ptr,
        flags: u32,
    ) -> Result<ARef<OpenFile>> {
        let private = device.into_foreign();
        // SAFETY: The name is terminated, and the operations are those of such private data.
        let file = from_err_ptr(unsafe {
            bindings::anon_inode_getfile_positioned(
                name.as_char_ptr(),
                self.operations.get(),
                private.cast(),
                flags as i32,
            )
        })
        .inspect_err(|_| {
            // SAFETY: It came from `into_foreign` above, and there is no file that has it.
            drop(unsafe { T::Ptr::from_foreign(private) });
        })?;
        let file = NonNull::new(file.cast()).ok_or(ENOMEM)?;
        // SAFETY: The file is new, open, and the reference to it is ours.
        Ok(unsafe { ARef::from_raw(file) })
    }
}
