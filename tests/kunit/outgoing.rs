// SPDX-License-Identifier: GPL-2.0

//! References to the object that `preserve` made: get and put beside the files.

use super::support::{Call::*, *};
use crate::bindings::{EIO, ENOENT, EOVERFLOW};
use kernel::{prelude::*, sync::Arc};

/// How often each thread of a test does what it does.
const ROUNDS: usize = 300;

/// Gets and puts the object of the first FLB; notes what must not be.
fn use_object(b: &Bench) {
    b.entered.raise();
    b.release.wait(1);
    for _ in 0..ROUNDS {
        match b.get_outgoing(0) {
            Ok(_) => {
                // Nobody takes away what is referred to.
                b.note_unless(b.peek(0) == Ok(Some(obj(0))));
                b.put_outgoing(0);
            }
            other => b.note_unless(other == err(ENOENT)),
        }
    }
}

/// One FLB that a file has preserved.
fn preserved(b: Arc<Bench>) -> Result<Arc<Bench>> {
    b.register(0, 0)?;
    b.preserve(0)?;
    b.calls();
    Ok(b)
}

#[kunit_tests(luo_flb_outgoing)]
mod suite {
    use super::*;

    #[test]
    fn nothing_preserved_is_enoent() -> Result {
        let b = Bench::new(1, 1)?;
        assert_eq!(b.get_outgoing(0), err(ENOENT));
        b.register(0, 0)?;
        assert_eq!(b.get_outgoing(0), err(ENOENT));
        b.preserve(0)?;
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        assert_eq!(b.get_outgoing(0), err(ENOENT));
        // That has not been counted.
        b.preserve(0)?;
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn failed_preserve_leaves_nothing_to_get() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        b.script(0, |script| script.preserve = -(EIO as i32));
        assert_eq!(b.preserve(0), err(EIO));
        assert_eq!(b.get_outgoing(0), err(ENOENT));
        Ok(())
    }

    #[test]
    fn references_come_and_go_beside_the_files() -> Result {
        let b = preserved(Bench::new(1, 1)?)?;
        for _ in 0..3 {
            assert_eq!(b.get_outgoing(0), Ok(obj(0)));
        }
        for _ in 0..3 {
            b.put_outgoing(0);
        }
        assert!(b.is_quiet());
        assert_eq!(b.get_outgoing(0), Ok(obj(0)));
        b.put_outgoing(0);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn object_outlives_the_last_file_until_the_last_put() -> Result {
        let b = preserved(Bench::new(1, 1)?)?;
        b.get_outgoing(0)?;
        b.unpreserve(0);
        assert!(b.is_quiet());
        // Who has none may still get one.
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        assert_eq!(b.get_outgoing(0), Ok(obj(0)));
        b.put_outgoing(0);
        assert!(b.is_quiet());
        b.put_outgoing(0);
        assert_eq!(b.calls(), [U(0)]);
        assert_eq!(b.seen(U(0)), (data(0), obj(0)));
        assert_eq!(b.get_outgoing(0), err(ENOENT));
        assert_eq!(b.peek(0), Ok(None));
        b.put_outgoing(0);
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn file_finds_the_object_that_a_reference_kept() -> Result {
        let b = preserved(Bench::set_up(1, 1)?)?;
        b.get_outgoing(0)?;
        b.unpreserve(0);
        b.script(0, |script| script.preserve = -(EIO as i32));
        assert_eq!(b.preserve(0), Ok(()));
        assert!(b.preview()?.is(0, &name(0), data(0), 1));
        b.put_outgoing(0);
        assert!(b.is_quiet());
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn preserved_anew_after_the_last_put() -> Result {
        let b = preserved(Bench::set_up(1, 1)?)?;
        for _ in 0..3 {
            b.get_outgoing(0)?;
            b.unpreserve(0);
            b.put_outgoing(0);
            b.preserve(0)?;
            assert_eq!(b.calls(), [U(0), P(0)]);
            assert!(b.preview()?.is(0, &name(0), data(0), 1));
        }
        Ok(())
    }

    #[test]
    fn surplus_puts_do_not_count_as_files() -> Result {
        let b = preserved(Bench::set_up(1, 1)?)?;
        b.put_outgoing(0);
        b.get_outgoing(0)?;
        b.put_outgoing(0);
        b.put_outgoing(0);
        assert!(b.is_quiet());
        assert!(b.preview()?.is(0, &name(0), data(0), 1));
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0)]);
        b.put_outgoing(0);
        assert_eq!(b.get_outgoing(0), err(ENOENT));
        // Nothing is owed to the next object.
        b.preserve(0)?;
        b.get_outgoing(0)?;
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0)]);
        Ok(())
    }

    #[test]
    fn surplus_files_do_not_count_as_references() -> Result {
        let b = preserved(Bench::new(1, 1)?)?;
        b.get_outgoing(0)?;
        b.get_outgoing(0)?;
        b.unpreserve(0);
        b.unpreserve(0);
        b.unpreserve(0);
        assert!(b.is_quiet());
        b.put_outgoing(0);
        b.put_outgoing(0);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn failing_file_leaves_references_alone() -> Result {
        let b = Bench::new(1, 2)?;
        b.register_all(0)?;
        b.preserve(0)?;
        b.get_outgoing(0)?;
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), P(1), U(1)]);
        b.script(1, |script| script.preserve = -(EIO as i32));
        assert_eq!(b.preserve(0), err(EIO));
        assert_eq!(b.calls(), [P(1)]);
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        b.put_outgoing(0);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn reference_outlives_the_registration() -> Result {
        let b = preserved(Bench::set_up(1, 1)?)?;
        b.get_outgoing(0)?;
        b.unregister(0, 0);
        b.unpreserve(0);
        assert!(b.is_quiet());
        assert_eq!(b.preview()?.count(), 0);
        b.put_outgoing(0);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn d9_references_are_not_handed_over_as_files() -> Result {
        let old = Bench::set_up(1, 2)?;
        old.register_all(0)?;
        old.preserve(0)?;
        for _ in 0..5 {
            old.get_outgoing(0)?;
        }
        let block = old.preview()?;
        assert_eq!(block.count(), 2);
        assert!(block.is(0, &name(0), data(0), 1));
        assert!(block.is(1, &name(1), data(1), 1));

        let new = Bench::new(1, 2)?;
        new.receive(block.bytes())?;
        new.register_all(0)?;
        new.finish(0);
        assert_eq!(new.calls(), [R(1), F(1), R(0), F(0)]);
        Ok(())
    }

    #[test]
    fn d9_flb_that_references_alone_hold_is_not_handed_over() -> Result {
        let b = preserved(Bench::set_up(1, 1)?)?;
        b.get_outgoing(0)?;
        b.unpreserve(0);
        assert_eq!(b.preview()?.count(), 0);
        b.preserve(0)?;
        assert!(b.preview()?.is(0, &name(0), data(0), 1));
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn most_references() -> Result {
        let b = preserved(Bench::set_up(1, 1)?)?;
        b.set_users(0, i32::MAX as u32 - 1);
        assert_eq!(b.get_outgoing(0), Ok(obj(0)));
        assert_eq!(b.get_outgoing(0), err(EOVERFLOW));
        // Files are counted apart.
        assert_eq!(b.preserve(0), Ok(()));
        assert!(b.preview()?.is(0, &name(0), data(0), 2));
        b.put_outgoing(0);
        assert_eq!(b.get_outgoing(0), Ok(obj(0)));
        b.set_users(0, 1);
        b.unpreserve(0);
        b.unpreserve(0);
        assert!(b.is_quiet());
        b.put_outgoing(0);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn owner_is_pinned_while_anybody_holds() -> Result {
        let owner = FakeModule::new()?;
        let b = Bench::new(1, 1)?;
        b.set_owner(0, &owner);
        b.script(0, |script| {
            script.on_unpreserve = Some(|b, own| b.note_number(b.pins(own)));
        });
        b.register(0, 0)?;
        b.preserve(0)?;
        // No more files could come, but references can.
        owner.leave();
        b.get_outgoing(0)?;
        b.get_outgoing(0)?;
        assert_eq!(owner.pins(), 1);
        b.unpreserve(0);
        b.put_outgoing(0);
        assert_eq!(owner.pins(), 1);
        b.put_outgoing(0);
        assert_eq!(b.notes(), [1]);
        assert_eq!(owner.pins(), 0);
        assert_eq!(b.get_outgoing(0), err(ENOENT));
        b.put_outgoing(0);
        assert_eq!(owner.pins(), 0);
        Ok(())
    }

    #[test]
    fn other_flbs_are_reached_from_a_callback() -> Result {
        let b = Bench::new(1, 2)?;
        b.script(1, |script| {
            script.on_preserve = Some(|b, _| b.note(b.get_outgoing(0)));
            script.on_unpreserve = Some(|b, _| b.put_outgoing(0));
        });
        b.register_all(0)?;
        b.preserve(0)?;
        assert_eq!(b.notes(), [0]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), P(1), U(1), U(0)]);
        Ok(())
    }

    #[test]
    fn get_and_file_wait_for_unpreserve() -> Result {
        let b = preserved(Bench::new(1, 1)?)?;
        b.get_outgoing(0)?;
        b.unpreserve(0);
        b.script(0, |script| {
            script.on_unpreserve = Some(|b, _| {
                b.entered.raise();
                b.release.wait(1);
            });
        });
        b.spawn(|b| b.put_outgoing(0))?;
        let entered = b.entered.wait(1);
        b.spawn(|b| b.note(b.get_outgoing(0)))?;
        let early = b.done.is(1);
        b.release.raise();
        assert!(b.done.wait(2));
        assert!(entered);
        assert!(!early);
        assert_eq!(b.notes(), [-(ENOENT as i32)]);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn threads_get_and_put_while_files_come_and_go() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        for _ in 0..3 {
            b.spawn(use_object)?;
        }
        let entered = b.entered.wait(3);
        b.release.raise();
        let mut preserved = 0;
        for _ in 0..ROUNDS {
            preserved += usize::from(b.preserve(0).is_ok());
            b.unpreserve(0);
        }
        assert!(b.done.wait(3));
        assert!(entered);
        assert_eq!(preserved, ROUNDS);
        assert_eq!(b.notes(), []);
        let calls = b.calls();
        assert!(!calls.is_empty());
        assert!(calls.chunks(2).all(|pair| pair == [P(0), U(0)]));
        assert_eq!(b.get_outgoing(0), err(ENOENT));
        Ok(())
    }

    #[test]
    fn exported_get_follows_the_series() -> Result {
        // The kernel's own core; the state is in the FLB.
        let b = Bench::new(1, 1)?;
        assert_eq!(exported_get_outgoing(b.raw_flb(0)), exported_nothing());
        b.register(0, 0)?;
        b.preserve(0)?;
        // An object that is alive is got even where live update is off.
        assert_eq!(exported_get_outgoing(b.raw_flb(0)), (0, obj(0)));
        b.unpreserve(0);
        // Linux 7.1 takes no reference.
        assert_eq!(b.calls().len(), if HAS_PUT_OUTGOING { 1 } else { 2 });
        exported_put_outgoing(b.raw_flb(0));
        assert_eq!(b.calls().len(), usize::from(HAS_PUT_OUTGOING));
        assert_eq!(exported_get_outgoing(b.raw_flb(0)), exported_nothing());
        exported_put_outgoing(b.raw_flb(0));
        exported_put_outgoing(core::ptr::null_mut());
        assert!(b.is_quiet());
        Ok(())
    }
}
