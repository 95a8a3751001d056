// SPDX-License-Identifier: GPL-2.0

//! Files and users of an object.

use super::{
    flb::{Event, Flb, Protocol},
    shared::{bounded, check, run, task, FEWER},
};
use crate::word::Count;
use std::rc::Rc;

/// A user, and another file, when the last file goes.
pub(super) fn last_file_and_user(protocol: Protocol) {
    check(move || {
        let flb = Flb::new(protocol);
        flb.preserve();
        run([
            task(&flb, Flb::unpreserve),
            task(&flb, |flb| {
                flb.user();
            }),
            task(&flb, |flb| {
                flb.preserve();
                flb.object();
                flb.unpreserve();
            }),
        ]);
        assert!((1..=2).contains(&flb.ended()));
    });
}

/// Two users when the last file goes.
pub(super) fn last_file_and_two_users(protocol: Protocol) {
    bounded(FEWER, move || {
        let flb = Flb::new(protocol);
        flb.preserve();
        run([
            task(&flb, Flb::unpreserve),
            task(&flb, |flb| {
                flb.user();
            }),
            task(&flb, |flb| {
                flb.user();
            }),
        ]);
        assert_eq!(flb.ended(), 1);
    });
}

/// The last reference is put when there is a file again, and another user.
pub(super) fn last_put_and_new_file(protocol: Protocol) {
    bounded(FEWER, move || {
        let flb = Flb::new(protocol);
        flb.preserve();
        let first = flb.get().unwrap();
        flb.unpreserve();
        run([
            task(&flb, move |flb| {
                assert_eq!(flb.object(), first);
                flb.put();
            }),
            task(&flb, |flb| {
                flb.preserve();
                flb.object();
                flb.unpreserve();
            }),
            task(&flb, |flb| {
                flb.user();
            }),
        ]);
        assert!((1..=2).contains(&flb.ended()));
    });
}

/// Two handlers have their first and last files, and there is a user.
pub(super) fn two_handlers_and_user(protocol: Protocol) {
    check(move || {
        let flb = Flb::new(protocol);
        let handler = |flb: &Flb| {
            flb.preserve();
            flb.object();
            flb.unpreserve();
        };
        run([
            task(&flb, handler),
            task(&flb, handler),
            task(&flb, |flb| {
                flb.user();
            }),
        ]);
        assert!((1..=2).contains(&flb.ended()));
    });
}

/// The object is looked at while its file stays, without a reference.
pub(super) fn peek_and_user(protocol: Protocol) {
    check(move || {
        let flb = Flb::new(protocol);
        run([
            task(&flb, Flb::preserve),
            task(&flb, |flb| {
                if let Some(object) = flb.peek() {
                    assert_eq!(flb.peek(), Some(object));
                }
            }),
            task(&flb, |flb| {
                flb.user();
            }),
        ]);
        assert!(flb.peek().is_some());
        flb.unpreserve();
        assert_eq!(flb.peek(), None);
        assert_eq!(flb.ended(), 1);
    });
}

/// An FLB, and whether the outgoing direction is frozen.
struct Frozen {
    flb: Rc<Flb>,
    frozen: Count,
}

impl Frozen {
    fn put(&self) {
        self.flb.put_unless(|| self.frozen.load() != 0);
    }
}

/// Two users put an FLB while it is written down; what has happened.
fn puts_and_serialize(flb: &Rc<Flb>, serialize: fn(&Flb)) -> Vec<Event> {
    let frozen = Count::new(0);
    frozen.begin();
    let flb = Rc::clone(flb);
    let shared = Rc::new(Frozen { flb, frozen });
    run([
        task(&shared, Frozen::put),
        task(&shared, Frozen::put),
        task(&shared, move |shared| {
            shared.frozen.store_release(1);
            serialize(&shared.flb);
        }),
    ]);
    shared.flb.events()
}

/// Users put what nobody else holds, when the FLBs are written down.
pub(super) fn freeze_and_puts(protocol: Protocol) {
    check(move || {
        let flb = Flb::new(protocol);
        flb.preserve();
        flb.get().unwrap();
        flb.get().unwrap();
        flb.unpreserve();
        let events = puts_and_serialize(&flb, Flb::serialize_without_files);
        let at = |event: &Event| matches!(event, Event::Serialize(_));
        let written = events.iter().position(at).unwrap();
        assert_eq!(written + 1, events.len(), "put when frozen: {events:?}");
    });
}

/// Users put what files hold, when it is written down.
pub(super) fn freeze_and_puts_with_files(protocol: Protocol) {
    check(move || {
        let flb = Flb::new(protocol);
        flb.preserve();
        let object = flb.get().unwrap();
        flb.get().unwrap();
        let events = puts_and_serialize(&flb, Flb::serialize);
        let expected = [Event::Preserve(object), Event::Serialize(Some(object))];
        assert_eq!(events, expected);
        flb.unpreserve();
        assert_eq!(flb.ended(), 1);
    });
}

/// The first file and a user come when the FLB is written down, which the orchestrator excludes:
/// the handle is seen, or nothing.
pub(super) fn serialize_and_first_file(protocol: Protocol) {
    check(move || {
        let flb = Flb::new(protocol);
        // Were the one that looks the last, loom would leave out the orders in which it comes late.
        run([
            task(&flb, Flb::preserve),
            task(&flb, Flb::serialize),
            task(&flb, |flb| {
                flb.user();
            }),
        ]);
        let object = flb.object();
        for event in flb.events() {
            if let Event::Serialize(handle) = event {
                assert!(handle.is_none_or(|handle| handle == object));
            }
        }
        flb.unpreserve();
        assert_eq!(flb.ended(), 1);
    });
}

#[test]
fn a_user_and_another_file_when_the_last_file_goes() {
    last_file_and_user(Protocol::Kernel);
}

#[test]
fn two_users_when_the_last_file_goes() {
    last_file_and_two_users(Protocol::Kernel);
}

#[test]
fn the_last_reference_is_put_when_there_is_a_file_again() {
    last_put_and_new_file(Protocol::Kernel);
}

#[test]
fn two_handlers_have_their_files_and_there_is_a_user() {
    two_handlers_and_user(Protocol::Kernel);
}

#[test]
fn an_object_is_looked_at_while_its_file_stays() {
    peek_and_user(Protocol::Kernel);
}

#[test]
fn what_is_not_written_down_is_not_put_any_more() {
    freeze_and_puts(Protocol::Kernel);
}

#[test]
fn what_files_hold_is_written_down_while_users_put() {
    freeze_and_puts_with_files(Protocol::Kernel);
}

#[test]
fn the_first_file_comes_when_it_is_written_down() {
    serialize_and_first_file(Protocol::Kernel);
}
