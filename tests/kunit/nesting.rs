// SPDX-License-Identifier: GPL-2.0

//! What callbacks must not do, as locks are then taken in another order, and what works all the
//! same where nobody else is at it. Not with lockdep, which reports it.

use super::support::{Call::*, *};
use crate::bindings::EDEADLK;
use kernel::prelude::*;

#[kunit_tests(luo_flb_nesting)]
mod suite {
    use super::*;

    #[test]
    fn d4_what_has_left_is_not_looked_at() -> Result {
        let b = Bench::new(2, 3)?;
        b.rename(2, &name(1));
        b.script(0, |script| {
            script.on_unpreserve = Some(|b, _| b.note(b.register(1, 2)));
        });
        b.register(0, 0)?;
        b.register(0, 1)?;
        b.preserve(0)?;
        b.unregister(0, 0);
        b.unregister(0, 1);
        // When the callback of 0 runs, that of 1 has, and 1 may be gone. Its name is still taken.
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), P(1), U(1), U(0)]);
        assert_eq!(b.notes(), [EEXIST.to_errno()]);
        assert_eq!(b.register(1, 2), Ok(()));
        Ok(())
    }

    #[test]
    fn serialize_from_a_callback() -> Result {
        let b = Bench::set_up(1, 2)?;
        b.script(1, |script| {
            script.on_preserve = Some(|b, _| b.note(b.preview()))
        });
        b.register_all(0)?;
        assert_eq!(b.preserve(0), Ok(()));
        assert_eq!(b.notes(), [0]);
        // The file was not preserved by then.
        assert_eq!(Block::of(&b)?.count(), 0);
        assert_eq!(b.preview()?.count(), 2);
        Ok(())
    }

    #[test]
    fn registration_with_another_handler_from_a_callback() -> Result {
        let b = Bench::new(2, 2)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, _| b.note(b.register(1, 1)));
            script.on_unpreserve = Some(|b, _| b.unregister(1, 1));
        });
        b.register(0, 0)?;
        b.preserve(0)?;
        assert_eq!(b.notes(), [0]);
        b.preserve(1)?;
        b.unpreserve(1);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), P(1), U(1), U(0)]);
        b.preserve(1)?;
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn shared_flb_through_another_handler_from_own_callback() -> Result {
        let b = Bench::new(2, 1)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, _| b.note(b.preserve(1)));
            script.on_unpreserve = Some(|b, _| b.unpreserve(1));
        });
        b.register(0, 0)?;
        b.register(1, 0)?;
        assert_eq!(b.preserve(0), Ok(()));
        assert_eq!(b.notes(), [-(EDEADLK as i32)]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }
}
