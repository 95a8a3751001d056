// SPDX-License-Identifier: GPL-2.0

//! What `luo_flb.c` gets wrong, one case or more a defect, under its number.
//!
//! D9 is shown in `outgoing`, D10 in `frozen`, D12 in `handover`, and D17 in `reentry`.

use super::support::{Call::*, *};
use crate::bindings::{EBUSY, EEXIST, EINVAL, EIO, ENODATA, ENOENT, ENOMEM};
use kernel::prelude::*;

#[kunit_tests(luo_flb_defects)]
mod suite {
    use super::*;

    #[test]
    fn d1_nobody_gets_before_finish() -> Result {
        let b = Bench::handed_over(2, 1)?;
        b.finish(0);
        assert_eq!(b.calls(), [R(1), F(1), R(0), F(0)]);
        assert_eq!(b.seen(R(1)), (data(1), 0));
        assert_eq!(b.seen(F(1)), (0, restored(1)));
        b.finish(0);
        assert!(b.is_quiet());
        assert_eq!(b.get(0), err(ENODATA));
        Ok(())
    }

    #[test]
    fn d1_nobody_gets_and_there_are_several_files() -> Result {
        let b = Bench::handed_over(1, 3)?;
        b.finish(0);
        b.finish(0);
        assert!(b.is_quiet());
        b.finish(0);
        assert_eq!(b.calls(), [R(0), F(0)]);
        Ok(())
    }

    #[test]
    fn d1_get_comes_between_the_files() -> Result {
        let b = Bench::handed_over(1, 3)?;
        b.finish(0);
        b.get(0)?;
        b.put(0);
        b.finish(0);
        assert_eq!(b.calls(), [R(0)]);
        b.finish(0);
        assert_eq!(b.calls(), [F(0)]);
        Ok(())
    }

    #[test]
    fn d2_flb_that_was_not_handed_over() -> Result {
        let b = Bench::new(1, 3)?;
        let mut block = Block::new()?;
        block.push(&name(1), data(1), 1);
        b.receive(block.bytes())?;
        b.register_all(0)?;
        b.put(0);
        b.finish(0);
        assert_eq!(b.calls(), [R(1), F(1)]);
        // Nothing is left.
        assert_eq!(b.get(0), err(ENODATA));
        assert_eq!(b.get(1), err(ENODATA));
        b.put(2);
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn d3_registration_while_files_are_preserved() -> Result {
        let b = Bench::set_up(1, 2)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        assert_eq!(b.register(0, 1), err(EBUSY));
        b.preserve(0)?;
        assert_eq!(b.register(0, 1), err(EBUSY));
        let block = b.preview()?;
        assert_eq!(block.count(), 1);
        assert!(block.is(0, &name(0), data(0), 2));
        b.unpreserve(0);
        assert_eq!(b.register(0, 1), err(EBUSY));
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        assert_eq!(b.register(0, 1), Ok(()));
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0), P(1)]);
        Ok(())
    }

    #[test]
    fn d3_first_flb_of_a_handler_with_files() -> Result {
        let b = Bench::new(1, 1)?;
        b.preserve(0)?;
        assert_eq!(b.register(0, 0), err(EBUSY));
        b.unpreserve(0);
        assert!(b.is_quiet());
        assert_eq!(b.register(0, 0), Ok(()));
        Ok(())
    }

    #[test]
    fn d3_preserved_flb_gets_another_handler() -> Result {
        let b = Bench::set_up(2, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        assert_eq!(b.register(1, 0), Ok(()));
        b.preserve(1)?;
        b.preserve(1)?;
        assert!(b.preview()?.is(0, &name(0), data(0), 3));
        b.unpreserve(1);
        b.unpreserve(1);
        assert!(b.preview()?.is(0, &name(0), data(0), 1));
        assert_eq!(b.calls(), [P(0)]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn d4_unregistration_while_preserved() -> Result {
        let b = Bench::set_up(1, 2)?;
        b.register_all(0)?;
        b.preserve(0)?;
        b.preserve(0)?;
        b.unregister(0, 0);
        assert_eq!(b.calls(), [P(0), P(1)]);
        // Still there, still handed over.
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        let block = b.preview()?;
        assert_eq!(block.count(), 2);
        assert!(block.is(0, &name(0), data(0), 2));
        b.unpreserve(0);
        assert!(b.is_quiet());
        assert!(b.preview()?.is(0, &name(0), data(0), 1));
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(1), U(0)]);
        // Now it takes effect.
        assert_eq!(b.preview()?.count(), 0);
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(1)]);
        Ok(())
    }

    #[test]
    fn d4_file_preserved_after_the_unregistration() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        b.unregister(0, 0);
        b.preserve(0)?;
        assert!(b.preview()?.is(0, &name(0), data(0), 2));
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0)]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0)]);
        assert_eq!(b.preserve(0), Ok(()));
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn d4_name_and_room_are_kept_until_then() -> Result {
        let b = Bench::new(2, 2)?;
        b.rename(1, &name(0));
        b.register(0, 0)?;
        b.preserve(0)?;
        b.unregister(0, 0);
        assert_eq!(b.register(1, 1), err(EEXIST));
        b.unpreserve(0);
        assert_eq!(b.register(1, 1), Ok(()));
        Ok(())
    }

    #[test]
    fn d4_registration_calls_it_off() -> Result {
        let b = Bench::new(1, 2)?;
        b.register_all(0)?;
        b.preserve(0)?;
        b.unregister(0, 0);
        assert_eq!(b.register(0, 0), Ok(()));
        assert_eq!(b.register(0, 0), err(EEXIST));
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), P(1), U(1), U(0)]);
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0), P(1)]);
        b.unpreserve(0);
        b.unregister(0, 0);
        b.preserve(0)?;
        assert_eq!(b.calls(), [U(1), U(0), P(1)]);
        Ok(())
    }

    #[test]
    fn d4_twice_is_once() -> Result {
        let b = Bench::new(2, 1)?;
        b.register(0, 0)?;
        b.register(1, 0)?;
        b.preserve(0)?;
        b.unregister(0, 0);
        b.unregister(0, 0);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        b.preserve(1)?;
        assert_eq!(b.calls(), [P(0)]);
        Ok(())
    }

    #[test]
    fn d4_another_handler_keeps_it() -> Result {
        let b = Bench::set_up(2, 1)?;
        b.register(0, 0)?;
        b.register(1, 0)?;
        b.preserve(0)?;
        b.unregister(1, 0);
        b.unregister(0, 0);
        b.preserve(1)?;
        assert!(b.preview()?.is(0, &name(0), data(0), 1));
        b.unpreserve(1);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn d4_failing_file_does_not_end_it() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        b.script(0, |script| script.preserve = -(EIO as i32));
        assert_eq!(b.preserve(0), err(EIO));
        b.script(0, |script| script.preserve = 0);
        b.unregister(0, 0);
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0)]);
        Ok(())
    }

    #[test]
    fn d5_retried_retrieve_keeps_the_count() -> Result {
        let b = Bench::handed_over(1, 3)?;
        b.script(0, |script| script.retrieve = -(EIO as i32));
        assert_eq!(b.get(0), err(EIO));
        b.finish(0);
        assert_eq!(b.get(0), err(EIO));
        b.script(0, |script| script.retrieve = -(ENOMEM as i32));
        assert_eq!(b.get(0), after_failure(err(ENOMEM), err(EIO)));
        b.script(0, |script| script.retrieve = 0);
        assert_eq!(b.get(0), after_failure(Ok(restored(0)), err(EIO)));
        assert_eq!(b.calls(), after_failure(&[R(0); 4][..], &[R(0)]));
        b.put(0);
        b.finish(0);
        assert!(b.is_quiet());
        b.finish(0);
        assert_eq!(b.calls(), after_failure(&[F(0)][..], &[]));
        Ok(())
    }

    #[test]
    fn d5_retry_gets_the_same_data() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.script(0, |script| script.retrieve = -(EIO as i32));
        assert_eq!(b.get(0), err(EIO));
        b.script(0, |script| script.retrieve = 0);
        b.finish(0);
        assert_eq!(b.seen(R(0)), (data(0), 0));
        assert_eq!(b.calls(), after_failure(&[R(0), R(0), F(0)][..], &[R(0)]));
        Ok(())
    }

    #[test]
    fn d6_retrieve_fails_at_the_last_file() -> Result {
        let b = Bench::handed_over(2, 1)?;
        b.script(0, |script| script.retrieve = -(EIO as i32));
        b.finish(0);
        assert_eq!(b.calls(), [R(1), F(1), R(0)]);
        // That was the end of it.
        b.script(0, |script| script.retrieve = 0);
        assert_eq!(b.get(0), err(EIO));
        b.finish(0);
        b.put(0);
        assert_eq!(b.get(0), err(EIO));
        assert!(b.is_quiet());
        assert_eq!(b.get(1), err(ENODATA));
        Ok(())
    }

    #[test]
    fn d6_odd_result_at_the_last_file() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.script(0, |script| script.retrieve = 7);
        b.finish(0);
        assert_eq!(b.calls(), [R(0)]);
        assert_eq!(b.get(0), err(EINVAL));
        assert!(b.is_quiet());
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn d6_owner_goes_away_at_the_last_file() -> Result {
        let owner = FakeModule::new()?;
        let b = Bench::handed_over(1, 1)?;
        b.set_owner(0, &owner);
        owner.leave();
        b.finish(0);
        assert!(b.is_quiet());
        owner.stay();
        assert_eq!(b.get(0), err(crate::bindings::ENODEV));
        assert_eq!(owner.pins(), 0);
        Ok(())
    }

    #[test]
    fn d7_second_object_of_the_name_after_finish() -> Result {
        let b = Bench::handed_over(2, 1)?;
        b.rename(1, &name(0));
        b.get(0)?;
        b.put(0);
        b.unregister(0, 1);
        b.finish(0);
        assert_eq!(b.calls(), [R(0), F(0)]);
        assert_eq!(b.get(1), err(ENODATA));
        b.unregister(0, 0);
        b.register(0, 1)?;
        b.finish(0);
        assert_eq!(b.get(1), err(ENODATA));
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn d7_second_object_of_the_name_while_live() -> Result {
        let b = Bench::new(1, 2)?;
        b.rename(1, &name(0));
        b.receive(Block::full(1, 1)?.bytes())?;
        b.get(0)?;
        assert_eq!(b.get(1), err(EBUSY));
        // It holds nothing that it could put.
        b.put(1);
        b.put(1);
        assert_eq!(b.calls(), [R(0)]);
        // The file counts for the entry, and the object goes back to who made it.
        b.register(0, 1)?;
        b.finish(0);
        assert!(b.is_quiet());
        b.put(0);
        assert_eq!(b.calls(), [F(0)]);
        assert_eq!(b.seen(F(0)), (0, restored(0)));
        Ok(())
    }

    #[test]
    fn d7_last_file_comes_with_the_second_object() -> Result {
        let b = Bench::new(1, 2)?;
        b.rename(1, &name(0));
        b.receive(Block::full(1, 1)?.bytes())?;
        b.get(0)?;
        b.put(0);
        b.register(0, 1)?;
        b.finish(0);
        assert_eq!(b.calls(), [R(0), F(0)]);
        assert_eq!(b.seen(F(0)), (0, restored(0)));
        Ok(())
    }

    #[test]
    fn d7_second_object_of_the_name_after_failure() -> Result {
        let b = Bench::new(1, 2)?;
        b.rename(1, &name(0));
        b.receive(Block::full(1, 1)?.bytes())?;
        b.script(0, |script| script.retrieve = -(EIO as i32));
        assert_eq!(b.get(0), err(EIO));
        // Nobody owns the object yet, or there will never be one.
        assert_eq!(b.get(1), after_failure(Ok(restored(1)), err(EIO)));
        assert_eq!(b.get(0), after_failure(err(EBUSY), err(EIO)));
        assert_eq!(b.seen(R(1)), after_failure((data(0), 0), NEVER));
        Ok(())
    }

    #[test]
    fn d8_object_is_gone_with_the_last_file() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        b.peek(0)?;
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        assert_eq!(b.peek(0), Ok(None));
        Ok(())
    }

    #[test]
    fn d13_name_of_48_bytes() -> Result {
        let b = Bench::new(1, 2)?;
        let mut long = [b'n'; 48];
        b.rename(0, &long);
        assert_eq!(b.register(0, 0), err(EINVAL));
        b.receive(Block::full(1, 1)?.bytes())?;
        assert_eq!(b.get(0), err(EINVAL));
        long[47] = b'm';
        b.rename(1, &long);
        assert_eq!(b.register(0, 1), err(EINVAL));
        b.preserve(0)?;
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn d14_handler_that_was_never_registered_warns() -> Result {
        let b = Bench::new(1, 1)?;
        b.link(0, Link::Zeroed);
        assert_eq!(b.register(0, 0), err(EINVAL));
        // No lock was left behind.
        b.link(0, Link::Registered);
        assert_eq!(b.register(0, 0), Ok(()));
        b.unregister_all(0);
        Ok(())
    }

    #[test]
    fn d15_odd_results_of_preserve() -> Result {
        let b = Bench::new(1, 3)?;
        b.register_all(0)?;
        for result in [1, 22, i32::MAX, -4096, i32::MIN] {
            b.script(2, |script| script.preserve = result);
            assert_eq!(b.preserve(0), err(EINVAL));
            assert_eq!(b.calls(), [P(0), P(1), P(2), U(1), U(0)]);
            assert_eq!(b.peek(2), Ok(None));
        }
        Ok(())
    }

    #[test]
    fn d15_odd_results_of_retrieve() -> Result {
        for result in [1, 22, i32::MAX, -4096, i32::MIN] {
            let b = Bench::handed_over(1, 1)?;
            b.script(0, |script| script.retrieve = result);
            assert_eq!(b.get(0), err(EINVAL));
            assert_eq!(b.calls(), [R(0)]);
            b.script(0, |script| script.retrieve = 0);
            assert_eq!(b.get(0), after_failure(Ok(restored(0)), err(EINVAL)));
        }
        Ok(())
    }

    #[test]
    fn d18_null_object_is_an_object() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        b.script(0, |script| script.obj = 0);
        b.preserve(0)?;
        assert_eq!(b.peek(0), Ok(Some(0)));
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0)]);
        assert!(b.preview()?.is(0, &name(0), data(0), 2));
        b.unpreserve(0);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0)]);
        assert_eq!(b.seen(U(0)), (data(0), 0));
        assert_eq!(b.peek(0), Ok(None));
        Ok(())
    }

    #[test]
    fn d18_reference_to_a_null_object_is_one() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        b.script(0, |script| {
            script.data = 0;
            script.obj = 0;
        });
        b.preserve(0)?;
        assert_eq!(b.get_outgoing(0), Ok(0));
        b.unpreserve(0);
        assert_eq!(b.get_outgoing(0), Ok(0));
        b.put_outgoing(0);
        assert_eq!(b.calls(), [P(0)]);
        b.put_outgoing(0);
        assert_eq!(b.calls(), [U(0)]);
        assert_eq!(b.seen(U(0)), (0, 0));
        assert_eq!(b.get_outgoing(0), err(ENOENT));
        Ok(())
    }

    #[test]
    fn d18_data_of_zero_is_data() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        b.script(0, |script| {
            script.data = 0;
            script.obj = 0;
        });
        b.preserve(0)?;
        assert!(b.preview()?.is(0, &name(0), 0, 1));
        Ok(())
    }

    #[test]
    fn d19_slow_callback_does_not_hold_up_others() -> Result {
        let b = Bench::handed_over(2, 1)?;
        b.unregister_all(0);
        let c = Bench::new(2, 2)?;
        c.register(0, 0)?;
        // Waits until the test lets it go; notes whether it had to give up.
        c.script(0, |script| {
            script.on_preserve = Some(|c, _| {
                c.entered.raise();
                c.note(c.release.wait(1).then_some(()).ok_or(ETIMEDOUT));
            });
        });
        c.spawn(|c| c.note(c.preserve(0)))?;
        let entered = c.entered.wait(1);
        let registered = c.register(1, 1);
        let preserved = c.preserve(1);
        let object = c.peek(1);
        c.unpreserve(1);
        c.unregister(1, 1);
        c.unregister_all(1);
        // Another instance has no lock that is held long either.
        let other = b.register(0, 0);
        c.release.raise();
        assert!(c.done.wait(1));
        assert!(entered);
        assert_eq!(registered, Ok(()));
        assert_eq!(preserved, Ok(()));
        assert_eq!(object, Ok(Some(obj(1))));
        assert_eq!(other, Ok(()));
        assert_eq!(c.notes(), [0, 0]);
        assert_eq!(c.calls(), [P(0), P(1), U(1)]);
        Ok(())
    }

    #[test]
    fn d19_slow_retrieve_does_not_hold_up_others() -> Result {
        let b = Bench::handed_over(2, 1)?;
        b.script(0, |script| {
            script.on_retrieve = Some(|b, _| {
                b.entered.raise();
                b.note(b.release.wait(1).then_some(()).ok_or(ETIMEDOUT));
            });
        });
        b.spawn(|b| b.note(b.get(0)))?;
        let entered = b.entered.wait(1);
        let got = b.get(1);
        b.unregister(0, 1);
        let registered = b.register(0, 1);
        let preserved = b.preserve(0);
        b.unpreserve(0);
        b.release.raise();
        assert!(b.done.wait(1));
        assert!(entered);
        assert_eq!(got, Ok(restored(1)));
        assert_eq!(registered, Ok(()));
        assert_eq!(preserved, Ok(()));
        assert_eq!(b.notes(), [0, 0]);
        Ok(())
    }
}
