// SPDX-License-Identifier: GPL-2.0

//! Each allocation fails, alone and with all that follow.
//!
//! What is expected is how often an operation is refused at least: now and then an allocation asks
//! for pages, which makes it two, and one that has another way is refused only if that fails too.

use super::support::{Call::*, *};
use crate::{
    abi::luo_v5::Received,
    bindings::{EEXIST, ENOMEM},
    lock,
};
use core::cell::Cell;
use kernel::{prelude::*, sync::Arc};

/// More than fit into three pages.
const MANY: usize = 3 * MOST + 20;

/// Whether files of a handler depend on these FLBs, and no others.
fn depends(b: &Bench, handler: usize, flbs: &[usize]) -> Result<bool> {
    let mut expected = KVec::new();
    for flb in flbs {
        expected.push(P(*flb), GFP_KERNEL)?;
    }
    for flb in flbs.iter().rev() {
        expected.push(U(*flb), GFP_KERNEL)?;
    }
    b.preserve(handler)?;
    b.unpreserve(handler);
    Ok(b.calls() == expected)
}

/// Whether the name of an FLB is free: `other` has the same.
fn is_free(b: &Bench, handler: usize, other: usize) -> bool {
    let result = b.register(handler, other);
    if result.is_ok() {
        b.unregister(handler, other);
    }
    result.is_ok()
}

/// Whether so many FLBs would be handed over, and the block has one of these sizes.
fn hands_over(b: &Bench, flbs: usize, pages: &[u64]) -> Result<bool> {
    b.preserve(0)?;
    let block = b.preview()?;
    b.unpreserve(0);
    let is_there = |flb| block.find(&name(flb)).is_some();
    let is_whole = block.count() == flbs as u64 && (0..flbs).all(is_there);
    Ok(is_whole && pages.contains(&block.pages()))
}

/// A core whose block is full, and what it is announced in, complete or not.
fn full(complete: bool) -> Result<(Arc<Bench>, Lasting)> {
    let b = Bench::new(1, MOST + 1)?;
    let announced = match complete {
        true => Lasting::complete(&b)?,
        false => Lasting::announce(&b)?,
    };
    for flb in 0..MOST {
        b.register(0, flb)?;
    }
    Ok((b, announced))
}

#[kunit_tests(luo_flb_faults)]
mod suite {
    use super::*;

    #[test]
    fn first_registration_of_a_handler() -> Result {
        let seen = Faults::new()?.each_again(
            || {
                let b = Bench::new(1, 2)?;
                b.rename(1, &name(0));
                Ok(b)
            },
            |b| b.register(0, 0),
            |b| Ok(depends(b, 0, &[])? && is_free(b, 0, 1)),
            |b| Ok(depends(b, 0, &[0])? && b.register(0, 1) == err(EEXIST)),
        )?;
        assert_eq!(seen.wrong, None);
        // The record, the node, the list.
        assert!(seen.refused >= 3);
        Ok(())
    }

    #[test]
    fn next_registration_of_a_handler() -> Result {
        let faults = Faults::new()?;
        let all = [0, 1, 2, 3, 4, 5, 6, 7, 8];
        // Now and then the list has to grow.
        for before in 1..all.len() {
            let seen = faults.each_again(
                || {
                    let b = Bench::new(1, before + 1)?;
                    for flb in 0..before {
                        b.register(0, flb)?;
                    }
                    Ok(b)
                },
                |b| b.register(0, before),
                |b| depends(b, 0, &all[..before]),
                |b| depends(b, 0, &all[..=before]),
            )?;
            assert_eq!(seen.wrong, None);
            assert!(seen.refused >= 1);
        }
        Ok(())
    }

    #[test]
    fn registration_with_another_handler() -> Result {
        let faults = Faults::new()?;
        for own in [&[][..], &[1]] {
            let seen = faults.each_again(
                || {
                    let b = Bench::new(2, 2)?;
                    b.register(0, 0)?;
                    for flb in own {
                        b.register(1, *flb)?;
                    }
                    Ok(b)
                },
                |b| b.register(1, 0),
                |b| Ok(depends(b, 0, &[0])? && depends(b, 1, own)?),
                |b| {
                    let shared: &[usize] = if own.is_empty() { &[0] } else { &[1, 0] };
                    Ok(depends(b, 0, &[0])? && depends(b, 1, shared)?)
                },
            )?;
            assert_eq!(seen.wrong, None);
            // The list of registrations; without an FLB of its own, the record and its list too.
            assert!(seen.refused >= if own.is_empty() { 3 } else { 1 });
        }
        Ok(())
    }

    #[test]
    fn refused_registration_leaves_files_alone() -> Result {
        needs_kho();
        let seen = Faults::new()?.each_again(
            || {
                let b = Bench::set_up(2, 2)?;
                b.register(0, 0)?;
                b.preserve(0)?;
                b.get_outgoing(0)?;
                b.calls();
                Ok(b)
            },
            |b| b.register(1, 0),
            |b| Ok(b.is_quiet() && b.preview()?.is(0, &name(0), data(0), 1)),
            |b| {
                b.preserve(1)?;
                let is_shared = b.is_quiet() && b.preview()?.is(0, &name(0), data(0), 2);
                b.unpreserve(0);
                b.put_outgoing(0);
                let is_held = b.is_quiet();
                b.unpreserve(1);
                Ok(is_shared && is_held && b.calls() == [U(0)])
            },
        )?;
        assert_eq!(seen.wrong, None);
        assert!(seen.refused >= 3);
        Ok(())
    }

    #[test]
    fn first_file_of_a_handler() -> Result {
        let seen =
            Faults::new()?.each_again(
                || Bench::new(2, 1),
                |b| b.preserve(0),
                |b| {
                    Ok(b.register(0, 0) == Ok(())
                        && depends(b, 0, &[0])?
                        && b.register(1, 0) == Ok(()))
                },
                |b| {
                    b.unpreserve(0);
                    b.calls();
                    let registered = b.register(0, 0);
                    Ok((registered.is_ok() || registered == err(EEXIST)) && depends(b, 0, &[0])?)
                },
            )?;
        assert_eq!(seen.wrong, None);
        assert!(seen.refused >= 1);
        Ok(())
    }

    #[test]
    fn larger_block() -> Result {
        needs_kho();
        let faults = Faults::new()?;
        for complete in [false, true] {
            let seen = faults.each_again(
                || full(complete),
                |(b, _)| b.register(0, MOST),
                // It may have grown all the same.
                |(b, announced)| Ok(announced.address()? != 0 && hands_over(b, MOST, &[1, 2])?),
                |(b, announced)| {
                    b.core.complete();
                    Ok(announced.address()? != 0 && hands_over(b, MOST + 1, &[2])?)
                },
            )?;
            assert_eq!(seen.wrong, None);
            // The pages, the node.
            assert!(seen.refused >= 2);
        }
        Ok(())
    }

    #[test]
    fn block_that_cannot_grow_stays() -> Result {
        needs_kho();
        let faults = Faults::new()?;
        for (flbs, pages) in [(MOST + 1, 2), (16 * MOST, 16)] {
            let reserve = |b: &Bench| {
                let mut token = lock::Registry::lock();
                b.core.handover().reserve(&mut token, flbs)
            };
            let seen = faults.each_again(
                || {
                    let (b, announced) = full(true)?;
                    let before = announced.address()?;
                    Ok((b, announced, before))
                },
                |(b, ..)| reserve(b),
                |(b, announced, before)| {
                    Ok(announced.address()? == *before && hands_over(b, MOST, &[1])?)
                },
                |(b, announced, before)| {
                    Ok(announced.address()? != *before && hands_over(b, MOST, &[pages])?)
                },
            )?;
            assert_eq!(seen.wrong, None);
            assert!(seen.refused >= 1);
        }
        Ok(())
    }

    #[test]
    fn setup_for_the_next_kernel() -> Result {
        needs_kho();
        let faults = Faults::new()?;
        for (flbs, pages) in [(0, 1), (MANY, 4)] {
            let seen = faults.each_again(
                || {
                    let b = Bench::new(1, flbs)?;
                    b.register_all(0)?;
                    Ok((b, Cell::new(None)))
                },
                |(b, announced)| {
                    announced.set(Some(Lasting::complete(b)?));
                    Ok(())
                },
                |(b, _)| Ok(Block::of(b).is_err()),
                |(b, _)| hands_over(b, flbs, &[pages]),
            )?;
            assert_eq!(seen.wrong, None);
            // Where it is announced, and the pages.
            assert!(seen.refused >= 2);
        }
        Ok(())
    }

    #[test]
    fn each_entry_from_the_previous_kernel() -> Result {
        let faults = Faults::new()?;
        for entries in [1, 5] {
            let block = Block::full(entries, 1)?;
            let seen = faults.each(
                || {
                    let b = Bench::new(1, entries)?;
                    b.register_all(0)?;
                    Ok(b)
                },
                |b| b.receive(block.bytes()),
                |b| {
                    // Something was handed over: nobody is told that there is nothing.
                    let is_told = (0..entries).all(|flb| b.get(flb) == err(ENOMEM));
                    (0..entries).for_each(|flb| b.put(flb));
                    b.finish(0);
                    Ok(is_told && b.is_quiet() && depends(b, 0, &[0, 1, 2, 3, 4][..entries])?)
                },
                |b| Ok((0..entries).all(|flb| b.get(flb) == Ok(restored(flb)))),
            )?;
            assert_eq!(seen.wrong, None);
            // The entry and the node of each, twice.
            assert!(seen.refused > 3 * entries as u32);
        }
        Ok(())
    }

    #[test]
    fn memory_from_the_previous_kernel() -> Result {
        let block = Block::full(3, 1)?;
        let seen = Faults::new()?.each(
            || {
                let memory = HandedOver::new(&block)?;
                Ok((Bench::new(1, 3)?, memory.address(), Cell::new(Some(memory))))
            },
            |(b, address, _)| b.core.setup_incoming(Some(Received(*address))),
            |(b, _, memory)| {
                // As always when a block is refused, the memory is left as it is.
                let memory = memory.take().ok_or(ENXIO)?;
                let taken = memory.taken();
                memory.free();
                Ok(taken == 1 && b.get(2) == err(ENOMEM))
            },
            |(b, _, memory)| {
                let memory = memory.take().ok_or(ENXIO)?;
                let is_free = memory.is_given_back(b);
                Ok(is_free && b.get(2) == Ok(restored(2)))
            },
        )?;
        assert_eq!(seen.wrong, None);
        assert!(seen.refused > 9);
        Ok(())
    }

    #[test]
    fn nothing_else_allocates() -> Result {
        needs_kho();
        let faults = Faults::new()?;
        let b = Bench::handed_over(3, 2)?;
        b.setup()?;
        let outgoing = faults.none(|| {
            b.note(b.preserve(0));
            b.note(b.preserve(0));
            b.note(b.get_outgoing(0));
            b.note(b.peek(0));
            b.put_outgoing(0);
            b.unregister(0, 2);
            b.note(b.register(0, 2));
            b.unregister(0, 2);
            b.unpreserve(0);
            b.unpreserve(0);
            b.note(b.preserve(0));
            b.core.serialize();
        });
        let incoming = faults.none(|| {
            b.note(b.get(0));
            b.finish(0);
            b.finish(0);
            b.put(0);
            b.unregister_all(0);
        });
        assert!(outgoing && incoming);
        assert_eq!(b.notes(), [0; 7]);
        Ok(())
    }
}
