// SPDX-License-Identifier: GPL-2.0

//! Trees as LUO builds them, good and bad.

use super::libfdt::{Builder, Error, Tree};
use crate::abi::fdt_v1::{self, Writer};
use std::ffi::CStr;

/// Size of the memory that LUO gives to the tree.
pub(super) const LEN: usize = 4096;
/// Live updates so far, one of LUO's own properties.
pub(super) const NUMBER: u64 = 3;
/// Address of the sessions, one of LUO's own properties.
pub(super) const SESSIONS: u64 = 0x1_0000_5000;

/// The tree of LUO in memory of `len` bytes, with what `flb` adds to the root.
pub(super) fn try_with(
    len: usize,
    flb: impl FnOnce(&mut Builder) -> Result<(), Error>,
) -> Result<Tree, Error> {
    let mut tree = Builder::new(len)?;
    tree.begin_node(c"")?;
    tree.property(c"compatible", b"luo-v1\0")?;
    tree.property(c"liveupdate-number", &NUMBER.to_ne_bytes())?;
    tree.begin_node(c"luo-session")?;
    tree.property(c"compatible", b"luo-session-v2\0")?;
    tree.property(c"luo-session-header", &SESSIONS.to_ne_bytes())?;
    tree.end_node()?;
    flb(&mut tree)?;
    tree.end_node()?;
    tree.finish()
}

/// The tree of LUO, with what `flb` adds to the root.
pub(super) fn with(flb: impl FnOnce(&mut Builder) -> Result<(), Error>) -> Tree {
    try_with(LEN, flb).unwrap()
}

/// The tree of LUO as this kernel hands it over.
pub(super) fn announcing(address: u64) -> Tree {
    with(|tree| fdt_v1::write(tree, address))
}

/// The tree of LUO with a node of these properties.
pub(super) fn with_node(name: &CStr, properties: &[(&CStr, &[u8])]) -> Tree {
    with(|tree| {
        tree.begin_node(name)?;
        for (name, value) in properties {
            tree.property(name, value)?;
        }
        tree.end_node()
    })
}
