// SPDX-License-Identifier: GPL-2.0

//! The orchestrator's state as a flattened device tree, with the kernel's libfdt.

use super::support::*;
use crate::bindings::{EINVAL, ENOENT, ENOSPC};
use kernel::{page::PAGE_SIZE, prelude::*};

/// A tree as LUO writes it, with this address.
fn tree(address: u64) -> Result<RealTree> {
    let mut tree = RealTree::new(1024)?;
    tree.announce(address)?;
    tree.close()?;
    Ok(tree)
}

#[kunit_tests(luo_flb_fdt)]
mod suite {
    use super::*;

    #[test]
    fn tree_is_written_and_read() -> Result {
        // Whatever the address is: clients are told if there is no array.
        for address in [0, 1, 0x1234_5678_9000, u64::MAX] {
            assert_eq!(tree(address)?.address(), Ok(address));
        }
        let ours = RealTree::with(c"luo-flb", b"luo-flb-v1\0", &4096_u64.to_ne_bytes())?;
        assert_eq!(ours.address(), Ok(4096));
        Ok(())
    }

    #[test]
    fn tree_that_is_too_small_is_enospc() -> Result {
        needs_kho();
        let mut fitting = 0;
        // What is around the node needs room as well.
        for len in (96..400).step_by(8) {
            let b = Bench::new(1, 1)?;
            let Ok(mut real) = RealTree::new(len) else {
                continue;
            };
            match b.setup_outgoing(|address| real.announce(address)) {
                Ok(()) => fitting += 1,
                result => {
                    assert_eq!(result, err(ENOSPC));
                    assert!(Block::of(&b).is_err());
                    assert_eq!(fitting, 0);
                }
            }
        }
        assert!(fitting > 0);
        Ok(())
    }

    #[test]
    fn tree_with_a_damaged_header_has_no_node() -> Result {
        let mut real = tree(1 << 20)?;
        // The magic number, that of a tree which is being written, and another; the size, beyond
        // the page; places, versions and sizes, in the order of the header.
        let damages = [
            (0, !0xd00d_feed),
            (0, 0),
            (4, PAGE_SIZE as u32 + 1),
            (4, 0x7fff_fffe),
            (4, 39),
            (8, u32::MAX),
            (12, u32::MAX),
            (16, u32::MAX),
            (20, 1),
            (24, u32::MAX),
            (32, u32::MAX),
            (36, u32::MAX),
            (36, PAGE_SIZE as u32),
        ];
        for (at, value) in damages {
            let before = real.poke(at, value);
            assert_eq!(real.address(), err(ENOENT));
            real.poke(at, before);
            assert_eq!(real.address(), Ok(1 << 20));
        }
        // Up to a page is right.
        real.poke(4, PAGE_SIZE as u32);
        assert!(real.address().is_ok());
        Ok(())
    }

    #[test]
    fn tree_without_node_is_enoent() -> Result {
        let mut real = RealTree::new(1024)?;
        real.close()?;
        assert_eq!(real.address(), err(ENOENT));
        let other = RealTree::with(c"luo-flb2", b"luo-flb-v1\0", &[0; 8])?;
        assert_eq!(other.address(), err(ENOENT));
        Ok(())
    }

    #[test]
    fn node_of_another_version_or_without_address_is_einval() -> Result {
        for version in [&b"luo-flb-v2\0"[..], b"luo-flb-v\0", b"\0", b""] {
            let real = RealTree::with(c"luo-flb", version, &[0; 8])?;
            assert_eq!(real.address(), err(EINVAL));
        }
        for address in [&b""[..], &[1], &[0; 4], &[0; 7], &[0; 9], &[0; 16]] {
            let real = RealTree::with(c"luo-flb", b"luo-flb-v1\0", address)?;
            assert_eq!(real.address(), err(EINVAL));
        }
        Ok(())
    }
}
