// SPDX-License-Identifier: GPL-2.0

//! Callbacks that use the core: what must not hang, and what must work.

use super::support::{Call::*, *};
use crate::bindings::EDEADLK;
use kernel::prelude::*;

/// What a call is expected to note that would have to wait for itself.
const REFUSED: i32 = -(EDEADLK as i32);

#[kunit_tests(luo_flb_reentry)]
mod suite {
    use super::*;

    #[test]
    fn peek_outgoing_from_own_callback() -> Result {
        let b = Bench::new(1, 1)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, own| b.note(b.peek(own)));
            script.on_unpreserve = Some(|b, own| b.note(b.peek(own)));
        });
        b.register(0, 0)?;
        assert_eq!(b.preserve(0), Ok(()));
        assert_eq!(b.notes(), [REFUSED]);
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        b.unpreserve(0);
        assert_eq!(b.notes(), [REFUSED]);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn own_callback_is_refused_while_others_wait() -> Result {
        let b = Bench::new(1, 1)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, own| {
                b.entered.raise();
                b.release.wait(1);
                b.note(b.peek(own));
            });
        });
        b.register(0, 0)?;
        b.spawn(|b| b.note(b.preserve(0)))?;
        let entered = b.entered.wait(1);
        b.spawn(|b| b.note(b.peek(0)))?;
        let early = b.done.is(1);
        b.release.raise();
        assert!(b.done.wait(2));
        assert!(entered && !early);
        let notes = b.notes();
        assert_eq!(notes.len(), 3);
        assert_eq!(notes[0], REFUSED);
        assert_eq!(notes[1..], [0, 0]);
        Ok(())
    }

    #[test]
    fn get_outgoing_from_own_callback() -> Result {
        let b = Bench::new(1, 1)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, own| b.note(b.get_outgoing(own)));
            script.on_unpreserve = Some(|b, own| b.note(b.get_outgoing(own)));
        });
        b.register(0, 0)?;
        assert_eq!(b.preserve(0), Ok(()));
        assert_eq!(b.notes(), [REFUSED]);
        // Nothing was counted, so the file is the last.
        b.unpreserve(0);
        assert_eq!(b.notes(), [REFUSED]);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn put_outgoing_from_own_callback() -> Result {
        let b = Bench::new(1, 1)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, own| b.put_outgoing(own));
            script.on_unpreserve = Some(|b, own| b.put_outgoing(own));
        });
        b.register(0, 0)?;
        b.preserve(0)?;
        b.get_outgoing(0)?;
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0)]);
        b.put_outgoing(0);
        assert_eq!(b.calls(), [U(0)]);
        assert_eq!(b.preserve(0), Ok(()));
        assert_eq!(b.calls(), [P(0)]);
        Ok(())
    }

    #[test]
    fn get_incoming_from_own_callback() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.script(0, |script| {
            script.on_retrieve = Some(|b, own| b.note(b.get(own)));
            script.on_finish = Some(|b, own| b.note(b.get(own)));
        });
        assert_eq!(b.get(0), Ok(restored(0)));
        assert_eq!(b.notes(), [REFUSED]);
        b.put(0);
        b.finish(0);
        assert_eq!(b.notes(), [REFUSED]);
        assert_eq!(b.calls(), [R(0), F(0)]);
        Ok(())
    }

    #[test]
    fn put_incoming_from_own_callback() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.script(0, |script| {
            script.on_retrieve = Some(|b, own| b.put(own));
            script.on_finish = Some(|b, own| b.put(own));
        });
        b.get(0)?;
        b.finish(0);
        assert_eq!(b.calls(), [R(0)]);
        b.put(0);
        assert_eq!(b.calls(), [F(0)]);
        Ok(())
    }

    #[test]
    fn registration_from_a_callback_of_the_handler() -> Result {
        let b = Bench::new(1, 2)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, own| {
                b.note(b.register(0, 1));
                b.note(b.register(0, own));
                b.unregister(0, own);
            });
        });
        b.register(0, 0)?;
        assert_eq!(b.preserve(0), Ok(()));
        assert_eq!(b.notes(), [REFUSED, REFUSED]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        b.script(0, |script| script.on_preserve = None);
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0)]);
        Ok(())
    }

    #[test]
    fn files_of_the_handler_from_its_callback() -> Result {
        let b = Bench::new(1, 1)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, _| {
                b.note(b.preserve(0));
                b.unpreserve(0);
                b.finish(0);
            });
        });
        b.register(0, 0)?;
        assert_eq!(b.preserve(0), Ok(()));
        assert_eq!(b.notes(), [REFUSED]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn objects_of_other_flbs_from_a_callback() -> Result {
        let b = Bench::handed_over(2, 1)?;
        b.script(1, |script| {
            script.on_preserve = Some(|b, _| {
                b.note(b.peek(0));
                b.note(b.get(0));
            });
            script.on_retrieve = Some(|b, _| {
                b.note(b.get(0));
                b.put(0);
            });
            script.on_finish = Some(|b, _| b.put(0));
        });
        b.preserve(0)?;
        assert_eq!(b.notes(), [0, 0]);
        assert_eq!(b.calls(), [P(0), P(1), R(0)]);
        b.finish(0);
        assert_eq!(b.notes(), [0]);
        assert_eq!(b.calls(), [R(1), F(1), F(0)]);
        Ok(())
    }

    #[test]
    fn other_direction_from_a_callback() -> Result {
        let b = Bench::handed_over(1, 1)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, own| b.note(b.get(own)));
            script.on_unpreserve = Some(|b, own| b.put(own));
        });
        b.preserve(0)?;
        assert_eq!(b.notes(), [0]);
        assert_eq!(b.calls(), [P(0), R(0)]);
        b.finish(0);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0), F(0)]);
        Ok(())
    }
}
