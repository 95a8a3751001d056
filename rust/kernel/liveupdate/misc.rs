// SPDX-License-Identifier: GPL-2.0

//! Misc devices whose files survive a kexec.
//!
//! What belongs to an open file is found by its file operations, and the type of it too. So that
//! they say which type it is, a device that is to be recognised has a table of its own:
//! [`liveupdate_misc!`] makes a static of it, through which the device is registered and its files
//! are made and recognised. (The tables of [`MiscDeviceRegistration`] are constants: those of two
//! devices may be one.)
//!
//! [`liveupdate_misc!`]: crate::liveupdate_misc
//! [`MiscDeviceRegistration`]: crate::miscdevice::MiscDeviceRegistration

use super::OpenFile;
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions, //
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

/// A misc device that has its static; implemented by [`liveupdate_misc!`] only.
///
/// # Safety
///
/// [`definition`](Self::definition) always returns the same static, the only one for the type.
///
/// [`liveupdate_misc!`]: crate::liveupdate_misc
pub unsafe trait Defined: MiscDevice + 'static {
    /// The static.
    fn definition() -> &'static Definition<Self>;
}

/// The static of a misc device, made by [`liveupdate_misc!`](crate::liveupdate_misc).
pub struct Definition<T: MiscDevice + 'static> {
    /// As the compiler thinks that it might be written to, nothing else has this address. After
    /// boot it is read-only.
    operations: Opaque<bindings::file_operations>,
    _device: PhantomData<T>,
}

// SAFETY: The operations are constant.
unsafe impl<T: MiscDevice + 'static> Sync for Definition<T> {}

impl<T: Defined> Definition<T> {
    /// For [`liveupdate_misc!`](crate::liveupdate_misc).
    ///
    /// # Safety
    ///
    /// The value is that of a static, the only one for the type.
    #[doc(hidden)]
    pub const unsafe fn new() -> Self {
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
    /// Process, may sleep.
    pub fn register(
        &'static self,
        options: MiscDeviceOptions,
    ) -> impl PinInit<Registration<T>, Error> {
        try_pin_init!(Registration {
            inner <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let mut device = options.into_raw::<T>();
                device.fops = self.operations.get();
                // SAFETY: The slot is ours to write. It is pinned, and the device is unregistered
                // before it is gone. The operations are those of `T`, which want a `struct
                // miscdevice` in the place of a `MiscDeviceRegistration<T>`.
                unsafe {
                    slot.write(device);
                    to_result(bindings::misc_register(slot))
                }
            }),
            _device: PhantomData,
        }? Error)
    }

    /// What an open file of this device has as its own, or [`None`] if it is another file.
    ///
    /// Files that [`restored_file`](Self::restored_file) has made are files of the device too.
    pub fn private<'a>(
        &'static self,
        file: &'a OpenFile,
    ) -> Option<<T::Ptr as ForeignOwnable>::Borrowed<'a>> {
        // SAFETY: The operations and the private data of a file do not change once it is open.
        let (operations, private) =
            unsafe { ((*file.as_ptr()).f_op, (*file.as_ptr()).private_data) };
        if operations != self.operations.get().cast_const() {
            return None;
        }
        // SAFETY: Only this device has these operations. Its open files have what `T::open` or the
        // caller of `restored_file` has left. It is taken from them when they are released, which
        // they are not while they are borrowed as open files.
        Some(unsafe { T::Ptr::borrow(private) })
    }

    /// Makes a file that reads and writes as one that was opened, with what `open` would have made.
    /// Of `flags`, the access mode and `O_NONBLOCK` are heeded: give those of the file that was
    /// preserved, lest somebody gets write access by a live update.
    ///
    /// It is not in any file system; `name` is what `/proc/*/fd` shows. Its position is 0.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `ENFILE`, and what else files cannot be made for. `device` is dropped then.
    ///
    /// # Context
    ///
    /// Process, may sleep.
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
        // SAFETY: The file is new, open, not null, and the reference to it is ours.
        Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast())) })
    }
}

/// The registration of a misc device, which is in force until this is dropped.
///
/// # Invariants
///
/// The device is registered.
#[pin_data(PinnedDrop)]
pub struct Registration<T: MiscDevice + 'static> {
    #[pin]
    inner: Opaque<bindings::miscdevice>,
    _device: PhantomData<T>,
}

// SAFETY: A device may be unregistered by any thread.
unsafe impl<T: MiscDevice + 'static> Send for Registration<T> {}
// SAFETY: Nothing can be done with a shared registration.
unsafe impl<T: MiscDevice + 'static> Sync for Registration<T> {}

#[pinned_drop]
impl<T: MiscDevice + 'static> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the invariant.
        unsafe { bindings::misc_deregister(self.inner.get()) };
    }
}

/// Declares the static of a misc device whose files are to be recognised by a
/// [`FileHandler`](crate::liveupdate::FileHandler). There is one for a type.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::{file::flags, File},
///     liveupdate_misc,
///     miscdevice::{MiscDevice, MiscDeviceRegistration},
///     prelude::*,
/// };
///
/// struct Lamp(u32);
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
/// liveupdate_misc! {
///     static LAMP: Lamp;
/// }
///
/// let file = LAMP.restored_file(c"lamp", KBox::new(Lamp(3), GFP_KERNEL)?, flags::O_RDWR)?;
/// assert_eq!(LAMP.private(&file).map(|lamp| lamp.0), Some(3));
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
macro_rules! liveupdate_misc {
    ($(#[$meta:meta])* $vis:vis static $name:ident: $device:ty;) => {
        $(#[$meta])*
        #[link_section = ".data..ro_after_init"]
        $vis static $name: $crate::liveupdate::misc::Definition<$device> =
            // SAFETY: It is a static; a second one would have the second implementation below.
            unsafe { $crate::liveupdate::misc::Definition::new() };

        // SAFETY: It returns the static above, always.
        unsafe impl $crate::liveupdate::misc::Defined for $device {
            #[inline]
            fn definition() -> &'static $crate::liveupdate::misc::Definition<Self> {
                &$name
            }
        }
    };
}
