// SPDX-License-Identifier: GPL-2.0

//! Words that several tasks use at a time: read, written or changed by one instruction each.
//!
//! The atomics of the kernel crate are functions in C, unless `CONFIG_RUST_INLINE_HELPERS` has them
//! inlined, for which the C compiler has to be of the same LLVM as rustc. For the paths that are to
//! cost a single atomic instruction a call or two are too much, so where
//! `CONFIG_LIVEUPDATE_FLB_NATIVE_ATOMICS` is set, which needs x86, those of the language are used.
//! The memory model of the kernel holds all the same: these words are accessed through this module
//! only, and on x86 both compile to the same instructions, of which those that read and write are
//! fully ordered, whatever is asked for.
//!
//! The protocols are in [`refs`](crate::refs), which the host tests compile with atomics of their
//! own, so this module is all that they have to stand in for.

#![forbid(unsafe_code)]

/// What a read-modify-write of [`Count`] orders.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// Nothing.
    Relaxed,
    /// It before what follows.
    Acquire,
    /// What came before, before it.
    Release,
    /// Both.
    Full,
}

pub(crate) use inner::{Count, Number, Pointer};

#[cfg(CONFIG_LIVEUPDATE_FLB_NATIVE_ATOMICS)]
mod inner {
    use super::Order;
    use core::{
        ffi::c_void,
        sync::atomic::{
            AtomicPtr, AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    };

    /// A number of 32 bits.
    #[repr(transparent)]
    pub(crate) struct Count(AtomicU32);

    impl Count {
        /// A number to start with.
        pub(crate) const fn new(value: u32) -> Self {
            Self(AtomicU32::new(value))
        }

        /// Reads it, before what follows.
        #[inline(always)]
        pub(crate) fn load_acquire(&self) -> u32 {
            self.0.load(Acquire)
        }

        /// Reads it.
        #[inline(always)]
        pub(crate) fn load(&self) -> u32 {
            self.0.load(Relaxed)
        }

        /// Writes it, after what came before.
        #[inline(always)]
        pub(crate) fn store_release(&self, value: u32) {
            self.0.store(value, Release);
        }

        /// Changes `old` to `new`; if it is not `old`, says what it is, and orders nothing.
        #[inline(always)]
        pub(crate) fn cmpxchg(&self, old: u32, new: u32, order: Order) -> Result<(), u32> {
            let order = match order {
                Order::Relaxed => Relaxed,
                Order::Acquire => Acquire,
                Order::Release => Release,
                Order::Full => AcqRel,
            };
            self.0
                .compare_exchange(old, new, order, Relaxed)
                .map(|_| ())
        }
    }

    /// A number of 64 bits. Orders nothing.
    #[repr(transparent)]
    pub(crate) struct Number(AtomicU64);

    impl Number {
        /// Reads it.
        #[inline(always)]
        pub(crate) fn load(&self) -> u64 {
            self.0.load(Relaxed)
        }

        /// Writes it.
        #[inline(always)]
        pub(crate) fn store(&self, value: u64) {
            self.0.store(value, Relaxed);
        }
    }

    /// A pointer, which nobody follows here. Orders nothing.
    #[repr(transparent)]
    pub(crate) struct Pointer(AtomicPtr<c_void>);

    impl Pointer {
        /// None.
        pub(crate) const fn null() -> Self {
            Self(AtomicPtr::new(core::ptr::null_mut()))
        }

        /// Reads it.
        #[inline(always)]
        pub(crate) fn load(&self) -> *mut c_void {
            self.0.load(Relaxed)
        }

        /// Writes it.
        #[inline(always)]
        pub(crate) fn store(&self, value: *mut c_void) {
            self.0.store(value, Relaxed);
        }
    }
}

#[cfg(not(CONFIG_LIVEUPDATE_FLB_NATIVE_ATOMICS))]
mod inner {
    use super::Order;
    use core::ffi::c_void;
    use kernel::sync::atomic::{ordering, Acquire, Atomic, Full, Relaxed, Release};

    /// A number of 32 bits.
    #[repr(transparent)]
    pub(crate) struct Count(Atomic<u32>);

    impl Count {
        /// A number to start with.
        pub(crate) const fn new(value: u32) -> Self {
            Self(Atomic::new(value))
        }

        /// Reads it, before what follows.
        #[inline]
        pub(crate) fn load_acquire(&self) -> u32 {
            self.0.load(Acquire)
        }

        /// Reads it.
        #[inline]
        pub(crate) fn load(&self) -> u32 {
            self.0.load(Relaxed)
        }

        /// Writes it, after what came before.
        #[inline]
        pub(crate) fn store_release(&self, value: u32) {
            self.0.store(value, Release);
        }

        #[inline]
        fn exchange<O: ordering::Ordering>(&self, old: u32, new: u32, order: O) -> Result<(), u32> {
            self.0.cmpxchg(old, new, order).map(|_| ())
        }

        /// Changes `old` to `new`; if it is not `old`, says what it is, and orders nothing.
        #[inline]
        pub(crate) fn cmpxchg(&self, old: u32, new: u32, order: Order) -> Result<(), u32> {
            match order {
                Order::Relaxed => self.exchange(old, new, Relaxed),
                Order::Acquire => self.exchange(old, new, Acquire),
                Order::Release => self.exchange(old, new, Release),
                Order::Full => self.exchange(old, new, Full),
            }
        }
    }

    /// A number of 64 bits. Orders nothing.
    #[repr(transparent)]
    pub(crate) struct Number(Atomic<u64>);

    impl Number {
        /// Reads it.
        #[inline]
        pub(crate) fn load(&self) -> u64 {
            self.0.load(Relaxed)
        }

        /// Writes it.
        #[inline]
        pub(crate) fn store(&self, value: u64) {
            self.0.store(value, Relaxed);
        }
    }

    /// A pointer, which nobody follows here. Orders nothing.
    #[repr(transparent)]
    pub(crate) struct Pointer(Atomic<*mut c_void>);

    impl Pointer {
        /// None.
        pub(crate) const fn null() -> Self {
            Self(Atomic::new(core::ptr::null_mut()))
        }

        /// Reads it.
        #[inline]
        pub(crate) fn load(&self) -> *mut c_void {
            self.0.load(Relaxed)
        }

        /// Writes it.
        #[inline]
        pub(crate) fn store(&self, value: *mut c_void) {
            self.0.store(value, Relaxed);
        }
    }
}
