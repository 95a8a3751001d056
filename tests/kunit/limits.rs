// SPDX-License-Identifier: GPL-2.0

//! As much as there can be, and one more.

use super::support::{Call::*, *};
use crate::{
    bindings::{EINVAL, ENOSPC, EOVERFLOW},
    refs::{MAX_HANDLERS, MAX_REFERENCES},
};
use kernel::prelude::*;

#[kunit_tests(luo_flb_limits)]
mod suite {
    use super::*;

    #[test]
    fn as_many_as_fit_and_no_more() -> Result {
        let b = Bench::new(1, MOST + 1)?;
        for flb in 0..MOST {
            assert_eq!(b.register(0, flb), Ok(()));
        }
        assert_eq!(b.register(0, MOST), err(ENOSPC));
        b.preserve(0)?;
        assert!(b.calls().len() == MOST);
        b.unpreserve(0);
        let calls = b.calls();
        assert!(calls.len() == MOST);
        assert!(calls
            .iter()
            .rev()
            .enumerate()
            .all(|(nth, call)| *call == U(nth)));
        Ok(())
    }

    #[test]
    fn room_comes_back() -> Result {
        let b = Bench::new(1, MOST + 1)?;
        for flb in 0..MOST {
            b.register(0, flb)?;
        }
        for _ in 0..3 {
            assert_eq!(b.register(0, MOST), err(ENOSPC));
            b.unregister(0, 30);
            assert_eq!(b.register(0, MOST), Ok(()));
            assert_eq!(b.register(0, 30), err(ENOSPC));
            b.unregister(0, MOST);
            assert_eq!(b.register(0, 30), Ok(()));
        }
        b.unregister_all(0);
        for flb in (1..=MOST).rev() {
            assert_eq!(b.register(0, flb), Ok(()));
        }
        assert_eq!(b.register(0, 0), err(ENOSPC));
        Ok(())
    }

    #[test]
    fn sharing_takes_no_room() -> Result {
        let b = Bench::new(3, MOST + 1)?;
        for handler in 0..3 {
            for flb in 0..MOST {
                assert_eq!(b.register(handler, flb), Ok(()));
            }
        }
        assert_eq!(b.register(2, MOST), err(ENOSPC));
        // Room comes back with the last handler.
        b.unregister(0, 7);
        b.unregister(2, 7);
        assert_eq!(b.register(2, MOST), err(ENOSPC));
        b.unregister(1, 7);
        assert_eq!(b.register(2, MOST), Ok(()));
        Ok(())
    }

    #[test]
    fn failed_registrations_take_no_room() -> Result {
        let b = Bench::new(1, MOST + 1)?;
        b.rename(MOST, &name(0));
        b.register(0, 0)?;
        for _ in 0..100 {
            assert!(b.register(0, MOST).is_err());
        }
        for flb in 1..MOST {
            assert_eq!(b.register(0, flb), Ok(()));
        }
        Ok(())
    }

    #[test]
    fn longest_name() -> Result {
        let b = Bench::set_up(1, 2)?;
        let mut long = [b'n'; 47];
        b.rename(0, &long);
        long[46] = b'm';
        b.rename(1, &long);
        assert_eq!(b.register(0, 0), Ok(()));
        assert_eq!(b.register(0, 1), Ok(()));
        b.preserve(0)?;
        let block = b.preview()?;
        assert!(block.is(0, &[b'n'; 47], data(0), 1));
        assert!(block.is(1, &long, data(1), 1));

        let new = Bench::new(1, 2)?;
        new.rename(0, &[b'n'; 47]);
        new.rename(1, &long);
        new.receive(block.bytes())?;
        new.get(1)?;
        assert_eq!(new.seen(R(1)), (data(1), 0));
        new.get(0)?;
        assert_eq!(new.seen(R(0)), (data(0), 0));
        Ok(())
    }

    #[test]
    fn shortest_name() -> Result {
        let b = Bench::new(1, 1)?;
        b.rename(0, b"x");
        assert_eq!(b.register(0, 0), Ok(()));
        Ok(())
    }

    #[test]
    fn bytes_of_names_are_free() -> Result {
        let b = Bench::set_up(1, 2)?;
        b.rename(0, &[0xff; 47]);
        b.rename(1, b"\xff %s%n/\n");
        b.register_all(0)?;
        b.preserve(0)?;
        let block = b.preview()?;
        assert!(block.is(0, &[0xff; 47], data(0), 1));
        assert!(block.is(1, b"\xff %s%n/\n", data(1), 1));
        // Logged, not interpreted.
        b.unregister(0, 1);
        b.unregister(0, 1);
        Ok(())
    }

    #[test]
    fn most_files() -> Result {
        let b = Bench::set_up(2, 2)?;
        b.register_all(0)?;
        b.register(1, 1)?;
        b.preserve(0)?;
        b.preserve(1)?;
        b.set_files(0, MAX_REFERENCES - 1);
        assert_eq!(b.preserve(0), Ok(()));
        assert_eq!(b.preserve(0), err(EOVERFLOW));
        // The refusal is exact.
        let block = b.preview()?;
        assert!(block.has(&name(0), data(0), u64::from(MAX_REFERENCES)));
        assert!(block.has(&name(1), data(1), u64::from(MAX_REFERENCES) + 1));
        assert_eq!(b.calls(), [P(0), P(1)]);

        let new = Bench::new(1, 2)?;
        assert_eq!(new.receive(block.bytes()), Ok(()));
        Ok(())
    }

    #[test]
    fn most_files_of_most_handlers_can_be_handed_over() -> Result {
        let most = MAX_HANDLERS as usize;
        let b = Bench::set_up(most + 1, 1)?;
        for handler in 0..=most {
            b.register(handler, 0)?;
        }
        for handler in 0..most {
            b.preserve(handler)?;
            b.set_files(handler, MAX_REFERENCES);
            assert_eq!(b.preserve(handler), err(EOVERFLOW));
        }
        assert_eq!(b.preserve(most), err(EOVERFLOW));
        let block = b.preview()?;
        let files = u64::from(MAX_REFERENCES) * u64::from(MAX_HANDLERS);
        assert!(files <= 0x7fff_ffff);
        assert!(block.is(0, &name(0), data(0), files));
        assert_eq!(Bench::new(0, 0)?.receive(block.bytes()), Ok(()));
        // There is room for another one in place of it.
        b.set_files(6, 1);
        b.unpreserve(6);
        assert_eq!(b.preserve(most), Ok(()));
        assert_eq!(b.preserve(6), err(EOVERFLOW));
        assert_eq!(b.calls(), [P(0)]);
        Ok(())
    }

    #[test]
    fn many_handlers() -> Result {
        let b = Bench::set_up(64, 2)?;
        for handler in 0..64 {
            b.register_all(handler)?;
            b.preserve(handler)?;
        }
        assert_eq!(b.calls(), [P(0), P(1)]);
        assert!(b.preview()?.is(1, &name(1), data(1), 64));
        for handler in 0..64 {
            b.unregister_all(handler);
        }
        assert!(b.preview()?.is(1, &name(1), data(1), 64));
        for handler in (0..64).rev() {
            b.unpreserve(handler);
        }
        assert_eq!(b.calls(), [U(1), U(0)]);
        assert_eq!(b.preview()?.count(), 0);
        Ok(())
    }

    #[test]
    fn positive_and_huge_results() -> Result {
        let b = Bench::new(1, 2)?;
        b.register_all(0)?;
        for result in [1, 4095, 0xffff, i32::MAX, -4096, i32::MIN] {
            b.script(1, |script| script.preserve = result);
            assert_eq!(b.preserve(0), err(EINVAL));
            assert_eq!(b.calls(), [P(0), P(1), U(0)]);
        }
        Ok(())
    }

    #[test]
    fn flb_in_place_of_one_that_leaves_takes_no_room_of_it() -> Result {
        let b = Bench::new(2, MOST)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        b.unregister(0, 0);
        // As if it were freed, and another module's were at its address.
        b.script(0, |script| {
            script.on_unpreserve = Some(|b, flb| {
                b.rename(flb, b"another");
                b.note(b.register(1, flb));
            });
        });
        b.unpreserve(0);
        assert_eq!(b.notes(), [0]);
        b.unregister(1, 0);
        assert_eq!(b.register_all(0), Ok(()));
        Ok(())
    }
}
