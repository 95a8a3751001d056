// SPDX-License-Identifier: GPL-2.0

//! Threads that get in each other's way.
//!
//! The FLBs notice what must not happen to them, see `support/racing.rs`: an object that is used
//! before its beginning, after its end, or in place of another one; callbacks that run at the same
//! time; one that runs where it must not. At the end all must have been undone, each exactly once.

use super::support::*;
use crate::{
    bindings::{EBUSY, EEXIST, EIO, ENODATA, ENOENT},
    raw,
};
use kernel::prelude::*;

/// How often a thread does what it does.
const ROUNDS: usize = 2000;
/// How often a race takes place that is over at once.
const RACES: usize = 100;

/// What becomes of an FLB for which so many objects have begun.
fn ended(begun: i32) -> Lived {
    Lived {
        begun,
        ended: begun,
        wrong: 0,
    }
}

/// Whether each object of an FLB has ended, and there was one at least.
fn is_over(lived: Lived) -> bool {
    lived.begun > 0 && lived == ended(lived.begun)
}

/// Preserves and unpreserves files of a handler, which depend on an FLB.
fn files(b: &Bench, handler: usize, flb: usize) {
    for round in 0..ROUNDS {
        let preserved = b.preserve(handler);
        b.note_unless(preserved.is_ok() || preserved == err(EIO));
        if preserved.is_err() {
            continue;
        }
        b.use_preserved(flb);
        // Now and then there are two.
        if round % 3 == 0 && b.preserve(handler).is_ok() {
            b.use_preserved(flb);
            b.unpreserve(handler);
        }
        b.unpreserve(handler);
    }
}

/// Gets and puts what is preserved.
fn users(b: &Bench, flb: usize, rounds: usize) {
    for _ in 0..rounds {
        let used = b.use_outgoing(flb);
        b.note_unless(used.is_ok() || used == err(ENOENT));
        let_others_run();
    }
}

/// Gets and puts what is preserved at the very moment.
fn hasty_users(b: &Bench, flb: usize) {
    for _ in 0..20 * ROUNDS {
        b.use_alive(flb);
    }
}

/// Registers and unregisters an FLB with a handler that may have files, and has every other time.
fn registrations(b: &Bench, handler: usize, flb: usize) {
    for round in 0..ROUNDS {
        let has_file = round % 2 == 0 && b.preserve(handler).is_ok();
        let registered = b.register(handler, flb);
        b.note_unless(registered.is_ok() || registered == err(EBUSY));
        let_others_run();
        if registered.is_ok() {
            if has_file {
                // It had not left yet.
                b.use_preserved(flb);
            }
            b.unregister(handler, flb);
        }
        if has_file {
            b.unpreserve(handler);
        }
        let_others_run();
    }
}

/// Finishes a file, or uses what was handed over until it is finished, and then some.
fn arrive(b: &Bench, number: usize) {
    if number < 3 {
        let_others_run();
        b.finish(0);
        return;
    }
    let mut is_gone = [false; 2];
    for round in 0..20 {
        let flb = (number + round) % 2;
        match b.use_incoming(flb) {
            Ok(()) => b.note_unless(!is_gone[flb]),
            result => {
                // Who is told so is told it when `finish` has returned.
                b.note_unless(result == err(ENODATA) && b.lived_incoming(flb) == ended(1));
                is_gone[flb] = true;
            }
        }
    }
}

#[kunit_tests(luo_flb_races)]
mod suite {
    use super::*;

    #[test]
    fn files_of_two_handlers_and_users() -> Result {
        needs_kho();
        let b = Bench::racing(2, 3)?;
        b.setup()?;
        for handler in 0..2 {
            b.register_all(handler)?;
        }
        let all_ended = b.race(8, |b, number| match number {
            0..4 => files(b, number % 2, number / 2),
            4..6 => users(b, number % 2, ROUNDS),
            6 => hasty_users(b, 0),
            _ => users(b, 0, ROUNDS),
        })?;
        assert!(all_ended);
        assert_eq!(b.notes(), []);
        for flb in 0..3 {
            assert!(is_over(b.lived_outgoing(flb)));
            assert_eq!(b.peek(flb), Ok(None));
        }
        assert_eq!(b.preview()?.count(), 0);
        Ok(())
    }

    #[test]
    fn files_that_are_rolled_back() -> Result {
        needs_kho();
        let b = Bench::racing(2, 3)?;
        b.setup()?;
        for handler in 0..2 {
            b.register_all(handler)?;
        }
        b.set_failing(2, 2);
        let all_ended = b.race(5, |b, number| match number {
            0..3 => files(b, number % 2, 2),
            3 => users(b, 0, ROUNDS),
            _ => users(b, 1, ROUNDS),
        })?;
        assert!(all_ended);
        assert_eq!(b.notes(), []);
        for flb in 0..3 {
            assert!(is_over(b.lived_outgoing(flb)));
        }
        assert_eq!(b.preview()?.count(), 0);
        Ok(())
    }

    #[test]
    fn registration_and_files() -> Result {
        needs_kho();
        let b = Bench::racing(2, 3)?;
        b.setup()?;
        b.register(0, 0)?;
        b.register(1, 0)?;
        let all_ended = b.race(7, |b, number| match number {
            0..2 => files(b, number, 0),
            // One FLB comes and goes with both handlers, the other with one.
            2..4 => registrations(b, number - 2, 1),
            4 => registrations(b, 0, 2),
            5 => users(b, 1, ROUNDS),
            _ => users(b, 0, ROUNDS),
        })?;
        assert!(all_ended);
        assert_eq!(b.notes(), []);
        assert!(is_over(b.lived_outgoing(0)));
        for flb in 1..3 {
            let lived = b.lived_outgoing(flb);
            let begun = lived.begun;
            assert_eq!(lived, ended(begun));
        }
        // No registration is left but those that were not taken back.
        for handler in 0..2 {
            b.preserve(handler)?;
        }
        assert_eq!(b.preview()?.count(), 1);
        for handler in 0..2 {
            b.unpreserve(handler);
            assert_eq!(b.register(handler, 1), Ok(()));
        }
        Ok(())
    }

    #[test]
    fn handlers_that_are_forgotten() -> Result {
        let b = Bench::racing(3, 3)?;
        b.rename(2, &name(1));
        b.register(0, 0)?;
        let all_ended = b.race(7, |b, number| match number {
            0 => files(b, 0, 0),
            // Two FLBs want the same name, each with a handler that comes and goes.
            1..3 => {
                for _ in 0..ROUNDS {
                    let registered = b.register(number, number);
                    // Where it has files it is told so.
                    let expected = [Ok(()), err(EEXIST), err(EBUSY)];
                    b.note_unless(expected.contains(&registered));
                    let_others_run();
                }
            }
            _ => {
                let handler = 1 + number % 2;
                for _ in 0..ROUNDS {
                    let preserved = b.preserve(handler);
                    b.note_unless(preserved.is_ok());
                    let_others_run();
                    b.unpreserve(handler);
                    b.unregister_all(handler);
                }
            }
        })?;
        assert!(all_ended);
        assert_eq!(b.notes(), []);
        assert!(is_over(b.lived_outgoing(0)));
        for flb in 1..3 {
            let lived = b.lived_outgoing(flb);
            let begun = lived.begun;
            assert_eq!(lived, ended(begun));
        }
        // The name is free.
        b.unregister_all(1);
        b.unregister_all(2);
        for flb in 1..3 {
            assert_eq!(b.register(1, flb), Ok(()));
            b.unregister(1, flb);
        }
        Ok(())
    }

    #[test]
    fn puts_when_all_is_handed_over() -> Result {
        needs_kho();
        for race in 0..RACES {
            let b = Bench::racing(2, 2)?;
            b.setup()?;
            for flb in 0..2 {
                b.register(flb, flb)?;
                b.preserve(flb)?;
                for _ in 0..3 {
                    b.get_outgoing(flb)?;
                }
            }
            // FLB 0 is handed over; FLB 1 has references only, which are put.
            b.unpreserve(1);
            let all_ended = b.race(4, move |b, number| {
                // All come a little later or earlier than the last time.
                for _ in 0..(race * (number + 1)) % 8 {
                    let_others_run();
                }
                if number == 0 {
                    b.core.registry.lock().serialize();
                    b.close(0);
                } else {
                    b.put_outgoing(1);
                    b.put_outgoing(0);
                    users(b, 0, 20);
                }
            })?;
            assert!(all_ended);
            assert_eq!(b.notes(), []);
            let block = Block::of(&b)?;
            assert_eq!(block.count(), 1);
            assert!(block.is(0, &name(0), 1, 1));
            let kept = b.lived_outgoing(0);
            assert_eq!((kept.begun, kept.ended, kept.wrong), (1, 0, 0));
            assert_eq!(b.lived_outgoing(1), ended(1));
        }
        Ok(())
    }

    #[test]
    fn files_are_finished_and_objects_used() -> Result {
        // With and without somebody who asks for an object.
        for threads in [3, 4, 6] {
            for _ in 0..RACES {
                let b = Bench::racing(1, 2)?;
                b.receive(Block::full(2, 3)?.bytes())?;
                b.register_all(0)?;
                let all_ended = b.race(threads, arrive)?;
                assert!(all_ended);
                assert_eq!(b.notes(), []);
                for flb in 0..2 {
                    assert_eq!(b.lived_incoming(flb), ended(1));
                    assert_eq!(b.get(flb), err(ENODATA));
                }
            }
        }
        Ok(())
    }

    #[test]
    fn retrieve_fails_for_all() -> Result {
        for _ in 0..RACES {
            let b = Bench::racing(1, 1)?;
            b.receive(Block::full(1, 2)?.bytes())?;
            b.register_all(0)?;
            b.set_failing(0, 1);
            let all_ended = b.race(6, |b, number| match number {
                0..2 => b.finish(0),
                _ => {
                    for _ in 0..5 {
                        b.note_unless(b.use_incoming(0) == err(EIO));
                    }
                }
            })?;
            assert!(all_ended);
            assert_eq!(b.notes(), []);
            assert_eq!(b.lived_incoming(0), ended(0));
            assert_eq!(b.get(0), err(EIO));
            let retrieves = b.retrieves(0);
            assert!(retrieves == 1 || retrieves > 1 && !raw::RETRIEVES_ONCE);
        }
        Ok(())
    }
}
