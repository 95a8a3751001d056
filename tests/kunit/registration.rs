// SPDX-License-Identifier: GPL-2.0

//! Who may register, under which name, and how many.

use super::support::{Call::*, *};
use crate::bindings::{EBUSY, EEXIST, EINVAL, ENOSPC};
use kernel::prelude::*;

#[kunit_tests(luo_flb_registration)]
mod suite {
    use super::*;

    #[test]
    fn registered_flbs_follow_files() -> Result {
        let b = Bench::new(1, 2)?;
        assert_eq!(b.register(0, 0), Ok(()));
        assert_eq!(b.preserve(0), Ok(()));
        assert_eq!(b.calls(), [P(0)]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0)]);
        b.unregister(0, 0);
        assert_eq!(b.preserve(0), Ok(()));
        b.unpreserve(0);
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn registration_calls_nothing() -> Result {
        let b = Bench::new(1, 2)?;
        b.register_all(0)?;
        b.unregister(0, 0);
        b.unregister_all(0);
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn missing_callback_is_einval_warns() -> Result {
        let b = Bench::new(1, 5)?;
        b.edit_ops(0, |ops| ops.preserve = None);
        b.edit_ops(1, |ops| ops.unpreserve = None);
        b.edit_ops(2, |ops| ops.retrieve = None);
        b.edit_ops(3, |ops| ops.finish = None);
        b.remove_ops(4);
        for flb in 0..5 {
            assert_eq!(b.register(0, flb), err(EINVAL));
        }
        assert_eq!(b.preserve(0), Ok(()));
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn unregistered_handler_is_einval_warns() -> Result {
        let b = Bench::new(1, 1)?;
        for link in [Link::Zeroed, Link::Poisoned, Link::Alone] {
            b.link(0, link);
            assert_eq!(b.register(0, 0), err(EINVAL));
        }
        b.link(0, Link::Registered);
        assert_eq!(b.register(0, 0), Ok(()));
        Ok(())
    }

    #[test]
    fn handler_that_has_left_its_files_is_einval_warns() -> Result {
        let b = Bench::new(1, 2)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        b.unregister_all(0);
        b.link(0, Link::Poisoned);
        // Neither one that is leaving nor a new one.
        assert_eq!(b.register(0, 0), err(EINVAL));
        assert_eq!(b.register(0, 1), err(EINVAL));
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        assert_eq!(b.register(0, 1), err(EINVAL));
        b.link(0, Link::Registered);
        assert_eq!(b.register(0, 0), Ok(()));
        Ok(())
    }

    #[test]
    fn same_handler_twice_is_eexist() -> Result {
        let b = Bench::new(1, 1)?;
        assert_eq!(b.register(0, 0), Ok(()));
        assert_eq!(b.register(0, 0), err(EEXIST));
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0)]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(0)]);
        b.unregister(0, 0);
        b.preserve(0)?;
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn name_taken_is_eexist() -> Result {
        let b = Bench::new(2, 2)?;
        b.rename(1, &name(0));
        b.register(0, 0)?;
        assert_eq!(b.register(0, 1), err(EEXIST));
        assert_eq!(b.register(1, 1), err(EEXIST));
        b.preserve(0)?;
        b.preserve(1)?;
        assert_eq!(b.calls(), [P(0)]);
        Ok(())
    }

    #[test]
    fn flb_of_others_is_ebusy_while_files_are_preserved() -> Result {
        let b = Bench::new(2, 1)?;
        b.register(0, 0)?;
        b.preserve(1)?;
        assert_eq!(b.register(1, 0), err(EBUSY));
        b.unpreserve(1);
        assert!(b.is_quiet());
        assert_eq!(b.register(1, 0), Ok(()));
        b.preserve(1)?;
        assert_eq!(b.calls(), [P(0)]);
        b.unpreserve(1);
        assert_eq!(b.calls(), [U(0)]);
        Ok(())
    }

    #[test]
    fn unregister_another_of_the_name_changes_nothing() -> Result {
        let b = Bench::new(1, 2)?;
        b.rename(1, &name(0));
        b.register(0, 0)?;
        b.unregister(0, 1);
        assert_eq!(b.register(0, 1), err(EEXIST));
        b.preserve(0)?;
        b.unregister(0, 1);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0)]);
        b.unpreserve(0);
        Ok(())
    }

    #[test]
    fn name_is_free_after_the_last_handler() -> Result {
        let b = Bench::new(2, 2)?;
        b.rename(1, &name(0));
        b.register(0, 0)?;
        b.register(1, 0)?;
        b.unregister(0, 0);
        assert_eq!(b.register(0, 1), err(EEXIST));
        b.unregister(1, 0);
        assert_eq!(b.register(0, 1), Ok(()));
        assert_eq!(b.register(0, 0), err(EEXIST));
        Ok(())
    }

    #[test]
    fn empty_name_is_einval() -> Result {
        let b = Bench::new(1, 1)?;
        b.rename(0, b"");
        assert_eq!(b.register(0, 0), err(EINVAL));
        b.rename(0, b"\0behind");
        assert_eq!(b.register(0, 0), err(EINVAL));
        b.preserve(0)?;
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn what_follows_the_name_does_not_count() -> Result {
        let b = Bench::new(1, 3)?;
        b.rename(0, b"same\0one");
        b.rename(1, b"same\0other");
        b.rename(2, b"same-not");
        b.register(0, 0)?;
        assert_eq!(b.register(0, 1), err(EEXIST));
        assert_eq!(b.register(0, 2), Ok(()));
        Ok(())
    }

    #[test]
    fn refused_flb_is_no_dependency() -> Result {
        let b = Bench::new(1, 3)?;
        b.rename(2, &name(1));
        b.register(0, 0)?;
        b.register(0, 1)?;
        assert_eq!(b.register(0, 2), err(EEXIST));
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0), P(1)]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(1), U(0)]);
        b.rename(2, &name(2));
        assert_eq!(b.register(0, 2), Ok(()));
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0), P(1), P(2)]);
        Ok(())
    }

    #[test]
    fn order_is_kept_when_others_leave() -> Result {
        let b = Bench::new(1, 4)?;
        b.register_all(0)?;
        b.unregister(0, 1);
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0), P(2), P(3)]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(3), U(2), U(0)]);
        b.register(0, 1)?;
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0), P(2), P(3), P(1)]);
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(1), U(3), U(2), U(0)]);
        Ok(())
    }

    #[test]
    fn unregister_unknown_changes_nothing() -> Result {
        let b = Bench::new(3, 2)?;
        b.register(0, 0)?;
        b.register(1, 1)?;
        b.unregister(0, 1);
        b.unregister(1, 0);
        b.unregister(2, 0);
        b.preserve(0)?;
        b.preserve(1)?;
        assert_eq!(b.calls(), [P(0), P(1)]);
        Ok(())
    }

    #[test]
    fn unregister_twice_counts_once() -> Result {
        let b = Bench::new(2, 2)?;
        b.rename(1, &name(0));
        b.register(0, 0)?;
        b.register(1, 0)?;
        b.unregister(0, 0);
        b.unregister(0, 0);
        // The other handler still has it, and the name.
        assert_eq!(b.register(0, 1), err(EEXIST));
        b.preserve(1)?;
        assert_eq!(b.calls(), [P(0)]);
        Ok(())
    }

    #[test]
    fn unregister_all_leaves_other_handlers_alone() -> Result {
        let b = Bench::new(2, 3)?;
        b.register_all(0)?;
        b.register(1, 1)?;
        b.unregister_all(0);
        b.preserve(0)?;
        assert!(b.is_quiet());
        b.preserve(1)?;
        assert_eq!(b.calls(), [P(1)]);
        b.unpreserve(1);
        b.unpreserve(0);
        Ok(())
    }

    #[test]
    fn handler_comes_back_after_unregister_all() -> Result {
        let b = Bench::new(1, 3)?;
        for _ in 0..3 {
            b.register_all(0)?;
            b.preserve(0)?;
            assert_eq!(b.calls(), [P(0), P(1), P(2)]);
            b.unpreserve(0);
            assert_eq!(b.calls(), [U(2), U(1), U(0)]);
            b.unregister_all(0);
        }
        Ok(())
    }

    #[test]
    fn handlers_come_and_go() -> Result {
        let b = Bench::new(8, 8)?;
        for round in 0..4 {
            for handler in 0..8 {
                b.register(handler, (handler + round) % 8)?;
            }
            for handler in (0..8).rev() {
                b.preserve(handler)?;
                assert_eq!(b.calls(), [P((handler + round) % 8)]);
                b.unpreserve(handler);
                assert_eq!(b.calls(), [U((handler + round) % 8)]);
            }
            for handler in 0..8 {
                b.unregister_all(handler);
            }
        }
        Ok(())
    }

    #[test]
    fn unregister_all_waits_for_preserved_files() -> Result {
        let b = Bench::new(2, 3)?;
        b.rename(2, &name(0));
        b.register(0, 0)?;
        b.register(0, 1)?;
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0), P(1)]);
        b.unregister_all(0);
        assert!(b.is_quiet());
        assert_eq!(b.register(1, 2), err(EEXIST));
        b.unpreserve(0);
        assert_eq!(b.calls(), [U(1), U(0)]);
        assert_eq!(b.register(1, 2), Ok(()));
        assert_eq!(b.register(0, 1), Ok(()));
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(1)]);
        Ok(())
    }

    #[test]
    fn handler_returns_while_its_files_are_preserved() -> Result {
        let b = Bench::new(2, 2)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        b.unregister_all(0);
        // The same memory is a handler again, of the same files.
        assert_eq!(b.register(0, 0), Ok(()));
        assert_eq!(b.register(0, 1), err(EBUSY));
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        // What was known of it does not go to another handler.
        b.preserve(1)?;
        assert!(b.is_quiet());
        b.preserve(0)?;
        assert_eq!(b.calls(), [P(0)]);
        b.unpreserve(0);
        Ok(())
    }

    #[test]
    fn unregister_all_of_unknown_handler() -> Result {
        let b = Bench::new(1, 1)?;
        b.unregister_all(0);
        assert_eq!(b.register(0, 0), Ok(()));
        Ok(())
    }

    #[test]
    fn full_is_checked_before_the_name() -> Result {
        let b = Bench::new(2, MOST + 1)?;
        for flb in 0..MOST {
            assert_eq!(b.register(0, flb), Ok(()));
        }
        assert_eq!(b.register(0, MOST), err(ENOSPC));
        b.rename(MOST, &name(5));
        assert_eq!(b.register(0, MOST), err(ENOSPC));
        assert_eq!(b.register(1, MOST), err(ENOSPC));
        // But not before the handler is looked at.
        assert_eq!(b.register(0, 5), err(EEXIST));
        Ok(())
    }
}
