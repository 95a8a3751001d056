// SPDX-License-Identifier: GPL-2.0

//! Where preserved memory is, for the next kernel.

use super::{
    mix,
    Content, //
};
use crate::{
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    }, //
};
use core::marker::PhantomData;

/// What a [`Handle`] can lead to: a value in a [`KhoBox`](super::KhoBox), or of a `[T]` values in a
/// [`KhoVmalloc`](super::KhoVmalloc).
pub trait Target: 'static {
    /// What owns it in the next kernel.
    type Restored;

    #[doc(hidden)]
    fn restore(address: u64) -> Result<Self::Restored>;
}

/// Where preserved memory is: 64 bits, which callbacks hand over, and which can be in other data.
///
/// Any 64 bits are a handle. What does not lead to a preserved `T` is refused, and what was
/// restored once is not there a second time. That is against damage, not against forgery: hand over
/// no number of user space as a handle. It could lead to a file that is preserved as well, with
/// whatever a program has written to it.
#[repr(transparent)]
pub struct Handle<T: Target + ?Sized> {
    address: u64,
    _target: PhantomData<fn() -> *const T>,
}

impl<T: Target + ?Sized> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Target + ?Sized> Copy for Handle<T> {}

// SAFETY: A number and nothing else.
unsafe impl<T: Target + ?Sized> FromBytes for Handle<T> {}
// SAFETY: A number and nothing else.
unsafe impl<T: Target + ?Sized> AsBytes for Handle<T> {}

// What it leads to has a header of its own.
impl<T: Target + ?Sized> Content for Handle<T> {
    const VERSION: u32 = 0;
    const VERSIONS: u64 = mix(1, 0);
}

impl<T: Target + ?Sized> From<u64> for Handle<T> {
    fn from(bits: u64) -> Self {
        Self::from_bits(bits)
    }
}

impl<T: Target + ?Sized> From<Handle<T>> for u64 {
    fn from(handle: Handle<T>) -> u64 {
        handle.into_bits()
    }
}

impl<T: Target + ?Sized> Handle<T> {
    /// Leads nowhere, like one that is zero, and is refused by [`restore`](Self::restore).
    pub const NOWHERE: Self = Self::from_bits(0);

    /// The 64 bits that are handed over.
    #[inline]
    pub const fn into_bits(self) -> u64 {
        self.address
    }

    /// What was handed over.
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            address: bits,
            _target: PhantomData,
        }
    }

    /// Takes over what the previous kernel has preserved, without copying it.
    ///
    /// What is in it is what that kernel says: check what you rely on.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the address is not one that can be, or if what is there is of another version
    /// or size, which the kernel log tells. It is lost then, as it was taken from KHO and nobody
    /// knows whose it is. [`ENOENT`] if there is no preserved memory, or no longer, of which KHO
    /// warns once; of values also if pages are missing, or memory to map them.
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    pub fn restore(self) -> Result<T::Restored> {
        T::restore(self.address)
    }

    /// Gives back what the previous kernel has preserved, which is not used. It follows no handles
    /// in it: if there are any, [`restore`](Self::restore) it instead, and release those too.
    ///
    /// # Errors
    ///
    /// Those of [`restore`](Self::restore).
    ///
    /// # Context
    ///
    /// [Process context](super#context).
    pub fn release(self) -> Result {
        self.restore().map(drop)
    }
}
