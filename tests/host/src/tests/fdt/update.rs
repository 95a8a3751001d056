// SPDX-License-Identifier: GPL-2.0

//! Another address in a tree that is there.

use super::{
    libfdt::Tree,
    tools::fdtget,
    tree::{self, announcing, with, with_node},
};
use crate::{
    abi::fdt_v1::{self, read, update, Editor, Error, Reader, Writer},
    tests::config,
};
use proptest::{collection::vec, prelude::*};
use std::ffi::{c_int, CStr};

/// What an update says that changes nothing.
fn refused(mut tree: Tree) -> Option<Error> {
    let before = tree.bytes().to_vec();
    let result = update(&mut tree, 0x2000);
    assert!(tree.bytes() == before, "{result:?}, but changed");
    result.err()
}

#[test]
fn the_new_address_is_read() {
    let mut tree = announcing(0x1000);
    for address in [0x2000, 0x1_2345_6000, 1 << 63, 0x1000] {
        assert_eq!(update(&mut tree, address), Ok(()));
        assert!(tree.is_sound());
        assert_eq!(read(&tree, 4096), Ok(address));
    }
}

#[test]
fn the_tree_is_the_one_that_is_written_with_this_address() {
    let mut tree = announcing(0x1000);
    assert_eq!(update(&mut tree, u64::MAX), Ok(()));
    assert!(tree.bytes() == announcing(u64::MAX).bytes());
}

#[test]
fn fdtget_finds_the_new_address() {
    let mut tree = announcing(0x1000);
    assert_eq!(update(&mut tree, 0x1_2345_6000), Ok(()));
    let bytes = 0x1_2345_6000u64
        .to_ne_bytes()
        .map(|byte| format!("{byte:x}"));
    assert_eq!(
        fdtget(&tree, &["-t", "bx"], &["/luo-flb", "luo-flb-header"]),
        [bytes.join(" ")]
    );
}

#[test]
fn without_a_node_nothing_is_changed() {
    assert_eq!(refused(with(|_| Ok(()))), Some(Error::NoNode));
    let properties: [(&CStr, &[u8]); 1] = [(c"luo-flb-header", &[0; 8])];
    let elsewhere = with_node(c"luo-flb2", &properties);
    assert_eq!(refused(elsewhere), Some(Error::NoNode));
}

#[test]
fn without_a_header_of_8_bytes_nothing_is_changed() {
    let version: (&CStr, &[u8]) = (c"compatible", b"luo-flb-v1\0");
    let tree = with_node(c"luo-flb", &[version]);
    assert_eq!(refused(tree), Some(Error::NoHeader));
    for len in [0, 1, 4, 7, 9, 12, 16] {
        let header = vec![0; len];
        let tree = with_node(c"luo-flb", &[version, (c"luo-flb-header", &header)]);
        assert_eq!(refused(tree), Some(Error::NoHeader), "{len} bytes");
    }
}

#[test]
fn a_tree_that_is_being_built_can_be_updated_once_the_node_is_there() {
    let tree = with(|tree| {
        assert_eq!(tree.look(|tree| update(tree, 0x2000)), Err(Error::NoNode));
        fdt_v1::write(tree, 0x1000)?;
        assert_eq!(tree.look(|tree| update(tree, 0x3000)), Ok(()));
        tree.begin_node(c"later")?;
        assert_eq!(tree.look(|tree| update(tree, 0x4000)), Ok(()));
        tree.end_node()
    });
    assert!(tree.is_sound());
    assert_eq!(read(&tree, 4096), Ok(0x4000));
    assert!(tree.node(c"later").is_some());
}

/// Has the node, if `node`, and takes no value.
struct Stubborn {
    node: bool,
}

impl Reader for Stubborn {
    type Node = c_int;

    fn node(&self, _: &CStr) -> Option<c_int> {
        self.node.then_some(0)
    }

    fn is_compatible(&self, _: c_int, _: &CStr) -> bool {
        true
    }

    fn property(&self, _: c_int, _: &CStr) -> Option<&[u8]> {
        None
    }
}

impl Editor for Stubborn {
    fn replace(&mut self, _: c_int, _: &CStr, _: &[u8]) -> bool {
        assert!(self.node, "no node");
        false
    }
}

#[test]
fn a_value_that_is_not_taken_is_an_error() {
    let mut tree = Stubborn { node: true };
    assert_eq!(update(&mut tree, 0x1000), Err(Error::NoHeader));
    let mut tree = Stubborn { node: false };
    assert_eq!(update(&mut tree, 0x1000), Err(Error::NoNode));
}

proptest! {
    #![proptest_config(config::cases(300))]

    #[test]
    fn the_last_of_many_addresses_counts(pages in vec(1..=u64::MAX >> 12, 1..10)) {
        let mut tree = announcing(0x1000);
        for page in &pages {
            prop_assert_eq!(update(&mut tree, page << 12), Ok(()));
            prop_assert_eq!(read(&tree, 4096), Ok(page << 12));
        }
        prop_assert!(tree.bytes() == announcing(pages[pages.len() - 1] << 12).bytes());
    }

    #[test]
    fn wrong_bytes_are_survived(wrong in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = announcing(0x7654_3000).bytes().to_vec();
        for (at, byte) in wrong {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Some(mut tree) = Tree::new(&bytes) {
            let sound = tree.is_sound();
            let updated = update(&mut tree, 0x2000);
            prop_assert!(tree.is_sound() || !sound);
            prop_assert!(updated.is_err() || tree.node(fdt_v1::NODE).is_some());
        }
    }
}

#[test]
fn what_luo_wrote_is_still_there() {
    let mut tree = announcing(0x1000);
    assert_eq!(update(&mut tree, 0x2000), Ok(()));
    let number = tree::NUMBER.to_ne_bytes();
    assert_eq!(tree.property(0, c"liveupdate-number"), Some(&number[..]));
}
