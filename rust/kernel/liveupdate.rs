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
//!        KhoBox::handle ─▶ Handle ─────────kexec────────▶ Handle::restore ─▶ KhoBox
//!      FileHandler::unpreserve, or freeze               FileHandler::finish         each file
//!      Flb::unpreserve       with the last file         Flb::finish         with the last file
//! ```
//!
//! Everything here is a thin layer over the C interface: it works with any implementation of it.
//! It adds no allocation and no lock to a call of the orchestrator or of a callback (but see
//! [`with_outgoing`](flb::Definition::with_outgoing)), its guards are two pointers wide, and the
//! tables of callbacks are constants.
//!
//! # Context
//!
//! All functions that can fail, all callbacks, and the drop of what they have returned run in
//! process context and may sleep.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h)
//!
//! # Examples
//!
//! A handler of files that shares a counter with the next kernel. Real drivers have files of their
//! own; see [`misc`] for those of misc devices.
//!
//! ```
//! use kernel::{
//!     kho::{Handle, KhoBox, Restored},
//!     liveupdate::{
//!         file::{self, Finish, Preserve, Retrieve, Unpreserve},
//!         flb, FileHandler, Flb, OpenFile,
//!     },
//!     prelude::*,
//!     preserved_data,
//!     sync::aref::ARef,
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
//! struct Files;
//!
//! static FILES: file::Definition<Files> = file::Definition::new(Files);
//!
//! #[vtable]
//! impl FileHandler for Files {
//!     const COMPATIBLE: &'static CStr = c"doc-files-v1";
//!     type Data = u64;
//!     type Private = ();
//!
//!     fn can_preserve(&self, _file: &OpenFile) -> bool {
//!         false
//!     }
//!
//!     fn preserve(&self, _args: Preserve<'_>) -> Result<(u64, ())> {
//!         Ok((SHARED.with_outgoing(|shared| shared.files)?, ()))
//!     }
//!
//!     fn unpreserve(&self, _args: Unpreserve<'_, Self>) {}
//!
//!     fn retrieve(&self, _args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
//!         Err(ENODEV)
//!     }
//!
//!     fn finish(&self, _args: Finish<'_, Self>) {}
//! }
//!
//! # fn register() -> Result {
//! // In the module's init function; kept in the module's structure.
//! let registration = FILES.register()?.with(&SHARED)?;
//! // Nothing was handed over by that name.
//! assert!(SHARED.incoming().is_err());
//! # drop(registration);
//! # Ok(())
//! # }
//! # if kernel::liveupdate::is_enabled() { register()?; }
//! # Ok::<(), Error>(())
//! ```

pub mod file;
pub mod flb;
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))]
mod locked;
pub mod misc;
#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
mod tests;

pub use self::{
    file::{FileHandler, OpenFile, RetrieveStatus},
    flb::Flb,
};

use crate::{
    bindings,
    kho::{Handle, Target},
    prelude::*,
};

/// Whether live update is on, which is decided on the command line (`liveupdate=`).
///
/// While it is off nothing can be registered, and no callback is called.
#[inline]
pub fn is_enabled() -> bool {
    // SAFETY: The function reads a flag.
    unsafe { bindings::liveupdate_enabled() }
}

/// What a callback hands over, in the 64 bits that there are for it.
///
/// The next kernel gets what this one has given, unless the handover was damaged: it must make
/// something of any bits, hence there is nothing that could be violated here.
pub trait Handover: Copy + 'static {
    /// What to hand over.
    fn into_bits(self) -> u64;

    /// What was handed over.
    fn from_bits(bits: u64) -> Self;
}

impl Handover for u64 {
    fn into_bits(self) -> u64 {
        self
    }

    fn from_bits(bits: u64) -> Self {
        bits
    }
}

/// Nothing.
impl Handover for () {
    fn into_bits(self) -> u64 {
        0
    }

    fn from_bits(_: u64) -> Self {}
}

impl<T: Target + ?Sized> Handover for Handle<T> {
    fn into_bits(self) -> u64 {
        self.into_bits()
    }

    fn from_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }
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
