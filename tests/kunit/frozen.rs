// SPDX-License-Identifier: GPL-2.0

//! What happens once the array has been written for the next kernel. The orchestrator has its
//! sessions locked for good by then, so no file comes or goes.

use super::support::{Call::*, *};
use kernel::{prelude::*, sync::Arc};

/// Two FLBs that are preserved, and a reference to the first, when all has been serialized.
fn frozen() -> Result<(Arc<Bench>, Block)> {
    let b = Bench::set_up(2, 2)?;
    b.register_all(0)?;
    b.preserve(0)?;
    b.preserve(0)?;
    b.get_outgoing(0)?;
    b.core.registry.lock().serialize();
    b.calls();
    let block = Block::of(&b)?;
    Ok((b, block))
}

/// Nothing has been called, and serialized again the block is the same.
fn is_unchanged(b: &Bench, block: &Block) -> Result<bool> {
    b.core.registry.lock().serialize();
    Ok(b.is_quiet() && Block::of(b)?.bytes() == block.bytes())
}

#[kunit_tests(luo_flb_frozen)]
mod suite {
    use super::*;

    #[test]
    fn d10_put_of_the_last_reference_unpreserves_nothing() -> Result {
        let (b, block) = frozen()?;
        b.put_outgoing(0);
        b.put_outgoing(0);
        assert!(is_unchanged(&b, &block)?);
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        assert_eq!(b.peek(1), Ok(Some(obj(1))));
        Ok(())
    }

    #[test]
    fn last_reference_to_what_is_not_handed_over_unpreserves() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        b.get_outgoing(0)?;
        b.unpreserve(0);
        b.core.registry.lock().serialize();
        let block = Block::of(&b)?;
        assert_eq!(block.count(), 0);
        b.put_outgoing(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        assert!(is_unchanged(&b, &block)?);
        Ok(())
    }

    #[test]
    fn references_can_still_be_got() -> Result {
        let (b, block) = frozen()?;
        assert_eq!(b.get_outgoing(0), Ok(obj(0)));
        assert_eq!(b.get_outgoing(1), Ok(obj(1)));
        b.put_outgoing(1);
        assert!(is_unchanged(&b, &block)?);
        Ok(())
    }

    #[test]
    fn registration_does_not_change_what_is_handed_over() -> Result {
        let (b, block) = frozen()?;
        assert_eq!(b.register(1, 1), Ok(()));
        b.unregister(1, 1);
        b.unregister(0, 0);
        b.unregister_all(0);
        assert!(is_unchanged(&b, &block)?);
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        Ok(())
    }

    #[test]
    fn incoming_objects_live_on() -> Result {
        let b = Bench::handed_over(2, 1)?;
        b.get(0)?;
        b.core.registry.lock().serialize();
        assert_eq!(b.get(0), Ok(restored(0)));
        b.put(0);
        b.put(0);
        b.finish(0);
        assert_eq!(b.calls(), [R(0), R(1), F(1), F(0)]);
        Ok(())
    }

    #[test]
    fn k3_serialization_waits_for_no_callback() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
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
        b.core.registry.lock().serialize();
        let still_runs = !b.done.is(1);
        b.release.raise();
        assert!(b.done.wait(1));
        assert!(entered && still_runs);
        assert_eq!(b.calls(), [P(0), U(0)]);
        assert_eq!(Block::of(&b)?.count(), 0);
        Ok(())
    }
}
