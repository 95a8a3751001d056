// SPDX-License-Identifier: GPL-2.0

//! The orchestrator's state as a flattened device tree, with the kernel's libfdt.

use super::support::*;
use crate::bindings::{ENOENT, ENOSPC};
use kernel::prelude::*;

#[kunit_tests(luo_flb_fdt)]
mod suite {
    use super::*;

    #[test]
    fn real_tree_is_written_and_read() -> Result {
        use crate::abi::fdt_v1::Reader;

        let b = Bench::new(1, 1)?;
        let mut real = RealTree::new(1024)?;
        assert_eq!(b.core.setup_outgoing(real.builder()), Ok(()));
        real.close()?;
        let tree = real.tree().ok_or(ENXIO)?;
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
    fn real_tree_without_node_is_enoent() -> Result {
        let b = Bench::new(1, 1)?;
        let mut real = RealTree::new(1024)?;
        real.close()?;
        assert_eq!(b.core.setup_incoming(real.tree()), err(ENOENT));
        Ok(())
    }
}
