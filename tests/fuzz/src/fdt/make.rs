// SPDX-License-Identifier: GPL-2.0

//! Trees out of an input.

use crate::{
    abi::fdt_v1::{self, Writer},
    input::Input,
    libfdt::{Builder, Error, Tree},
    tree,
};
use std::ffi::CStr;

/// Ways to make a tree, by the first byte of an input.
pub(crate) const RAW: u8 = 0;
pub(crate) const PATCHED: u8 = 1;
pub(crate) const BUILT: u8 = 2;
const WAYS: [u8; 3] = [RAW, PATCHED, BUILT];

/// Steps of the way [`BUILT`].
pub(crate) const BEGIN: u8 = 0;
pub(crate) const PROPERTY: u8 = 1;
pub(crate) const END: u8 = 2;
const STEPS: [u8; 3] = [BEGIN, PROPERTY, END];

const NODES: [&CStr; 6] = [
    c"luo-flb",
    c"luo-flb@1",
    c"luo-fl",
    c"luo-flb2",
    c"luo-session",
    c"",
];
const PROPERTIES: [&CStr; 4] = [c"compatible", c"luo-flb-header", c"luo-flb-head", c"later"];
const VALUES: [&[u8]; 6] = [
    b"luo-flb-v1\0",
    b"luo-flb-v2\0luo-flb-v1\0",
    b"luo-flb-v2\0",
    b"luo-flb-v1",
    &0x3_0000u64.to_ne_bytes(),
    b"",
];

/// The input itself.
fn raw(input: &mut Input<'_>) -> Vec<u8> {
    input.0.to_vec()
}

/// A good tree that is too short by some bytes, which its header may know, and in which single
/// bytes are others.
fn patched(input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = tree::announcing(input.u64()).bytes().to_vec();
    let missing = usize::from(u16::from_be_bytes(input.array())) % bytes.len();
    bytes.truncate(bytes.len() - missing);
    if input.byte() & 1 != 0 && bytes.len() >= 8 {
        let len = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&len.to_be_bytes());
    }
    while !input.0.is_empty() {
        let at = usize::from(u16::from_be_bytes(input.array())) % bytes.len();
        bytes[at] = input.byte();
    }
    bytes
}

/// A property with a value that decisions hang on, or any.
fn property(input: &mut Input<'_>, tree: &mut Builder) -> Result<(), Error> {
    let name = input.choice(&PROPERTIES);
    let choice = usize::from(input.byte());
    match VALUES.get(choice) {
        Some(value) => tree.property(name, value),
        None => tree.property(name, input.bytes(choice - VALUES.len())),
    }
}

/// The tree of LUO in which the input has nodes and properties of its own, and then ours.
fn built(input: &mut Input<'_>) -> Vec<u8> {
    let steps = |tree: &mut Builder| {
        let mut depth = 0;
        while !input.0.is_empty() {
            match input.choice(&STEPS) {
                BEGIN => {
                    tree.begin_node(input.choice(&NODES))?;
                    depth += 1;
                }
                PROPERTY => property(input, tree)?,
                _ if depth > 0 => {
                    tree.end_node()?;
                    depth -= 1;
                }
                _ => fdt_v1::write(tree, input.u64())?,
            }
        }
        (0..depth).try_for_each(|_| tree.end_node())
    };
    tree::try_with(tree::LEN, steps).map_or(Vec::new(), |tree| tree.bytes().to_vec())
}

/// A tree whose header libfdt accepts.
pub(super) fn tree(input: &mut Input<'_>) -> Option<Tree> {
    let bytes = match input.choice(&WAYS) {
        RAW => raw(input),
        PATCHED => patched(input),
        _ => built(input),
    };
    Tree::new(&bytes)
}
