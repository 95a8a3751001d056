// SPDX-License-Identifier: GPL-2.0

//! Files of misc devices, for handlers of such files.

use crate::{
    bindings,
    error::{
        from_err_ptr,
        Result, //
    },
    fs::File,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions, //
    },
    str::{
        CStr,
        CStrExt as _, //
    },
    sync::aref::ARef,
    types::ForeignOwnable,
};
use core::ptr::NonNull;

/// What the file operations of a misc device are at. Two devices have the same only if all of their
/// callbacks are the same machine code, those that make and drop the private data among them.
fn operations<T: MiscDevice + 'static>() -> *const bindings::file_operations {
    MiscDeviceOptions { name: c"" }.into_raw::<T>().fops
}

/// What an open file of the misc device `T` has as its own, or [`None`] if it is another file.
///
/// Files that [`restored_file`] has made are files of the device too.
pub fn private<T: MiscDevice + 'static>(
    file: &File,
) -> Option<<T::Ptr as ForeignOwnable>::Borrowed<'_>> {
    // SAFETY: The operations and the private data of an open file do not change.
    let (fops, private) = unsafe { ((*file.as_ptr()).f_op, (*file.as_ptr()).private_data) };
    if fops != operations::<T>() {
        return None;
    }
    // SAFETY: Files with these operations have what `T::open` or the caller of `restored_file` has
    // left, until they are released, which is after the last reference to them is gone.
    Some(unsafe { T::Ptr::borrow(private) })
}

/// Makes a file of the misc device `T` that does as if it had been opened: with what `open` would
/// have made, and with the flags of `open(2)`.
///
/// It is not in any file system; `name` is what `/proc/*/fd` shows in brackets. Its position is 0.
///
/// # Errors
///
/// `ENOMEM`, `ENFILE`, and what else files cannot be made for. `device` is dropped then.
///
/// Context: process, may sleep.
pub fn restored_file<T: MiscDevice + 'static>(
    name: &'static CStr,
    device: T::Ptr,
    flags: u32,
) -> Result<ARef<File>> {
    let private = device.into_foreign();
    // SAFETY: The name is terminated, and the operations are those of such private data.
    let file = from_err_ptr(unsafe {
        bindings::anon_inode_getfile_positioned(
            name.as_char_ptr(),
            operations::<T>(),
            private.cast(),
            flags as i32,
        )
    })
    .inspect_err(|_| {
        // SAFETY: It came from `into_foreign` above, and there is no file that has it.
        drop(unsafe { T::Ptr::from_foreign(private) });
    })?;
    // SAFETY: The file is new, not null, and the reference to it is ours. Nobody else knows it.
    Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast())) })
}
