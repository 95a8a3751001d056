// SPDX-License-Identifier: GPL-2.0

//! What may cross a kexec.

use crate::transmute::{
    AsBytes,
    FromBytes, //
};

/// Plain old data: any bytes are a value.
pub trait Plain: FromBytes + Send + Sync + Sized + 'static {}

impl<T: FromBytes + Send + Sync + Sized + 'static> Plain for T {}

/// What can be at the beginning of a [`KhoFolio`](super::KhoFolio): plain old data, or some with a
/// header.
///
/// # Safety
///
/// Any bytes are a value.
pub unsafe trait Layout: Send + Sync + Sized + 'static {
    /// The data, without the header.
    type Value;

    #[doc(hidden)]
    fn value(&self) -> &Self::Value;

    #[doc(hidden)]
    fn value_mut(&mut self) -> &mut Self::Value;
}

// SAFETY: It is plain old data.
unsafe impl<T: Plain> Layout for T {
    type Value = T;

    fn value(&self) -> &T {
        self
    }

    fn value_mut(&mut self) -> &mut T {
        self
    }
}

/// Plain old data with a version, and nothing in them that has a meaning in one kernel only.
/// [`preserved_data!`](crate::preserved_data) makes structures of this kind.
pub trait Content: AsBytes + Plain {
    /// The version of the layout and of the meaning of the fields. Change it with them: data of
    /// another version, or with a part of another version, are refused by
    /// [`Handle::restore`](super::Handle::restore).
    const VERSION: u32;

    /// The versions of this and of all that is in it; compared as well.
    #[doc(hidden)]
    const VERSIONS: u64 = mix(0, Self::VERSION as u64);
}

/// Adds a number to others, in a way that depends on their order.
#[doc(hidden)]
pub const fn mix(before: u64, number: u64) -> u64 {
    (before ^ number)
        .wrapping_add(0x9e37_79b9_7f4a_7c15)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        .rotate_left(31)
}

macro_rules! plain {
    ($($ty:ty)*) => {
        $(
            impl Content for $ty {
                const VERSION: u32 = 0;
                const VERSIONS: u64 = mix(0, size_of::<$ty>() as u64);
            }
        )*
    };
}

plain!(u8 u16 u32 u64 i8 i16 i32 i64);

impl<T: Content, const N: usize> Content for [T; N] {
    const VERSION: u32 = T::VERSION;
    const VERSIONS: u64 = mix(T::VERSIONS, N as u64);
}

/// Declares structures that may cross a kexec, with the version of each. They are `repr(C)`.
///
/// That all fields are plain data, without padding, is checked at compile time: padding would hand
/// over whatever was in memory. Give spare fields a name, and zero.
///
/// # Examples
///
/// ```
/// use kernel::{kho::Handle, preserved_data};
///
/// preserved_data! {
///     /// The queue of a device.
///     #[derive(Clone, Copy)]
///     pub struct Queue: version 2 {
///         /// Where its ring is.
///         pub ring: Handle<[u64; 32]>,
///         /// The next entry.
///         pub next: u32,
///         /// Zero.
///         pub spare: u32,
///     }
/// }
/// ```
#[macro_export]
macro_rules! preserved_data {
    ($(
        $(#[$meta:meta])*
        $vis:vis struct $name:ident: version $version:literal {
            $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $ty:ty),* $(,)?
        }
    )*) => {$(
        $(#[$meta])*
        #[repr(C)]
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $ty,)*
        }

        const _: () = ::core::assert!(
            0 $(+ ::core::mem::size_of::<$ty>())* == ::core::mem::size_of::<$name>(),
            "there is padding: add spare fields"
        );

        // These are all fields: no attribute has removed or added one.
        const _: fn(&$name) = |value| {
            let $name { $($field: _),* } = value;
        };

        // SAFETY: All fields are, as `VERSIONS` requires it of them.
        unsafe impl $crate::transmute::FromBytes for $name {}

        // SAFETY: All fields are, as `VERSIONS` requires it, and there is nothing else in it.
        unsafe impl $crate::transmute::AsBytes for $name {}

        impl $crate::kho::Content for $name {
            const VERSION: u32 = $version;
            const VERSIONS: u64 = {
                let versions = $crate::kho::mix(0, $version);
                $(let versions = $crate::kho::mix(
                    versions,
                    <$ty as $crate::kho::Content>::VERSIONS,
                );)*
                versions
            };
        }
    )*};
}
