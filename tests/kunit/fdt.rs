// SPDX-License-Identifier: GPL-2.0

//! The orchestrator's state as a flattened device tree, with the kernel's libfdt.

use super::support::*;
use crate::bindings::{EINVAL, ENOENT, ENOSPC};
use kernel::{page::PAGE_SIZE, prelude::*};

#[kunit_tests(luo_flb_fdt)]
mod suite {
    use super::*;

    #[test]
    fn real_tree_is_written_and_read() -> Result {
        needs_kho();
        use crate::abi::fdt_v1::Reader;

        let b = Bench::new(1, 1)?;
        let mut real = RealTree::new(1024)?;
        assert_eq!(b.core.setup_outgoing(real.builder()), Ok(()));
        real.close()?;
        let tree = real.tree().ok_or(ENXIO)?.check().map_err(|_| ENXIO)?;
        let node = tree.node(c"luo-flb").ok_or(ENXIO)?;
        assert!(tree.is_compatible(node, c"luo-flb-v1"));
        assert!(!tree.is_compatible(node, c"luo-flb-v2"));
        let value = tree.property(node, c"luo-flb-header").ok_or(ENXIO)?;
        assert!(value.len() == 8);
        assert!(tree.property(node, c"luo-flb-heade").is_none());
        assert!(tree.node(c"luo-session").is_none());
        Ok(())
    }

    #[test]
    fn real_tree_that_is_too_small_is_enospc() -> Result {
        needs_kho();
        let mut fitting = 0;
        // What is around the node needs room as well.
        for len in (96..400).step_by(8) {
            let b = Bench::new(1, 1)?;
            let Ok(mut real) = RealTree::new(len) else {
                continue;
            };
            match b.core.setup_outgoing(real.builder()) {
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
    fn real_tree_with_a_damaged_header_is_einval() -> Result {
        let mut real = RealTree::new(1024)?;
        real.close()?;
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
            let b = Bench::new(1, 1)?;
            assert!(real.tree().ok_or(ENXIO)?.check().is_err());
            assert_eq!(b.core.setup_incoming(real.tree()), err(EINVAL));
            assert_eq!(b.get(0), err(EINVAL));
            real.poke(at, before);
            assert!(real.tree().ok_or(ENXIO)?.check().is_ok());
        }
        // Up to a page is right.
        real.poke(4, PAGE_SIZE as u32);
        assert!(real.tree().ok_or(ENXIO)?.check().is_ok());
        Ok(())
    }

    #[test]
    fn real_tree_without_node_is_enoent() -> Result {
        let b = Bench::new(1, 1)?;
        let mut real = RealTree::new(1024)?;
        real.close()?;
        assert_eq!(b.core.setup_incoming(real.tree()), err(ENOENT));
        Ok(())
    }
}
