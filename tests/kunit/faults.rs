// SPDX-License-Identifier: GPL-2.0

//! Each allocation fails, alone and with all that follow.
//!
//! What is expected is how often an operation is refused at least: now and then an allocation asks
//! for pages, which makes it two, and one that has another way is refused only if that fails too.

use super::support::{Call::*, *};
use crate::bindings::EEXIST;
use kernel::prelude::*;

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
        let mut refused = 0;
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
            refused += seen.refused;
        }
        assert!(refused >= 2);
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
    fn setup_for_the_next_kernel() -> Result {
        needs_kho();
        let seen = Faults::new()?.each_again(
            || Bench::new(1, 1),
            |b| b.setup(),
            |b| Ok(Block::of(b).is_err()),
            |b| Ok(Block::of(b)?.count() == 0),
        )?;
        assert_eq!(seen.wrong, None);
        assert!(seen.refused >= 1);
        Ok(())
    }

    #[test]
    fn what_came_is_served_without_allocation() -> Result {
        let b = Bench::new(1, 2)?;
        let memory = HandedOver::new(Block::full(2, 1)?.bytes())?;
        b.register_all(0)?;
        b.core.incoming.setup(memory.address());
        let none = Faults::new()?.none(|| {
            b.note(b.get(1));
            b.put(1);
            b.finish(0);
        });
        memory.taken();
        assert!(none);
        assert_eq!(b.notes(), [0]);
        assert_eq!(b.calls(), [R(1), F(1), R(0), F(0)]);
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
            b.core.registry.lock().serialize();
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
