// SPDX-License-Identifier: GPL-2.0

//! The formats of huge pages, with what they have of the kernel crate.

/// The layout alone.
macro_rules! layout {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident: version $version:literal {
        $($fields:tt)*
    })*) => {$($(#[$meta])* #[repr(C)] $vis struct $name { $($fields)* })*};
}
pub(crate) use layout as preserved_data;

// It has tests of its own.
#[allow(dead_code)]
#[path = "../../../hugetlb/abi.rs"]
pub(crate) mod abi;
