// SPDX-License-Identifier: GPL-2.0

//! The node of Linux 7.1: a page size and a tree, which libfdt reads.

pub(crate) mod make;
mod oracle;

use crate::{
    abi::fdt_v1::{read, update, Error},
    input::{Input, PAGE_SIZES},
    libfdt::Tree,
};

/// What is read of any tree is an address or an error that may be.
fn possible(result: Result<u64, Error>, page_size: u64) {
    let address = |address: u64| address != 0 && address % page_size == 0;
    match result {
        Ok(found) => assert!(address(found)),
        Err(Error::Address(found)) => assert!(!address(found)),
        Err(Error::NoNode | Error::Version | Error::NoHeader) => {}
    }
    if let Err(error) = result {
        assert!(!error.describe().0.is_empty(), "nothing is said");
    }
}

/// Another address replaces the one that is there, and nothing else.
fn replaced(tree: &mut Tree) {
    const OTHER: [u8; 8] = 0xfedc_ba98_7654_0000u64.to_ne_bytes();
    let mut expected = tree.bytes().to_vec();
    let header = oracle::header(&expected);
    assert_eq!(
        update(tree, u64::from_ne_bytes(OTHER)).err(),
        header.as_ref().err().copied()
    );
    if let Ok(place) = header {
        expected[place].copy_from_slice(&OTHER);
    }
    assert!(tree.bytes() == expected, "what is replaced");
}

/// The address in a tree, if there is a tree.
#[cfg(test)]
pub(crate) fn answer(data: &[u8]) -> Option<Result<u64, Error>> {
    let mut input = Input(data);
    let page_size = input.choice(&PAGE_SIZES);
    make::tree(&mut input).map(|tree| read(&tree, page_size))
}

/// A tree means the same each time, and when it is sound, what the oracle says.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let page_size = input.choice(&PAGE_SIZES);
    let Some(mut tree) = make::tree(&mut input) else {
        return;
    };
    let result = read(&tree, page_size);
    assert_eq!(result, read(&tree, page_size), "read twice");
    possible(result, page_size);
    if tree.is_sound() && oracle::reads(tree.bytes()) {
        assert_eq!(result, oracle::read(tree.bytes(), page_size), "the oracle");
        replaced(&mut tree);
    }
}
