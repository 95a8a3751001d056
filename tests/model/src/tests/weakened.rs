// SPDX-License-Identifier: GPL-2.0

//! Orderings that are too weak, and protocols that are wrong, are noticed.

use super::{files, flb::Protocol, incoming, outgoing};
use crate::word::{weakened, Order, Weak};
use std::{
    any::Any,
    panic::{catch_unwind, AssertUnwindSafe},
};

/// What loom says of two tasks of which neither comes before the other.
const RACE: &str = "Causality violation";

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref().copied())
        .unwrap_or_default()
}

/// The scenario fails, and says so.
fn fails(says: &str, scenario: impl FnOnce()) {
    let result = catch_unwind(AssertUnwindSafe(scenario));
    let panic = result.expect_err("nothing was noticed");
    let message = message(&*panic);
    assert!(message.contains(says), "{message}");
}

/// There is a race in the scenario when an ordering is weakened.
fn races(weak: Weak, scenario: impl FnOnce()) {
    fails(RACE, || weakened(Some(weak), scenario));
}

/// A `get` that does not see what was published.
const GET: Weak = Weak::Change(Order::Acquire, Order::Relaxed);
/// A `put` that is not seen by the last.
const PUT: Weak = Weak::Change(Order::Release, Order::Relaxed);
/// A last that does not see any `put`.
const LAST: Weak = Weak::Change(Order::Full, Order::Relaxed);
/// The same, though others see it.
const LAST_RELEASE: Weak = Weak::Change(Order::Full, Order::Release);
/// The last sees each `put`, which is what it needs: who comes next sees it by the lock.
const LAST_ACQUIRE: Weak = Weak::Change(Order::Full, Order::Acquire);

mod orderings {
    use super::*;

    #[test]
    fn get() {
        races(GET, || outgoing::two_handlers_and_user(Protocol::Kernel));
    }

    #[test]
    fn get_of_what_was_handed_over() {
        races(GET, incoming::last_file_and_two_users);
    }

    #[test]
    fn get_of_a_file() {
        races(GET, files::last_file_and_two_files);
    }

    #[test]
    fn put() {
        races(PUT, || outgoing::last_file_and_two_users(Protocol::Kernel));
    }

    #[test]
    fn put_of_what_was_handed_over() {
        races(PUT, incoming::last_put_last_file_and_user);
    }

    #[test]
    fn put_of_a_file() {
        races(PUT, files::last_file_and_two_files);
    }

    #[test]
    fn publish() {
        races(Weak::Store, || {
            outgoing::two_handlers_and_user(Protocol::Kernel);
        });
    }

    #[test]
    fn publish_of_what_was_handed_over() {
        races(Weak::Store, incoming::last_file_and_two_users);
    }

    #[test]
    fn publish_of_files() {
        races(Weak::Store, files::last_file_and_two_files);
    }

    #[test]
    fn peek() {
        races(Weak::Load, || outgoing::peek_and_user(Protocol::Kernel));
    }

    #[test]
    fn serialize() {
        races(Weak::Load, || {
            outgoing::serialize_and_first_file(Protocol::Kernel);
        });
    }

    #[test]
    fn last() {
        for weak in [LAST, LAST_RELEASE] {
            races(weak, || outgoing::last_file_and_two_users(Protocol::Kernel));
        }
    }

    #[test]
    fn last_of_what_was_handed_over() {
        for weak in [LAST, LAST_RELEASE] {
            races(weak, incoming::last_put_last_file_and_user);
        }
    }

    #[test]
    fn last_of_files() {
        for weak in [LAST, LAST_RELEASE] {
            races(weak, files::last_file_and_two_files);
        }
    }

    /// What is not necessary is not found.
    #[test]
    fn last_needs_no_more_than_an_acquire() {
        weakened(Some(LAST_ACQUIRE), || {
            outgoing::last_file_and_user(Protocol::Kernel);
            incoming::two_files_and_user();
            files::two_handlers_and_new_file();
        });
    }
}

mod protocols {
    use super::*;

    #[test]
    fn a_get_of_what_is_dead() {
        fails(RACE, || {
            outgoing::last_file_and_two_users(Protocol::GetAtZero);
        });
    }

    #[test]
    fn a_last_put_without_the_lock() {
        fails("preserved twice", || {
            outgoing::last_put_and_new_file(Protocol::PutLastWithoutLock);
        });
    }

    #[test]
    fn an_end_without_the_lock() {
        fails(RACE, || {
            outgoing::last_put_and_new_file(Protocol::EndWithoutLock);
        });
    }

    #[test]
    fn an_object_that_is_published_before_it_is_in_its_place() {
        fails(RACE, || {
            outgoing::two_handlers_and_user(Protocol::PublishFirst);
        });
    }

    #[test]
    fn a_handle_that_is_published_before_it_is_in_its_place() {
        fails(RACE, || {
            outgoing::serialize_and_first_file(Protocol::PublishFirst);
        });
    }

    #[test]
    fn a_file_without_the_lock() {
        fails("used before the beginning or after the end", || {
            outgoing::two_handlers_and_user(Protocol::HoldWithoutLock);
        });
    }

    #[test]
    fn a_put_that_looks_too_early_whether_it_may() {
        fails("put when frozen", || {
            outgoing::freeze_and_puts(Protocol::FrozenBeforeLock);
        });
    }
}
