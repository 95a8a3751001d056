// SPDX-License-Identifier: GPL-2.0

//! Flattened device trees, by the kernel's libfdt.

use super::same;
use crate::{abi::fdt_v1, bindings};
use core::{
    ffi::{c_int, c_void},
    ptr::NonNull,
    slice,
};
use kernel::{prelude::*, str::CStr};

/// What the previous kernel left in place of a tree.
///
/// # Invariants
///
/// Points to `LUO_FDT_SIZE` bytes, which is a page, that nobody writes.
pub(crate) struct ReceivedTree(NonNull<c_void>);

impl ReceivedTree {
    /// Wraps what is to be a tree; `None` if the pointer is null.
    ///
    /// # Safety
    ///
    /// If it is not null, it points to a page that nobody writes while the object exists.
    pub(crate) unsafe fn from_raw(fdt: *const c_void) -> Option<Self> {
        // INVARIANT: By the requirements of this function.
        NonNull::new(fdt.cast_mut()).map(Self)
    }

    /// The tree, if its header keeps to what is there; otherwise an error of libfdt, as a positive
    /// number. LUO has not looked at the header.
    pub(crate) fn check(&self) -> core::result::Result<Tree, u32> {
        // SAFETY: By the invariant the header is there, and no more is looked at.
        match unsafe { bindings::luo_flb_shim_check_tree(self.0.as_ptr()) } {
            // INVARIANT: The header has been checked.
            0 => Ok(Tree(self.0)),
            error => Err(error.unsigned_abs()),
        }
    }
}

/// A tree that libfdt can read.
///
/// # Invariants
///
/// Points to a tree that stays as it is, and whose header says no more than is true, by which
/// libfdt checks every offset; or one that libfdt is writing.
pub(crate) struct Tree(NonNull<c_void>);

impl fdt_v1::Reader for Tree {
    type Node = c_int;

    #[inline]
    fn node(&self, name: &CStr) -> Option<c_int> {
        let root = 0;
        // SAFETY: By the invariant libfdt may read the tree; the name is terminated.
        let node =
            unsafe { bindings::fdt_subnode_offset(self.0.as_ptr(), root, name.as_char_ptr()) };
        (node >= 0).then_some(node)
    }

    #[inline]
    fn is_compatible(&self, node: c_int, version: &CStr) -> bool {
        let tree = self.0.as_ptr();
        // SAFETY: By the invariant libfdt may read the tree; the version is terminated.
        unsafe { bindings::fdt_node_check_compatible(tree, node, version.as_char_ptr()) == 0 }
    }

    #[inline]
    fn property(&self, node: c_int, name: &CStr) -> Option<&[u8]> {
        let mut len = 0;
        // SAFETY: By the invariant libfdt may read the tree; the name is terminated and `len` valid
        // for writes.
        let value =
            unsafe { bindings::fdt_getprop(self.0.as_ptr(), node, name.as_char_ptr(), &mut len) };
        let value = NonNull::new(value.cast_mut())?;
        let len = usize::try_from(len).ok()?;
        // SAFETY: libfdt says that the value has `len` bytes, which are part of the tree.
        Some(unsafe { slice::from_raw_parts(value.as_ptr().cast(), len) })
    }
}

/// The tree for the next kernel, while LUO is building it.
///
/// # Invariants
///
/// Points to a tree to which libfdt can add.
pub(crate) struct TreeBuilder(NonNull<c_void>);

impl TreeBuilder {
    /// Wraps a tree; `None` if the pointer is null.
    ///
    /// # Safety
    ///
    /// If it is not null, it points to a tree in libfdt's sequential-write state that nobody else
    /// uses while the object exists.
    pub(crate) unsafe fn from_raw(fdt: *mut c_void) -> Option<Self> {
        // INVARIANT: By the requirements of this function.
        NonNull::new(fdt).map(Self)
    }
}

impl TreeBuilder {
    /// The tree, for when it is complete. It may be looked at any time: libfdt knows a tree that is
    /// being built.
    pub(crate) fn into_tree(self) -> OutgoingTree {
        // INVARIANT: By that of `TreeBuilder`, and LUO keeps the tree as long as it is on.
        OutgoingTree(Tree(self.0))
    }
}

/// The tree for the next kernel, when LUO has built it.
///
/// # Invariants
///
/// Points to a tree that stays where it is while live update is on, and that nobody else changes
/// once it is complete.
pub(crate) struct OutgoingTree(Tree);

// SAFETY: A tree may be read and changed by any task.
unsafe impl Send for OutgoingTree {}

impl fdt_v1::Reader for OutgoingTree {
    type Node = c_int;

    #[inline]
    fn node(&self, name: &CStr) -> Option<c_int> {
        self.0.node(name)
    }

    #[inline]
    fn is_compatible(&self, node: c_int, version: &CStr) -> bool {
        self.0.is_compatible(node, version)
    }

    #[inline]
    fn property(&self, node: c_int, name: &CStr) -> Option<&[u8]> {
        self.0.property(node, name)
    }
}

impl fdt_v1::Editor for OutgoingTree {
    #[inline]
    fn replace(&mut self, node: c_int, name: &CStr, value: &[u8]) -> bool {
        let tree = self.0 .0.as_ptr();
        let (name, data) = (name.as_char_ptr(), value.as_ptr().cast());
        let Ok(len) = c_int::try_from(value.len()) else {
            return false;
        };
        // SAFETY: By the invariant libfdt may change the tree; the name is terminated and the value
        // has `len` bytes.
        unsafe { bindings::fdt_setprop_inplace(tree, node, name, data, len) == 0 }
    }
}

/// Turns a result of libfdt into one of the kernel.
fn libfdt(result: c_int) -> Result {
    match result {
        0 => Ok(()),
        _ => Err(ENOSPC),
    }
}

impl fdt_v1::Writer for TreeBuilder {
    type Error = Error;

    #[inline]
    fn begin_node(&mut self, name: &CStr) -> Result {
        // SAFETY: By the invariant libfdt may add to the tree; the name is terminated.
        libfdt(unsafe { bindings::fdt_begin_node(self.0.as_ptr(), name.as_char_ptr()) })
    }

    #[inline]
    fn property(&mut self, name: &CStr, value: &[u8]) -> Result {
        let len = c_int::try_from(value.len())?;
        let (tree, value) = (self.0.as_ptr(), value.as_ptr().cast());
        // SAFETY: By the invariant libfdt may add to the tree; the name is terminated and the value
        // has `len` bytes.
        libfdt(unsafe { bindings::fdt_property(tree, name.as_char_ptr(), value, len) })
    }

    #[inline]
    fn end_node(&mut self) -> Result {
        // SAFETY: By the invariant libfdt may add to the tree.
        libfdt(unsafe { bindings::fdt_end_node(self.0.as_ptr()) })
    }
}

// The strings of `abi` are those of the C headers.
static_assert!(same(fdt_v1::NODE, bindings::LUO_FDT_FLB_NODE_NAME));
static_assert!(same(fdt_v1::VERSION, bindings::LUO_FDT_FLB_COMPATIBLE));
static_assert!(same(fdt_v1::HEADER, bindings::LUO_FDT_FLB_HEADER));
