// SPDX-License-Identifier: GPL-2.0

//! More FLBs than fit into a page.

use super::support::{Call::*, *};
use crate::{
    bindings::{self, E2BIG, EBUSY, EEXIST, EINVAL, ENOENT, ENOSPC},
    handover::MOST_PAGES,
    lock, raw,
};
use kernel::{page::PAGE_SIZE, prelude::*};

/// More than fit into three pages.
const MANY: usize = 3 * MOST + 20;

/// How many fit into the largest block.
const MOST_FLBS: usize = (MOST_PAGES * PAGE_SIZE - 16) / 64;

/// Makes room for so many FLBs.
fn reserve(b: &Bench, flbs: usize) -> Result {
    b.core.handover().reserve(&mut lock::Registry::lock(), flbs)
}

/// How many bytes of memory can be had.
fn available() -> isize {
    // SAFETY: The function only adds up.
    unsafe { bindings::si_mem_available() as isize * PAGE_SIZE as isize }
}

/// Whether what would be handed over are these FLBs, with so many files each.
fn hands_over(b: &Bench, flbs: impl ExactSizeIterator<Item = usize>, files: u64) -> Result<bool> {
    let block = b.preview()?;
    let count = flbs.len() as u64;
    let found = |flb: usize| block.find(&name(flb));
    let right = |flb| found(flb).is_some_and(|at| block.is(at, &name(flb), data(flb), files));
    let fits = block.bytes().len() == block.pages() as usize * PAGE_SIZE;
    Ok(fits && block.count() == count && flbs.into_iter().all(right))
}

#[kunit_tests(luo_flb_capacity)]
mod suite {
    use super::*;

    #[test]
    fn block_grows_with_registrations() -> Result {
        let (b, announced) = Bench::announced(1, MANY)?;
        let first = announced.address()?;
        for flb in 0..MOST {
            b.register(0, flb)?;
        }
        assert_eq!(announced.address()?, first);
        assert_eq!(Block::of(&b)?.pages(), 1);
        assert_eq!(b.register(0, MOST), Ok(()));
        let second = announced.address()?;
        assert!(second != first && second % PAGE_SIZE as u64 == 0);
        assert_eq!(Block::of(&b)?.pages(), 2);
        for flb in MOST + 1..MANY {
            b.register(0, flb)?;
        }
        assert_eq!(Block::of(&b)?.pages(), 4);
        assert!(announced.address()? != second);
        assert!(hands_over(&b, 0..0, 1)?);
        b.preserve(0)?;
        b.preserve(0)?;
        assert!(hands_over(&b, 0..MANY, 2)?);
        Ok(())
    }

    #[test]
    fn next_kernel_gets_all() -> Result {
        let (old, _announced) = Bench::announced(1, MANY)?;
        old.register_all(0)?;
        old.preserve(0)?;
        let block = old.preview()?;

        let new = Bench::new(1, MANY + 1)?;
        assert_eq!(new.receive(block.bytes()), Ok(()));
        assert_eq!(new.get(MANY), err(ENOENT));
        assert_eq!(new.get(MANY - 1), Ok(restored(MANY - 1)));
        assert_eq!(new.seen(R(MANY - 1)), (data(MANY - 1), 0));
        // There it has to grow too.
        let _announced = Lasting::complete(&new)?;
        new.register_all(0)?;
        new.finish(0);
        let calls = new.calls();
        // One was retrieved before, and is in use.
        assert!(calls.len() == 1 + 2 * (MANY - 1));
        new.put(MANY - 1);
        assert_eq!(new.calls(), [F(MANY - 1)]);
        Ok(())
    }

    #[test]
    fn what_is_registered_before_the_setup_fits() -> Result {
        needs_kho();
        let b = Bench::new(1, MANY)?;
        b.register_all(0)?;
        let announced = Lasting::complete(&b)?;
        let address = announced.address()?;
        assert_eq!(Block::of(&b)?.pages(), 4);
        b.preserve(0)?;
        assert!(hands_over(&b, 0..MANY, 1)?);
        assert_eq!(announced.address()?, address);
        Ok(())
    }

    #[test]
    fn address_is_not_touched_before_all_is_set_up() -> Result {
        needs_kho();
        let b = Bench::new(1, MANY)?;
        let announced = Lasting::announce(&b)?;
        let first = announced.address()?;
        // The block grows twice meanwhile; what is announced stays.
        for flb in 0..MANY {
            b.register(0, flb)?;
            assert_eq!(b.core.handover().announced()?, first);
        }
        assert_eq!(Block::of(&b)?.pages(), 4);
        assert_eq!(announced.address()?, first);
        b.core.complete();
        assert!(announced.address()? != first);
        let complete = announced.address()?;
        assert_eq!(b.core.handover().announced()?, complete);
        b.core.complete();
        assert_eq!(announced.address()?, complete);
        b.preserve(0)?;
        assert!(hands_over(&b, 0..MANY, 1)?);
        // What was announced first has been given back, and can be had again.
        assert_eq!(reserve(&b, 4 * MANY), Ok(()));
        assert!(announced.address()? != complete);
        Ok(())
    }

    #[test]
    fn nothing_to_complete() -> Result {
        needs_kho();
        let b = Bench::new(1, 1)?;
        b.core.complete();
        assert!(Block::of(&b).is_err());
        b.setup()?;
        b.core.complete();
        assert_eq!(Block::of(&b)?.pages(), 1);
        Ok(())
    }

    #[test]
    fn block_does_not_shrink() -> Result {
        let (b, announced) = Bench::announced(1, MANY)?;
        b.register_all(0)?;
        let address = announced.address()?;
        b.unregister_all(0);
        b.register_all(0)?;
        assert_eq!(announced.address()?, address);
        b.preserve(0)?;
        assert!(hands_over(&b, 0..MANY, 1)?);
        Ok(())
    }

    #[test]
    fn grows_while_files_of_others_are_preserved() -> Result {
        let (b, _announced) = Bench::announced(2, MANY)?;
        for flb in 0..10 {
            b.register(0, flb)?;
        }
        b.preserve(0)?;
        for flb in 10..MANY {
            b.register(1, flb)?;
        }
        assert!(hands_over(&b, 0..10, 1)?);
        b.preserve(1)?;
        assert!(hands_over(&b, 0..MANY, 1)?);
        b.unpreserve(0);
        assert!(hands_over(&b, 10..MANY, 1)?);
        Ok(())
    }

    #[test]
    fn without_a_place_for_another_address_nothing_is_lost() -> Result {
        // This announcement is made once and for all.
        let b = Bench::set_up(1, MANY)?;
        for flb in 0..MOST {
            b.register(0, flb)?;
        }
        for flb in MOST..MOST + 5 {
            assert_eq!(b.register(0, flb), err(ENOSPC));
        }
        b.preserve(0)?;
        assert!(hands_over(&b, 0..MOST, 1)?);
        assert_eq!(b.calls().len(), MOST);
        b.unpreserve(0);
        assert_eq!(b.calls().len(), MOST);
        b.unregister(0, 3);
        assert_eq!(b.register(0, MOST), Ok(()));
        Ok(())
    }

    #[test]
    fn block_that_is_written_does_not_grow() -> Result {
        let (b, announced) = Bench::announced(2, MANY)?;
        for flb in 0..MOST {
            b.register(0, flb)?;
        }
        b.preserve(0)?;
        b.core.serialize();
        let (address, block) = (announced.address()?, Block::of(&b)?);
        assert_eq!(b.register(1, MOST), err(EBUSY));
        // What is registered already takes no room.
        assert_eq!(b.register(1, 0), Ok(()));
        assert_eq!(announced.address()?, address);
        assert!(Block::of(&b)?.bytes() == block.bytes());
        assert_eq!(block.count(), MOST as u64);
        Ok(())
    }

    #[test]
    fn name_that_is_taken_is_eexist_where_the_block_has_to_grow() -> Result {
        let (b, _announced) = Bench::announced(1, MOST + 1)?;
        for flb in 0..MOST {
            b.register(0, flb)?;
        }
        b.rename(MOST, &name(7));
        assert_eq!(b.register(0, MOST), err(EEXIST));
        b.rename(MOST, &name(MOST));
        assert_eq!(b.register(0, MOST), Ok(()));
        Ok(())
    }

    #[test]
    fn blocks_up_to_the_largest() -> Result {
        let (b, announced) = Bench::announced(1, 1)?;
        b.register(0, 0)?;
        let mut before = announced.address()?;
        for flbs in [20_000, 32_767, 32_768, MOST_FLBS] {
            assert_eq!(reserve(&b, flbs), Ok(()));
            let block = Block::of(&b)?;
            assert!(block.bytes().len() >= 16 + 64 * flbs);
            assert_eq!(block.pages() as usize, block.bytes().len() / PAGE_SIZE);
            assert!(block.bytes()[8..].iter().all(|byte| *byte == 0));
            if flbs != MOST_FLBS && flbs != 32_767 {
                assert!(announced.address()? != before);
            }
            before = announced.address()?;
        }
        assert_eq!(reserve(&b, MOST_FLBS + 1), err(ENOSPC));
        assert_eq!(reserve(&b, usize::MAX), err(ENOSPC));
        assert_eq!(announced.address()?, before);
        b.preserve(0)?;
        assert!(hands_over(&b, 0..1, 1)?);
        Ok(())
    }

    #[test]
    fn block_of_no_pages_or_more_than_a_folio_has() -> Result {
        let most = raw::Preserved::MOST_PAGES;
        let new = |pages| raw::Preserved::new(pages).map(|_| ());
        assert_eq!(new(0), err(EINVAL));
        for pages in [most + 1, 2 * most, usize::MAX / PAGE_SIZE, usize::MAX] {
            assert_eq!(new(pages), err(E2BIG));
        }
        Ok(())
    }

    #[test]
    fn largest_block_is_taken_and_given_back() -> Result {
        const ORDER: u32 = MOST_PAGES.ilog2();

        let mut block = Block::of_pages(MOST_PAGES)?;
        block.push(&name(0), data(0), 1);
        let b = Bench::new(1, 1)?;
        let memory = HandedOver::in_pieces(&block, &[ORDER])?;
        let result = b.core.setup_incoming(Some(memory.announcement()));
        let is_free = memory.is_given_back(&b);
        assert_eq!(result, Ok(()));
        assert!(is_free);
        assert_eq!(b.get(0), Ok(restored(0)));
        Ok(())
    }

    #[test]
    fn large_blocks_come_empty_and_are_given_back() -> Result {
        let before = available();
        for _ in 0..32 {
            let (b, _announced) = Bench::announced(1, 1)?;
            b.register(0, 0)?;
            // 4 MiB.
            assert_eq!(reserve(&b, MOST_FLBS), Ok(()));
            assert!(Block::of(&b)?.bytes()[8..].iter().all(|byte| *byte == 0));
            b.preserve(0)?;
            // It is given back with an entry in it.
            assert!(hands_over(&b, 0..1, 1)?);
        }
        assert!(before - available() < 64 << 20);
        Ok(())
    }

    #[test]
    fn block_of_several_pages_is_taken_and_given_back() -> Result {
        for pieces in [&[1][..], &[2], &[3]] {
            let flbs = MOST * ((1 << pieces[0]) - 1) + 5;
            let b = Bench::new(1, flbs)?;
            let memory = HandedOver::in_pieces(&Block::full(flbs, 1)?, pieces)?;
            let result = b.core.setup_incoming(Some(memory.announcement()));
            let is_free = memory.is_given_back(&b);
            assert_eq!(result, Ok(()));
            assert!(is_free);
            assert_eq!(b.get(flbs - 1), Ok(restored(flbs - 1)));
        }
        Ok(())
    }

    #[test]
    fn what_follows_a_block_is_not_taken() -> Result {
        let mut block = Block::full(1, 1)?;
        block.set_pages(2);
        let b = Bench::new(1, 1)?;
        // The second page is somebody else's, whatever the first one says.
        let memory = HandedOver::in_pieces(&block, &[0, 0])?;
        let result = b.core.setup_incoming(Some(memory.announcement()));
        let taken = memory.taken();
        memory.free();
        assert_eq!(result, err(EINVAL));
        assert_eq!(taken, 1);
        assert_eq!(b.get(0), err(EINVAL));
        Ok(())
    }

    #[test]
    fn more_pages_than_there_may_be_are_einval() -> Result {
        for pages in [1 << 20, u64::MAX, u64::MAX / PAGE_SIZE as u64] {
            let mut block = Block::full(1, 1)?;
            block.set_pages(pages);
            let b = Bench::new(1, 1)?;
            let memory = HandedOver::in_pieces(&block, &[0])?;
            let result = b.core.setup_incoming(Some(memory.announcement()));
            let taken = memory.taken();
            memory.free();
            assert_eq!(result, err(EINVAL));
            assert_eq!(taken, 1);
        }
        Ok(())
    }

    #[test]
    fn duplicate_names_far_apart_are_einval() -> Result {
        let mut block = Block::full(MANY, 1)?;
        block.push(&name(0), 1, 1);
        let b = Bench::new(1, 1)?;
        assert_eq!(b.receive(block.bytes()), err(EINVAL));
        assert_eq!(b.get(0), err(EINVAL));
        Ok(())
    }

    #[test]
    fn many_come_and_go_in_any_order() -> Result {
        let (b, _announced) = Bench::announced(2, MANY)?;
        // A step that meets each number once.
        let scattered = || (0..MANY).map(|nth| nth * 101 % MANY);
        assert!(MANY % 101 != 0);
        for flb in scattered() {
            b.register(flb % 2, flb)?;
        }
        for flb in scattered() {
            assert_eq!(b.register(flb % 2, flb), err(EEXIST));
            assert_eq!(b.register(1 - flb % 2, flb), Ok(()));
        }
        for flb in scattered().filter(|flb| flb % 3 == 0) {
            b.unregister(0, flb);
            b.unregister(1, flb);
        }
        b.preserve(1)?;
        b.preserve(0)?;
        let calls = b.calls();
        let mut left = 0;
        for flb in (0..MANY).filter(|flb| flb % 3 != 0) {
            left += 1;
            assert_eq!(calls.iter().filter(|call| **call == P(flb)).count(), 1);
        }
        assert_eq!(calls.len(), left);
        assert_eq!(b.preview()?.count(), left as u64);
        b.unpreserve(1);
        assert!(b.is_quiet());
        b.unpreserve(0);
        assert_eq!(b.calls().len(), left);
        Ok(())
    }
}
