// SPDX-License-Identifier: GPL-2.0

//! The outgoing direction: preserve, its rollback, unpreserve, and who owns what meanwhile.

use super::support::{Call::*, *};
use crate::{
    bindings::{EINVAL, EIO, ENODEV},
    raw::Direction,
    refs::MAX_REFERENCES,
};
use kernel::prelude::*;

#[kunit_tests(luo_flb_preserve)]
mod suite {
    use super::*;

    #[test]
    fn preserves_in_order_and_unpreserves_in_reverse() -> Result {
        let b = Bench::new(1, 4)?;
        b.register(0, 2)?;
        b.register(0, 0)?;
        b.register(0, 3)?;
        b.register(0, 1)?;
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(2), P(0), P(3), P(1)]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(1), U(3), U(0), U(2)]);
        Ok(())
    }

    #[test]
    fn first_and_last_file_count() -> Result {
        let b = Bench::new(1, 2)?;
        b.register_all(0)?;
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0), P(1)]);
        for _ in 0..99 {
            b.preserve(0)?;
        }
        for _ in 0..99 {
            b.unpreserve(0);
        }
        assert!(b.is_quiet());
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(1), U(0)]);
        Ok(())
    }

    #[test]
    fn again_after_the_last_file() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        for _ in 0..5 {
            b.preserve(0)?;
            b.unpreserve(0);
            assert_eq!(b.calls(), [P(0), U(0)]);
        }
        Ok(())
    }

    #[test]
    fn files_of_several_handlers_count_together() -> Result {
        let b = Bench::new(3, 2)?;
        for handler in 0..3 {
            b.register(handler, 0)?;
        }
        b.register(1, 1)?;
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0)]);
        b.preserve(1)?;
        assert_eq!(b.calls(), [P(1)]);
        b.preserve(2)?;
        b.unpreserve(0);
        assert!(b.is_quiet());
        b.unpreserve(1);
        assert_eq!(b.calls(), [U(1)]);
        b.unpreserve(2);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn handler_without_flbs() -> Result {
        let b = Bench::new(2, 1)?;
        b.register(0, 0)?;
        assert_eq!(b.preserve(1), Ok(()));
        b.unpreserve(1);
        b.finish(1);
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn failure_at_every_position_rolls_back() -> Result {
        for flbs in 1..=8 {
            for bad in 0..flbs {
                let b = Bench::new(1, flbs)?;
                b.register_all(0)?;
                b.script(bad, |script| script.preserve = -(EIO as i32));
                let mut expected = KVec::new();
                for flb in 0..=bad {
                    expected.push(P(flb), GFP_KERNEL)?;
                }
                for flb in (0..bad).rev() {
                    expected.push(U(flb), GFP_KERNEL)?;
                }
                assert_eq!(b.preserve(0), err(EIO));
                assert_eq!(b.calls(), expected);
                for flb in 0..flbs {
                    assert_eq!(b.peek(flb), Ok(None));
                }
                // Nothing is left to release.
                b.unpreserve(0);
                assert!(b.is_quiet());
                // And nothing stands in the way.
                b.script(bad, |script| script.preserve = 0);
                assert_eq!(b.preserve(0), Ok(()));
                assert!(b.calls().len() == flbs);
                b.unpreserve(0);
                assert!(b.calls().len() == flbs);
            }
        }
        Ok(())
    }

    #[test]
    fn rollback_spares_what_other_files_need() -> Result {
        let b = Bench::new(2, 4)?;
        b.register(0, 0)?;
        b.register(0, 1)?;
        for flb in [0, 2, 1, 3] {
            b.register(1, flb)?;
        }
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0), P(1)]);
        b.script(3, |script| script.preserve = -(EIO as i32));
        assert_eq!(b.preserve(1), err(EIO));
        assert_eq!(b.calls(), [P(2), P(3), U(2)]);
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(1), U(0)]);
        Ok(())
    }

    #[test]
    fn rollback_keeps_the_earlier_files_of_the_handler() -> Result {
        let b = Bench::new(2, 2)?;
        b.register_all(0)?;
        b.preserve(0)?;
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0), P(1)]);
        // The count of files is at its limit, so one more is refused.
        b.set_files(0, MAX_REFERENCES);
        assert!(b.preserve(0).is_err());
        assert!(b.is_quiet());
        b.set_files(0, 2);
        b.unpreserve(0);
        assert!(b.is_quiet());
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(1), U(0)]);
        Ok(())
    }

    #[test]
    fn errno_of_the_callback_is_returned() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        for errno in [1, 5, 12, 16, 61, 517, 4095] {
            b.script(0, |script| script.preserve = -errno);
            assert_eq!(b.preserve(0), err(errno as u32));
        }
        Ok(())
    }

    #[test]
    fn callbacks_get_what_the_header_says() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        assert_eq!(b.seen(P(0)), (0, 0));
        b.unpreserve(0);
        assert_eq!(b.seen(U(0)), (data(0), obj(0)));
        // Nothing is left over from the last time.
        b.preserve(0)?;
        assert_eq!(b.seen(P(0)), (0, 0));
        Ok(())
    }

    #[test]
    fn each_flb_gets_its_own_data() -> Result {
        let b = Bench::new(1, 5)?;
        b.register_all(0)?;
        b.preserve(0)?;
        b.unpreserve(0);
        for flb in 0..5 {
            assert_eq!(b.seen(U(flb)), (data(flb), obj(flb)));
        }
        Ok(())
    }

    #[test]
    fn object_is_seen_while_there_are_files() -> Result {
        let b = Bench::new(1, 1)?;
        // An FLB that nobody has registered is not preserved either.
        assert_eq!(b.peek(0), Ok(None));
        b.register(0, 0)?;
        assert_eq!(b.peek(0), Ok(None));
        b.preserve(0)?;
        b.preserve(0)?;
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        b.unpreserve(0);
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        b.unpreserve(0);
        assert_eq!(b.peek(0), Ok(None));
        Ok(())
    }

    #[test]
    fn private_area_tells_what_is_preserved() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        for _ in 0..2 {
            b.preserve(0)?;
            assert_eq!(b.described(0, Direction::Outgoing), (data(0), obj(0)));
            b.unpreserve(0);
            assert_eq!(b.described(0, Direction::Outgoing), (0, 0));
        }
        Ok(())
    }

    #[test]
    fn seeing_takes_no_reference() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        for _ in 0..3 {
            assert_eq!(b.peek(0), Ok(Some(obj(0))));
        }
        assert!(b.preview()?.is(0, &name(0), data(0), 1));
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn what_a_failed_preserve_leaves_is_ignored() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        b.script(0, |script| script.preserve = -(EIO as i32));
        assert_eq!(b.preserve(0), err(EIO));
        assert_eq!(b.peek(0), Ok(None));
        assert!(b.preview()?.count() == 0);
        Ok(())
    }

    #[test]
    fn unpreserve_without_preserve() -> Result {
        let b = Bench::new(2, 1)?;
        b.register(0, 0)?;
        b.unpreserve(0);
        b.unpreserve(1);
        assert!(b.is_quiet());
        b.preserve(0)?;
        b.unpreserve(0);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn unpreserve_spares_what_other_handlers_preserved() -> Result {
        let b = Bench::new(2, 1)?;
        b.register(0, 0)?;
        b.register(1, 0)?;
        b.preserve(0)?;
        // No file of this handler is preserved.
        b.unpreserve(1);
        assert_eq!(b.calls(), [P(0)]);
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn owner_is_pinned_while_preserved() -> Result {
        let owner = FakeModule::new()?;
        let b = Bench::new(1, 1)?;
        b.set_owner(0, &owner);
        b.register(0, 0)?;
        assert_eq!(owner.pins(), 0);
        b.preserve(0)?;
        b.preserve(0)?;
        assert_eq!(owner.pins(), 1);
        b.unpreserve(0);
        assert_eq!(owner.pins(), 1);
        b.unpreserve(0);
        assert_eq!(owner.pins(), 0);
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn owner_is_pinned_during_callbacks() -> Result {
        let owner = FakeModule::new()?;
        let b = Bench::new(1, 1)?;
        b.set_owner(0, &owner);
        b.register(0, 0)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, own| b.note_number(b.pins(own)));
            script.on_unpreserve = Some(|b, own| b.note_number(b.pins(own)));
        });
        b.preserve(0)?;
        b.unpreserve(0);
        assert_eq!(b.notes(), [1, 1]);
        assert_eq!(owner.pins(), 0);
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn owner_is_let_go_when_preserve_fails() -> Result {
        let owner = FakeModule::new()?;
        let b = Bench::new(1, 2)?;
        b.set_owner(0, &owner);
        b.set_owner(1, &owner);
        b.register_all(0)?;
        b.script(1, |script| script.preserve = -(EIO as i32));
        assert_eq!(b.preserve(0), err(EIO));
        assert_eq!(owner.pins(), 0);
        b.script(1, |script| script.preserve = 1);
        assert_eq!(b.preserve(0), err(EINVAL));
        assert_eq!(owner.pins(), 0);
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn owner_that_is_going_away_is_enodev() -> Result {
        let owner = FakeModule::new()?;
        let b = Bench::new(1, 3)?;
        b.set_owner(1, &owner);
        b.register_all(0)?;
        owner.leave();
        assert_eq!(b.preserve(0), err(ENODEV));
        assert_eq!(b.calls(), [P(0), U(0)]);
        owner.stay();
        assert_eq!(b.preserve(0), Ok(()));
        assert_eq!(b.calls(), [P(0), P(1), P(2)]);
        // What is preserved already is counted on, even now.
        owner.leave();
        assert_eq!(b.preserve(0), Ok(()));
        b.unpreserve(0);
        assert!(b.is_quiet());
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(2), U(1), U(0)]);
        assert_eq!(owner.pins(), 0);
        Ok(())
    }

    #[test]
    fn preserved_once_by_many_threads() -> Result {
        let b = Bench::set_up(2, 1)?;
        b.register(0, 0)?;
        b.register(1, 0)?;
        // So that the others arrive meanwhile.
        b.script(0, |script| {
            script.on_preserve = Some(|b, _| {
                b.entered.raise();
                b.release.wait(1);
            });
        });
        b.spawn(|b| b.note(b.preserve(0)))?;
        let entered = b.entered.wait(1);
        b.spawn(|b| b.note(b.preserve(0)))?;
        b.spawn(|b| b.note(b.preserve(1)))?;
        let early = b.done.is(1);
        b.release.raise();
        assert!(b.done.wait(3));
        assert!(entered);
        assert!(!early);
        assert_eq!(b.notes(), [0; 3]);
        assert!(b.preview()?.is(0, &name(0), data(0), 3));
        b.unpreserve(1);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0)]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }
}
