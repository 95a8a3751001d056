// SPDX-License-Identifier: GPL-2.0

//! The few calls of libfdt that the format needs, as the kernel makes them.

use crate::abi::fdt_v1;
use std::{
    ffi::{c_char, c_int, c_void, CStr},
    slice,
};

// From libfdt.h, of Debian's libfdt-dev.
#[link(name = "fdt")]
unsafe extern "C" {
    fn fdt_create(buf: *mut c_void, bufsize: c_int) -> c_int;
    fn fdt_finish_reservemap(fdt: *mut c_void) -> c_int;
    fn fdt_begin_node(fdt: *mut c_void, name: *const c_char) -> c_int;
    fn fdt_property(fdt: *mut c_void, name: *const c_char, val: *const c_void, len: c_int)
        -> c_int;
    fn fdt_end_node(fdt: *mut c_void) -> c_int;
    fn fdt_finish(fdt: *mut c_void) -> c_int;
    fn fdt_check_header(fdt: *const c_void) -> c_int;
    fn fdt_check_full(fdt: *const c_void, bufsize: usize) -> c_int;
    fn fdt_subnode_offset(fdt: *const c_void, parentoffset: c_int, name: *const c_char) -> c_int;
    fn fdt_node_check_compatible(
        fdt: *const c_void,
        nodeoffset: c_int,
        compatible: *const c_char,
    ) -> c_int;
    fn fdt_getprop(
        fdt: *const c_void,
        nodeoffset: c_int,
        name: *const c_char,
        lenp: *mut c_int,
    ) -> *const c_void;
    fn fdt_setprop_inplace(
        fdt: *mut c_void,
        nodeoffset: c_int,
        name: *const c_char,
        val: *const c_void,
        len: c_int,
    ) -> c_int;
}

/// `FDT_ERR_NOSPACE`: the tree does not fit in its memory.
pub(super) const NO_SPACE: Error = Error(-3);

/// A negative number that libfdt returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Error(c_int);

fn result(number: c_int) -> Result<(), Error> {
    match number {
        0 => Ok(()),
        _ => Err(Error(number)),
    }
}

/// Memory as a tree needs it: its length is in bytes, its start aligned to 8.
struct Memory {
    words: Vec<u64>,
    len: usize,
}

impl Memory {
    fn new(len: usize) -> Self {
        let words = vec![0; len.div_ceil(8)];
        Self { words, len }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: The words are initialised and hold at least `len` bytes, by construction; any
        // byte is a `u8`; the reference keeps the words borrowed.
        unsafe { slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: As in `bytes`; any byte may be part of a `u64`; the borrow is exclusive.
        unsafe { slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), self.len) }
    }
}

/// A tree that can be read.
///
/// # Invariants
///
/// `fdt_check_header` has accepted the memory, whose size is the one in the header; or libfdt is
/// writing the tree, see [`Builder::look`].
pub(super) struct Tree(Memory);

impl Tree {
    /// Checks the header alone, as a kernel does before it reads a tree. What stands behind the
    /// tree does not count.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        const HEADER_LEN: usize = 40;
        let total = u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?);
        let bytes = bytes.get(..usize::try_from(total).ok()?)?;
        if bytes.len() < HEADER_LEN {
            return None;
        }
        let mut memory = Memory::new(bytes.len());
        memory.bytes_mut().copy_from_slice(bytes);
        // SAFETY: The memory holds a header, aligned to 8, and libfdt looks at no more than that.
        let checked = unsafe { fdt_check_header(memory.words.as_ptr().cast()) };
        // INVARIANT: The memory has the size in the header, which has just been checked.
        (checked == 0).then_some(Self(memory))
    }

    /// Whether libfdt finds no fault in the whole tree.
    pub(super) fn is_sound(&self) -> bool {
        // SAFETY: The memory has this length.
        unsafe { fdt_check_full(self.as_ptr(), self.0.len) == 0 }
    }

    /// The bytes of the tree.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    fn as_ptr(&self) -> *const c_void {
        self.0.words.as_ptr().cast()
    }
}

impl fdt_v1::Reader for Tree {
    type Node = c_int;

    fn node(&self, name: &CStr) -> Option<c_int> {
        let root = 0;
        // SAFETY: By the invariant the header describes memory of ours; libfdt, as Debian builds
        // it, checks every offset against the header. The name is terminated.
        let node = unsafe { fdt_subnode_offset(self.as_ptr(), root, name.as_ptr()) };
        (node >= 0).then_some(node)
    }

    fn is_compatible(&self, node: c_int, version: &CStr) -> bool {
        // SAFETY: As in `node`; it also checks that the offset is that of a node.
        unsafe { fdt_node_check_compatible(self.as_ptr(), node, version.as_ptr()) == 0 }
    }

    fn property(&self, node: c_int, name: &CStr) -> Option<&[u8]> {
        let mut len = 0;
        // SAFETY: As in `is_compatible`; `len` is valid for writes.
        let value = unsafe { fdt_getprop(self.as_ptr(), node, name.as_ptr(), &mut len) };
        if value.is_null() {
            return None;
        }
        let len = usize::try_from(len).ok()?;
        // SAFETY: libfdt says that the value has `len` bytes, which are part of our memory, and
        // that stays as it is while the tree is borrowed.
        Some(unsafe { slice::from_raw_parts(value.cast(), len) })
    }
}

impl fdt_v1::Editor for Tree {
    fn replace(&mut self, node: c_int, name: &CStr, value: &[u8]) -> bool {
        let fdt = self.0.words.as_mut_ptr().cast();
        let Ok(len) = c_int::try_from(value.len()) else {
            return false;
        };
        let value = value.as_ptr().cast();
        // SAFETY: As in `is_compatible`; the value has `len` bytes, and libfdt copies them to where
        // it has found a property of that size.
        unsafe { fdt_setprop_inplace(fdt, node, name.as_ptr(), value, len) == 0 }
    }
}

/// A tree that is being written, from the start to the end.
///
/// # Invariants
///
/// `fdt_create` has accepted the memory, and nobody but libfdt has written it since.
pub(super) struct Builder(Memory);

impl Builder {
    /// Starts a tree of at most `len` bytes, without memory reservations.
    pub(super) fn new(len: usize) -> Result<Self, Error> {
        let mut memory = Memory::new(len);
        let fdt = memory.words.as_mut_ptr().cast();
        let len = c_int::try_from(len).map_err(|_| NO_SPACE)?;
        // SAFETY: The memory has `len` bytes.
        result(unsafe { fdt_create(fdt, len) })?;
        // SAFETY: The tree has just been created.
        result(unsafe { fdt_finish_reservemap(fdt) })?;
        // INVARIANT: The tree has just been created.
        Ok(Self(memory))
    }

    /// Looks at what has been written so far, or changes it.
    pub(super) fn look<T>(&mut self, look: impl FnOnce(&mut Tree) -> T) -> T {
        let nothing = Memory::new(0);
        // INVARIANT: libfdt is writing the tree, and knows that from its header.
        let mut tree = Tree(std::mem::replace(&mut self.0, nothing));
        let result = look(&mut tree);
        // INVARIANT: Nobody but libfdt has written the tree, and it is where it was.
        self.0 = tree.0;
        result
    }

    /// Ends the tree.
    pub(super) fn finish(mut self) -> Result<Tree, Error> {
        // SAFETY: By the invariant.
        result(unsafe { fdt_finish(self.as_mut_ptr()) })?;
        Tree::new(self.0.bytes()).ok_or(Error(0))
    }

    fn as_mut_ptr(&mut self) -> *mut c_void {
        self.0.words.as_mut_ptr().cast()
    }
}

impl fdt_v1::Writer for Builder {
    type Error = Error;

    fn begin_node(&mut self, name: &CStr) -> Result<(), Error> {
        // SAFETY: By the invariant libfdt may add to the tree, and it checks in which state that
        // is; the name is terminated.
        result(unsafe { fdt_begin_node(self.as_mut_ptr(), name.as_ptr()) })
    }

    fn property(&mut self, name: &CStr, value: &[u8]) -> Result<(), Error> {
        let len = c_int::try_from(value.len()).map_err(|_| NO_SPACE)?;
        let value = value.as_ptr().cast();
        // SAFETY: As in `begin_node`; the value has `len` bytes, and libfdt copies them.
        result(unsafe { fdt_property(self.as_mut_ptr(), name.as_ptr(), value, len) })
    }

    fn end_node(&mut self) -> Result<(), Error> {
        // SAFETY: As in `begin_node`.
        result(unsafe { fdt_end_node(self.as_mut_ptr()) })
    }
}
