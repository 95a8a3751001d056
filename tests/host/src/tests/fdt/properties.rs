// SPDX-License-Identifier: GPL-2.0

//! Any address, any wrong byte.

use super::{libfdt::Tree, tree::announcing};
use crate::{
    abi::fdt_v1::{read, Error, HEADER, NODE, VERSION},
    tests::config,
};
use proptest::{collection::vec, prelude::*, sample::Index};

/// What may be said of the result of reading any tree.
fn is_possible(tree: &Tree, page_size: u64) -> bool {
    match read(tree, page_size) {
        Ok(address) => address != 0 && address % page_size == 0,
        Err(Error::Address(address)) => address == 0 || address % page_size != 0,
        Err(Error::NoNode | Error::Version | Error::NoHeader) => true,
    }
}

proptest! {
    #![proptest_config(config::cases(500))]

    #[test]
    fn any_address_comes_back(address in any::<u64>(), shift in 12..=16u32) {
        let page_size = 1 << shift;
        let aligned = address & !(page_size - 1);
        for address in [address, aligned] {
            let expected = if address == 0 || address % page_size != 0 {
                Err(Error::Address(address))
            } else {
                Ok(address)
            };
            prop_assert_eq!(read(&announcing(address), page_size), expected);
        }
    }

    #[test]
    fn wrong_bytes_are_survived(
        wrong in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = announcing(0x7654_3000).bytes().to_vec();
        for (at, byte) in wrong {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Some(tree) = Tree::new(&bytes) {
            prop_assert!(is_possible(&tree, 4096));
        }
    }

    #[test]
    fn any_words_in_the_place_of_nodes_are_survived(
        words in vec(prop_oneof![6 => 0..=4u32, 2 => 5..40u32, 1 => any::<u32>()], 40),
    ) {
        const STRUCTURE: usize = 40 + 16;
        let mut bytes = announcing(0x7654_3000).bytes().to_vec();
        for (place, word) in bytes[STRUCTURE..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        let tree = Tree::new(&bytes).unwrap();
        prop_assert!(is_possible(&tree, 4096));
    }

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..400)) {
        if let Some(tree) = Tree::new(&bytes) {
            prop_assert!(is_possible(&tree, 4096));
        }
    }
}

#[test]
fn every_bit_of_a_tree_may_be_wrong() {
    let good = announcing(0x7654_3000);
    let (mut headers, mut sound) = (0, 0);
    for bit in 0..good.bytes().len() * 8 {
        let mut bytes = good.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Some(tree) = Tree::new(&bytes) {
            headers += 1;
            sound += usize::from(tree.is_sound());
            assert!(is_possible(&tree, 4096), "bit {bit}");
        }
    }
    assert!(headers > sound && sound > 0, "{headers} {sound}");
}

#[test]
fn a_wrong_letter_in_our_node_is_noticed() {
    let good = announcing(0x7654_3000);
    for text in [NODE.to_bytes(), VERSION.to_bytes(), HEADER.to_bytes()] {
        let with_nul = [text, b"\0"].concat();
        let mut places = good.bytes().windows(with_nul.len());
        let at = places.position(|bytes| bytes == with_nul).unwrap();
        for letter in at..at + text.len() {
            let mut bytes = good.bytes().to_vec();
            bytes[letter] ^= 0x40;
            let tree = Tree::new(&bytes).unwrap();
            assert!(read(&tree, 4096).is_err(), "{text:?}, byte {letter}");
        }
    }
}
