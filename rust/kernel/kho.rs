// SPDX-License-Identifier: GPL-2.0

//! Memory that stays in place while the kernel is replaced (Kexec HandOver, KHO).
//!
//! ```text
//! this kernel       KhoBox::new ─▶ KhoBox ──publish──▶ KhoBox<_, Published> ─▶ Handle
//!                                                                                │ kexec
//! the next kernel   KhoBox<_, Restored> ◀──────────────Handle::restore──────── Handle
//! ```
//!
//! A [`KhoBox`] has a header in front of its data that says what they are, so a handle that leads
//! elsewhere, and data of another version or size, are refused. A [`KhoSlice`] is of any length, in
//! pages that need not be contiguous. A [`KhoFolio`] has nothing but its value, so that it can be
//! in a layout of C's, or be memory that a driver has already.
//!
//! All own their memory, in each of their states: dropped, they give it back, which may sleep.
//! There is nothing to do to hand it over but to keep it until the kexec, and to tell the next
//! kernel where it is.
//!
//! C header: [`include/linux/kexec_handover.h`](srctree/include/linux/kexec_handover.h)

mod boxed;
mod content;
mod folio;
mod handle;
mod slice;
#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
pub(crate) mod tests;

#[doc(hidden)]
pub use self::content::{
    mix,
    plain_size, //
};
pub use self::{
    boxed::KhoBox,
    content::{
        Content,
        Plain, //
    },
    folio::KhoFolio,
    handle::{
        Handle,
        Target, //
    },
    slice::{
        KhoSlice,
        SliceHandle, //
    },
};

use crate::{
    bindings,
    sync::atomic::{
        Atomic,
        Full, //
    }, //
};

/// What memory is at in its way to the next kernel.
pub trait State: private::Sealed + 'static {
    /// Whether the memory came from the previous kernel, and is not preserved for the next.
    #[doc(hidden)]
    const RESTORED: bool;
}

/// Preserved for the next kernel.
pub struct Preserved;

/// Preserved, but to be filled in: no handle leads to it.
pub struct Fresh;

/// Has a handle, by which the next kernel finds it.
pub struct Published;

/// Found in the memory of the previous kernel. For the next kernel it is lost, unless it is
/// preserved again.
pub struct Restored;

impl State for Preserved {
    const RESTORED: bool = false;
}

impl State for Fresh {
    const RESTORED: bool = false;
}

impl State for Published {
    const RESTORED: bool = false;
}

impl State for Restored {
    const RESTORED: bool = true;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Preserved {}
    impl Sealed for super::Fresh {}
    impl Sealed for super::Published {}
    impl Sealed for super::Restored {}
}

/// One restores at a time: KHO looks whether memory was restored already, and notes that it is,
/// without a lock.
struct Restoring;

/// Bit 0 is the lock.
static RESTORING: Atomic<usize> = Atomic::new(0);

impl Restoring {
    fn lock() -> Self {
        // SAFETY: The word is a static. The function sleeps until it has set the bit.
        unsafe {
            bindings::out_of_line_wait_on_bit_lock(
                RESTORING.as_ptr().cast(),
                0,
                Some(bindings::bit_wait),
                bindings::TASK_UNINTERRUPTIBLE,
            )
        };
        Self
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        // Fully ordered, as the waiters are looked for after it.
        RESTORING.xchg(0, Full);
        // SAFETY: The word is a static.
        unsafe { bindings::wake_up_bit(RESTORING.as_ptr().cast(), 0) };
    }
}

/// Whether memory can be preserved at all, which is decided on the command line (`kho=`).
#[inline]
pub fn is_enabled() -> bool {
    // SAFETY: The function reads a flag.
    unsafe { bindings::kho_is_enabled() }
}
