// SPDX-License-Identifier: GPL-2.0

//! Live update: open files, and the state they share, survive a kexec.
//!
//! The Live Update Orchestrator (LUO) hands open files over to the next kernel. What a kind of file
//! needs for that is a [`FileHandler`]. State that several files share, such as a table of which
//! each file owns an entry, is a *File-Lifecycle-Bound object*, [`Flb`]: saved once, with the
//! first file, restored once, and released once, with the last file. Memory that stays in place
//! while the kernel is replaced is a box of [`kho`](crate::kho).
//!
//! ```text
//!      this kernel                                    the next kernel
//!
//!      Flb::preserve        with the first file         Flb::retrieve    when it is first needed
//!      FileHandler::preserve      each file             FileHandler::retrieve       each file
//!        KhoBox::handle -> Handle ---------kexec--------> Handle::restore -> KhoBox
//!      FileHandler::unpreserve, or freeze               FileHandler::finish         each file
//!      Flb::unpreserve       with the last file         Flb::finish         with the last file
//! ```
//!
//! This is a layer over the C interface, without allocations and locks of its own (but see
//! [`with_outgoing`](flb::Definition::with_outgoing)).
//!
//! # Context
//!
//! All functions that can fail, all callbacks, and the drop of what they have returned run in
//! process context and may sleep. All else may be called in any context.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h)
//!
//! # Examples
//!
//! A counter that the files of a handler share with the next kernel. See [`misc`] for files of misc
//! devices, and `samples/rust/rust_liveupdate.rs` for a handler.
//!
//! ```
//! use kernel::{
//!     kho::{Handle, KhoBox, Restored},
//!     liveupdate::{flb, Flb},
//!     prelude::*,
//!     preserved_data,
//! };
//!
//! preserved_data! {
//!     /// What all files share.
//!     struct Shared: version 1 {
//!         /// How many there were.
//!         files: u64,
//!     }
//! }
//!
//! static SHARED: flb::Definition<Shared> = flb::Definition::new();
//!
//! #[vtable]
//! impl Flb for Shared {
//!     const COMPATIBLE: &'static CStr = c"doc-shared-v1";
//!     type Data = Handle<Shared>;
//!     type Outgoing = KhoBox<Shared>;
//!     type Incoming = KhoBox<Shared, Restored>;
//!
//!     fn preserve() -> Result<(Self::Data, Self::Outgoing)> {
//!         let mut shared = KhoBox::new(Shared { files: 7 })?;
//!         Ok((shared.handle(), shared))
//!     }
//!
//!     fn unpreserve(_shared: Self::Outgoing) {}
//!
//!     fn retrieve(data: Self::Data) -> Result<Self::Incoming> {
//!         data.restore()
//!     }
//!
//!     fn finish(_shared: Self::Incoming) {}
//! }
//!
//! // Nothing was handed over by that name.
//! assert!(SHARED.incoming().is_err());
//! ```

pub mod file;
pub mod flb;
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))]
mod locked;
pub mod misc;
#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
mod tests;

pub use self::{
    file::{
        FileHandler,
        OpenFile,
        RetrieveStatus, //
    },
    flb::Flb, //
};

use crate::{
    bindings,
    prelude::*, //
};

/// Whether live update is on, which is decided on the command line (`liveupdate=`).
///
/// While it is off nothing can be registered, and no callback is called.
#[inline]
pub fn is_enabled() -> bool {
    // SAFETY: The function reads a flag.
    unsafe { bindings::liveupdate_enabled() }
}

/// How long the fields of names are, with the terminating NUL.
const NAME_LENGTH: usize = bindings::LIVEUPDATE_FLB_COMPAT_LENGTH as usize;

/// A name, as it stands in the C structures; the compiler refuses one that does not fit.
const fn name_field(name: &CStr) -> [c_char; NAME_LENGTH] {
    let bytes = name.to_bytes();
    assert!(!bytes.is_empty(), "the name is empty");
    assert!(
        bytes.len() < NAME_LENGTH,
        "the name does not fit: it has more than 47 bytes"
    );
    let mut field = [0; NAME_LENGTH];
    let mut index = 0;
    while index < bytes.len() {
        field[index] = bytes[index];
        index += 1;
    }
    field
}

const _: () = assert!(NAME_LENGTH == bindings::LIVEUPDATE_HNDL_COMPAT_LENGTH as usize);

/// Eight bytes of a name in its field, the first one lowest.
#[inline] // So that no code is made of it.
const fn name_word(name: &CStr, word: usize) -> u64 {
    let field = name_field(name);
    let mut bits = 0;
    let mut index = 0;
    while index < 8 {
        bits |= (field[8 * word + index] as u64) << (8 * index);
        index += 1;
    }
    bits
}

/// Lists a name in the section `.modinfo`, which is not loaded with the kernel: before the kexec it
/// tells what the next kernel knows. Strings of built-in code begin with the name of a module. Here
/// it is that of the orchestrator in modules too.
///
/// For a callback, so that the name is listed if the static is part of the kernel.
macro_rules! list {
    ($key:literal, $name:expr) => {
        // SAFETY: There are no instructions, only data in a section of its own.
        unsafe {
            $crate::asm!(
                concat!(
                    ".pushsection .modinfo, \"a\"\n",
                    ".ascii \"luo.",
                    $key,
                    "=\"\n",
                    ".irp word, {0}, {1}, {2}, {3}, {4}, {5}\n",
                    ".irp shift, 0, 8, 16, 24, 32, 40, 48, 56\n",
                    ".if (\\word >> \\shift) & 255\n",
                    ".byte (\\word >> \\shift) & 255\n",
                    ".endif\n",
                    ".endr\n",
                    ".endr\n",
                    ".byte 0\n",
                    ".popsection",
                );
                const $crate::liveupdate::name_word($name, 0),
                const $crate::liveupdate::name_word($name, 1),
                const $crate::liveupdate::name_word($name, 2),
                const $crate::liveupdate::name_word($name, 3),
                const $crate::liveupdate::name_word($name, 4),
                const $crate::liveupdate::name_word($name, 5),
                options(nomem, nostack, preserves_flags),
            )
        }
    };
}
use list;

/// The module that callbacks are part of, which stays loaded while they are needed; null in code
/// that is never unloaded.
macro_rules! owner {
    ($t:ident) => {{
        #[cfg(CONFIG_LIVEUPDATE_RUST_HAS_THIS_MODULE)]
        let owner = crate::module::this_module::<$t::OwnerModule>().as_ptr();
        // No module can call the orchestrator there.
        #[cfg(not(CONFIG_LIVEUPDATE_RUST_HAS_THIS_MODULE))]
        let owner = core::ptr::null_mut();
        owner
    }};
}
use owner;
