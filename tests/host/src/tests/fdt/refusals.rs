// SPDX-License-Identifier: GPL-2.0

//! Bad trees.

use super::{
    libfdt::Tree,
    tree::{self, announcing, with, with_node},
};
use crate::abi::fdt_v1::{read, Error, Writer, COMPATIBLE, HEADER, NODE, VERSION};
use std::ffi::CStr;

const GOOD: [u8; 8] = 0x1000u64.to_ne_bytes();

fn error(tree: &Tree) -> Option<Error> {
    read(tree, 4096).err()
}

/// The tree of LUO with our node and these properties.
fn node(properties: &[(&CStr, &[u8])]) -> Tree {
    with_node(c"luo-flb", properties)
}

#[test]
fn the_strings_are_those_of_the_c_header() {
    assert_eq!(NODE, c"luo-flb");
    assert_eq!(COMPATIBLE, c"compatible");
    assert_eq!(VERSION, c"luo-flb-v1");
    assert_eq!(HEADER, c"luo-flb-header");
}

#[test]
fn a_node_put_together_by_hand_is_read() {
    let tree = node(&[(c"compatible", b"luo-flb-v1\0"), (c"luo-flb-header", &GOOD)]);
    assert_eq!(read(&tree, 4096), Ok(0x1000));
}

#[test]
fn order_and_other_properties_do_not_matter() {
    let tree = node(&[
        (c"later", b""),
        (c"luo-flb-header", &GOOD),
        (c"compatible", b"luo-flb-v1\0"),
    ]);
    assert_eq!(read(&tree, 4096), Ok(0x1000));
}

#[test]
fn no_node() {
    assert_eq!(error(&with(|_| Ok(()))), Some(Error::NoNode));
}

#[test]
fn a_node_of_another_name_is_not_ours() {
    let properties: [(&CStr, &[u8]); 2] =
        [(c"compatible", b"luo-flb-v1\0"), (c"luo-flb-header", &GOOD)];
    for name in [c"luo-fl", c"luo-flb2", c"luo-session2", c"LUO-FLB"] {
        assert_eq!(error(&with_node(name, &properties)), Some(Error::NoNode));
    }
}

#[test]
fn a_node_further_down_is_not_ours() {
    let tree = with(|tree| {
        tree.begin_node(c"elsewhere")?;
        crate::abi::fdt_v1::write(tree, 0x1000)?;
        tree.end_node()
    });
    assert_eq!(error(&tree), Some(Error::NoNode));
}

#[test]
fn wrong_version() {
    let wrong: [&[u8]; 8] = [
        b"luo-flb-v2\0",
        b"luo-flb-v\0",
        b"luo-flb-v10\0",
        b"luo-flb-v1?",
        b"LUO-FLB-V1\0",
        b"luo-v1\0",
        b"\0",
        b"",
    ];
    for version in wrong {
        let tree = node(&[(c"compatible", version), (c"luo-flb-header", &GOOD)]);
        assert_eq!(error(&tree), Some(Error::Version), "{version:?}");
    }
}

#[test]
fn no_version() {
    let tree = node(&[(c"luo-flb-header", &GOOD)]);
    assert_eq!(error(&tree), Some(Error::Version));
}

#[test]
fn a_later_version_may_say_that_it_is_compatible() {
    for version in [b"luo-flb-v2\0luo-flb-v1\0", b"luo-flb-v1\0luo-flb-v2\0"] {
        let tree = node(&[(c"compatible", version), (c"luo-flb-header", &GOOD)]);
        assert_eq!(read(&tree, 4096), Ok(0x1000));
    }
}

#[test]
fn no_header() {
    let tree = node(&[(c"compatible", b"luo-flb-v1\0")]);
    assert_eq!(error(&tree), Some(Error::NoHeader));
    let tree = node(&[(c"compatible", b"luo-flb-v1\0"), (c"header", &GOOD)]);
    assert_eq!(error(&tree), Some(Error::NoHeader));
}

#[test]
fn a_header_has_8_bytes() {
    for len in (0..=16).chain([4096 - 512]) {
        let mut value = vec![0; len];
        if let Some(second) = value.get_mut(1) {
            *second = 0x10;
        }
        let tree = node(&[
            (c"compatible", b"luo-flb-v1\0"),
            (c"luo-flb-header", &value),
        ]);
        let expected = (len != 8).then_some(Error::NoHeader);
        assert_eq!(error(&tree), expected, "{len} bytes");
    }
}

#[test]
fn an_address_is_that_of_a_page() {
    for address in [0, 1, 8, 0xfff, 0x1001, 0x1800, u64::MAX, (1 << 63) + 1] {
        let tree = announcing(address);
        assert_eq!(error(&tree), Some(Error::Address(address)), "{address:#x}");
    }
    for address in [0x1000, 0x2000, 1 << 63, u64::MAX - 0xfff] {
        assert_eq!(read(&announcing(address), 4096), Ok(address));
    }
}

#[test]
fn a_page_is_as_large_as_the_kernel_says() {
    let tree = announcing(0x1_f000);
    assert_eq!(read(&tree, 4096), Ok(0x1_f000));
    assert_eq!(read(&tree, 65536), Err(Error::Address(0x1_f000)));
    let tree = announcing(0x3_0000);
    assert_eq!(read(&tree, 65536), Ok(0x3_0000));
}

#[test]
fn no_tree_at_all() {
    let whole = announcing(0x1000);
    for len in 0..40 {
        assert!(Tree::new(&whole.bytes()[..len]).is_none(), "{len} bytes");
    }
    assert!(Tree::new(&[0; tree::LEN]).is_none());
    assert!(Tree::new(&[0xff; tree::LEN]).is_none());
}

#[test]
fn what_is_wrong_is_said() {
    let errors = [
        (Error::NoNode, 0),
        (Error::Version, 0),
        (Error::NoHeader, 0),
        (Error::Address(0x1234), 0x1234),
    ];
    let mut texts = Vec::new();
    for (error, expected) in errors {
        let (text, number) = error.describe();
        assert_eq!(number, expected);
        assert!(!text.is_empty() && !texts.contains(&text), "{text:?}");
        texts.push(text);
    }
}
