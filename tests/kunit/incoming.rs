// SPDX-License-Identifier: GPL-2.0

//! The incoming direction: get, put, finish.

use super::support::{Call::*, *};
use crate::{
    bindings::{EINVAL, EIO, ENODATA, ENODEV, ENOENT},
    raw::Direction,
};
use kernel::prelude::*;

#[kunit_tests(luo_flb_incoming)]
mod suite {
    use super::*;

    #[test]
    fn nothing_handed_over_is_enodata() -> Result {
        let b = Bench::new(1, 1)?;
        assert_eq!(b.get(0), err(ENODATA));
        b.register(0, 0)?;
        assert_eq!(b.get(0), err(ENODATA));
        b.put(0);
        b.finish(0);
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn unknown_name_is_enoent() -> Result {
        let b = Bench::new(1, 2)?;
        b.receive(Block::full(1, 1)?.bytes())?;
        assert_eq!(b.get(1), err(ENOENT));
        assert!(b.is_quiet());
        // A handover without FLBs is nothing.
        let b = Bench::new(1, 1)?;
        b.receive(Block::new()?.bytes())?;
        assert_eq!(b.get(0), err(ENODATA));
        Ok(())
    }

    #[test]
    fn get_works_before_registration() -> Result {
        let b = Bench::new(1, 1)?;
        b.receive(Block::full(1, 1)?.bytes())?;
        assert_eq!(b.get(0), Ok(restored(0)));
        assert_eq!(b.calls(), [R(0)]);
        b.put(0);
        b.register(0, 0)?;
        b.finish(0);
        assert_eq!(b.calls(), [F(0)]);
        Ok(())
    }

    #[test]
    fn get_with_a_bad_name_is_einval() -> Result {
        let b = Bench::new(1, 1)?;
        b.receive(Block::full(1, 1)?.bytes())?;
        b.rename(0, b"");
        assert_eq!(b.get(0), err(EINVAL));
        b.put(0);
        b.rename(0, &[b'x'; 48]);
        assert_eq!(b.get(0), err(EINVAL));
        b.put(0);
        Ok(())
    }

    #[test]
    fn get_without_callbacks_is_einval() -> Result {
        let b = Bench::new(1, 2)?;
        b.receive(Block::full(2, 1)?.bytes())?;
        b.remove_ops(0);
        b.edit_ops(1, |ops| ops.finish = None);
        assert_eq!(b.get(0), err(EINVAL));
        assert_eq!(b.get(1), err(EINVAL));
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn retrieved_once() -> Result {
        let b = Bench::handed_over(1, 1)?;
        for _ in 0..10 {
            assert_eq!(b.get(0), Ok(restored(0)));
        }
        assert_eq!(b.calls(), [R(0)]);
        for _ in 0..10 {
            b.put(0);
        }
        assert!(b.is_quiet());
        assert_eq!(b.get(0), Ok(restored(0)));
        b.put(0);
        assert!(b.is_quiet());
        b.finish(0);
        assert_eq!(b.calls(), [F(0)]);
        Ok(())
    }

    #[test]
    fn callbacks_get_what_the_header_says() -> Result {
        let b = Bench::handed_over(2, 1)?;
        b.get(0)?;
        assert_eq!(b.seen(R(0)), (data(0), 0));
        b.put(0);
        b.finish(0);
        assert_eq!(b.seen(R(1)), (data(1), 0));
        assert_eq!(b.seen(F(0)), (0, restored(0)));
        assert_eq!(b.seen(F(1)), (0, restored(1)));
        Ok(())
    }

    #[test]
    fn private_area_tells_what_is_retrieved() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.get(0)?;
        assert_eq!(b.described(0, Direction::Incoming), (data(0), restored(0)));
        b.put(0);
        b.finish(0);
        assert_eq!(b.described(0, Direction::Incoming), (0, 0));
        Ok(())
    }

    #[test]
    fn directions_do_not_meet() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.preserve(0)?;
        // Two references to each object.
        assert_eq!(b.get(0), Ok(restored(0)));
        assert_eq!(b.get(0), Ok(restored(0)));
        assert_eq!(b.get_outgoing(0), Ok(obj(0)));
        assert_eq!(b.get_outgoing(0), Ok(obj(0)));
        assert_eq!(exported_get_incoming(b.raw_flb(0)), (0, restored(0)));
        b.put(0);
        assert_eq!(b.calls(), [P(0), R(0)]);

        b.finish(0);
        b.put(0);
        assert!(b.is_quiet());
        b.put(0);
        assert_eq!(b.calls(), [F(0)]);

        b.unpreserve(0);
        b.put_outgoing(0);
        assert!(b.is_quiet());
        b.put_outgoing(0);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn finished_once_with_the_last_file() -> Result {
        for files in 1..=5 {
            let b = Bench::handed_over(1, files)?;
            b.get(0)?;
            b.put(0);
            for _ in 1..files {
                b.finish(0);
            }
            assert_eq!(b.calls(), [R(0)]);
            b.finish(0);
            assert_eq!(b.calls(), [F(0)]);
            b.finish(0);
            b.put(0);
            assert!(b.is_quiet());
            assert_eq!(b.get(0), err(ENODATA));
            assert!(b.is_quiet());
        }
        Ok(())
    }

    #[test]
    fn finishes_in_reverse_order() -> Result {
        let b = Bench::handed_over(3, 2)?;
        for flb in 0..3 {
            b.get(flb)?;
            b.put(flb);
        }
        assert_eq!(b.calls(), [R(0), R(1), R(2)]);
        b.finish(0);
        assert!(b.is_quiet());
        b.finish(0);
        assert_eq!(b.calls(), [F(2), F(1), F(0)]);
        Ok(())
    }

    #[test]
    fn reference_delays_finish_until_it_is_put() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.get(0)?;
        b.get(0)?;
        b.finish(0);
        assert_eq!(b.calls(), [R(0)]);
        b.put(0);
        assert!(b.is_quiet());
        b.put(0);
        assert_eq!(b.calls(), [F(0)]);
        assert_eq!(b.get(0), err(ENODATA));
        Ok(())
    }

    #[test]
    fn surplus_puts_do_not_count_as_files() -> Result {
        let b = Bench::handed_over(1, 2)?;
        b.put(0);
        b.get(0)?;
        b.put(0);
        b.put(0);
        b.put(0);
        b.finish(0);
        assert_eq!(b.calls(), [R(0)]);
        b.finish(0);
        assert_eq!(b.calls(), [F(0)]);
        Ok(())
    }

    #[test]
    fn surplus_files_do_not_count_as_references() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.get(0)?;
        b.finish(0);
        b.finish(0);
        b.finish(0);
        assert_eq!(b.calls(), [R(0)]);
        b.put(0);
        assert_eq!(b.calls(), [F(0)]);
        Ok(())
    }

    #[test]
    fn files_of_several_handlers_count_together() -> Result {
        let b = Bench::new(2, 1)?;
        b.receive(Block::full(1, 2)?.bytes())?;
        b.register(0, 0)?;
        b.register(1, 0)?;
        b.get(0)?;
        b.put(0);
        b.finish(0);
        assert_eq!(b.calls(), [R(0)]);
        b.finish(1);
        assert_eq!(b.calls(), [F(0)]);
        Ok(())
    }

    #[test]
    fn null_object_is_retrieved_once_too() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.script(0, |script| script.restored = 0);
        assert_eq!(b.get(0), Ok(0));
        assert_eq!(b.get(0), Ok(0));
        assert_eq!(b.calls(), [R(0)]);
        b.put(0);
        b.put(0);
        b.finish(0);
        assert_eq!(b.calls(), [F(0)]);
        assert_eq!(b.seen(F(0)), (0, 0));
        Ok(())
    }

    #[test]
    fn what_a_failed_retrieve_leaves_is_ignored() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.script(0, |script| {
            script.retrieve = -(EIO as i32);
            script.restored = 0xbad;
        });
        assert_eq!(b.get(0), err(EIO));
        b.script(0, |script| {
            script.retrieve = 0;
            script.restored = 0x600d;
        });
        assert_eq!(b.get(0), after_failure(Ok(0x600d), err(EIO)));
        b.put(0);
        b.finish(0);
        assert_eq!(b.calls(), after_failure(&[R(0), R(0), F(0)][..], &[R(0)]));
        assert_eq!(b.seen(F(0)), after_failure((0, 0x600d), NEVER));
        Ok(())
    }

    #[test]
    fn failed_retrieve_takes_no_reference() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.script(0, |script| script.retrieve = -(EIO as i32));
        assert_eq!(b.get(0), err(EIO));
        b.script(0, |script| script.retrieve = 0);
        assert_eq!(b.get(0), after_failure(Ok(restored(0)), err(EIO)));
        b.put(0);
        assert_eq!(b.calls(), after_failure(&[R(0), R(0)][..], &[R(0)]));
        b.finish(0);
        assert_eq!(b.calls(), after_failure(&[F(0)][..], &[]));
        Ok(())
    }

    #[test]
    fn directions_do_not_mix() -> Result {
        needs_kho();
        let b = Bench::handed_over(1, 1)?;
        b.setup()?;
        b.get(0)?;
        assert_eq!(b.peek(0), Ok(None));
        b.preserve(0)?;
        b.preserve(0)?;
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        assert_eq!(b.get(0), Ok(restored(0)));
        b.put(0);
        b.put(0);
        b.finish(0);
        assert_eq!(b.calls(), [R(0), P(0), F(0)]);
        assert!(b.preview()?.is(0, &name(0), data(0), 2));
        b.unpreserve(0);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn unregistered_flb_can_still_be_got_and_put() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.unregister(0, 0);
        assert_eq!(b.get(0), Ok(restored(0)));
        b.finish(0);
        b.put(0);
        // Its file cannot be finished, as nothing says that it depended on the FLB.
        assert_eq!(b.calls(), [R(0)]);
        b.register(0, 0)?;
        b.finish(0);
        assert_eq!(b.calls(), [F(0)]);
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn owner_is_pinned_while_live() -> Result {
        let owner = FakeModule::new()?;
        let b = Bench::handed_over(1, 1)?;
        b.set_owner(0, &owner);
        b.get(0)?;
        b.get(0)?;
        assert_eq!(owner.pins(), 1);
        b.put(0);
        b.put(0);
        assert_eq!(owner.pins(), 1);
        b.finish(0);
        assert_eq!(owner.pins(), 0);
        assert_eq!(b.get(0), err(ENODATA));
        assert_eq!(owner.pins(), 0);
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn owner_is_pinned_during_callbacks() -> Result {
        let owner = FakeModule::new()?;
        for get in [true, false] {
            let b = Bench::handed_over(1, 1)?;
            b.set_owner(0, &owner);
            b.script(0, |script| {
                script.on_retrieve = Some(|b, own| b.note_number(b.pins(own)));
                script.on_finish = Some(|b, own| b.note_number(b.pins(own)));
            });
            if get {
                b.get(0)?;
                b.put(0);
            }
            b.finish(0);
            assert_eq!(b.notes(), [1, 1]);
            assert_eq!(owner.pins(), 0);
        }
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn owner_is_let_go_when_retrieve_fails() -> Result {
        let owner = FakeModule::new()?;
        let b = Bench::handed_over(1, 1)?;
        b.set_owner(0, &owner);
        b.script(0, |script| script.retrieve = -(EIO as i32));
        assert_eq!(b.get(0), err(EIO));
        assert_eq!(owner.pins(), 0);
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn owner_that_is_going_away_is_enodev() -> Result {
        let owner = FakeModule::new()?;
        let b = Bench::handed_over(1, 1)?;
        b.set_owner(0, &owner);
        owner.leave();
        assert_eq!(b.get(0), err(ENODEV));
        assert!(b.is_quiet());
        // A module with the same FLB may come later.
        owner.stay();
        assert_eq!(b.get(0), Ok(restored(0)));
        assert_eq!(owner.pins(), 1);
        b.put(0);
        b.finish(0);
        assert_eq!(owner.pins(), 0);
        Ok(())
    }

    #[test]
    fn object_pointer_is_untouched_on_error() -> Result {
        // The kernel's own core: nothing was handed over under this name, if it is on at all.
        let b = Bench::new(0, 1)?;
        b.rename(0, b"luo-flb-kunit-unknown");
        let (result, left) = exported_get_incoming(b.raw_flb(0));
        assert!(result < 0);
        assert_eq!(left, UNTOUCHED);
        let (result, left) = exported_get_incoming(core::ptr::null_mut());
        assert!(result < 0);
        assert_eq!(left, UNTOUCHED);
        let (result, left) = exported_get_outgoing(core::ptr::null_mut());
        assert!(result < 0);
        assert_eq!(left, UNTOUCHED);
        for result in exported_get_nowhere(b.raw_flb(0)) {
            assert!(result < 0);
        }
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn retrieved_once_by_many_threads() -> Result {
        let b = Bench::handed_over(1, 1)?;
        // So that the others arrive meanwhile.
        b.script(0, |script| {
            script.on_retrieve = Some(|b, _| {
                b.entered.raise();
                b.release.wait(1);
            });
        });
        for _ in 0..4 {
            b.spawn(|b| b.note(b.get(0)))?;
        }
        let entered = b.entered.wait(1);
        b.release.raise();
        assert!(entered);
        assert!(b.done.wait(4));
        assert_eq!(b.notes(), [0; 4]);
        assert_eq!(b.calls(), [R(0)]);
        b.finish(0);
        for _ in 0..3 {
            b.put(0);
        }
        assert!(b.is_quiet());
        b.put(0);
        assert_eq!(b.calls(), [F(0)]);
        Ok(())
    }

    #[test]
    fn get_fails_once_finish_has_started() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.script(0, |script| {
            script.on_finish = Some(|b, _| {
                b.entered.raise();
                b.release.wait(1);
            });
        });
        b.spawn(|b| b.finish(0))?;
        let entered = b.entered.wait(1);
        b.spawn(|b| b.note(b.get(0)))?;
        let early = b.done.is(1);
        b.release.raise();
        assert!(b.done.wait(2));
        assert!(entered);
        assert!(!early);
        assert_eq!(b.notes(), [-(ENODATA as i32)]);
        assert_eq!(b.calls(), [R(0), F(0)]);
        Ok(())
    }
}
