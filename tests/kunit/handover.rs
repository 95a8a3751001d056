// SPDX-License-Identifier: GPL-2.0

//! What is written for the next kernel, and what is accepted from the previous one.

use super::support::{Call::*, *};
use crate::bindings::{EINVAL, ENOENT, ENOSPC};
use kernel::prelude::*;

/// A new core refuses this memory, and says so to whoever asks for an entry.
fn is_refused(memory: &[u8]) -> Result<bool> {
    let b = Bench::new(1, 3)?;
    let refused = b.receive(memory) == err(EINVAL);
    // Not `ENODATA`: something was handed over.
    Ok(refused && b.get(0) == err(EINVAL) && b.is_quiet())
}

/// A new core refuses this tree with that error, and says so to whoever asks for an entry.
fn is_refused_as(errno: u32, tree: &FakeTree) -> Result<bool> {
    let b = Bench::new(1, 1)?;
    let refused = b.core.setup_incoming(Some(tree)) == err(errno);
    Ok(refused && b.get(0) == err(errno))
}

#[kunit_tests(luo_flb_handover)]
mod suite {
    use super::*;

    #[test]
    fn setup_announces_an_empty_block() -> Result {
        needs_kho();
        let b = Bench::new(1, 1)?;
        let mut tree = FakeTree::new();
        assert_eq!(b.core.setup_outgoing(Some(&mut tree)), Ok(()));
        assert!(tree.node == b"luo-flb");
        assert_eq!(tree.depth, 0);
        assert!(tree.properties.len() == 2);
        assert!(*tree.value(c"compatible") == *b"luo-flb-v1\0");
        let value = tree.value(c"luo-flb-header");
        assert!(value.len() == 8);
        let mut address = [0; 8];
        address.copy_from_slice(value);
        let address = u64::from_ne_bytes(address);
        assert!(address != 0 && address % BLOCK as u64 == 0);
        let block = Block::of(&b)?;
        assert!(block.bytes().len() == BLOCK);
        assert_eq!(block.pages(), 1);
        assert_eq!(block.count(), 0);
        Ok(())
    }

    #[test]
    fn setup_without_tree_is_einval() -> Result {
        let b = Bench::new(1, 1)?;
        assert_eq!(b.core.setup_outgoing(None::<&mut FakeTree>), err(EINVAL));
        assert_eq!(b.core.setup_incoming(None::<&FakeTree>), err(EINVAL));
        assert!(Block::of(&b).is_err());
        Ok(())
    }

    #[test]
    fn setup_keeps_nothing_when_the_tree_is_full() -> Result {
        needs_kho();
        for accepts in 0..4 {
            let b = Bench::new(1, 1)?;
            let mut tree = FakeTree::new();
            tree.accepts = accepts;
            assert_eq!(b.core.setup_outgoing(Some(&mut tree)), err(ENOSPC));
            assert!(Block::of(&b).is_err());
        }
        let mut tree = FakeTree::new();
        tree.accepts = 4;
        assert_eq!(
            Bench::new(0, 0)?.core.setup_outgoing(Some(&mut tree)),
            Ok(())
        );
        Ok(())
    }

    #[test]
    fn serialize_without_setup_does_nothing() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        assert!(b.preview().is_err());
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn serialize_nothing() -> Result {
        let b = Bench::set_up(1, 2)?;
        assert_eq!(b.preview()?.count(), 0);
        // Registered is not preserved.
        b.register_all(0)?;
        let block = b.preview()?;
        assert_eq!(block.pages(), 1);
        assert_eq!(block.count(), 0);
        Ok(())
    }

    #[test]
    fn serialize_one() -> Result {
        let b = Bench::set_up(1, 3)?;
        b.register_all(0)?;
        b.unregister(0, 0);
        b.unregister(0, 2);
        b.preserve(0)?;
        let block = b.preview()?;
        assert_eq!(block.pages(), 1);
        assert_eq!(block.count(), 1);
        assert!(block.is(0, &name(1), data(1), 1));
        assert_eq!(b.calls(), [P(1)]);
        Ok(())
    }

    #[test]
    fn serialize_leaves_out_what_is_not_preserved() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        // Files that hold nothing, as only a mistake in counting could make them.
        b.set_files(0, 1);
        assert_eq!(b.preview()?.count(), 0);
        b.set_files(0, 0);
        b.preserve(0)?;
        assert_eq!(b.preview()?.count(), 1);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn serialize_as_many_as_there_can_be() -> Result {
        let b = Bench::set_up(1, MOST)?;
        b.register_all(0)?;
        b.preserve(0)?;
        let block = b.preview()?;
        assert_eq!(block.count(), MOST as u64);
        for flb in 0..MOST {
            assert!(block.is(flb, &name(flb), data(flb), 1));
        }
        Ok(())
    }

    #[test]
    fn serialize_counts_files_over_handlers() -> Result {
        let b = Bench::set_up(2, 2)?;
        b.register(0, 0)?;
        b.register(1, 1)?;
        b.register(1, 0)?;
        for _ in 0..3 {
            b.preserve(0)?;
        }
        for _ in 0..4 {
            b.preserve(1)?;
        }
        let block = b.preview()?;
        assert_eq!(block.count(), 2);
        assert!(block.is(0, &name(0), data(0), 7));
        assert!(block.is(1, &name(1), data(1), 4));
        b.unpreserve(1);
        let block = b.preview()?;
        assert!(block.is(0, &name(0), data(0), 6));
        assert!(block.is(1, &name(1), data(1), 3));
        Ok(())
    }

    #[test]
    fn serialize_again() -> Result {
        let b = Bench::set_up(2, 3)?;
        b.register(0, 0)?;
        b.register(1, 1)?;
        b.register(1, 2)?;
        b.preserve(0)?;
        b.preserve(1)?;
        let first = b.preview()?;
        assert_eq!(first.count(), 3);
        assert!(b.preview()?.bytes() == first.bytes());
        // The reboot did not take place, and things go on.
        b.unpreserve(0);
        let block = b.preview()?;
        assert_eq!(block.count(), 2);
        assert!(block.is(0, &name(1), data(1), 1));
        assert!(block.is(1, &name(2), data(2), 1));
        b.unpreserve(1);
        assert_eq!(b.preview()?.count(), 0);
        Ok(())
    }

    #[test]
    fn serialize_forgets_what_was_unregistered() -> Result {
        let b = Bench::set_up(1, 2)?;
        b.register_all(0)?;
        b.preserve(0)?;
        assert_eq!(b.preview()?.count(), 2);
        b.unpreserve(0);
        b.unregister(0, 0);
        b.preserve(0)?;
        let block = b.preview()?;
        assert_eq!(block.count(), 1);
        assert!(block.is(0, &name(1), data(1), 1));
        Ok(())
    }

    #[test]
    fn data_is_handed_over_as_it_is() -> Result {
        for value in [0, 1, u64::MAX, 1 << 63, 0x0123_4567_89ab_cdef] {
            let old = Bench::set_up(1, 1)?;
            old.register(0, 0)?;
            old.script(0, |script| script.data = value);
            old.preserve(0)?;
            let new = Bench::new(1, 1)?;
            new.receive(old.preview()?.bytes())?;
            new.get(0)?;
            assert_eq!(new.seen(R(0)), (value, 0));
        }
        Ok(())
    }

    #[test]
    fn loop_back() -> Result {
        let old = Bench::set_up(2, MOST)?;
        old.register_all(0)?;
        for flb in (0..MOST).step_by(2) {
            old.register(1, flb)?;
        }
        old.preserve(0)?;
        old.preserve(1)?;
        old.preserve(1)?;

        let new = Bench::new(2, MOST)?;
        assert_eq!(new.receive(old.preview()?.bytes()), Ok(()));
        new.register_all(0)?;
        for flb in (0..MOST).step_by(2) {
            new.register(1, flb)?;
        }
        for flb in 0..MOST {
            assert_eq!(new.get(flb), Ok(restored(flb)));
            assert_eq!(new.seen(R(flb)), (data(flb), 0));
            new.put(flb);
        }
        assert!(new.calls().len() == MOST);
        new.finish(1);
        assert!(new.is_quiet());
        // Those that only the other handler has.
        new.finish(0);
        let calls = new.calls();
        assert!(calls.len() == MOST / 2);
        assert!(calls
            .iter()
            .rev()
            .enumerate()
            .all(|(nth, call)| *call == F(2 * nth + 1)));
        new.finish(1);
        let calls = new.calls();
        assert!(calls.len() == MOST.div_ceil(2));
        assert!(calls
            .iter()
            .rev()
            .enumerate()
            .all(|(nth, call)| *call == F(2 * nth)));
        Ok(())
    }

    #[test]
    fn three_kernels_in_a_row() -> Result {
        needs_kho();
        let mut block = Block::full(2, 1)?;
        for _ in 0..3 {
            let b = Bench::new(1, 2)?;
            b.receive(block.bytes())?;
            b.setup()?;
            b.register_all(0)?;
            b.get(0)?;
            b.put(0);
            b.finish(0);
            assert_eq!(b.calls(), [R(0), R(1), F(1), F(0)]);
            b.preserve(0)?;
            block = b.preview()?;
            assert_eq!(block.count(), 2);
            assert!(block.is(0, &name(0), data(0), 1));
            assert!(block.is(1, &name(1), data(1), 1));
        }
        Ok(())
    }

    #[test]
    fn received_block_may_go_away() -> Result {
        let b = Bench::new(1, 1)?;
        let mut block = Block::full(1, 1)?;
        b.receive(block.bytes())?;
        block.set_count(0);
        block.push(&name(9), 0, 9);
        drop(block);
        assert_eq!(b.get(0), Ok(restored(0)));
        assert_eq!(b.seen(R(0)), (data(0), 0));
        Ok(())
    }

    #[test]
    fn largest_block_is_accepted() -> Result {
        let b = Bench::new(1, MOST)?;
        assert_eq!(b.receive(Block::full(MOST, 0x7fff_ffff)?.bytes()), Ok(()));
        assert_eq!(b.get(MOST - 1), Ok(restored(MOST - 1)));
        Ok(())
    }

    #[test]
    fn bad_entry_counts() -> Result {
        let more = MOST as u64 + 1;
        for count in [more, more + 1, 0x7fff_ffff, 1 << 58, 1 << 60, u64::MAX] {
            let mut block = Block::full(1, 1)?;
            block.set_count(count);
            assert!(is_refused(block.bytes())?);
        }
        Ok(())
    }

    #[test]
    fn bad_page_counts() -> Result {
        // So many have no bytes, if one does not look.
        let wrapping = 1 << (64 - BLOCK.ilog2());
        for pages in [0, 2, 1000, 1 << 32, wrapping / 2, wrapping, u64::MAX] {
            let mut block = Block::full(1, 1)?;
            block.set_pages(pages);
            assert!(is_refused(block.bytes())?);
        }
        Ok(())
    }

    #[test]
    fn bad_file_counts() -> Result {
        for files in [
            0,
            0x8000_0000,
            0x8000_0001,
            0xffff_ffff,
            1 << 32,
            (1 << 32) + 1,
            u64::MAX,
        ] {
            for bad in 0..3 {
                let mut block = Block::new()?;
                for flb in 0..3 {
                    block.push(&name(flb), data(flb), if flb == bad { files } else { 1 });
                }
                assert!(is_refused(block.bytes())?);
            }
        }
        Ok(())
    }

    #[test]
    fn bad_names() -> Result {
        for bad in [&b""[..], b"\0behind", &[b'x'; 48]] {
            for at in 0..3 {
                let mut block = Block::new()?;
                for flb in 0..3 {
                    if flb == at {
                        block.push(bad, data(flb), 1);
                    } else {
                        block.push(&name(flb), data(flb), 1);
                    }
                }
                assert!(is_refused(block.bytes())?);
            }
        }
        Ok(())
    }

    #[test]
    fn duplicate_names() -> Result {
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let mut block = Block::new()?;
            for flb in 0..3 {
                block.push(&name(if flb == other { one } else { flb }), data(flb), 1);
            }
            assert!(is_refused(block.bytes())?);
        }
        // What stands behind the NUL makes no difference.
        let mut block = Block::new()?;
        block.push(b"same\0one", 1, 1);
        block.push(b"same\0other", 2, 1);
        assert!(is_refused(block.bytes())?);
        Ok(())
    }

    #[test]
    fn short_memory() -> Result {
        let block = Block::full(1, 1)?;
        for len in [0, 1, 8, 15, 16, 79, 80, BLOCK - 1] {
            assert!(is_refused(&block.bytes()[..len])?);
        }
        Ok(())
    }

    #[test]
    fn noise() -> Result {
        for byte in [0x01, 0x7f, 0x80, 0xff] {
            assert!(is_refused(&KVec::from_elem(byte, BLOCK, GFP_KERNEL)?)?);
        }
        Ok(())
    }

    #[test]
    fn tree_without_node_is_enoent() -> Result {
        assert!(is_refused_as(ENOENT, &FakeTree::new())?);
        let other = FakeTree::with(c"luo-flb2", b"luo-flb-v1\0")?;
        assert!(is_refused_as(ENOENT, &other)?);
        Ok(())
    }

    #[test]
    fn tree_of_another_version_is_einval() -> Result {
        for version in [&b"luo-flb-v2\0"[..], b"luo-flb-v\0", b"\0"] {
            let mut tree = FakeTree::with(c"luo-flb", version)?;
            tree.add(c"luo-flb-header", &BLOCK.to_ne_bytes())?;
            assert!(is_refused_as(EINVAL, &tree)?);
        }
        Ok(())
    }

    #[test]
    fn page_waits_until_the_tree_is_right() -> Result {
        let page = HandedOver::new(&Block::full(1, 1)?)?;
        let address = page.address().to_ne_bytes();
        let beside = (page.address() + 8).to_ne_bytes();
        let mut tree = FakeTree::with(c"luo-flb", b"luo-flb-v2\0")?;
        tree.add(c"luo-flb-header", &address)?;
        let refused = [
            is_refused_as(EINVAL, &tree)?,
            is_refused_as(EINVAL, &FakeTree::announcing(&beside)?)?,
        ];
        let b = Bench::new(1, 1)?;
        let tree = FakeTree::announcing(&address)?;
        let result = b.core.setup_incoming(Some(&tree));
        let is_free = page.is_given_back(&b);
        assert_eq!(refused, [true; 2]);
        assert_eq!(result, Ok(()));
        assert!(is_free);
        assert_eq!(b.get(0), Ok(restored(0)));
        Ok(())
    }

    #[test]
    fn tree_without_address_is_einval() -> Result {
        let tree = FakeTree::with(c"luo-flb", b"luo-flb-v1\0")?;
        assert!(is_refused_as(EINVAL, &tree)?);
        for value in [&[1_u8][..], &[0; 4], &[0; 7], &[0; 9], &[0; 16]] {
            assert!(is_refused_as(EINVAL, &FakeTree::announcing(value)?)?);
        }
        Ok(())
    }

    #[test]
    fn tree_with_a_bad_address_is_einval() -> Result {
        for address in [0, 1, 8, 0x1fff, 0x10_0001, u64::MAX] {
            let tree = FakeTree::announcing(&address.to_ne_bytes())?;
            assert!(is_refused_as(EINVAL, &tree)?);
        }
        Ok(())
    }

    #[test]
    fn address_without_memory_is_einval() -> Result {
        for address in NOWHERE {
            let tree = FakeTree::announcing(&address.to_ne_bytes())?;
            assert!(is_refused_as(EINVAL, &tree)?);
        }
        Ok(())
    }
}
