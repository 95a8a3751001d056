// SPDX-License-Identifier: GPL-2.0

//! Memory that stays in place while the kernel is replaced (Kexec HandOver, KHO).
//!
//! ```text
//!               this kernel                           the next kernel
//!
//!   KhoFolio    address() ----------- 64 bits ------> KhoFolio::restore()   (unsafe)
//!   KhoBox      handle()  ----------- Handle<T> ----> Handle::restore() -> KhoBox<T, Restored>
//!   KhoVmalloc  preserve() ---------- Handle<[T]> --> Handle::restore() -> KhoVmalloc<T>
//! ```
//!
//! A [`KhoFolio`] has nothing but its value, a [`KhoBox`] a header in front that says what it is,
//! and a [`KhoVmalloc`] many values. All own their memory, preserved or not: dropped, they give it
//! back. There is nothing to do to hand it over but to keep it until the kexec, and to tell the
//! next kernel where it is. What is restored can be preserved again where it is.
//!
//! # Context
//!
//! Whatever allocates, preserves, restores or drops such memory runs in process context and may
//! sleep. It has to wait for `fs_initcall()`s: before KHO is set up, KHO warns, and refuses with
//! `EINVAL`. All else may be called in any context.
//!
//! # Errors
//!
//! What preserves fails with [`ENOMEM`](crate::error::code::ENOMEM), or `EOPNOTSUPP` unless
//! [`is_enabled`].
//!
//! C header: [`include/linux/kexec_handover.h`](srctree/include/linux/kexec_handover.h)

mod boxed;
mod content;
mod folio;
mod handle;
#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
pub(crate) mod tests;
mod vmalloc;

#[doc(hidden)]
pub use self::content::mix;
pub use self::{
    boxed::{
        KhoBox,
        Versioned, //
    },
    content::{
        Content,
        Layout,
        Plain, //
    },
    folio::KhoFolio,
    handle::{
        Handle,
        Target, //
    },
    vmalloc::KhoVmalloc, //
};

use crate::{
    bindings,
    sync::atomic::{
        Atomic,
        Full, //
    }, //
};

/// Whether memory is preserved for the next kernel. There is memory in the two states below only.
pub trait State: 'static {
    #[doc(hidden)]
    const PRESERVED: bool;
}

/// Preserved for the next kernel.
pub struct Preserved;

/// Not preserved: as it came from the previous kernel. For the next kernel it is lost, unless it is
/// preserved again.
pub struct Restored;

impl State for Preserved {
    const PRESERVED: bool = true;
}

impl State for Restored {
    const PRESERVED: bool = false;
}

/// Whether memory can be preserved at all, which is decided on the command line (`kho=`).
#[inline]
pub fn is_enabled() -> bool {
    // SAFETY: The function reads a flag.
    unsafe { bindings::kho_is_enabled() }
}

/// Has KHO restore something, one caller at a time: it looks whether memory was restored already,
/// and notes that it is, without a lock. Code of C restores what is its own meanwhile.
fn restoring<R>(restore: impl FnOnce() -> R) -> R {
    /// Bit 0 is the lock.
    static LOCK: Atomic<usize> = Atomic::new(0);

    let word = LOCK.as_ptr().cast();
    // SAFETY: The word is a static. The function sleeps until it has set the bit.
    unsafe {
        bindings::out_of_line_wait_on_bit_lock(
            word,
            0,
            Some(bindings::bit_wait),
            bindings::TASK_UNINTERRUPTIBLE,
        )
    };
    let restored = restore();
    // Fully ordered, as the waiters are looked for after it.
    LOCK.xchg(0, Full);
    // SAFETY: The word is a static.
    unsafe { bindings::wake_up_bit(word, 0) };
    restored
}
