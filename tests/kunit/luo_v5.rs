// SPDX-License-Identifier: GPL-2.0

//! The block is announced by a number, as from Linux 7.2 on. The core can do that on every series.

use super::support::{Call::*, *};
use crate::{
    abi::luo_v5::{Field, Received},
    bindings::{EINVAL, ENODATA, ENOENT},
};
use kernel::prelude::*;

/// A new core refuses this number, and says so to whoever asks for an entry.
fn is_refused(number: u64) -> Result<bool> {
    let b = Bench::new(1, 1)?;
    let refused = b.core.setup_incoming(Some(Received(number))) == err(EINVAL);
    // Not `ENODATA`: something was handed over.
    Ok(refused && b.get(0) == err(EINVAL) && b.is_quiet())
}

#[kunit_tests(luo_flb_luo_v5)]
mod suite {
    use super::*;

    #[test]
    fn setup_announces_an_empty_block() -> Result {
        needs_kho();
        let b = Bench::new(1, 1)?;
        let mut number = 0;
        assert_eq!(b.core.setup_outgoing(Some(Field(&mut number))), Ok(()));
        assert!(number != 0 && number % BLOCK as u64 == 0);
        let block = Block::of(&b)?;
        assert!(block.bytes().len() == BLOCK);
        assert_eq!(block.pages(), 1);
        assert_eq!(block.count(), 0);
        b.register(0, 0)?;
        b.preserve(0)?;
        assert!(b.preview()?.is(0, &name(0), data(0), 1));
        Ok(())
    }

    #[test]
    fn null_is_einval() -> Result {
        let b = Bench::new(1, 1)?;
        assert_eq!(b.core.setup_outgoing(None::<Field<'_>>), err(EINVAL));
        assert!(Block::of(&b).is_err());
        assert_eq!(b.core.setup_incoming(None::<Received>), err(EINVAL));
        Ok(())
    }

    #[test]
    fn zero_is_nothing() -> Result {
        let b = Bench::new(1, 1)?;
        assert_eq!(b.core.setup_incoming(Some(Received(0))), Ok(()));
        assert_eq!(b.get(0), err(ENODATA));
        b.register(0, 0)?;
        b.put(0);
        b.finish(0);
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn number_that_is_no_page_is_einval() -> Result {
        let page = BLOCK as u64;
        for number in [1, 8, page / 2, page - 1, page + 8, u64::MAX] {
            assert!(is_refused(number)?);
        }
        Ok(())
    }

    #[test]
    fn page_without_memory_is_einval() -> Result {
        for number in NOWHERE {
            assert!(is_refused(number)?);
        }
        Ok(())
    }

    #[test]
    fn page_is_taken_and_given_back() -> Result {
        let b = Bench::new(1, 3)?;
        let page = HandedOver::new(&Block::full(2, 1)?)?;
        let result = b.core.setup_incoming(Some(Received(page.address())));
        let is_free = page.is_given_back(&b);
        assert_eq!(result, Ok(()));
        assert!(is_free);
        assert_eq!(b.get(1), Ok(restored(1)));
        assert_eq!(b.seen(R(1)), (data(1), 0));
        assert_eq!(b.get(2), err(ENOENT));
        Ok(())
    }

    #[test]
    fn page_that_is_refused_is_kept() -> Result {
        let mut block = Block::full(2, 1)?;
        block.set_count(MOST as u64 + 1);
        let page = HandedOver::new(&block)?;
        let refused = is_refused(page.address());
        let taken = page.taken();
        page.free();
        assert!(refused?);
        assert_eq!(taken, 1);
        Ok(())
    }

    #[test]
    fn page_waits_until_the_number_is_right() -> Result {
        let b = Bench::new(1, 1)?;
        let page = HandedOver::new(&Block::full(1, 1)?)?;
        let refused = is_refused(page.address() + 8);
        let result = b.core.setup_incoming(Some(Received(page.address())));
        let is_free = page.is_given_back(&b);
        assert!(refused?);
        assert_eq!(result, Ok(()));
        assert!(is_free);
        assert_eq!(b.get(0), Ok(restored(0)));
        Ok(())
    }

    #[test]
    fn after_a_refusal_nothing_runs_for_what_was_handed_over() -> Result {
        let b = Bench::new(1, 2)?;
        assert_eq!(b.core.setup_incoming(Some(Received(1))), err(EINVAL));
        b.register_all(0)?;
        for _ in 0..2 {
            assert_eq!(b.get(0), err(EINVAL));
            b.put(0);
            b.finish(0);
        }
        assert!(b.is_quiet());
        // This kernel can hand over all the same.
        b.preserve(0)?;
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), P(1), U(1), U(0)]);
        assert_eq!(b.get(0), err(EINVAL));
        Ok(())
    }
}
