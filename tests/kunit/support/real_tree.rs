// SPDX-License-Identifier: GPL-2.0

//! Trees by the kernel's libfdt.

use crate::{
    bindings,
    raw::{ReceivedTree, TreeBuilder},
};
use core::ffi::c_int;
use kernel::{error::to_result, page::PAGE_SIZE, prelude::*};

/// A tree that the kernel's libfdt makes, in a page of its own.
pub(in super::super) struct RealTree(KVec<u64>);

impl RealTree {
    /// Starts a tree in `len` bytes, which fit into a page. The root is open.
    pub(in super::super) fn new(len: usize) -> Result<Self> {
        let mut tree = Self(KVec::from_elem(0, PAGE_SIZE / 8, GFP_KERNEL)?);
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
    pub(in super::super) fn tree(&self) -> Option<ReceivedTree> {
        // SAFETY: The buffer is a page.
        unsafe { ReceivedTree::from_raw(self.0.as_ptr().cast()) }
    }

    /// Changes a number in the header, at an offset in bytes; what was there.
    pub(in super::super) fn poke(&mut self, at: usize, value: u32) -> u32 {
        let place = &mut self.0[at / 8];
        let mut bytes = place.to_ne_bytes();
        let number = &mut bytes[at % 8..at % 8 + 4];
        let mut before = [0; 4];
        before.copy_from_slice(number);
        number.copy_from_slice(&value.to_be_bytes());
        *place = u64::from_ne_bytes(bytes);
        u32::from_be_bytes(before)
    }
}

fn check(result: c_int) -> Result {
    to_result(result).map_err(|_| ENOSPC)
}
