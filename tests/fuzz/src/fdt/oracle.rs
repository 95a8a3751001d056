// SPDX-License-Identifier: GPL-2.0

//! What a sound tree says of FLBs, by the Devicetree Specification and without libfdt.

use crate::abi::fdt_v1::Error;
use std::ops::Range;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The string that starts at `at`.
fn string_at(bytes: &[u8], at: usize) -> &[u8] {
    let end = bytes[at..].iter().position(|byte| *byte == 0).unwrap();
    &bytes[at..at + end]
}

/// What stands at a place of the structure.
enum Token<'a> {
    Begin(&'a [u8]),
    Prop(&'a [u8], Range<usize>),
    EndNode,
    End,
}

/// The tokens of a tree, from its first one.
struct Tokens<'a> {
    tree: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(tree: &'a [u8]) -> Self {
        let at = u32_at(tree, 8) as usize;
        Self { tree, at }
    }

    fn u32(&mut self) -> u32 {
        self.at += 4;
        u32_at(self.tree, self.at - 4)
    }

    /// Goes on by `len` bytes, and to the next word of the structure.
    fn skip(&mut self, len: usize) -> Range<usize> {
        let start = self.at;
        self.at += len.next_multiple_of(4);
        start..start + len
    }

    fn token(&mut self) -> Token<'a> {
        loop {
            match self.u32() {
                BEGIN_NODE => {
                    let name = string_at(self.tree, self.at);
                    self.skip(name.len() + 1);
                    return Token::Begin(name);
                }
                PROP => {
                    let len = self.u32() as usize;
                    let strings = u32_at(self.tree, 12) as usize;
                    let name = string_at(self.tree, strings + self.u32() as usize);
                    return Token::Prop(name, self.skip(len));
                }
                END_NODE => return Token::EndNode,
                END => return Token::End,
                other => assert_eq!(other, NOP, "no such token in a sound tree"),
            }
        }
    }

    /// Goes to our node below the root, whose name may be followed by a unit address.
    fn find(&mut self) -> Option<()> {
        if u32_at(self.tree, self.at) != BEGIN_NODE {
            return None;
        }
        let mut depth = 0;
        loop {
            match self.token() {
                Token::Begin(name) => {
                    if depth == 1 && name.split(|byte| *byte == b'@').next() == Some(b"luo-flb") {
                        return Some(());
                    }
                    depth += 1;
                }
                Token::Prop(..) => {}
                Token::EndNode if depth > 1 => depth -= 1,
                Token::EndNode | Token::End => return None,
            }
        }
    }

    /// Where the value of a property of this node is.
    fn property(mut self, wanted: &[u8]) -> Option<Range<usize>> {
        loop {
            match self.token() {
                Token::Prop(name, value) if name == wanted => return Some(value),
                Token::Prop(..) => {}
                _ => return None,
            }
        }
    }
}

/// Whether a tree is of the version that the oracle reads.
pub(super) fn reads(tree: &[u8]) -> bool {
    u32_at(tree, 20) >= 16
}

/// Where the address of the block is, whatever the node's version.
pub(super) fn header(tree: &[u8]) -> Result<Range<usize>, Error> {
    let mut tokens = Tokens::new(tree);
    tokens.find().ok_or(Error::NoNode)?;
    let value = tokens.property(b"luo-flb-header");
    value
        .filter(|value| value.len() == 8)
        .ok_or(Error::NoHeader)
}

/// The address of the block.
pub(super) fn read(tree: &[u8], page_size: u64) -> Result<u64, Error> {
    let mut tokens = Tokens::new(tree);
    tokens.find().ok_or(Error::NoNode)?;
    let versions = tokens.property(b"compatible").ok_or(Error::Version)?;
    // As far as libfdt is concerned, a NUL that fills up the word ends the last string, too.
    let mut versions = tree[versions.start..=versions.end].split_inclusive(|byte| *byte == 0);
    if !versions.any(|version| version == b"luo-flb-v1\0") {
        return Err(Error::Version);
    }
    let address = u64::from_ne_bytes(tree[header(tree)?].try_into().unwrap());
    match address != 0 && address % page_size == 0 {
        true => Ok(address),
        false => Err(Error::Address(address)),
    }
}
