// SPDX-License-Identifier: GPL-2.0

//! `luo-flb-v1`: Linux 7.1 announces the block in the flattened device tree `LUO`.
//!
//! ```text
//! / {
//!         compatible = "luo-v1";
//!         luo-flb {
//!                 compatible = "luo-flb-v1";
//!                 luo-flb-header = <u64>;         physical address of the block, native-endian
//!         };
//! };
//! ```
//!
//! The tree itself is written and read with libfdt, in the kernel as on the host; [`Reader`] and
//! [`Writer`] are the few calls of it that the format needs.
//!
//! C header: `include/linux/kho/abi/luo.h`.

use super::block;
use core::ffi::CStr;

/// Name of the node.
pub(crate) const NODE: &CStr = c"luo-flb";
/// Property that says what the node is.
pub(crate) const COMPATIBLE: &CStr = c"compatible";
/// Value of [`COMPATIBLE`].
pub(crate) const VERSION: &CStr = c"luo-flb-v1";
/// Property with the physical address of the block.
pub(crate) const HEADER: &CStr = c"luo-flb-header";

/// Why a tree has no usable node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// There is no node [`NODE`].
    NoNode,
    /// Its version is not [`VERSION`].
    Version,
    /// It has no property [`HEADER`], or the property does not have the size of a `u64`.
    NoHeader,
    /// The address is zero or not that of a page.
    Address(u64),
}

impl Error {
    /// What is wrong, and the number that shows it, for the log.
    pub(crate) fn describe(self) -> (&'static CStr, u64) {
        match self {
            Error::NoNode => (c"no node luo-flb", 0),
            Error::Version => (c"node is not luo-flb-v1", 0),
            Error::NoHeader => (c"bad luo-flb-header", 0),
            Error::Address(address) => (c"bad address", address),
        }
    }
}

/// Reading a tree.
pub(crate) trait Reader {
    /// A node of the tree.
    type Node: Copy;

    /// Finds a node below the root.
    fn node(&self, name: &CStr) -> Option<Self::Node>;
    /// Whether `version` is among the values of the node's `compatible`.
    fn is_compatible(&self, node: Self::Node, version: &CStr) -> bool;
    /// The value of a property.
    fn property(&self, node: Self::Node, name: &CStr) -> Option<&[u8]>;
}

/// Writing a tree, below whatever node is open.
pub(crate) trait Writer {
    /// What goes wrong.
    type Error;

    /// Opens a node.
    fn begin_node(&mut self, name: &CStr) -> Result<(), Self::Error>;
    /// Adds a property to the open node.
    fn property(&mut self, name: &CStr, value: &[u8]) -> Result<(), Self::Error>;
    /// Closes the open node.
    fn end_node(&mut self) -> Result<(), Self::Error>;
}

/// Changing a tree that is complete.
pub(crate) trait Editor: Reader {
    /// Puts a value of the same size in place of that of a property; `false` if there is none such.
    #[must_use]
    fn replace(&mut self, node: Self::Node, name: &CStr, value: &[u8]) -> bool;
}

/// Finds the physical address of the block; `page_size` is a power of two.
pub(crate) fn read(tree: &impl Reader, page_size: u64) -> Result<u64, Error> {
    let node = tree.node(NODE).ok_or(Error::NoNode)?;
    if !tree.is_compatible(node, VERSION) {
        return Err(Error::Version);
    }
    let value = tree.property(node, HEADER).ok_or(Error::NoHeader)?;
    let address = u64::from_ne_bytes(value.try_into().map_err(|_| Error::NoHeader)?);
    if !block::is_address(address, page_size) {
        return Err(Error::Address(address));
    }
    Ok(address)
}

/// Adds the node that announces the block at a physical address.
pub(crate) fn write<W: Writer>(tree: &mut W, address: u64) -> Result<(), W::Error> {
    tree.begin_node(NODE)?;
    tree.property(COMPATIBLE, VERSION.to_bytes_with_nul())?;
    tree.property(HEADER, &address.to_ne_bytes())?;
    tree.end_node()
}

/// Announces the block at another physical address, in a tree to which [`write`] has added.
pub(crate) fn update(tree: &mut impl Editor, address: u64) -> Result<(), Error> {
    let node = tree.node(NODE).ok_or(Error::NoNode)?;
    match tree.replace(node, HEADER, &address.to_ne_bytes()) {
        true => Ok(()),
        false => Err(Error::NoHeader),
    }
}
