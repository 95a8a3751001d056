// SPDX-License-Identifier: GPL-2.0

//! What a failed `retrieve` means for those who come later; see [`after_failure`].

use super::support::{Call::*, *};
use crate::bindings::{EINVAL, EIO, ENODATA, ENODEV, ENOENT};
use kernel::prelude::*;

#[kunit_tests(luo_flb_failures)]
mod suite {
    use super::*;

    #[test]
    fn next_caller_is_told_the_same() -> Result {
        // Errors that the core has itself are kept too, if it is the callback that returns them.
        for errno in [1, ENOENT, EIO, ENODEV, ENODATA, 517, 4095] {
            let b = Bench::handed_over(1, 1)?;
            b.script(0, |script| script.retrieve = -(errno as i32));
            assert_eq!(b.get(0), err(errno));
            assert_eq!(b.get(0), err(errno));
            assert_eq!(b.calls(), after_failure(&[R(0), R(0)][..], &[R(0)]));
            b.script(0, |script| script.retrieve = 0);
            assert_eq!(b.get(0), after_failure(Ok(restored(0)), err(errno)));
        }
        Ok(())
    }

    #[test]
    fn other_flb_of_the_name_is_told_the_same() -> Result {
        let b = Bench::new(1, 2)?;
        b.rename(1, &name(0));
        b.receive(Block::full(1, 1)?.bytes())?;
        b.script(0, |script| script.retrieve = -(EIO as i32));
        b.script(1, |script| script.retrieve = -(ENODATA as i32));
        assert_eq!(b.get(0), err(EIO));
        assert_eq!(b.get(1), after_failure(err(ENODATA), err(EIO)));
        assert_eq!(b.calls(), after_failure(&[R(0), R(1)][..], &[R(0)]));
        Ok(())
    }

    #[test]
    fn other_flbs_are_not_affected() -> Result {
        let b = Bench::handed_over(3, 1)?;
        b.script(1, |script| script.retrieve = -(EIO as i32));
        assert_eq!(b.get(1), err(EIO));
        assert_eq!(b.get(0), Ok(restored(0)));
        b.put(0);
        assert_eq!(b.calls(), [R(1), R(0)]);
        b.finish(0);
        let expected = after_failure(&[R(2), F(2), R(1), F(0)][..], &[R(2), F(2), F(0)]);
        assert_eq!(b.calls(), expected);
        Ok(())
    }

    #[test]
    fn files_end_nothing_that_has_failed() -> Result {
        let b = Bench::handed_over(1, 2)?;
        b.script(0, |script| script.retrieve = -(EIO as i32));
        assert_eq!(b.get(0), err(EIO));
        assert_eq!(b.calls(), [R(0)]);
        b.put(0);
        b.finish(0);
        assert!(b.is_quiet());
        b.finish(0);
        assert_eq!(b.calls(), after_failure(&[R(0)][..], &[]));
        // Now it is final in any case.
        b.script(0, |script| script.retrieve = 0);
        b.finish(0);
        b.put(0);
        assert_eq!(b.get(0), err(EIO));
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn what_did_not_run_has_not_failed() -> Result {
        let b = Bench::new(1, 1)?;
        b.receive(Block::full(1, 1)?.bytes())?;
        let mut finish = None;
        b.edit_ops(0, |ops| finish = ops.finish.take());
        assert_eq!(b.get(0), err(EINVAL));
        b.edit_ops(0, |ops| ops.finish = finish);
        assert_eq!(b.get(0), Ok(restored(0)));
        assert_eq!(b.calls(), [R(0)]);
        Ok(())
    }

    #[cfg(CONFIG_MODULE_UNLOAD)]
    #[test]
    fn failure_holds_no_owner() -> Result {
        let owner = FakeModule::new()?;
        let b = Bench::handed_over(1, 1)?;
        b.set_owner(0, &owner);
        b.script(0, |script| script.retrieve = -(EIO as i32));
        assert_eq!(b.get(0), err(EIO));
        assert_eq!(owner.pins(), 0);
        // Who is told the same needs no owner.
        owner.leave();
        assert_eq!(b.get(0), after_failure(err(ENODEV), err(EIO)));
        b.finish(0);
        assert_eq!(owner.pins(), 0);
        Ok(())
    }

    #[test]
    fn failure_is_for_all_who_wait() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.script(0, |script| {
            script.retrieve = -(EIO as i32);
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
        assert!(b.done.wait(4));
        assert!(entered);
        assert_eq!(b.notes(), [-(EIO as i32); 4]);
        assert_eq!(b.calls(), after_failure(&[R(0); 4][..], &[R(0)]));
        Ok(())
    }
}
