// SPDX-License-Identifier: GPL-2.0

//! What stays as it is once the block has been written for the next kernel.

use super::support::{Call::*, *};
use crate::bindings::{EBUSY, EINVAL, ENOENT, EOPNOTSUPP};
use kernel::{prelude::*, sync::Arc};

/// Two FLBs that are preserved, and a reference to the first, when all has been serialized.
fn frozen() -> Result<(Arc<Bench>, Block)> {
    let b = Bench::set_up(2, 2)?;
    b.register_all(0)?;
    b.preserve(0)?;
    b.preserve(0)?;
    b.get_outgoing(0)?;
    b.core.serialize();
    b.calls();
    let block = Block::of(&b)?;
    Ok((b, block))
}

/// Nothing has been called, and serialized again the block is the same.
fn is_unchanged(b: &Bench, block: &Block) -> Result<bool> {
    b.core.serialize();
    Ok(b.is_quiet() && Block::of(b)?.bytes() == block.bytes())
}

#[kunit_tests(luo_flb_frozen)]
mod suite {
    use super::*;

    #[test]
    fn d10_put_of_the_last_reference_unpreserves_nothing() -> Result {
        let (b, block) = frozen()?;
        b.unpreserve(0);
        b.unpreserve(0);
        b.put_outgoing(0);
        b.put_outgoing(0);
        assert!(is_unchanged(&b, &block)?);
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        assert_eq!(b.peek(1), Ok(Some(obj(1))));
        Ok(())
    }

    #[test]
    fn d10_flb_that_is_not_handed_over_stays_as_it_is_too() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        b.get_outgoing(0)?;
        b.unpreserve(0);
        b.core.serialize();
        let block = Block::of(&b)?;
        assert_eq!(block.count(), 0);
        b.put_outgoing(0);
        assert_eq!(b.calls(), [P(0)]);
        assert!(is_unchanged(&b, &block)?);
        assert_eq!(b.peek(0), Ok(Some(obj(0))));
        Ok(())
    }

    #[test]
    fn file_is_ebusy() -> Result {
        let (b, block) = frozen()?;
        b.register(1, 0)?;
        assert_eq!(b.preserve(0), err(EBUSY));
        assert_eq!(b.preserve(1), err(EBUSY));
        assert!(is_unchanged(&b, &block)?);
        // Before that, the usual errors.
        assert_eq!(b.core.preserve_file(None), err(EINVAL));
        let off = Bench::switched(false, 1, 0)?;
        off.core.serialize();
        assert_eq!(off.preserve(0), err(EOPNOTSUPP));
        Ok(())
    }

    #[test]
    fn block_is_written_once() -> Result {
        let (b, block) = frozen()?;
        assert_eq!(block.count(), 2);
        assert!(block.is(0, &name(0), data(0), 2));
        assert!(block.is(1, &name(1), data(1), 2));
        b.set_files(0, 7);
        b.script(1, |script| script.data = 1);
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
        let c = Bench::new(0, 1)?;
        c.core.serialize();
        assert_eq!(c.get_outgoing(0), err(ENOENT));
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
        b.core.serialize();
        assert_eq!(b.get(0), Ok(restored(0)));
        b.put(0);
        b.put(0);
        b.finish(0);
        assert_eq!(b.calls(), [R(0), R(1), F(1), F(0)]);
        Ok(())
    }

    #[test]
    fn nothing_changes_without_a_block_either() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        b.core.serialize();
        assert!(Block::of(&b).is_err());
        b.unpreserve(0);
        assert_eq!(b.preserve(0), err(EBUSY));
        assert_eq!(b.calls(), [P(0)]);
        Ok(())
    }

    #[test]
    fn file_that_was_called_off_before_is_not_handed_over() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        b.script(0, |script| {
            script.on_unpreserve = Some(|b, _| {
                b.entered.raise();
                b.release.wait(1);
            });
        });
        b.spawn(|b| b.unpreserve(0))?;
        let entered = b.entered.wait(1);
        b.spawn(|b| b.core.serialize())?;
        let early = b.done.is(1);
        b.release.raise();
        assert!(b.done.wait(2));
        assert!(entered);
        assert!(!early);
        assert_eq!(b.calls(), [P(0), U(0)]);
        assert_eq!(Block::of(&b)?.count(), 0);
        Ok(())
    }
}
