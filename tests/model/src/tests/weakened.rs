// SPDX-License-Identifier: GPL-2.0

//! Orderings that are too weak, and protocols that are wrong, are noticed.

use super::files::{self, Protocol};
use crate::word::{weakened, Order, Weak};
use std::{
    any::Any,
    panic::{catch_unwind, AssertUnwindSafe},
};

/// What loom says of two tasks of which neither comes before the other.
const RACE: &str = "Causality violation";

/// Return what a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref().copied())
        .unwrap_or_default()
}

/// Check that the scenario fails, and says so.
fn fails(says: &str, scenario: impl FnOnce()) {
    let result = catch_unwind(AssertUnwindSafe(scenario));
    let panic = result.expect_err("nothing was noticed");
    let message = message(&*panic);
    assert!(message.contains(says), "{message}");
}

fn files() {
    files::last_file_and_two_files(Protocol::Kernel);
}

#[test]
fn notices_a_weak_get() {
    let weak = Weak::Change(Order::Acquire, Order::Relaxed);
    fails(RACE, || weakened(weak, files));
}

#[test]
fn notices_a_weak_publish() {
    fails(RACE, || weakened(Weak::Store, files));
}

#[test]
fn notices_a_weak_look_at_the_holders() {
    fails(RACE, || {
        weakened(Weak::Load, files::get_unreferenced_and_user)
    });
}

#[test]
fn notices_a_weak_put() {
    let weak = Weak::Change(Order::Release, Order::Relaxed);
    fails(RACE, || weakened(weak, files));
}

#[test]
fn notices_a_weak_last_release() {
    for order in [Order::Relaxed, Order::Release] {
        let weak = Weak::Change(Order::Full, order);
        fails(RACE, || weakened(weak, files));
    }
}

#[test]
fn notices_a_file_that_is_published_too_early() {
    fails(RACE, || {
        files::last_file_and_two_files(Protocol::PublishFirst);
    });
}

#[test]
fn notices_a_last_reference_that_is_put_without_the_lock() {
    fails(RACE, || {
        files::last_put_new_file_and_user(Protocol::PutWithoutLock);
    });
}
