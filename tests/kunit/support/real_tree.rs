// SPDX-License-Identifier: GPL-2.0

//! Trees by the kernel's libfdt.

use crate::{
    bindings,
    raw::{Tree, TreeBuilder},
};
use core::ffi::c_int;
use kernel::{error::to_result, prelude::*};

/// A tree that the kernel's libfdt makes, in a buffer of its own.
pub(in super::super) struct RealTree(KVec<u64>);

impl RealTree {
    /// Starts a tree in `len` bytes. The root is open.
    pub(in super::super) fn new(len: usize) -> Result<Self> {
        let mut tree = Self(KVec::from_elem(0, len / 8, GFP_KERNEL)?);
        let buffer = tree.0.as_mut_ptr().cast();
        // SAFETY: The buffer has `len` bytes; the name is terminated.
        unsafe {
            check(bindings::fdt_create(buffer, len as c_int))?;
            check(bindings::fdt_finish_reservemap(buffer))?;
            check(bindings::fdt_begin_node(buffer, c"".as_char_ptr()))?;
        }
        Ok(tree)
    }

    /// To be written by the core.
    pub(in super::super) fn builder(&mut self) -> Option<TreeBuilder> {
        // SAFETY: The tree is being written, by the caller alone.
        unsafe { TreeBuilder::from_raw(self.0.as_mut_ptr().cast()) }
    }

    /// Closes the root.
    pub(in super::super) fn close(&mut self) -> Result {
        let buffer = self.0.as_mut_ptr().cast();
        // SAFETY: The tree is being written.
        unsafe {
            check(bindings::fdt_end_node(buffer))?;
            check(bindings::fdt_finish(buffer))
        }
    }

    /// To be read by the core.
    pub(in super::super) fn tree(&self) -> Option<Tree> {
        // SAFETY: The tree is complete.
        unsafe { Tree::from_raw(self.0.as_ptr().cast()) }
    }
}

fn check(result: c_int) -> Result {
    to_result(result).map_err(|_| ENOSPC)
}
