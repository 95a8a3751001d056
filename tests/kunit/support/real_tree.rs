// SPDX-License-Identifier: GPL-2.0

//! Trees by the kernel's libfdt.

use crate::bindings;
use core::ffi::{c_int, CStr};
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

    /// A tree with a node of this name and version, and an address if this is not empty.
    pub(in super::super) fn with(node: &CStr, version: &[u8], address: &[u8]) -> Result<Self> {
        let mut tree = Self::new(1024)?;
        let buffer = tree.0.as_mut_ptr().cast();
        // SAFETY: The tree is being written; names are terminated, and values as long as they say.
        unsafe {
            check(bindings::fdt_begin_node(buffer, node.as_char_ptr()))?;
            for (name, value) in [(c"compatible", version), (c"luo-flb-header", address)] {
                if !value.is_empty() {
                    let (value, len) = (value.as_ptr().cast(), value.len() as c_int);
                    let name = name.as_char_ptr();
                    check(bindings::fdt_property(buffer, name, value, len))?;
                }
            }
            check(bindings::fdt_end_node(buffer))?;
        }
        tree.close()?;
        Ok(tree)
    }

    /// Has the core write the address of the array, as LUO does.
    pub(in super::super) fn announce(&mut self, address: u64) -> Result {
        // SAFETY: The tree is being written, by the caller alone.
        to_result(unsafe { bindings::luo_flb_shim_announce(self.0.as_mut_ptr().cast(), address) })
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

    /// Has the core read the address of the array.
    pub(in super::super) fn address(&self) -> Result<u64> {
        let mut address = 0;
        // SAFETY: The buffer is a page; the address is valid for writes.
        to_result(unsafe {
            bindings::luo_flb_shim_read_tree(self.0.as_ptr().cast(), &mut address)
        })?;
        Ok(address)
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
